// What CLIENT TRACKING asks for, whether it can be granted, and what a client that tracks has been granted.
// Pure: knows clients by their ids only.

import { ReplyError } from '../../lib/wire/reply.ts';
import { readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { prefixOverlap } from './prefixes.ts';

/** The options of one CLIENT TRACKING call. */
export interface TrackingRequest {
  readonly on: boolean;
  /** The id of the client that gets the messages; 0: the one that tracks. */
  readonly redirect: number;
  readonly bcast: boolean;
  readonly optin: boolean;
  readonly optout: boolean;
  readonly noloop: boolean;
  /** In the order given, repetitions included. */
  readonly prefixes: readonly string[];
}

/** How a client tracks. Written by Tracking alone, `caching` by CLIENT CACHING and the end of a command. */
export interface TrackingMode {
  redirect: number;
  readonly bcast: boolean;
  optin: boolean;
  optout: boolean;
  noloop: boolean;
  /** CLIENT CACHING was called: good for one command or transaction. */
  caching: boolean;
  /** Invalidations of the running command for the client that sent it, after its reply; null: of every key. */
  readonly deferred: (string | null)[];
  /** The client that its messages go to has left. */
  brokenRedirect: boolean;
  /** Of BCAST mode; the empty prefix stands for every key. */
  readonly prefixes: Set<string>;
  /** Of all prefixes. */
  prefixBytes: number;
}

const singleRedirect = new ReplyError('ERR A client can only redirect to a single other client');
const noSuchClient = new ReplyError('ERR The client ID you want redirect to does not exist');
const prefixWithoutBcast = new ReplyError('ERR PREFIX option requires BCAST mode to be enabled');
const bcastSwitched = new ReplyError(
  "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.",
);
const bcastWithOpt = new ReplyError('ERR OPTIN and OPTOUT are not compatible with BCAST');
const bothOpts = new ReplyError("ERR You can't specify both OPTIN mode and OPTOUT mode");
const optSwitched = new ReplyError(
  "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.",
);

/**
 * Reads `CLIENT TRACKING ON|OFF [option ...]`; argv[2] is ON or OFF. `exists` says whether a client has an id.
 * Throws the ReplyError that the command answers.
 */
export function readTrackingRequest(argv: readonly string[], exists: (id: number) => boolean): TrackingRequest {
  const request = { redirect: 0, bcast: false, optin: false, optout: false, noloop: false, prefixes: [] as string[] };
  for (let at = 3; at < argv.length; at++) {
    const word = argv[at]!.toLowerCase();
    const value = argv[at + 1];
    if (word === 'redirect' && value !== undefined) {
      if (request.redirect !== 0) throw singleRedirect;
      request.redirect = readLong(value);
      if (!exists(request.redirect)) throw noSuchClient;
      at++;
    } else if (word === 'prefix' && value !== undefined) {
      request.prefixes.push(value);
      at++;
    } else if (word === 'bcast' || word === 'optin' || word === 'optout' || word === 'noloop') {
      request[word] = true;
    } else syntaxError();
  }
  const on = sameWord(argv[2], 'on');
  if (!on && !sameWord(argv[2], 'off')) syntaxError();
  return { on, ...request };
}

/** Why a client that tracks as `current` says (undefined: not at all) cannot track as asked; undefined: it can. */
export function refuseTracking(request: TrackingRequest, current: TrackingMode | undefined): ReplyError | undefined {
  const { bcast, optin, optout, prefixes } = request;
  if (!bcast && prefixes.length > 0) return prefixWithoutBcast;
  if (current !== undefined && current.bcast !== bcast) return bcastSwitched;
  if (bcast && (optin || optout)) return bcastWithOpt;
  if (optin && optout) return bothOpts;
  if ((optin && current?.optout === true) || (optout && current?.optin === true)) return optSwitched;
  return bcast ? refuseOverlap(prefixes, current?.prefixes ?? new Set()) : undefined;
}

function refuseOverlap(prefixes: readonly string[], existing: ReadonlySet<string>): ReplyError | undefined {
  const overlap = prefixOverlap(prefixes, existing);
  if (overlap === undefined) return undefined;
  const other = overlap.existing ? 'an existing' : 'another provided';
  return new ReplyError(
    `ERR Prefix '${overlap.prefix}' overlaps with ${other} prefix '${overlap.with}'. Prefixes for a single client must not overlap.`,
  );
}

/** The words of `flags` in CLIENT TRACKINGINFO. */
export function trackingFlags(mode: TrackingMode | undefined): string[] {
  if (mode === undefined) return ['off'];
  const flags = ['on'];
  if (mode.bcast) flags.push('bcast');
  if (mode.optin) flags.push('optin');
  if (mode.optin && mode.caching) flags.push('caching-yes');
  if (mode.optout) flags.push('optout');
  if (mode.optout && mode.caching) flags.push('caching-no');
  if (mode.noloop) flags.push('noloop');
  if (mode.brokenRedirect) flags.push('broken_redirect');
  return flags;
}

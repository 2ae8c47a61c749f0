// CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO: what a client says of the keys that it keeps copies of.

import { OK, type Reply, ReplyError } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import type { CommandGroup } from '../engine/registry.ts';
import { sameWord, syntaxError } from '../keyspace/arguments.ts';
import { readTrackingRequest, refuseTracking, trackingFlags } from '../tracking/mode.ts';

const notTracking = new ReplyError(
  'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled',
);
const yesWithoutOptin = new ReplyError('ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.');
const noWithoutOptout = new ReplyError('ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.');

function track(engine: Engine, client: Client, argv: readonly string[]): Reply {
  const request = readTrackingRequest(argv, (id) => engine.clients.has(id));
  if (!request.on) {
    engine.tracking.stop(client);
    return OK;
  }
  const refusal = refuseTracking(request, client.tracking);
  if (refusal !== undefined) return refusal;
  engine.track(client, request);
  return OK;
}

function cache(client: Client, argv: readonly string[]): Reply {
  const mode = client.tracking;
  if (mode === undefined) return notTracking;
  const yes = sameWord(argv[2], 'yes');
  if (!yes && !sameWord(argv[2], 'no')) syntaxError();
  if (yes && !mode.optin) return yesWithoutOptin;
  if (!yes && !mode.optout) return noWithoutOptout;
  mode.caching = true;
  return OK;
}

function describe(client: Client): Reply {
  const mode = client.tracking;
  return new Map<Reply, Reply>([
    ['flags', new Set<Reply>(trackingFlags(mode))],
    ['redirect', mode?.redirect ?? -1],
    ['prefixes', [...(mode?.prefixes ?? [])].sort((a, b) => (a < b ? -1 : 1))],
  ]);
}

export function trackingCommands(engine: Engine): CommandGroup<Client> {
  return {
    'client|tracking': (client, argv) => track(engine, client, argv),
    'client|caching': cache,
    'client|getredir': (client) => client.tracking?.redirect ?? -1,
    'client|trackinginfo': describe,
  };
}

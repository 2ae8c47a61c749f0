// DUMP and RESTORE over a store: a key's value out as a payload, and in again. Checks in the order of redis 7.0.

import { verbose } from '../../lib/base/world.ts';
import { OK, type Reply, ReplyError } from '../../lib/wire/reply.ts';
import type { AccessClock } from '../keyspace/access-clock.ts';
import { parseLong } from '../keyspace/number.ts';
import { type Entry, never, type Store } from '../keyspace/store.ts';
import { dumpValue, isDumpIntact, isNewerDump, parseDump, unkeptValue } from '../persistence/rdb/dump.ts';
import { fromPortable, toPortable } from '../persistence/rdb/value-bridge.ts';

/** The payload of a live key, null when there is none. */
export function dumpKey(store: Store, key: string): string | null {
  const entry = store.peek(key);
  return entry === undefined ? null : dumpValue(toPortable(entry.value));
}

interface RestoreOptions {
  replace: boolean;
  absolute: boolean;
  /** Undefined: as if touched now. */
  idleSeconds: number | undefined;
  uses: number | undefined;
}

export interface Restored {
  readonly reply: Reply;
  /** What to replicate instead of the command that came; undefined: nothing changed. */
  readonly effect?: readonly string[];
}

/** Of a key in a message. */
const longestName = 200;
const syntaxError = new ReplyError('ERR syntax error');
const notInteger = new ReplyError('ERR value is not an integer or out of range');

/** `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME s] [FREQ f]`. */
export function restoreKey(store: Store, argv: readonly string[]): Restored {
  const [, key, ttlWord, payload] = argv as readonly [string, string, string, string];
  const options = readOptions(argv);
  if (options instanceof ReplyError) return { reply: options };
  if (!options.replace && store.has(key)) {
    return { reply: new ReplyError('BUSYKEY Target key name already exists.') };
  }
  const ttl = parseLong(ttlWord);
  if (ttl === undefined) return { reply: notInteger };
  if (ttl < 0) return { reply: new ReplyError('ERR Invalid TTL value, must be >= 0') };
  if (!isDumpIntact(payload, store.host.skipChecksums))
    return { reply: new ReplyError('ERR DUMP payload version or checksum are wrong') };
  const value = parseDump(payload, (why) => verbose(store.host.world, `RESTORE: ${why}`));
  if (value === undefined) {
    const unkept = unkeptValue(payload);
    const why =
      unkept === undefined ? '' : `: '${key.slice(0, longestName)}' is ${unkept}, which this server does not keep`;
    return { reply: new ReplyError(`ERR Bad data format${why}`) };
  }
  // One that has run out is replaced as well, without a word about it.
  const existed = options.replace && store.drop(key);
  const deadline = ttl === 0 ? never : options.absolute ? ttl : ttl + store.now();
  if (deadline !== never && deadline <= store.now() && store.host.mode === 'primary') {
    if (!existed) return { reply: OK };
    store.changed(key, 'g', 'del');
    return { reply: OK, effect: ['DEL', key] };
  }
  const entry = store.replace(key, fromPortable(value, store.host.limits));
  if (deadline !== never) store.setDeadline(entry, deadline);
  restoreUse(store.host.access, entry, options);
  store.changed(key, 'g', 'restore');
  // Replicas and the log may be read by servers of this server's own version.
  const portable = isNewerDump(payload) ? dumpValue(value) : payload;
  const rest = ttl === 0 || options.absolute ? argv.slice(4) : [...argv.slice(4), 'ABSTTL'];
  return { reply: OK, effect: [argv[0]!, key, ttl === 0 ? ttlWord : String(deadline), portable, ...rest] };
}

/** What fits the policy of this server counts; the other of the two says nothing here. */
function restoreUse(access: AccessClock, entry: Entry, { idleSeconds, uses }: RestoreOptions): void {
  if (access.counting && uses !== undefined) entry.accessed = access.used(uses);
  else if (!access.counting && idleSeconds !== undefined) entry.accessed = access.idleSince(idleSeconds * 1000);
}

function readOptions(argv: readonly string[]): RestoreOptions | ReplyError {
  const options: RestoreOptions = { replace: false, absolute: false, idleSeconds: undefined, uses: undefined };
  for (let at = 4; at < argv.length; at++) {
    const keyword = argv[at]!.toUpperCase();
    if (keyword === 'REPLACE') options.replace = true;
    else if (keyword === 'ABSTTL') options.absolute = true;
    else if ((keyword === 'IDLETIME' || keyword === 'FREQ') && at + 1 < argv.length) {
      // One of the two is all that a server can use.
      if ((keyword === 'FREQ' ? options.idleSeconds : options.uses) !== undefined) return syntaxError;
      const number = parseLong(argv[++at]!);
      if (number === undefined) return notInteger;
      if (keyword === 'IDLETIME') {
        if (number < 0) return new ReplyError('ERR Invalid IDLETIME value, must be >= 0');
        options.idleSeconds = number;
      } else if (number < 0 || number > 255) {
        return new ReplyError('ERR Invalid FREQ value, must be >= 0 and <= 255');
      } else options.uses = number;
    } else return syntaxError;
  }
  return options;
}

// MIGRATE: hands keys over to another node in one atomic exchange.
// Owns: one exchange from the first byte to the last reply, with the locks of its keys.
// Does not know: slots and who owns them; which keys go where is the caller's decision.
// Invariant: a key stays locked until the target has answered for it, and is deleted here only after the target's `+`,
// so that no command can see a key twice, half or not at all.

import { PeerLinkError } from '../../lib/connection/exchange.ts';
import { OK, type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import { parseLong } from '../keyspace/number.ts';
import { never, type Store } from '../keyspace/store.ts';
import type { KeyLocks } from './key-locks.ts';
import type { LinkCache } from './link-cache.ts';
import { dumpKey } from './payload.ts';

export interface MigrateRequest {
  readonly host: string;
  readonly port: number;
  readonly keys: readonly string[];
  readonly db: number;
  readonly timeout: number;
  readonly copy: boolean;
  readonly replace: boolean;
  /** AUTH with its arguments, to send first. */
  readonly auth: readonly string[] | undefined;
}

const syntaxError = new ReplyError('ERR syntax error');
const notInteger = new ReplyError('ERR value is not an integer or out of range');
const keyNotEmpty = new ReplyError(
  'ERR When using MIGRATE KEYS option, the key argument must be set to the empty string',
);

/** `MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH pw] [AUTH2 user pw] [KEYS key ...]`. */
export function readMigrate(argv: readonly string[]): MigrateRequest | ReplyError {
  let keys: readonly string[] = [argv[3]!];
  let copy = false;
  let replace = false;
  let auth: readonly string[] | undefined;
  for (let at = 6; at < argv.length; at++) {
    const keyword = argv[at]!.toUpperCase();
    const left = argv.length - 1 - at;
    if (keyword === 'COPY') copy = true;
    else if (keyword === 'REPLACE') replace = true;
    else if (keyword === 'AUTH' && left >= 1) auth = ['AUTH', argv[++at]!];
    else if (keyword === 'AUTH2' && left >= 2) auth = ['AUTH', argv[++at]!, argv[++at]!];
    else if (keyword === 'KEYS') {
      if (argv[3] !== '') return keyNotEmpty;
      keys = argv.slice(at + 1);
      break;
    } else return syntaxError;
  }
  const timeout = parseLong(argv[5]!);
  const db = parseLong(argv[4]!);
  if (timeout === undefined || db === undefined) return notInteger;
  // As atoi and htons read it: what is no port refuses the connection.
  const port = Number(/^\s*[+-]?\d+/.exec(argv[2]!)?.[0] ?? 0) & 0xffff;
  return { host: argv[1]!, port, keys, db, timeout: timeout <= 0 ? 1000 : timeout, copy, replace, auth };
}

const connectError = new ReplyError('IOERR error or timeout connecting to the client');

export interface MigrateHost {
  readonly locks: Pick<KeyLocks, 'lock' | 'unlock'>;
  readonly links: LinkCache;
  /** Restores with RESTORE-ASKING, as between nodes of a cluster. */
  readonly asking: boolean;
  /** Replicates the deletion of keys that were handed over. */
  propagate(effect: readonly string[]): void;
}

interface PackedKey {
  readonly key: string;
  readonly argv: readonly string[];
}

/** Starts the exchange; undefined when none of the keys is here. The reply is never a rejection. */
export function migrate(store: Store, request: MigrateRequest, host: MigrateHost): Promise<Reply> | undefined {
  const packed = pack(store, request, host.asking);
  if (packed.length === 0) return undefined;
  const keys = packed.map(({ key }) => key);
  host.locks.lock(keys);
  return exchange(store, request, host, packed).finally(() => host.locks.unlock(keys));
}

export const noKey: Status = new Status('NOKEY');

function pack(store: Store, request: MigrateRequest, asking: boolean): PackedKey[] {
  const packed: PackedKey[] = [];
  const name = asking ? 'RESTORE-ASKING' : 'RESTORE';
  // A key that is named twice is sent twice, and refused the second time, as redis does.
  for (const key of request.keys) {
    const entry = store.peek(key);
    if (entry === undefined) continue;
    const ttl = entry.expireAt === never ? 0 : Math.max(1, entry.expireAt - store.now());
    const argv = [name, key, String(ttl), dumpKey(store, key)!];
    packed.push({ key, argv: request.replace ? [...argv, 'REPLACE'] : argv });
  }
  return packed;
}

async function exchange(
  store: Store,
  request: MigrateRequest,
  host: MigrateHost,
  packed: readonly PackedKey[],
): Promise<Reply> {
  for (let attempt = 0; ; attempt++) {
    const { kept, reused } = host.links.get(request.host, request.port);
    const prelude: (readonly string[])[] = request.auth === undefined ? [] : [request.auth];
    if (kept.db !== request.db) prelude.push(['SELECT', String(request.db)]);
    const gone: string[] = [];
    let refusal: string | undefined;
    let welcome = true;
    const onReply = (reply: unknown, index: number): void => {
      const refused = reply instanceof ReplyError;
      if (refused) refusal ??= reply.message;
      if (index < prelude.length) welcome &&= !refused;
      // Without AUTH and SELECT nobody knows where the key went: it stays here as well.
      else if (welcome && !refused) gone.push(packed[index - prelude.length]!.key);
    };
    try {
      const commands = [...prelude, ...packed.map(({ argv }) => argv)];
      await kept.link.exchange(commands, request.timeout, onReply);
      kept.db = refusal === undefined ? request.db : undefined;
      letGo(store, request, host, gone);
      if (refusal !== undefined) return new ReplyError(`ERR Target instance replied with error: ${refusal}`);
      return OK;
    } catch (error) {
      letGo(store, request, host, gone);
      host.links.drop(request.host, request.port);
      const { timedOut, phase } = error instanceof PeerLinkError ? error : { timedOut: false, phase: 'reading' };
      // A kept connection may have died while it was idle: that is worth one more try, on a new one.
      if (reused && !timedOut && gone.length === 0 && refusal === undefined && attempt === 0) continue;
      return phase === 'connecting'
        ? connectError
        : new ReplyError(`IOERR error or timeout ${phase} to target instance`);
    }
  }
}

function letGo(store: Store, request: MigrateRequest, host: MigrateHost, keys: readonly string[]): void {
  if (request.copy || keys.length === 0) return;
  for (const key of keys) if (store.delete(key)) store.changed(key, 'g', 'del');
  host.propagate(['DEL', ...keys]);
}

// Puts a backup into a cluster, of whatever shape: each key by RESTORE to the master of its slot.
// Owns: the batches on their way.
// Invariant: nothing is changed before every file proved to be the one that was backed up; a key is counted as restored
// only when its node said OK.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type NodeLine, ownersIn } from '../../../lib/wire/cluster-nodes.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { slotOfBinary } from '../../../lib/wire/slot.ts';
import type { RawRdbKey } from '../../persistence/rdb/file.ts';
import { RdbReader } from '../../persistence/rdb/file-reader.ts';
import { type ClusterLink, isMaster, isReachable } from '../link/cluster-link.ts';
import { parseInfo } from '../link/info-text.ts';
import { isIn } from './backup.ts';
import { type BackupFile, type Manifest, manifestName, readManifest } from './manifest.ts';
import { payloadOf, plainPayloadOf } from './payload.ts';

export interface RestoreOptions {
  /** Keys that are there already are overwritten; without it a cluster with keys is refused. Default false. */
  readonly replace?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  onProgress?(done: number, total: number): void;
}

export interface RestoreOutcome {
  readonly restored: number;
  /** Had passed their time to live. */
  readonly expired: number;
  /** In a file of a node that did not own their slot. */
  readonly foreign: number;
  readonly functions: number;
  /** Keys that no node took, with the reason, at most 100 of them. */
  readonly refused: readonly { readonly key: string; readonly reason: string }[];
  readonly refusedCount: number;
  /** Keys of the cluster afterwards, without those of its replicas. */
  readonly keysAfter: number;
  /** The count afterwards fits what was restored; null: the cluster was not empty, or keys expired meanwhile. */
  readonly verified: boolean | null;
}

export interface RestorePlan {
  readonly manifest: Manifest;
  readonly masters: readonly { readonly address: string; readonly slots: number }[];
  readonly keysBefore: number;
}

const batchKeys = 500;
const batchBytes = 1_000_000;
const rounds = 6;
const refusedListed = 100;
const lane = 1010;

/** Reads and checks the backup and the cluster; changes nothing. Rejects with an Error that says why it cannot be done. */
export async function planRestore(link: ClusterLink, folder: string, replace: boolean): Promise<RestorePlan> {
  const manifest = readManifest(await readFile(join(folder, manifestName), 'utf8'));
  for (const file of manifest.files) await checkFile(folder, file);
  const masters = await mastersOf(link);
  const owned = masters.reduce((sum, { ranges }) => sum + ranges.reduce((all, [a, b]) => all + b - a + 1, 0), 0);
  if (owned !== 16_384) throw new Error(`the cluster serves ${owned} of 16384 slots only`);
  await checkDatabases(link, manifest, masters);
  const keysBefore = await countKeys(link, masters);
  if (keysBefore > 0 && !replace)
    throw new Error(`the cluster has ${keysBefore} keys: restore into an empty one, or overwrite with --replace`);
  return {
    manifest,
    keysBefore,
    masters: masters.map(({ host, port, ranges }) => ({
      address: `${host}:${port}`,
      slots: ranges.reduce((sum, [start, end]) => sum + end - start + 1, 0),
    })),
  };
}

async function checkFile(folder: string, { file, bytes, sha256 }: BackupFile): Promise<void> {
  const hash = createHash('sha256');
  let length = 0;
  for await (const chunk of createReadStream(join(folder, file)) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    length += chunk.length;
  }
  if (length !== bytes) throw new Error(`${file}: ${length} bytes, not ${bytes} as the manifest says`);
  if (hash.digest('hex') !== sha256) throw new Error(`${file}: its checksum is not that of the manifest`);
}

async function mastersOf(link: ClusterLink): Promise<NodeLine[]> {
  return (await link.view()).filter((node) => isMaster(node) && node.ranges.length > 0 && isReachable(node));
}

async function checkDatabases(link: ClusterLink, { files }: Manifest, masters: readonly NodeLine[]): Promise<void> {
  const highest = Math.max(0, ...files.flatMap(({ databases }) => Object.keys(databases).map(Number)));
  if (highest === 0) return;
  for (const node of masters) {
    const [reply] = await link.exchange(node, [['SELECT', String(highest)]], link.timeoutMs, lane + highest);
    if (reply instanceof ReplyError)
      throw new Error(
        `the backup has keys in database ${highest}, and ${node.host}:${node.port} has no such database: ${reply.message}`,
      );
  }
}

async function countKeys(link: ClusterLink, masters: readonly NodeLine[]): Promise<number> {
  let keys = 0;
  for (const node of masters) {
    const info = parseInfo(String(await link.ask(node, ['INFO', 'keyspace'])));
    for (const value of info.values()) keys += Number(/^keys=(\d+)/.exec(value)?.[1] ?? 0);
  }
  return keys;
}

export async function restoreCluster(
  link: ClusterLink,
  folder: string,
  plan: RestorePlan,
  options: RestoreOptions = {},
): Promise<RestoreOutcome> {
  const writer = new KeyWriter(link, options, plan.manifest.keys);
  await writer.learn();
  let functions = 0;
  for (const file of plan.manifest.files) {
    const sources = await restoreFile(join(folder, file.file), file, writer, options.signal);
    functions = Math.max(functions, await loadFunctions(link, sources));
  }
  const keysAfter = await countKeys(link, await mastersOf(link));
  const { restored, expired, foreign, refused, refusedCount, mayExpire } = writer;
  const fits = keysAfter === restored;
  const verified = plan.keysBefore > 0 ? null : fits ? true : mayExpire && keysAfter < restored ? null : false;
  return { restored, expired, foreign, functions, refused, refusedCount, keysAfter, verified };
}

/** Gives the sources of the functions in it: every master has all of them, so one file's are enough. */
async function restoreFile(
  path: string,
  { slots }: BackupFile,
  writer: KeyWriter,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const functions: string[] = [];
  let database = 0;
  const reader = new RdbReader(
    {
      onKey: () => undefined,
      onFunction: (source) => void functions.push(source),
      onDatabase: (index) => {
        database = index;
      },
      onRawKey: (key) => writer.add(key, database, slots),
    },
    { databases: 1_000_000 },
  );
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    if (signal?.aborted === true)
      throw new Error('interrupted: what was restored so far stays; --replace goes on over it');
    reader.feed(chunk);
    await writer.flush(false);
  }
  reader.end();
  await writer.flush(true);
  return functions;
}

async function loadFunctions(link: ClusterLink, sources: readonly string[]): Promise<number> {
  if (sources.length === 0) return 0;
  const commands = sources.map((source) => ['FUNCTION', 'LOAD', 'REPLACE', source]);
  for (const node of await mastersOf(link)) {
    for (const reply of await link.exchange(node, commands))
      if (reply instanceof ReplyError) throw new Error(`${node.host}:${node.port}: FUNCTION LOAD: ${reply.message}`);
  }
  return sources.length;
}

interface WaitingKey {
  readonly key: string;
  readonly slot: number;
  readonly database: number;
  readonly expireAt: number;
  readonly payload: string;
  /** The value as servers before this form read it; undefined: there is none. */
  plain(): string | undefined;
}

class KeyWriter {
  restored = 0;
  expired = 0;
  foreign = 0;
  refusedCount = 0;
  mayExpire = false;
  readonly refused: { key: string; reason: string }[] = [];
  readonly #link: ClusterLink;
  readonly #options: RestoreOptions;
  readonly #total: number;
  #waiting: WaitingKey[] = [];
  #bytes = 0;
  #owners: (NodeLine | undefined)[] = [];
  #round = 0;

  constructor(link: ClusterLink, options: RestoreOptions, total: number) {
    this.#link = link;
    this.#options = options;
    this.#total = total;
  }

  async learn(): Promise<void> {
    this.#owners = ownersIn(await mastersOf(this.#link));
  }

  add(raw: RawRdbKey, database: number, slots: BackupFile['slots']): void {
    if (!isIn(slots, raw.key)) {
      this.foreign++;
      return;
    }
    if (raw.expireAt >= 0 && raw.expireAt <= this.#link.world.wallClock()) {
      this.expired++;
      return;
    }
    if (raw.expireAt >= 0) this.mayExpire = true;
    const payload = payloadOf(raw);
    const { key, expireAt } = raw;
    const slot = slotOfBinary(key);
    this.#waiting.push({ key, slot, database, expireAt, payload, plain: () => plainPayloadOf(payload) });
    this.#bytes += payload.length;
  }

  /** Sends what waits, all of it or when it is enough for a batch. */
  async flush(all: boolean): Promise<void> {
    if (this.#waiting.length === 0) return;
    if (!all && this.#waiting.length < batchKeys && this.#bytes < batchBytes) return;
    let left = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    for (let round = 0; left.length > 0; round++) {
      this.#round = round;
      const again = await this.#send(left, round >= rounds);
      if (again.length > 0 && round < rounds) {
        await new Promise<void>((resolve) => void this.#link.world.after(100 * 2 ** round, resolve, true));
        await this.learn().catch(() => undefined);
      }
      left = again;
    }
    this.#options.onProgress?.(this.restored + this.expired + this.foreign + this.refusedCount, this.#total);
  }

  /** Gives the keys that are to be sent again. `last`: none is, they are refused. */
  async #send(keys: readonly WaitingKey[], last: boolean): Promise<WaitingKey[]> {
    const groups = new Map<string, WaitingKey[]>();
    for (const key of keys) {
      const name = `${this.#owners[key.slot]?.id} ${key.database}`;
      const group = groups.get(name);
      if (group === undefined) groups.set(name, [key]);
      else group.push(key);
    }
    const again: WaitingKey[] = [];
    await Promise.all(
      [...groups.values()].map(async (group) => {
        const owner = this.#owners[group[0]!.slot];
        const replies =
          owner === undefined
            ? group.map(() => new Error('nobody serves its slot'))
            : await this.#restore(owner, group).catch((error: Error) => group.map(() => error));
        for (const [at, key] of group.entries()) {
          const outcome = await this.#judge(owner, key, replies[at]);
          if (outcome === undefined) this.restored++;
          else if (outcome.again && !last) again.push(key);
          else this.#refuse(key, outcome.reason);
        }
      }),
    );
    return again;
  }

  async #restore(node: NodeLine, keys: readonly WaitingKey[]): Promise<unknown[]> {
    const database = keys[0]!.database;
    const commands = keys.map((key) => this.#command(key, key.payload));
    if (database === 0) return this.#link.exchange(node, commands, this.#timeoutMs, lane);
    const all = [['SELECT', String(database)], ...commands];
    const [selected, ...replies] = await this.#link.exchange(node, all, this.#timeoutMs, lane + database);
    return selected instanceof ReplyError ? keys.map(() => selected) : replies;
  }

  #command({ key, expireAt }: WaitingKey, payload: string): string[] {
    const argv = ['RESTORE', key, String(Math.max(0, expireAt)), payload, ...(expireAt < 0 ? [] : ['ABSTTL'])];
    // One that is sent again may be there from the first time.
    return this.#options.replace === true || this.#round > 0 ? [...argv, 'REPLACE'] : argv;
  }

  /** A batch is large; a node may need longer for it than for a question. */
  get #timeoutMs(): number {
    return Math.max(this.#link.timeoutMs, 60_000);
  }

  /** Undefined: it is there. */
  async #judge(
    owner: NodeLine | undefined,
    key: WaitingKey,
    reply: unknown,
  ): Promise<{ again: boolean; reason: string } | undefined> {
    if (reply === 'OK') return undefined;
    const reason = reply instanceof Error ? reply.message : String(reply);
    if (!(reply instanceof ReplyError) || owner === undefined) return { again: true, reason };
    if (/^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN|LOADING|READONLY|MASTERDOWN)\b/.test(reason)) return { again: true, reason };
    if (/payload version|Bad data format/i.test(reason)) return this.#restorePlain(owner, key, reason);
    return { again: false, reason };
  }

  /** A server that is older than the one of the backup may read the same value in an older form. */
  async #restorePlain(
    owner: NodeLine,
    key: WaitingKey,
    reason: string,
  ): Promise<{ again: boolean; reason: string } | undefined> {
    const payload = key.plain();
    if (payload === undefined) return { again: false, reason };
    const argv = this.#command(key, payload);
    const commands = key.database === 0 ? [argv] : [['SELECT', String(key.database)], argv];
    const replies = await this.#link
      .exchange(owner, commands, this.#timeoutMs, lane + key.database)
      .catch((error: Error) => [error]);
    const reply = replies.at(-1);
    if (reply === 'OK') return undefined;
    return { again: !(reply instanceof ReplyError), reason: (reply as Error).message };
  }

  #refuse({ key }: WaitingKey, reason: string): void {
    this.refusedCount++;
    if (this.refused.length < refusedListed) this.refused.push({ key, reason });
  }
}

// Those who write in the ledger proof: each command appends its own id to a ledger on the server.

import { setTimeout as pause } from 'node:timers/promises';
import { type Cluster, Redis } from '../../../lib/index.ts';
import type { Book, LedgerName } from './book.ts';

export type Client = Cluster | Redis;

/** Counts at KEYS[1] and logs at KEYS[2]. */
const countAndLog = "local n = redis.call('INCR', KEYS[1]); redis.call('RPUSH', KEYS[2], ARGV[1]); return n";
/** Logs, and answers what is nested deeper than a client reads. */
const deepReply = `redis.call('RPUSH', KEYS[1], ARGV[1])
local t = {1}
for n = 1, 140 do t = {t} end
return t`;
/** Logs, and answers a text longer than the client takes (`tooLong`). */
const longReply = "redis.call('RPUSH', KEYS[1], ARGV[1]); return string.rep('x', 70000)";
export const tooLong = 65_536;

export interface Load {
  readonly client: Client;
  readonly book: Book;
  readonly tags: readonly string[];
  readonly random: () => number;
  /** Holds a writer back until its turn has come; false: it is over. */
  turn(): Promise<boolean>;
}

type Writer = (load: Load) => Promise<void>;

function tagOf({ tags, random }: Load): string {
  return tags[Math.floor(random() * tags.length)]!;
}

async function record(
  load: Load,
  kind: string,
  ledger: LedgerName,
  call: (tag: string, id: string) => Promise<unknown>,
): Promise<void> {
  const entry = load.book.begin(kind, tagOf(load), ledger);
  try {
    load.book.settle(entry, null, await call(entry.tag, entry.id));
  } catch (error) {
    load.book.settle(entry, error as Error, undefined);
  }
}

const push: Writer = (load) => record(load, 'rpush', 'push', (tag, id) => load.client.rpush(`{${tag}}:push`, id));

const add: Writer = (load) =>
  record(load, 'xadd', 'stream', (tag, id) => load.client.xadd(`{${tag}}:stream`, '*', 'id', id));

const script: Writer = (load) =>
  record(load, 'script', 'log', (tag, id) =>
    (load.client as unknown as { countAndLog(...args: string[]): Promise<unknown> }).countAndLog(
      `{${tag}}:count`,
      `{${tag}}:log`,
      id,
    ),
  );

const transaction: Writer = (load) =>
  record(load, 'multi', 'tx', async (tag, id) => {
    const results = await load.client.multi().sadd(`{${tag}}:set`, id).rpush(`{${tag}}:tx`, id).exec();
    for (const [error] of results ?? []) if (error) throw error;
    return results;
  });

const move: Writer = (load) =>
  record(load, 'lmove', 'moved', async (tag, id) => {
    await load.client.rpush(`{${tag}}:from:${id}`, ...stones(id));
    return load.client.lmove(`{${tag}}:from:${id}`, `{${tag}}:moved`, 'LEFT', 'RIGHT');
  });

/** Waits first, and is given what it waits for a little later; on the one connection of a Redis it must be there. */
const blockingMove: Writer = (load) =>
  record(load, 'blmove', 'moved', async (tag, id) => {
    if (load.client instanceof Redis) await load.client.rpush(`{${tag}}:from:${id}`, ...stones(id));
    const moved = load.client.blmove(`{${tag}}:from:${id}`, `{${tag}}:moved`, 'LEFT', 'RIGHT', 8);
    const given = pause(Math.floor(load.random() * 30)).then(() =>
      load.client.rpush(`{${tag}}:from:${id}`, ...stones(id)),
    );
    const [result] = await Promise.allSettled([moved, given]);
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });

/** More than one, so that a move that is done twice shows. */
function stones(id: string): string[] {
  return [1, 2, 3, 4].map((n) => `${id}#${n}`);
}

const pipelined =
  (size: number): Writer =>
  async (load) => {
    const { book, client } = load;
    const pipeline = client.pipeline();
    const entries = Array.from({ length: size }, () => book.begin('pipeline', tagOf(load), 'push'));
    for (const { tag, id } of entries) pipeline.rpush(`{${tag}}:push`, id);
    try {
      const results = (await pipeline.exec())!;
      for (const [at, entry] of entries.entries()) book.settle(entry, results[at]![0], results[at]![1]);
    } catch (error) {
      for (const entry of entries) book.settle(entry, error as Error, undefined);
    }
  };

const deep: Writer = (load) =>
  record(load, 'deep reply', 'odd', (tag, id) => load.client.eval(deepReply, 1, `{${tag}}:odd`, id));

const long: Writer = (load) =>
  record(load, 'long reply', 'odd', (tag, id) => load.client.eval(longReply, 1, `{${tag}}:odd`, id));

/** Writers that work side by side in one client. */
function crew(odd: boolean): Writer[] {
  const many = (count: number, writer: Writer): Writer[] => Array.from({ length: count }, () => writer);
  return [
    ...many(10, push),
    ...many(5, add),
    ...many(6, script),
    ...many(6, transaction),
    ...many(4, move),
    ...many(6, blockingMove),
    ...many(5, pipelined(50)),
    ...(odd ? [deep, long] : []),
  ];
}

/** Starts them; resolves when all have stopped. */
export async function work(load: Load, odd: boolean): Promise<void> {
  load.client.defineCommand('countAndLog', { numberOfKeys: 2, lua: countAndLog });
  await Promise.all(
    crew(odd).map(async (writer) => {
      while (await load.turn()) await writer(load);
    }),
  );
}

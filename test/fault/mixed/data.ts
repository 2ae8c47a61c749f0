// What the proof of a mixed cluster writes and looks for: keys of every type, loaded once, and a writer that remembers
// what was acknowledged to it.

import { setTimeout as pause } from 'node:timers/promises';
import { Cluster } from '../../../lib/index.ts';
import { chanceFrom } from '../../unit/server/bus/packet-kit.ts';

interface Seed {
  readonly host: string;
  readonly port: number;
}

type Argv = readonly [name: string, ...more: string[]];

/** Keys with this prefix are compared by what they count: redis-server keeps few members in a form of its own. */
export const countedPrefix = 'hll:';

export class Load {
  readonly #client: Cluster;
  readonly #keys: number;
  readonly #chance: (bound: number) => number;
  #expected = 0;

  constructor(seeds: readonly Seed[], seed: number, keys: number) {
    this.#client = new Cluster([...seeds], { lazyConnect: true });
    this.#chance = chanceFrom(seed);
    this.#keys = keys;
  }

  async fill(): Promise<string> {
    await this.#client.connect();
    for (let at = 0; at < this.#keys; at += 500) {
      const pipeline = this.#client.pipeline();
      for (let next = at; next < Math.min(at + 500, this.#keys); next++) {
        for (const [name, ...more] of this.#words(next)) pipeline.call(name, ...more);
      }
      for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
    }
    this.#expected = this.#keys;
    return `${this.#keys} keys of all types`;
  }

  #words(at: number): Argv[] {
    const chance = this.#chance;
    const text = (): string => 'abcdefgh'.repeat(1 + chance(chance(20) === 0 ? 300 : 3)).slice(chance(8));
    const some = (make: () => string[]): string[] =>
      Array.from({ length: 1 + chance(chance(30) === 0 ? 300 : 8) }, make).flat();
    const number = (): string => String(chance(2) === 0 ? chance(100) : chance(2 ** 31));
    switch (at % 10) {
      case 0:
        return [['SET', `s:${at}`, number()]];
      case 1:
        return [['SET', `t:${at}`, text(), 'EX', String(100_000 + chance(1000))]];
      case 2:
        return [['RPUSH', `l:${at}`, ...some(() => [text(), number()])]];
      case 3:
        return [['HSET', `h:${at}`, ...some(() => [number(), text()])]];
      case 4:
        return [['SADD', `e:${at}`, ...some(() => [number()])]];
      case 5:
        return [['SADD', `m:${at}`, 'word', ...some(() => [text()])]];
      case 6:
        return [['ZADD', `z:${at}`, ...some(() => [String(chance(1000) / 8), number()])]];
      case 7:
        return [['PFADD', `${countedPrefix}${at}`, ...some(() => [number()])]];
      case 8:
        return [
          ...some(() => [text()]).map((value): Argv => ['XADD', `x:${at}`, '*', 'f', value]),
          ['XGROUP', 'CREATE', `x:${at}`, 'g', '0'],
          ['XREADGROUP', 'GROUP', 'g', 'alice', 'COUNT', '2', 'STREAMS', `x:${at}`, '>'],
        ];
      default:
        return [['SETBIT', `b:${at}`, String(chance(5000)), '1']];
    }
  }

  /** Every key is where a client finds it. */
  async verify(): Promise<string> {
    const prefixes = ['s', 't', 'l', 'h', 'e', 'm', 'z', 'hll', 'x', 'b'];
    let found = 0;
    for (let at = 0; at < this.#expected; at += 1000) {
      const pipeline = this.#client.pipeline();
      for (let next = at; next < Math.min(at + 1000, this.#expected); next++)
        pipeline.exists(`${prefixes[next % 10]}:${next}`);
      for (const [error, reply] of (await pipeline.exec()) ?? []) {
        if (error !== null) throw error;
        found += Number(reply);
      }
    }
    if (found !== this.#expected) throw new Error(`${found} of ${this.#expected} keys are there`);
    return `all ${found} found`;
  }

  close(): void {
    this.#client.disconnect();
  }
}

const keyCount = 400;
const restMs = 3;

/** Writes one key after the other, each value the next number; knows the last one that was acknowledged. */
export class Writer {
  acknowledged = 0;
  failed = 0;
  readonly #client: Cluster;
  readonly #chance: (bound: number) => number;
  /** Of each key the last number acknowledged, and the last one sent: the truth is between them. */
  readonly #known = new Map<string, number>();
  readonly #sent = new Map<string, number>();
  #next = 0;
  #running: Promise<void> | undefined;
  #stopping = false;

  constructor(seeds: readonly Seed[], seed: number) {
    this.#client = new Cluster([...seeds], { lazyConnect: true });
    this.#client.on('error', () => undefined);
    this.#chance = chanceFrom(seed + 1000);
  }

  start(): void {
    if (this.#running !== undefined) return;
    this.#stopping = false;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    this.#running = undefined;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const key = `w:${this.#chance(keyCount)}`;
      const value = ++this.#next;
      this.#sent.set(key, value);
      try {
        await this.#client.set(key, String(value));
        this.#known.set(key, value);
        this.acknowledged++;
      } catch {
        this.failed++;
      }
      await pause(restMs);
    }
  }

  /** To be asked while it stands still. */
  async verify(): Promise<string> {
    for (const [key, sent] of this.#sent) {
      const least = this.#known.get(key) ?? 0;
      const value = Number((await this.#client.get(key)) ?? 0);
      if (value < least || value > sent) throw new Error(`${key} is ${value}, not ${least} (${sent} was sent)`);
    }
    if (this.failed > this.acknowledged / 100) {
      throw new Error(
        `${this.failed} writes failed, ${this.acknowledged} were acknowledged: clients go on through all this`,
      );
    }
    return `${this.acknowledged} so far, ${this.failed} failed, ${this.#known.size} keys`;
  }

  close(): void {
    this.#client.disconnect();
  }
}

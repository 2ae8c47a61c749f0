// Runs the same words on redis-server and on our handlers and compares the answers, and at the end the keys.
import assert from 'node:assert/strict';
import { startStandalone } from '../../../server/embedded/standalone.ts';
import type { CommandGroup } from '../../../server/engine/registry.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { DirectPeer, type Tagged, WirePeer } from './peers.ts';

/** Commands whose order of elements is the server's own affair (hash tables): compared sorted. */
const unordered = new Set(['smembers', 'sinter', 'sunion', 'sdiff', 'hkeys', 'hvals']);
/** The same, with elements that come in pairs. */
const unorderedPairs = new Set(['hgetall']);
/** Cursors differ once a value is large: only the elements of these are compared, and only of whole scans. */
const scans = new Set(['sscan', 'hscan', 'zscan']);

export const show = (value: Tagged): string =>
  JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? `:${item}` : item));

function sorted(items: readonly Tagged[], width: number): Tagged[] {
  const groups: Tagged[][] = [];
  for (let at = 0; at < items.length; at += width) groups.push(items.slice(at, at + width));
  const byText = (a: Tagged[], b: Tagged[]): number => {
    const [x, y] = [a.map(show).join(), b.map(show).join()];
    return x < y ? -1 : x > y ? 1 : 0;
  };
  return groups.sort(byText).flat();
}

/** Idle times are reported in ms of two different clocks: rows of XPENDING and the idle field of XINFO CONSUMERS. */
function withoutIdle(reply: Tagged): Tagged {
  if (reply === null || typeof reply !== 'object' || typeof reply.of === 'string') return reply;
  const items = reply.of;
  const idleRow = items.length === 4 && typeof items[2] === 'bigint' && typeof items[3] === 'bigint';
  const masked = items.map((item, at) =>
    idleRow && at === 2 ? 0n : items[at - 1] === 'idle' ? 0n : withoutIdle(item),
  );
  return { tag: reply.tag, of: masked };
}

/** RESP3 doubles as numbers: the reference prints coordinates with more digits than a double holds. */
function doublesByValue(reply: Tagged): Tagged {
  if (reply === null || typeof reply !== 'object') return reply;
  if (typeof reply.of !== 'string') return { tag: reply.tag, of: reply.of.map(doublesByValue) };
  return reply.tag === 'double' ? { tag: 'double', of: String(Number(reply.of)) } : reply;
}

function comparable(name: string, reply: Tagged): Tagged {
  if (name.startsWith('geo')) return doublesByValue(reply);
  if (reply === null || typeof reply !== 'object' || typeof reply.of === 'string') return reply;
  if (name === 'xpending' || name === 'xinfo') return withoutIdle(reply);
  if (unordered.has(name)) return { tag: reply.tag, of: sorted(reply.of, 1) };
  if (unorderedPairs.has(name)) return { tag: reply.tag, of: sorted(reply.of, 2) };
  const second = reply.of[1];
  if (scans.has(name) && second !== null && typeof second === 'object' && typeof second.of !== 'string') {
    return { tag: reply.tag, of: [reply.of[0]!, { tag: second.tag, of: sorted(second.of, name === 'sscan' ? 1 : 2) }] };
  }
  return reply;
}

/** Words of one line: split at blanks; "quoted" words may hold blanks and JSON escapes. */
export function words(line: string): string[] {
  const found = line.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
  return found.map((word) => (word.startsWith('"') ? (JSON.parse(word) as string) : word));
}

class Comparison {
  readonly #server: RealNode;
  readonly real: WirePeer;
  readonly ours: DirectPeer | WirePeer;

  constructor(server: RealNode, real: WirePeer, ours: DirectPeer | WirePeer) {
    this.#server = server;
    this.real = real;
    this.ours = ours;
  }

  static async open(groups: readonly CommandGroup[]): Promise<Comparison> {
    const server = await startRealNode();
    return new Comparison(server, await WirePeer.open(server.port), new DirectPeer(groups));
  }

  /** The same real server, beside our server whole: sessions, dispatcher and printing included. */
  async besideServer(port: number): Promise<Comparison> {
    return new Comparison(this.#server, await WirePeer.open(this.#server.port), await WirePeer.open(port));
  }

  async close(): Promise<void> {
    this.real.close();
    if (this.ours instanceof WirePeer) this.ours.close();
    await this.#server.stop();
  }

  async reset(protocol: 2 | 3): Promise<void> {
    await this.real.run(['HELLO', String(protocol)]);
    if (this.ours instanceof DirectPeer) this.ours.protocol = protocol;
    else await this.ours.run(['HELLO', String(protocol)]);
    await this.real.run(['FLUSHALL']);
    await this.ours.run(['FLUSHALL']);
  }

  /** Both answers must be equal; `where` names the line it was. */
  async same(argv: readonly string[], where = ''): Promise<Tagged> {
    const name = argv[0]!.toLowerCase();
    const [theirs, ours] = await Promise.all([this.real.run(argv), this.ours.run(argv)]);
    const [expected, actual] = [show(comparable(name, theirs)), show(comparable(name, ours))];
    assert.equal(actual, expected, `${where}${argv.map((word) => JSON.stringify(word)).join(' ')}`);
    return theirs;
  }

  /** One command a line; blank lines and lines starting with `#` are skipped. */
  async script(text: string): Promise<void> {
    for (const line of text.split('\n')) {
      const trimmed = line.trim();
      if (trimmed !== '' && !trimmed.startsWith('#')) await this.same(words(trimmed));
    }
  }
}

/** A suite of scripts, each run in RESP2 and RESP3 on an empty database. */
export function scriptSuite(title: string, groups: readonly CommandGroup[], scripts: Record<string, string>): void {
  describe(title, function () {
    this.timeout(60_000);
    let comparison: Comparison | undefined;
    before(async function () {
      needRedisServer(this);
      comparison = await Comparison.open(groups);
    });
    after(async () => comparison?.close());
    for (const [name, script] of Object.entries(scripts)) {
      for (const protocol of [2, 3] as const) {
        it(`${name} (RESP${protocol})`, async () => {
          await comparison!.reset(protocol);
          await comparison!.script(script);
        });
      }
    }
  });
}

/** A seeded source of choices for random scripts. */
export class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) | 0;
    let mixed = this.#state ^ (this.#state >>> 15);
    mixed = Math.imul(mixed, 0x2c1b3c6d);
    mixed ^= mixed >>> 12;
    return (mixed >>> 0) % limit;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** `count` picks. */
  several<T>(items: readonly T[], most: number): T[] {
    return Array.from({ length: 1 + this.below(most) }, () => this.pick(items));
  }

  integer(low: number, high: number): string {
    return String(low + this.below(high - low + 1));
  }
}

/** Thousands of random commands on both, compared one by one; the seed is in the title and can be given as SEED. */
export function randomSuite(
  title: string,
  groups: readonly CommandGroup[],
  rounds: number,
  next: (dice: Dice) => readonly string[],
): void {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  describe(`${title}, seed ${seed}`, function () {
    this.timeout(120_000);
    let comparison: Comparison | undefined;
    before(async function () {
      needRedisServer(this);
      comparison = await Comparison.open(groups);
    });
    after(async () => comparison?.close());
    const run = async (peers: Comparison, protocol: 2 | 3, count: number): Promise<void> => {
      await peers.reset(protocol);
      const dice = new Dice(seed + protocol);
      for (let round = 0; round < count; round += 1) {
        await peers.same(next(dice), `SEED=${seed} round ${round}: `);
      }
    };
    for (const protocol of [2, 3] as const) {
      it(`${rounds} commands (RESP${protocol})`, () => run(comparison!, protocol, rounds));
      it(`${rounds / 4} commands through a session (RESP${protocol})`, async () => {
        const server = await startStandalone();
        try {
          const whole = await comparison!.besideServer(server.port);
          await run(whole, protocol, rounds / 4);
          whole.real.close();
        } finally {
          await server.close();
        }
      });
    }
  });
}

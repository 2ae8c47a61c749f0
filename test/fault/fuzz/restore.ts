// Damaged payloads of RESTORE with a checksum that is right: each is refused with the words of redis-server and changes
// nothing, or gives a key that can be read, dumped and restored again. Where redis-server is there, it gets the same
// payloads: what both take must be the same value to both.

import { startNode } from '../../../server/index.ts';
import { ByteReader } from '../../../server/persistence/rdb/bytes.ts';
import { readValue } from '../../../server/persistence/rdb/value.ts';
import { missingRedisServer } from '../../kit/real-cluster.ts';
import { startRealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { type Chance, type InputReport, newReport, refuse, sealed, spoiled, watched } from './kit.ts';
import { allSamples } from './samples.ts';

const batch = 100;

/** Everything that only reads a value of a type. */
const readings: Readonly<Record<string, readonly (readonly string[])[]>> = {
  string: [['GET'], ['STRLEN'], ['GETRANGE', '0', '-1'], ['BITCOUNT']],
  list: [['LRANGE', '0', '-1'], ['LLEN'], ['LINDEX', '-1'], ['LPOS', 'a']],
  set: [['SMEMBERS'], ['SCARD'], ['SISMEMBER', '1'], ['SRANDMEMBER', '3'], ['SSCAN', '0']],
  hash: [['HGETALL'], ['HLEN'], ['HSCAN', '0'], ['HRANDFIELD', '2']],
  zset: [['ZRANGE', '0', '-1', 'WITHSCORES'], ['ZCARD'], ['ZRANGEBYSCORE', '-inf', '+inf'], ['ZSCAN', '0']],
  stream: [['XRANGE', '-', '+'], ['XREVRANGE', '+', '-'], ['XLEN']],
};

/** Words whose first argument goes before the key. */
const streamReadings: readonly (readonly string[])[] = [
  ['XINFO', 'STREAM'],
  ['XINFO', 'GROUPS'],
];

interface Party {
  readonly client: RespClient;
  kill(): Promise<void>;
}

async function party(node: { port: number; kill(): Promise<void> }): Promise<Party> {
  return { client: await RespClient.connect(node.port), kill: () => node.kill() };
}

const keyOf = (at: number): string => `f${at}`;

/** `against`: redis-server too, where it is installed. It takes its time over lengths that are none. */
export async function fuzzRestore(runs: number, chance: Chance, against = true): Promise<InputReport> {
  const { bodies } = await allSamples();
  const report = newReport('restore', runs);
  const ours = await party(await startNode());
  const real =
    against && missingRedisServer() === undefined ? await party(await startRealNode(realSettings)) : undefined;
  try {
    for (const [at, body] of bodies.slice(0, 40).entries())
      await ours.client.call('RESTORE', `base${at}`, 0, sealed(body));
    await watched(report, () => new Trial(report, ours.client, real?.client, bodies, chance).run());
  } finally {
    await Promise.all([ours.kill(), real?.kill()]);
  }
  return report;
}

const realSettings = ['--sanitize-dump-payload', 'yes', '--enable-debug-command', 'yes'];

class Trial {
  readonly #report: InputReport;
  readonly #ours: RespClient;
  readonly #real: RespClient | undefined;
  readonly #bodies: readonly Buffer[];
  readonly #chance: Chance;
  readonly #sums = { both: 0, onlyOurs: 0, onlyReal: 0, elsewhere: 0, same: 0 };
  /** By type byte: an example of what one takes and the other does not. */
  readonly #examples = new Map<string, string>();

  constructor(
    report: InputReport,
    ours: RespClient,
    real: RespClient | undefined,
    bodies: readonly Buffer[],
    chance: Chance,
  ) {
    this.#report = report;
    this.#ours = ours;
    this.#real = real;
    this.#bodies = bodies;
    this.#chance = chance;
  }

  async run(): Promise<void> {
    const before = await this.#ours.call('DEBUG', 'DIGEST');
    for (let done = 0; done < this.#report.runs; done += batch) {
      const count = Math.min(batch, this.#report.runs - done);
      const payloads = Array.from({ length: count }, () => this.#payload());
      const start = performance.now();
      const taken = await this.#restore(payloads);
      this.#report.slowest = Math.max(this.#report.slowest, performance.now() - start);
      await this.#use(taken, payloads);
      if (this.#real !== undefined) await this.#compare(this.#real, taken, payloads);
      if (taken.length > 0) await this.#ours.call('DEL', ...taken.map(keyOf));
      const after = await this.#ours.call('DEBUG', 'DIGEST');
      if (after !== before) throw new Error(`after ${done} inputs the other keys are ${after}, not ${before}`);
    }
    const { both, onlyOurs, onlyReal, elsewhere, same } = this.#sums;
    this.#report.notes.push('the slowest is of 100 inputs at a time');
    if (this.#real === undefined) this.#report.notes.push('nothing was compared with redis-server');
    else {
      this.#report.notes.push(
        `redis-server took ${both + elsewhere + onlyReal}: ${both} as we did (${same} of them as the same value), ` +
          `${elsewhere} whose value does not end where the payload does, ${onlyReal} more that we refused; ` +
          `it refused ${onlyOurs} that we took`,
      );
    }
    for (const [kind, example] of this.#examples) this.#report.notes.push(`${kind}, as ${example}`);
  }

  #payload(): Buffer {
    const body = spoiled(this.#bodies, this.#chance);
    const payload = sealed(body);
    // Few without: the checksum would hide all else.
    if (this.#chance(20) === 0) payload[this.#chance(payload.length)] = this.#chance(256);
    return payload;
  }

  /** The places of those that were taken. */
  async #restore(payloads: readonly Buffer[]): Promise<number[]> {
    const replies = await all(
      payloads.map((payload, at) => this.#ours.call('RESTORE', keyOf(at), 0, payload)),
      payloads,
    );
    const taken: number[] = [];
    for (const [at, reply] of replies.entries()) {
      if (reply === 'OK') {
        taken.push(at);
        this.#report.accepted++;
      } else if (reply instanceof Error) refuse(this.#report, reply.message);
      else throw new Error(`RESTORE answers ${String(reply)}`);
    }
    return taken;
  }

  async #use(taken: readonly number[], payloads: readonly Buffer[]): Promise<void> {
    const types = await Promise.all(taken.map((at) => this.#ours.call('TYPE', keyOf(at))));
    const dumps = await Promise.all(taken.map((at) => this.#ours.call('DUMP', keyOf(at))));
    await Promise.all(
      taken.map(async (at, index) => {
        const fault = await this.#faultOf(at, String(types[index]), String(dumps[index]));
        if (fault !== undefined) throw new Error(`${fault}: ${payloads[at]!.toString('hex')}`);
      }),
    );
    if (taken.length > 0) await this.#ours.call('DEL', ...taken.map((at) => `copy${at}`));
  }

  /** What a key cannot do that it should; undefined: it can all. */
  async #faultOf(at: number, type: string, dump: string): Promise<string | undefined> {
    const key = keyOf(at);
    const words = (readings[type] ?? []).map(([name, ...rest]) => [name!, key, ...rest]);
    const more = type === 'stream' ? streamReadings.map((pair) => [...pair, key]) : [];
    const rows = [['OBJECT', 'ENCODING', key], ...words, ...more];
    if (words.length === 0) return `a key of type ${type}`;
    const replies = await Promise.all(rows.map((row) => this.#ours.call(...row)));
    for (const [which, reply] of replies.entries()) {
      if (reply instanceof Error) return `${rows[which]!.join(' ')}: ${reply.message}`;
    }
    const [restored, digests] = await Promise.all([
      this.#ours.call('RESTORE', `copy${at}`, 0, dump, 'REPLACE'),
      this.#ours.call('DEBUG', 'DIGEST-VALUE', key, `copy${at}`),
    ]);
    const [first, second] = digests as [string, string];
    return restored === 'OK' && first === second ? undefined : `dumped and restored: ${String(restored)}, other data`;
  }

  async #compare(real: RespClient, taken: readonly number[], payloads: readonly Buffer[]): Promise<void> {
    const replies = await all(
      payloads.map((payload, at) => real.call('RESTORE', keyOf(at), 0, payload)),
      payloads,
    );
    const shared: number[] = [];
    for (const [at, reply] of replies.entries()) {
      const mine = taken.includes(at);
      const theirs = reply === 'OK';
      if (mine && theirs) shared.push(at);
      if (mine === theirs) continue;
      if (!mine && endsElsewhere(payloads[at]!)) {
        this.#sums.elsewhere++;
        continue;
      }
      this.#sums[mine ? 'onlyOurs' : 'onlyReal']++;
      const kind = `only ${mine ? 'we take' : 'redis-server takes'} type ${payloads[at]![0]}`;
      if (!this.#examples.has(kind) || this.#examples.get(kind)!.length > 2 * payloads[at]!.length)
        this.#examples.set(kind, payloads[at]!.toString('hex'));
    }
    this.#sums.both += shared.length;
    if (shared.length > 0) {
      const keys = shared.map(keyOf);
      const [mine, theirs] = (await Promise.all(
        [this.#ours, real].map((client) => client.call('DEBUG', 'DIGEST-VALUE', ...keys)),
      )) as [string[], string[]];
      for (const [index, digest] of mine.entries()) {
        if (digest === theirs[index]) this.#sums.same++;
        else
          this.#examples.set(
            `another value, type ${payloads[shared[index]!]![0]}`,
            payloads[shared[index]!]!.toString('hex'),
          );
      }
    }
    await real.call('FLUSHALL');
  }
}

async function all(replies: readonly Promise<unknown>[], payloads: readonly Buffer[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(replies);
  return settled.map((reply, at) => {
    if (reply.status === 'fulfilled') return reply.value;
    throw new Error(`no answer, the first time for ${payloads[at]!.toString('hex')}`, { cause: reply.reason });
  });
}

/** Whether the value ends before the version behind it, or reads on into it: redis-server does not look. */
function endsElsewhere(payload: Buffer): boolean {
  const reader = new ByteReader(payload);
  try {
    readValue(reader);
    return reader.left !== 10;
  } catch {
    return false;
  }
}

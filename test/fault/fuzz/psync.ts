// A master that talks nonsense: a replica gets spoiled answers, copies and streams. Each ends with the link, for a
// reason that it reports; a copy that was refused changes nothing, and the offset is that of what was applied.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { World } from '../../../lib/base/world.ts';
import { RequestDecoder } from '../../../lib/wire/request-decoder.ts';
import { createEngine } from '../../../server/command/all.ts';
import type { Engine } from '../../../server/engine/engine.ts';
import { printCommand } from '../../../server/persistence/aof/commands.ts';
import { digestAll } from '../../../server/persistence/rdb/debug-digest.ts';
import { Applier, startLoading } from '../../../server/replication/apply.ts';
import { History } from '../../../server/replication/history.ts';
import { MasterLink } from '../../../server/replication/master-link.ts';
import type { Words } from '../../../server/replication/stream.ts';
import { type Chance, type InputReport, newReport, refuse, resealed, spoiled, watched } from './kit.ts';
import { allSamples, world as loud } from './samples.ts';

/** What replicas say of such masters is of no interest here. */
const world: World = {
  now: () => loud.now(),
  wallClock: () => loud.wallClock(),
  after: (ms, run) => loud.after(ms, run),
  deadline: (ms, run) => loud.deadline(ms, run),
  random: () => loud.random(),
  log: () => undefined,
};

const timeoutMs = 10_000;
const id = 'c'.repeat(40);
const mark = 'e'.repeat(40);

/** What a master writes of its own accord, and things that no master should. */
const stream: readonly string[][] = [
  ['SELECT', '0'],
  ['set', 'a', '1'],
  ['MULTI'],
  ['INCR', 'n'],
  ['RPUSH', 'l', 'x', 'y'],
  ['EXEC'],
  ['PING'],
  ['REPLCONF', 'GETACK', '*'],
  ['XADD', 'x', '5-1', 'f', 'v'],
  ['PEXPIREAT', 'a', '4102444800000'],
  ['SELECT', '99'],
  ['BLPOP', 'nothing', '0'],
  ['SUBSCRIBE', 'c'],
  ['MONITOR'],
  ['HELLO', '3'],
  ['CLIENT', 'REPLY', 'OFF'],
  ['QUIT'],
  ['RESET'],
  ['NOSUCH', 'word'],
  ['set'],
  ['EVAL', 'return 1', '0'],
  ['SWAPDB', '0', '1'],
  ['FLUSHALL'],
  ['WAIT', '1', '0'],
  ['UNSUBSCRIBE'],
  ['AUTH', 'x'],
];

interface Script {
  /** The answer to each of the first questions. */
  readonly answers: readonly Buffer[];
  /** One of the answers is spoiled: the replica may wait for its end. */
  readonly mute: boolean;
  /** Everything from the answer to PSYNC on. */
  readonly rest: Buffer;
}

function scriptOf(files: readonly Buffer[], chance: Chance): Script {
  const answers = ['+PONG\r\n', '+OK\r\n', '+OK\r\n', '+OK\r\n'].map((line) => {
    const bytes = Buffer.from(line);
    return chance(40) === 0 ? spoiled([bytes], chance) : bytes;
  });
  const commands = Array.from({ length: chance(12) }, () => printCommand(stream[chance(stream.length)]!));
  const tail = Buffer.from(commands.join(''), 'latin1');
  const full = chance(3) > 0;
  const line = full
    ? `+FULLRESYNC ${id} ${chance(1000)}\r\n`
    : chance(2) === 0
      ? '+CONTINUE\r\n'
      : `+CONTINUE ${id}\r\n`;
  const parts = [Buffer.from(line), ...(full ? copyOf(files, chance) : []), tail];
  const what = chance(parts.length);
  // One part is spoiled, sometimes none: sound ones are to be taken.
  if (chance(10) > 0 && parts[what]!.length > 0) parts[what] = spoiled([parts[what]!], chance);
  const mute = answers.some((answer, at) => answer.toString('latin1') !== (at === 0 ? '+PONG\r\n' : '+OK\r\n'));
  return { answers, mute, rest: Buffer.concat(parts) };
}

function copyOf(files: readonly Buffer[], chance: Chance): Buffer[] {
  const sample = files[chance(files.length)]!;
  const file = chance(3) === 0 ? resealed(spoiled([sample], chance)) : sample;
  const length = chance(20) === 0 ? [0, 1, file.length + 1, 2 ** 32, 999_999_999_999_999][chance(5)]! : file.length;
  if (chance(2) === 0) return [Buffer.from(`$${length}\r\n`), file];
  return [Buffer.from(`$EOF:${mark}\r\n`), file, Buffer.from(mark)];
}

class LyingMaster {
  script: Script = { answers: [], mute: false, rest: Buffer.alloc(0) };
  readonly #server: Server;
  readonly #pieces: () => number;

  constructor(pieces: () => number) {
    this.#pieces = pieces;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
  }

  #serve(socket: Socket): void {
    const { answers, mute, rest } = this.script;
    if (mute) setTimeout(() => socket.end(), 50);
    const decoder = new RequestDecoder();
    let asked = 0;
    socket.setNoDelay(true).on('error', () => undefined);
    socket.on('data', (chunk) => {
      decoder.feed(chunk);
      for (let words = decoder.read(); words !== undefined; words = decoder.read()) {
        if (words[0] === 'PSYNC') this.#say(socket, rest);
        else if (words[1] !== 'ACK') socket.write(answers[asked++ % answers.length]!);
      }
    });
  }

  #say(socket: Socket, bytes: Buffer): void {
    const at = this.#pieces() % (bytes.length + 1);
    socket.write(bytes.subarray(0, at));
    setImmediate(() => socket.end(bytes.subarray(at)));
  }
}

export async function fuzzPsync(runs: number, chance: Chance): Promise<InputReport> {
  const { files } = await allSamples();
  const report = newReport('psync', runs);
  const master = new LyingMaster(() => chance(100_000));
  const port = await master.listen();
  const replica = new Replica();
  let copies = 0;
  try {
    await watched(report, async () => {
      for (let run = 0; run < runs; run++) {
        master.script = scriptOf(files, chance);
        const start = performance.now();
        try {
          if (await replica.attempt(port, report)) copies++;
        } catch (error) {
          throw new Error(`run ${run}: ${master.script.rest.toString('latin1')}`, { cause: error });
        }
        report.slowest = Math.max(report.slowest, performance.now() - start);
      }
    });
  } finally {
    master.close();
    replica.close();
  }
  report.notes.push(`${copies} copies were taken whole; accepted: the link stood until the master closed it`);
  return report;
}

class Replica {
  readonly #engine: Engine = createEngine({ world });
  readonly #applier = new Applier(this.#engine);

  close(): void {
    this.#engine.stop();
  }

  /** One link, from its first byte to its last. Whether a copy was taken. */
  async attempt(port: number, report: InputReport): Promise<boolean> {
    const engine = this.#engine;
    const history = new History(world, () => 16_384);
    history.begin();
    const before = digestAll(engine.databases);
    let copied = false;
    let applied = 0;
    let fed = 0;
    let link: MasterLink | undefined;
    const reason = await new Promise<string>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`the link hangs at ${link?.stage}`)), timeoutMs);
      const target = {
        world,
        history,
        databases: engine.databases.stores.length,
        timeoutMs,
        tls: () => undefined,
        introduction: () => ({ user: '', password: '', port: 1, host: '' }),
        load: () =>
          startLoading(engine, false, (facts) => {
            copied = true;
            this.#applier.select(Number(facts.get('repl-stream-db')));
          }),
        apply: (unit: readonly Words[]) => {
          applied++;
          this.#applier.apply(unit);
        },
        onApplied: (bytes: Buffer) => {
          fed += bytes.length;
          history.append(bytes);
        },
        onRenamed: () => undefined,
        mayApply: () => true,
        mayLoad: () => true,
        failingOver: false,
        onFailoverAnswer: () => undefined,
      };
      const onClosed = (why: string): void => {
        clearTimeout(late);
        resolve(why);
      };
      link = new MasterLink({ host: '127.0.0.1', port }, target, { onStage: () => undefined, onClosed });
    });
    const start = copied ? history.offset - fed : 0;
    if (history.offset !== start + fed) throw new Error(`at ${history.offset} after ${fed} bytes`);
    if (engine.loading || engine.copying) throw new Error('it still loads');
    if (!copied && applied === 0 && digestAll(engine.databases) !== before)
      throw new Error('refused, and data changed');
    if (reason === 'the master closed the connection') report.accepted++;
    else refuse(report, reason);
    return copied;
  }
}

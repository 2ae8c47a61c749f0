// Key positions of every command, against COMMAND GETKEYS of redis-server: calls are generated from the argument
// grammar in COMMAND DOCS, well-formed and cut short alike.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Redis as Peer } from 'ioredis';
import { keyIndexes } from '../../../lib/command/keys.ts';
import { type Argument, readCapture } from '../../../scripts/gen/capture.ts';
import { needRedisServer } from '../../kit/real-cluster.ts';
import { type OneServer, startOneServer } from './one-server.ts';

/** Differences we mean: command -> why ours differs from the server's own answer. */
const deviations: Readonly<Record<string, string>> = {
  pfmerge:
    'without sources redis-server 7.0 finds no key and runs it on any node; the destination is a key all the same',
};

interface Callable {
  readonly words: readonly string[];
  readonly args: readonly Argument[];
}

function callables(): Callable[] {
  const { info, docs } = readCapture();
  return info.flatMap(([name, , , , , , , , , subcommands]) => {
    const entry = docs[name]!;
    if (subcommands.length === 0) return [{ words: [name], args: entry.arguments ?? [] }];
    return subcommands.map(([sub]) => ({
      words: sub.split('|'),
      args: entry.subcommands?.[sub]?.arguments ?? [],
    }));
  });
}

/** A small deterministic stream of choices, so that fast-check can shrink a failing call to its seed. */
class Choices {
  readonly #choices: readonly number[];
  #at = 0;
  constructor(choices: readonly number[]) {
    this.#choices = choices;
  }
  below(limit: number): number {
    return (this.#choices[this.#at++ % this.#choices.length] ?? 0) % limit;
  }
}

const numkeys = '\u0000numkeys';

function write(args: readonly Argument[], choices: Choices, out: string[]): void {
  for (const argument of args) {
    if (argument.flags?.includes('optional') && choices.below(2) === 0) continue;
    const times = argument.flags?.includes('multiple') ? 1 + choices.below(3) : 1;
    const repeated = argument.flags?.includes('multiple_token') ?? false;
    const counted = argument.type === 'key' ? out.lastIndexOf(numkeys) : -1;
    if (counted >= 0) out[counted] = String(times);
    for (let time = 0; time < times; time++) {
      if (argument.token !== undefined && (time === 0 || repeated)) out.push(argument.token);
      writeOne(argument, choices, out);
    }
  }
}

function writeOne(argument: Argument, choices: Choices, out: string[]): void {
  const inner = argument.arguments ?? [];
  if (argument.type === 'oneof') write([inner[choices.below(inner.length)]!], choices, out);
  else if (argument.type === 'block') write(inner, choices, out);
  else if (argument.name === 'numkeys') out.push(numkeys);
  else if (argument.type !== 'pure-token') out.push(['7', 'k', 'store', '#'][choices.below(4)]!);
}

function call({ words, args }: Callable, seeds: readonly number[]): string[] {
  const choices = new Choices(seeds);
  const argv = [...words];
  write(args, choices, argv);
  const filled = argv.map((word) => (word === numkeys ? '0' : word));
  return choices.below(5) === 0 ? filled.slice(0, Math.max(words.length, filled.length - 1)) : filled;
}

describe('key positions against COMMAND GETKEYS', () => {
  let server: OneServer | undefined;
  let peer: Peer;

  before(async function () {
    needRedisServer(this, 'COMMAND GETKEYS of every command');
    server = await startOneServer();
    peer = new Peer({ path: server.path });
  });

  after(async () => {
    peer?.disconnect();
    await server?.stop();
  });

  async function compare(argv: readonly string[]): Promise<string | undefined> {
    const ours = keyIndexes(argv, { channels: false }).map((at) => argv[at]);
    const theirs = await peer.call('command', ['GETKEYS', ...argv]).catch((error: Error) => error.message);
    if (Array.isArray(theirs)) {
      if (JSON.stringify(theirs) === JSON.stringify(ours)) return undefined;
    } else if (ours.length === 0 || /number of arguments/.test(String(theirs))) {
      // A call too short to run has no keys that matter.
      return undefined;
    }
    return `${argv.join(' ')}: ours ${JSON.stringify(ours)}, redis-server ${JSON.stringify(theirs)}`;
  }

  it('agree for generated calls of every command and subcommand', async function () {
    this.timeout(120_000);
    const differing = new Map<string, string>();
    for (const callable of callables()) {
      const name = callable.words.join('|');
      const seeds = fc.sample(fc.array(fc.nat(59), { minLength: 12, maxLength: 12 }), { seed: 7, numRuns: 40 });
      for (const complaint of await Promise.all(seeds.map((seed) => compare(call(callable, seed))))) {
        if (complaint !== undefined) differing.set(name, complaint);
      }
    }
    const surprises = [...differing].filter(([name]) => deviations[name] === undefined).map(([, text]) => text);
    assert.deepEqual(surprises, []);
    assert.deepEqual(
      Object.keys(deviations).filter((name) => !differing.has(name)),
      [],
      'deviations that no longer differ',
    );
  });

  it('agree for the forms whose keys depend on words or counts', async () => {
    const calls = `sort k by w_* get # get store limit 0 5 store d|sort k store a store b|sort k limit store 1 asc
      migrate h 1 k 0 10|migrate h 1 "" 0 10 keys a b c|migrate h 1 "" 0 10 auth keys keys a|migrate h 1 "" 0 10 auth2 keys keys KEYS x
      georadius k 1 2 3 m store a storedist b|georadiusbymember k m 3 m STORE d|zunionstore d 2 a b weights 1 2
      eval s 2 a b c|eval s 0|eval s 0 a|fcall f 1 a|xread count 2 block 0 streams a b 0 0|xread streams a
      xreadgroup group g c count 1 streams s t > >|bitop and d a b|blmpop 0 2 a b left|zmpop 2 a b min|lmpop 1 a left
      sintercard 2 a b limit 1|memory usage k|object encoding k|xgroup create k g $|xinfo stream k full
      mset a 1 b 2|pfcount a b|set k v|spublish c m|ssubscribe a b|publish a b|debug object k|config get a`;
    const complaints = await Promise.all(
      calls
        .split(/[|\n]/)
        .map((line) => line.trim().split(' '))
        .map((words) => compare(words.map((word) => (word === '""' ? '' : word)))),
    );
    assert.deepEqual(
      complaints.filter((complaint) => complaint !== undefined),
      [],
    );
  });
});

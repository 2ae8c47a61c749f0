// What scripts cost on the bundled server, beside redis-server in one run: EVALSHA of one GET, a long script that
// returns at once, the first script, and BullMQ's jobs. Run by hand (npm run proof:scripts); exits with 1 when a bar is
// missed. Each figure is the better of two rounds, since something else may use the machine.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Queue, Worker } from 'bullmq';
import { Redis } from '../../lib/index.ts';
import { type NodeProcess, startNodeProcess } from '../kit/node-process.ts';
import { freePort } from '../kit/ports.ts';
import { RespClient } from '../kit/resp-client.ts';

const depth = 16;
const clients = 10;
const calls = 100_000;
const longCalls = 3000;
const jobs = 3000;

interface Figures {
  /** Calls a second. */
  readonly evalsha: number;
  /** Microseconds over a PING. */
  readonly long: number;
  /** Milliseconds of the first script over a PING. */
  readonly first: number;
  /** A second. */
  readonly jobs: number;
}

const longScript = `if ARGV[1] == "x" then return 1 end\n${Array.from({ length: 130 }, (_, at) => {
  return `local function f${at}(a, b) if a then return redis.call('get', a .. "${'p'.repeat(120)}") end return b end`;
}).join('\n')}\nreturn 2`;

async function secondsOf(run: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}

/** Each of some connections keeps a number of calls under way. */
async function throughput(port: number, argv: readonly (string | number)[]): Promise<number> {
  const open = await Promise.all(Array.from({ length: clients }, () => RespClient.connect(port)));
  const share = calls / clients;
  const seconds = await secondsOf(async () => {
    await Promise.all(
      open.map(async (client) => {
        for (let done = 0; done < share; done += depth) {
          await Promise.all(Array.from({ length: depth }, () => client.call(...argv)));
        }
      }),
    );
  });
  for (const client of open) client.close();
  return calls / seconds;
}

async function overPing(client: RespClient, argv: readonly (string | number)[]): Promise<number> {
  const each = async (words: readonly (string | number)[]): Promise<number> =>
    (await secondsOf(async () => {
      for (let done = 0; done < longCalls; done++) await client.call(...words);
    })) / longCalls;
  const ping = await each(['PING']);
  return ((await each(argv)) - ping) * 1e6;
}

async function jobRate(port: number): Promise<number> {
  const connection = new Redis({ host: '127.0.0.1', port, maxRetriesPerRequest: null });
  const queue = new Queue('rate', { connection });
  await queue.addBulk(Array.from({ length: jobs }, (_, n) => ({ name: 'job', data: { n } })));
  let done = 0;
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const seconds = await secondsOf(async () => {
    const worker = new Worker('rate', async () => void 0, { connection, concurrency: 20 });
    worker.on('completed', () => {
      if (++done === jobs) finish();
    });
    await finished;
    await worker.close();
  });
  await queue.obliterate({ force: true });
  await queue.close();
  connection.disconnect();
  return jobs / seconds;
}

async function measure(port: number): Promise<Figures> {
  const client = await RespClient.connect(port);
  for (let at = 0; at < 100; at++) await client.call('PING');
  const ping = await secondsOf(async () => void (await client.call('PING')));
  const first = (await secondsOf(async () => void (await client.call('EVAL', 'return 1', 0)))) - ping;
  await client.call('SET', 'k', 'value');
  const get = await client.call('SCRIPT', 'LOAD', 'return redis.call("get", KEYS[1])');
  const long = await client.call('SCRIPT', 'LOAD', longScript);
  const rounds: Omit<Figures, 'first'>[] = [];
  for (let round = 0; round < 2; round++) {
    rounds.push({
      evalsha: await throughput(port, ['EVALSHA', String(get), 1, 'k']),
      long: await overPing(client, ['EVALSHA', String(long), 0, 'x']),
      jobs: await jobRate(port),
    });
  }
  client.close();
  return {
    first: first * 1000,
    evalsha: Math.max(...rounds.map(({ evalsha }) => evalsha)),
    long: Math.min(...rounds.map((round) => round.long)),
    jobs: Math.max(...rounds.map((round) => round.jobs)),
  };
}

async function main(): Promise<void> {
  const found: Figures[] = [];
  for (const program of ['redis-server', 'lingcache'] as const) {
    const dir = mkdtempSync(join(tmpdir(), 'lingcache-bars-'));
    const port = await freePort();
    const node: NodeProcess = await startNodeProcess(port, { program, dir, args: ['--save', ''] });
    try {
      found.push(await measure(port));
    } finally {
      await node.end('SIGTERM');
      rmSync(dir, { recursive: true, force: true });
    }
  }
  const [real, ours] = found as [Figures, Figures];
  const bars = [
    [`EVALSHA of one GET, ${depth} deep: share of redis-server`, ours.evalsha / real.evalsha, 'at least', 0.2],
    [`a script of ${longScript.length} bytes that returns at once: us over a PING`, ours.long, 'at most', 50],
    ['the first script: ms over a PING', ours.first, 'at most', 150],
    ["BullMQ's jobs a second: share of redis-server", ours.jobs / real.jobs, 'at least', 0.4],
  ] as const;
  console.log(`redis-server ${JSON.stringify(real)}\nours         ${JSON.stringify(ours)}`);
  for (const [what, figure, rule, bar] of bars) {
    const met = rule === 'at least' ? figure >= bar : figure <= bar;
    if (!met) process.exitCode = 1;
    console.log(`${met ? 'met   ' : 'MISSED'} ${what}: ${figure.toFixed(2)}, ${rule} ${bar}`);
  }
}

await main();
process.exit();

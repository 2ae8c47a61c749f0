import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from '../../../../lib/index.ts';
import { type BundledCluster, startCluster } from '../../../../server/index.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../../../kit/real-cluster.ts';
import { needServer } from '../../../kit/servers.ts';
import { until } from '../../../kit/until.ts';
import { problemsOf } from '../../../unit/server/operator/metrics/exposition-rules.ts';

// The words that look at a cluster, as programs, on redis-server, Valkey 9 and bundled nodes.

const main = new URL('../../../../server/tools/main.js', import.meta.url).pathname;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function lingcache(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { timeout: 90_000, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await lingcache(...args, '--json');
  assert.equal(code, 0, stdout + stderr);
  return JSON.parse(stdout) as T;
}

/** A word that goes on: its lines of JSON as they come. */
class Running {
  readonly child: ChildProcess;
  readonly lines: Record<string, unknown>[] = [];
  #rest = '';

  constructor(...args: string[]) {
    this.child = spawn(process.execPath, [main, ...args, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.child.stdout!.on('data', (chunk: Buffer) => {
      const lines = (this.#rest + chunk.toString()).split('\n');
      this.#rest = lines.pop()!;
      for (const line of lines) this.lines.push(JSON.parse(line) as Record<string, unknown>);
    });
  }

  async stop(): Promise<number | null> {
    if (this.child.exitCode !== null) return this.child.exitCode;
    const ended = new Promise<number | null>((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGINT');
    return ended;
  }
}

interface Nodes {
  readonly nodes: readonly { address: string; role: string; keys: number; status: string; opsPerSecond: number }[];
  readonly totals: { readonly keys: number; readonly masters: number };
  readonly health: string;
}

interface Place {
  readonly address: string;
  readonly masters: number;
  close(): Promise<void>;
}

const places: readonly [name: string, start: (context: Mocha.Context) => Promise<Place>][] = [
  [
    'bundled nodes',
    async () => {
      const cluster = await startCluster({ masters: 3, replicas: 1 });
      return { address: `127.0.0.1:${cluster.ports[0]}`, masters: 3, close: () => cluster.close() };
    },
  ],
  [
    'redis-server',
    async (context) => {
      needRedisServer(context, 'words that look at a cluster');
      return placeOf(await startRealCluster({ masters: 3, replicas: 1 }));
    },
  ],
  [
    'valkey 9 with numbered databases',
    async (context) => {
      const server = needServer(context, 'valkey-9', 'words that look at a cluster');
      const config = {
        'cluster-databases': '4',
        'cluster-slot-stats-enabled': 'yes',
        'maxmemory-policy': 'allkeys-lfu',
      };
      return placeOf(await startRealCluster({ masters: 3, replicas: 0, server, config }));
    },
  ],
];

function placeOf(cluster: RealCluster): Place {
  return { address: cluster.nodes[0]!.address, masters: 3, close: () => cluster.stop() };
}

for (const [name, start] of places) {
  describe(`words that look at a cluster: ${name}`, function () {
    this.timeout(120_000);
    let place: Place;
    let address: string;

    before(async function () {
      place = await start(this);
      address = place.address;
      const [host, port] = [address.slice(0, address.lastIndexOf(':')), Number(address.split(':').at(-1))];
      const client = new Redis.Cluster([{ host, port }]);
      const pipeline = client.pipeline();
      for (let at = 0; at < 300; at++) pipeline.set(`key:${at}`, `v${at}`);
      pipeline.rpush('list', ...Array.from({ length: 500 }, (_, at) => `item ${at}`));
      pipeline.set('gone', 'x', 'PX', 600_000);
      for (const [error] of (await pipeline.exec())!) assert.equal(error, null);
      client.disconnect();
    });
    after(() => place?.close());

    it('stat: every node with its keys, as one document', async () => {
      const data = await json<Nodes>('stat', address);
      assert.equal(data.health, 'ok');
      assert.equal(data.totals.masters, place.masters);
      assert.equal(data.totals.keys, 302);
      assert.ok(data.nodes.every(({ status }) => status === 'online'));
    });

    it('stat goes on in a pipe, with rates from the second sample on', async () => {
      const { code, stdout } = await lingcache('stat', address, '--count', '2', '--interval', '200ms', '--json');
      assert.equal(code, 0);
      const [first, second] = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { commands: unknown[] });
      assert.deepEqual(first!.commands, []);
      assert.ok(second!.commands.length > 0);
    });

    it('map: 16,384 slots, with and without keys', async () => {
      const data = await json<{ owners: { slots: number }[]; slots: number[] }>('map', address, '--by', 'keys');
      assert.equal(
        data.owners.reduce((sum, { slots }) => sum + slots, 0),
        16_384,
      );
      assert.equal(
        data.slots.reduce((sum, keys) => sum + keys, 0),
        302,
      );
      const { stdout } = await lingcache('map', address, '--columns', '32');
      const rows = stdout.split('\n').filter((line) => /^ *\d+ [A-Z+.>]{32}$/.test(line));
      assert.equal(rows.length, 8, stdout);
    });

    it('top: commands by rate', async () => {
      const { code, stdout } = await lingcache('top', address, '--count', '1', '--interval', '300ms');
      assert.equal(code, 0);
      assert.match(stdout, /command +calls\/s/);
      assert.match(stdout, /cluster nodes/);
    });

    it('big: the biggest keys by type', async () => {
      interface Big {
        scanned: number;
        types: Record<string, { keys: number; biggest: { key: string }[] }>;
      }
      const data = await json<Big>('big', address);
      assert.equal(data.types['list']!.biggest[0]!.key, 'list');
      assert.equal(data.types['string']!.keys, 301);
      const limited = await json<Big & { partial: boolean }>('big', address, '--type', 'list');
      assert.deepEqual(Object.keys(limited.types), ['list']);
    });

    it('latency: every node answers', async () => {
      const data = await json<{ nodes: { ping: { count: number; p50: number } }[] }>(
        'latency',
        address,
        '--count',
        '5',
      );
      for (const { ping } of data.nodes) assert.equal(ping.count, 5);
    });

    it('metrics: text that Prometheus takes, and health', async () => {
      const running = new Running('metrics', address, '--port', '0');
      try {
        await until('the endpoint listens', () => running.lines.length > 0, 30_000);
        const url = running.lines[0]!['url'] as string;
        for (const format of ['prometheus', 'openmetrics'] as const) {
          const accept = format === 'openmetrics' ? 'application/openmetrics-text' : 'text/plain';
          const response = await fetch(url, { headers: { accept } });
          const text = await response.text();
          assert.equal(response.status, 200);
          assert.deepEqual(problemsOf(text, format), []);
          assert.equal(text.match(/^redis_up\{.*\} 1$/gm)!.length >= place.masters, true);
        }
        assert.equal((await fetch(url.replace(/metrics$/, 'healthz'))).status, 200);
        assert.equal((await fetch(url.replace(/metrics$/, 'other'))).status, 404);
        assert.equal((await fetch(url, { method: 'POST' })).status, 405);
      } finally {
        assert.equal(await running.stop(), 0);
      }
    });

    it('config-check: what differs between nodes', async () => {
      const before = await lingcache('config-check', address, '--json');
      const [host, port] = [address.slice(0, address.lastIndexOf(':')), Number(address.split(':').at(-1))];
      const node = new Redis({ host, port });
      await node.config('SET', 'maxmemory-samples', '7');
      try {
        const { code, stdout } = await lingcache('config-check', address, '--json');
        assert.equal(code, 1);
        const differing = (text: string): string[] =>
          (JSON.parse(text) as { findings: { directive: string; text: string }[] }).findings
            .filter(({ text: what }) => what.startsWith('differs'))
            .map(({ directive }) => directive);
        assert.deepEqual(differing(before.stdout), []);
        assert.deepEqual(differing(stdout), ['maxmemory-samples']);
      } finally {
        await node.config('SET', 'maxmemory-samples', '5');
        node.disconnect();
      }
    });

    it('hot: keys by MONITOR, when asked for', async () => {
      const [host, port] = [address.slice(0, address.lastIndexOf(':')), Number(address.split(':').at(-1))];
      const client = new Redis.Cluster([{ host, port }]);
      let going = true;
      const load = (async () => {
        while (going) await client.get('hot key');
      })();
      try {
        const data = await json<{ keys: { key: string }[] }>('hot', address, '--for', '100ms', '--monitor', '500ms');
        assert.equal(data.keys[0]!.key, 'hot key');
      } finally {
        going = false;
        await load;
        client.disconnect();
      }
    });

    it('backup and restore: every key with its time to live, onto another shape; damage is refused first', async () => {
      const dir = mkdtempSync(join(tmpdir(), 'lingcache-backup-'));
      const other = await startCluster({ masters: 2, replicas: 0 });
      const target = `127.0.0.1:${other.ports[0]}`;
      const folder = join(dir, 'copy');
      try {
        const made = await json<{ keys: number; files: { file: string }[] }>('backup', address, folder);
        assert.equal(made.keys, 302);
        assert.equal(made.files.length, place.masters);
        assert.deepEqual(readdirSync(dir), ['copy']);
        assert.equal((await lingcache('backup', address, folder)).code, 1);
        assert.equal((await lingcache('restore', target, folder)).code, 2);
        await checkDamage(folder, made.files[0]!.file, target);
        const outcome = await json<Record<string, unknown>>('restore', target, folder, '--yes');
        assert.equal(outcome['restored'], 302);
        assert.equal(outcome['verified'], true);
        await compare(other);
        assert.equal((await lingcache('restore', target, folder, '--yes')).code, 1);
        assert.equal((await lingcache('restore', target, folder, '--yes', '--replace')).code, 0);
      } finally {
        rmSync(dir, { recursive: true, force: true });
        await other.close();
      }
    });
  });
}

/** A byte that changed is found before anything is written. */
async function checkDamage(folder: string, file: string, target: string): Promise<void> {
  const path = join(folder, file);
  const whole = readFileSync(path);
  const broken = Buffer.from(whole);
  broken[broken.length >> 1] = broken[broken.length >> 1]! ^ 1;
  writeFileSync(path, broken);
  const { code, stderr } = await lingcache('restore', target, folder, '--yes');
  assert.equal(code, 1);
  assert.match(stderr, /nothing was changed: .*checksum/);
  writeFileSync(path, whole);
}

async function compare(cluster: BundledCluster): Promise<void> {
  const client = new Redis.Cluster([{ host: '127.0.0.1', port: cluster.ports[0]! }]);
  try {
    for (let at = 0; at < 300; at += 29) assert.equal(await client.get(`key:${at}`), `v${at}`);
    assert.equal(await client.llen('list'), 500);
    const left = await client.pttl('gone');
    assert.ok(left > 0 && left <= 600_000, `${left}`);
    assert.equal(await client.pttl('list'), -1);
  } finally {
    client.disconnect();
  }
}

describe('watch', function () {
  this.timeout(120_000);

  it('a failover, a node that is gone and one that is back', async () => {
    const cluster = await startCluster({ masters: 3, replicas: 1 });
    const running = new Running('watch', `127.0.0.1:${cluster.ports[0]}`, '--interval', '100ms');
    const has = (kind: string) => () => running.lines.some((line) => line['kind'] === kind);
    try {
      await until('an event: start', has('start'), 30_000);
      const replica = cluster.nodes.find(({ role }) => role === 'replica')!;
      await cluster.nodes.find(({ id }) => id === replica.masterId)!.kill();
      await until('an event: failover', has('failover'), 60_000);
      await until('an event: status', has('status'), 60_000);
      const failover = running.lines.find(({ kind }) => kind === 'failover')!;
      assert.match(String(failover['text']), /^took over from .*, with \d+ slots$/);
    } finally {
      assert.equal(await running.stop(), 0);
      await cluster.close();
    }
  });

  it('an address where nobody answers is exit code 2, and so is an unknown option', async () => {
    for (const word of ['stat', 'map', 'top', 'hot', 'big', 'latency', 'watch', 'metrics'])
      assert.equal((await lingcache(word, '127.0.0.1:1')).code, 2, word);
    const { code, stderr } = await lingcache('stat', '127.0.0.1:1', '--intervall', '5s');
    assert.equal(code, 2);
    assert.match(stderr, /did you mean --interval/);
  });
});

import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { NodeProcess, type NodeProcessOptions, startNodeProcess } from '../../../kit/node-process.ts';
import { freePort } from '../../../kit/ports.ts';
import { needRedisServer, startRealCluster } from '../../../kit/real-cluster.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';

// `lingcache server`: one node as a process, in the place of redis-server.

let dir: string;
let port: number;
const nodes: NodeProcess[] = [];

async function start(args: readonly string[] = [], more: Partial<NodeProcessOptions> = {}): Promise<NodeProcess> {
  const node = await startNodeProcess(port, { dir, args, ...more });
  nodes.push(node);
  return node;
}

/** Runs one that is not expected to come up. */
function fails(args: readonly string[], more: Partial<NodeProcessOptions> = {}): ReturnType<NodeProcess['end']> {
  const node = new NodeProcess({ dir, args, ...more });
  nodes.push(node);
  return node.ended;
}

async function clean(): Promise<void> {
  await Promise.all(nodes.splice(0).map((node) => node.end('SIGKILL')));
  rmSync(dir, { recursive: true, force: true });
}

async function prepare(): Promise<void> {
  dir = mkdtempSync(join(tmpdir(), 'lingcache-process-'));
  port = await freePort();
}

const infoOf = async (node: NodeProcess, section: string): Promise<Map<string, string>> =>
  new Map(
    String(await node.ask('info', section))
      .split('\r\n')
      .map((line) => line.split(/:(.*)/s) as [string, string]),
  );

describe('lingcache server: a node as a process', function () {
  this.timeout(30_000);
  beforeEach(prepare);
  afterEach(clean);

  it('SIGTERM waits for the end of a script, and all that it did is saved', async () => {
    const node = await start(['--busy-reply-threshold', '20', '--save', '900', '1']);
    const other = await RespClient.connect(port);
    const script = `redis.call('incr', KEYS[1])
      local from = redis.call('time')
      repeat
        local now = redis.call('time')
      until (now[1] - from[1]) * 1000000 + (now[2] - from[2]) > 1000000
      return redis.call('incr', KEYS[1])`;
    const running = node.ask('eval', script, 1, 'n');
    await until('it is busy', async () => String(await other.call('PING')).includes('BUSY'));
    assert.equal((await node.end('SIGTERM')).code, 0);
    assert.equal(await running, 2);
    assert.equal(await (await start()).ask('get', 'n'), '2');
  });

  it('one that is tied to another process ends with it, in the midst of a script too', async () => {
    const node = await start(['--busy-reply-threshold', '20'], { tied: true });
    const other = await RespClient.connect(port);
    node.ask('eval', 'while true do end', 0).catch(() => undefined);
    await until('it is busy', async () => String(await other.call('PING')).includes('BUSY'));
    node.child.disconnect();
    assert.equal((await node.ended).code, 0);
  });

  it('takes a file, stdin, options and variables; says that it is up; stops on SIGTERM with its data saved', async () => {
    writeFileSync(join(dir, 'a.conf'), 'maxclients 77\ninclude b.conf\npidfile node.pid\nunixsocket s.sock\n');
    writeFileSync(join(dir, 'b.conf'), 'requirepass ""\nhz 20\n');
    const more = { stdin: 'hz 30\ntimeout 9\n', env: { REDIS_DB_NUM: '3', REDIS_ADDR: ':1' } };
    const node = await start(['a.conf', '-', '--timeout', '8', '--save', '100', '1'], more);
    const get = async (name: string): Promise<unknown> => ((await node.ask('config', 'get', name)) as unknown[])[1];
    const values = await Promise.all(['maxclients', 'hz', 'timeout', 'databases'].map(get));
    assert.deepEqual(values.map(String), ['77', '30', '8', '3']);
    assert.match(node.text, new RegExp(`PID: ${node.child.pid}`));
    assert.match(node.text, /Running mode=standalone, port=\d+\.[\s\S]+Ready to accept/);
    assert.equal(readFileSync(join(dir, 'node.pid'), 'utf8'), `${node.child.pid}\n`);
    await node.ask('set', 'k', 'v');
    const reply = await new Promise<string>((resolve) => {
      const socket = connect(join(dir, 's.sock'), () => socket.write('GET k\r\n'));
      socket.on('data', (bytes) => resolve(String(bytes)));
    });
    assert.equal(reply, '$1\r\nv\r\n');
    await node.ask('config', 'set', 'hz', 40);
    assert.equal(await node.ask('config', 'rewrite'), 'OK');
    assert.match(readFileSync(join(dir, 'a.conf'), 'utf8'), /maxclients 77\ninclude b.conf[\s\S]+\nhz 40\n/);
    const { code, text } = await node.end('SIGTERM');
    assert.equal(code, 0);
    assert.match(text, /Received SIGTERM[\s\S]+DB saved on disk[\s\S]+bye/);
    assert.equal(existsSync(join(dir, 'node.pid')) || existsSync(join(dir, 's.sock')), false);
    const again = await start();
    assert.equal(await again.ask('get', 'k'), 'v');
  });

  it('a configuration that is wrong ends it with code 1, naming the place', async () => {
    writeFileSync(join(dir, 'bad.conf'), 'port 7000\nappendonly perhaps\n');
    writeFileSync(join(dir, 'unknown.conf'), 'maxclients 77\nwonder woman\n');
    const [bad, unknown, missing, quotes, nowhere] = await Promise.all([
      fails(['bad.conf']),
      fails(['unknown.conf']),
      fails(['none.conf']),
      fails(['-'], { stdin: 'requirepass "x\n' }),
      fails(['--dir', './nowhere']),
    ]);
    assert.match(unknown.text, /Reading unknown.conf, at line 2\n>>> 'wonder woman'\nBad directive/);
    assert.match(bad.text, /Reading bad.conf, at line 2\n>>> 'appendonly perhaps'\nargument must be 'yes' or 'no'/);
    assert.match(missing.text, /none.conf/);
    assert.match(quotes.text, /Unbalanced quotes/);
    assert.match(nowhere.text, /Can't chdir to '.\/nowhere'/);
    for (const { code } of [bad, missing, quotes, nowhere]) assert.equal(code, 1);
  });

  it('speaks TLS on tls-port, and says what is missing for it', async () => {
    const tlsPort = await freePort();
    const bare = await fails(['--tls-port', String(tlsPort), '--port', String(port)]);
    assert.deepEqual([bare.code, /tls-cert-file and tls-key-file are needed/.test(bare.text)], [1, true]);
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    execFileSync('openssl', [...made, '-keyout', 'k.pem', '-out', 'c.pem', '-subj', '/CN=node'], {
      cwd: dir,
      stdio: 'ignore',
    });
    const files = ['--tls-cert-file', 'c.pem', '--tls-key-file', 'k.pem', '--tls-auth-clients', 'no'];
    const node = await start(['--tls-port', String(tlsPort), ...files]);
    const ca = readFileSync(join(dir, 'c.pem'));
    const reply = await new Promise<string>((resolve, reject) => {
      const options = { host: '127.0.0.1', port: tlsPort, ca, checkServerIdentity: () => undefined };
      const socket = connectTls(options, () => socket.write('PING\r\n'));
      socket.on('data', (bytes) => resolve(String(bytes))).on('error', reject);
    });
    assert.equal(reply, '+PONG\r\n');
    assert.equal(String(((await node.ask('config', 'get', 'port')) as unknown[])[1]), String(port));
  });

  it('goes to the background as daemons do, and keeps what it answered', async () => {
    const args = ['--daemonize', 'yes', '--pidfile', 'd.pid', '--logfile', 'd.log', '--appendonly', 'yes'];
    const launcher = await fails([...args, '--appendfsync', 'always', '--port', String(port)]);
    assert.equal(launcher.code, 0);
    await until('it is up', () => readFileSync(join(dir, 'd.log'), 'utf8').includes('Ready to accept'));
    const pid = Number(readFileSync(join(dir, 'd.pid'), 'utf8'));
    try {
      const client = await RespClient.connect(port);
      const replies = await Promise.all(Array.from({ length: 2000 }, (_, at) => client.call('RPUSH', 'list', at)));
      assert.equal(replies.at(-1), 2000);
      client.close();
    } finally {
      process.kill(pid, 'SIGKILL');
    }
    const again = await start(['--appendonly', 'yes']);
    assert.equal(await again.ask('llen', 'list'), 2000);
  });

  it('save points save by themselves; a failed save stops writes until one succeeds', async () => {
    const node = await start(['--save', '1', '2']);
    await node.ask('set', 'a', 1);
    await node.ask('set', 'b', 2);
    await until('it is saved', async () => {
      const facts = await infoOf(node, 'persistence');
      return facts.get('rdb_saves') === '1' && facts.get('rdb_bgsave_in_progress') === '0';
    });
    assert.equal((await infoOf(node, 'persistence')).get('rdb_changes_since_last_save'), '0');
    rmSync(join(dir, 'dump.rdb'));
    mkdirSync(join(dir, 'dump.rdb'));
    await node.ask('bgsave');
    await until('it failed', async () => (await infoOf(node, 'persistence')).get('rdb_last_bgsave_status') === 'err');
    await assert.rejects(node.ask('set', 'c', 3), /^ReplyError: MISCONF Redis is configured to save RDB/);
    await assert.rejects(node.ask('shutdown'), /Errors trying to SHUTDOWN/);
    await assert.rejects(node.ask('shutdown', 'abort'), /No shutdown in progress/);
    assert.equal(await node.ask('get', 'a'), '1');
    rmSync(join(dir, 'dump.rdb'), { recursive: true });
    await node.ask('bgsave');
    await until('writes are taken again', async () => (await node.ask('set', 'c', 3)) !== undefined);
    node.ask('shutdown', 'save').catch(() => undefined);
    assert.equal((await node.ended).code, 0);
    assert.equal(await (await start()).ask('dbsize'), 3);
  });

  it('a log can be switched on and off while it runs, and is rewritten when it has grown', async () => {
    const node = await start([
      '--save',
      '',
      '--auto-aof-rewrite-min-size',
      '1kb',
      '--auto-aof-rewrite-percentage',
      '50',
    ]);
    await node.ask('set', 'before', 'x');
    await node.ask('config', 'set', 'appendonly', 'yes');
    // What is appended during a rewrite counts as its base, not as growth.
    const rewritten = async (times: number): Promise<boolean> => {
      const info = await infoOf(node, 'persistence');
      return Number(info.get('aof_rewrites')) >= times && info.get('aof_rewrite_in_progress') === '0';
    };
    await until('the log is there', () => rewritten(1));
    for (let at = 0; at < 60; at++) await node.ask('set', 'after', at);
    await until('it was rewritten', () => rewritten(2));
    await node.ask('config', 'set', 'appendonly', 'no');
    await node.ask('set', 'unlogged', 'x');
    await node.ask('config', 'set', 'appendonly', 'yes', 'appendfsync', 'always');
    await until(
      'it is all there',
      async () => (await infoOf(node, 'persistence')).get('aof_rewrite_in_progress') === '0',
    );
    await node.ask('set', 'last', 'x');
    await node.end('SIGKILL');
    const again = await start(['--appendonly', 'yes']);
    assert.deepEqual(await again.ask('mget', 'before', 'after', 'unlogged', 'last').then(String), 'x,59,x,x');
  });
});

describe('lingcache server: a node of a cluster as a process', function () {
  this.timeout(60_000);
  beforeEach(prepare);
  afterEach(clean);
  const asCluster = ['--cluster-enabled', 'yes', '--save', '', '--appendonly', 'yes', '--appendfsync', 'always'];

  it('keeps id, slots, epoch and every acknowledged write over kill -9', async () => {
    const node = await start(asCluster);
    const id = await node.ask('cluster', 'myid');
    await node.ask('cluster', 'addslotsrange', 0, 16_383);
    await node.ask('cluster', 'set-config-epoch', 5);
    await until('it serves', () => node.ask('set', 'first', 1));
    let acknowledged = 0;
    const writing = (async () => {
      for (;;) {
        await node.ask('set', `key:${acknowledged}`, acknowledged);
        acknowledged++;
      }
    })().catch(() => undefined);
    await until('some are written', () => acknowledged > 100);
    await node.end('SIGKILL');
    await writing;
    const again = await start(asCluster);
    assert.equal(await again.ask('cluster', 'myid'), id);
    assert.match(String(await again.ask('cluster', 'nodes')), / 5 connected 0-16383\n/);
    await until('it serves', () => again.ask('get', 'first'));
    for (let at = 0; at < acknowledged; at++) assert.equal(await again.ask('get', `key:${at}`), String(at));
  });

  it('a second process, and a damaged file, end with code 1 and change nothing', async () => {
    const node = await start(asCluster);
    const second = await fails([...asCluster, '--port', String(await freePort())]);
    assert.equal(second.code, 1);
    assert.match(second.text, new RegExp(`nodes.conf is in use by process ${node.child.pid}`));
    assert.equal(await node.ask('ping'), 'PONG');
    await node.end('SIGTERM');
    writeFileSync(join(dir, 'nodes.conf'), 'garbage\n');
    const damaged = await fails([...asCluster, '--port', String(port)]);
    assert.equal(damaged.code, 1);
    assert.match(damaged.text, /nodes.conf is corrupted/);
    assert.equal(readFileSync(join(dir, 'nodes.conf'), 'utf8'), 'garbage\n');
  });

  it('redis-server goes on where it stopped, and it where redis-server did', async function () {
    needRedisServer(this, 'files shared with redis-server');
    const programs = ['lingcache', 'redis-server', 'lingcache'] as const;
    let id: unknown;
    for (const [turn, program] of programs.entries()) {
      const node = await start(asCluster, { program });
      id ??= await node.ask('cluster', 'myid');
      assert.equal(await node.ask('cluster', 'myid'), id, program);
      if (turn === 0) {
        await node.ask('cluster', 'addslotsrange', 0, 8000, 9000, 16_383);
        await node.ask('cluster', 'bumpepoch');
      }
      assert.match(String(await node.ask('cluster', 'nodes')), / 1 connected 0-8000 9000-16383\n/, program);
      assert.equal(await node.ask('dbsize'), turn, program);
      if (turn < 2) {
        await node.ask('config', 'set', 'cluster-require-full-coverage', 'no');
        await until('it serves', () => node.ask('set', `{a}${turn}`, program));
      }
      assert.equal((await node.end('SIGTERM')).code, 0, program);
    }
  });

  it('takes slots of nobody that it has keys of', async () => {
    const alone = await start(['--appendonly', 'yes']);
    await alone.ask('set', 'foo', 'bar');
    await alone.end('SIGTERM');
    const node = await start(asCluster);
    assert.match(String(await node.ask('cluster', 'nodes')), /connected 12182\n/);
    assert.equal(await node.ask('dbsize'), 1);
  });
});

describe('lingcache server: in a harness made for redis-server', function () {
  this.timeout(60_000);
  let path: string | undefined;
  before(function () {
    needRedisServer(this, 'a cluster of processes in the place of redis-server');
    dir = mkdtempSync(join(tmpdir(), 'lingcache-shim-'));
    const main = new URL('../../../../server/tools/main.js', import.meta.url).pathname;
    writeFileSync(join(dir, 'redis-server'), `#!/bin/sh\nexec '${process.execPath}' '${main}' server "$@"\n`);
    chmodSync(join(dir, 'redis-server'), 0o755);
    path = process.env['PATH'];
    process.env['PATH'] = `${dir}${delimiter}${path}`;
  });
  after(() => {
    if (path !== undefined) process.env['PATH'] = path;
    rmSync(dir, { recursive: true, force: true });
  });

  it('a cluster forms, loses a master by kill -9, elects its replica and takes the old one back', async () => {
    const config = { 'cluster-node-timeout': '1000', 'cluster-replica-validity-factor': '0' };
    const cluster = await startRealCluster({ config });
    try {
      const [master, other] = cluster.masters;
      assert.match(String(await other!.ask('info', 'server')), /server_name:lingcache/);
      // Slot 0 to 5460 are the first master's; this key's slot is 3300.
      await master!.ask('set', 'b', 'kept');
      await master!.ask('wait', '1', '2000');
      await master!.kill();
      await until('the replica is master', async () =>
        / master /.test(
          String(await cluster.replicas[0]!.ask('cluster', 'nodes'))
            .split('\n')
            .find((l) => l.includes('myself'))
            ?.replace('myself,', '') ?? '',
        ),
      );
      await until('it serves', async () => (await cluster.replicas[0]!.ask('get', 'b')) === 'kept');
      await cluster.replicas[0]!.ask('set', 'b', 'newer');
      // The votes that were given are on record.
      const kept = readFileSync(join(cluster.dir, `nodes-${other!.port}.conf`), 'utf8');
      const [, epoch, voted] = /vars currentEpoch (\d+) lastVoteEpoch (\d+)/.exec(kept)!;
      assert.ok(Number(epoch) > 6 && epoch === voted, kept);
      await master!.restart();
      await until('it follows', async () =>
        /role:slave[\s\S]+master_link_status:up/.test(String(await master!.ask('info', 'replication'))),
      );
      await master!.ask('readonly');
      await until('it has the newer', async () => (await master!.ask('get', 'b')) === 'newer');
    } finally {
      await cluster.stop();
    }
  });
});

describe('lingcache up --processes', function () {
  this.timeout(60_000);
  beforeEach(prepare);
  const launched: ChildProcess[] = [];
  afterEach(async () => {
    for (const child of launched.splice(0)) child.kill('SIGKILL');
    await clean();
  });
  const main = new URL('../../../../server/tools/main.js', import.meta.url).pathname;

  interface Up {
    readonly child: ChildProcess;
    readonly ports: number[];
    readonly pids: number[];
    end(signal: NodeJS.Signals): Promise<number | null>;
  }

  async function up(): Promise<Up> {
    const args = ['up', '--processes', '--masters', '1', '--replicas', '1', '--port', '0', '--dir', join(dir, 'data')];
    const child = spawn(process.execPath, [main, ...args]);
    // Its nodes end with it.
    launched.push(child);
    const ended = once(child, 'close').then(([code]) => code as number | null);
    let out = '';
    child.stdout.on('data', (chunk) => (out += chunk));
    child.stderr.on('data', (chunk) => (out += chunk));
    await until('it is ready', () => {
      if (child.exitCode !== null) throw new Error(out);
      return out.includes('Ctrl-C');
    });
    const found = [...out.matchAll(/127\.0\.0\.1:(\d+) \(pid (\d+)\)/g)];
    return {
      child,
      ports: found.map(([, at]) => Number(at)),
      pids: found.map(([, , pid]) => Number(pid)),
      end: (signal) => {
        child.kill(signal);
        return ended;
      },
    };
  }

  const lives = (pid: number): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };

  it('its nodes go when it is killed, go on from their folder, and stop with it', async () => {
    const first = await up();
    assert.equal(first.pids.length, 2);
    const client = await RespClient.connect(first.ports[0]!);
    assert.equal(String(await client.call('SET', 'k', 'logged-by-both')), 'OK');
    assert.equal(await client.call('WAIT', 1, 5000), 1);
    client.close();
    for (const port of first.ports) {
      const log = join(dir, 'data', String(port), 'appendonlydir');
      await until(`it is in the log of ${port}`, () => {
        const bytes = readdirSync(log).map((name) => readFileSync(join(log, name), 'latin1'));
        return bytes.join('').includes('logged-by-both');
      });
    }
    await first.end('SIGKILL');
    await until('its nodes are gone', () => !first.pids.some(lives));
    const second = await up();
    assert.deepEqual(new Set(second.ports), new Set(first.ports));
    const again = await RespClient.connect(second.ports[0]!);
    assert.equal(String(await again.call('GET', 'k')), 'logged-by-both');
    again.close();
    assert.equal(await second.end('SIGTERM'), 0);
    assert.deepEqual(second.pids.filter(lives), []);
    assert.ok(existsSync(join(dir, 'data', String(first.ports[0]), 'nodes.conf')));
  });
});

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseNodes } from '../../../../lib/wire/cluster-nodes.ts';
import { slotOf } from '../../../../lib/wire/slot.ts';
import { type ConfiguredNode, type Kind, startProcess } from '../../../kit/configured-node.ts';
import { needRedisServer } from '../../../kit/real-cluster.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';

// redis-cli --cluster, every subcommand, on our nodes and on redis-server side by side: what it prints must be the
// same but for ids, addresses, times and the order in which a node lists the others.

/** One kind of nodes, and redis-cli working on them. */
class Stage {
  readonly nodes: ConfiguredNode[] = [];
  readonly #kind: Kind;
  readonly #names = new Map<string, string>();
  lone: ConfiguredNode | undefined;

  constructor(kind: Kind) {
    this.#kind = kind;
  }

  async open(count: number): Promise<void> {
    const settings = { 'cluster-enabled': 'yes', 'cluster-node-timeout': '5000' };
    const started = await Promise.all(Array.from({ length: count }, () => startProcess(this.#kind, settings)));
    this.nodes.push(...started);
    for (const at of started.keys()) this.#names.set(String(await this.say(at, 'CLUSTER', 'MYID')), `<id ${at}>`);
    this.lone = await startProcess(this.#kind, {});
  }

  async close(): Promise<void> {
    await Promise.all([...this.nodes, ...(this.lone === undefined ? [] : [this.lone])].map((node) => node.end()));
  }

  address(at: number): string {
    return `127.0.0.1:${this.nodes[at]!.port}`;
  }

  id(at: number): string {
    return [...this.#names.keys()][at]!;
  }

  async sayTo(port: number, ...words: string[]): Promise<unknown> {
    const client = await RespClient.connect(port);
    const reply = await client.call(...words);
    client.close();
    return reply;
  }

  say(at: number, ...words: string[]): Promise<unknown> {
    return this.sayTo(this.nodes[at]!.port, ...words);
  }

  /** What `redis-cli --cluster ...` prints, and its exit code. */
  async cli(words: readonly string[], input = ''): Promise<string> {
    const child = spawn('redis-cli', ['--cluster', ...words]);
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    child.stderr.on('data', (chunk) => (text += chunk));
    const code = await new Promise((resolve) => child.on('close', resolve));
    return `${text}exit ${code}\n`;
  }

  /** The configuration epochs of the masters with slots in the view of a node: `id=epoch`, in the order of ids. */
  async epochs(at: number): Promise<string> {
    const nodes = parseNodes(String(await this.say(at, 'CLUSTER', 'NODES')));
    const masters = nodes.filter(({ flags, ranges }) => flags.includes('master') && ranges.length > 0);
    return masters
      .map(({ id, configEpoch }) => `${id}=${configEpoch}`)
      .sort()
      .join(' ');
  }

  plain(text: string): string {
    let plain = text.replaceAll(/\x1b\[[\d;]*m/g, '').replaceAll(/^Waiting for the cluster to join\n?\.*$/gm, '');
    for (const [id, name] of this.#names) plain = plain.replaceAll(id, name).replaceAll(id.slice(0, 8), name);
    // With the colon: a port may be a number of a slot that is printed too.
    for (const [at, node] of this.nodes.entries())
      plain = plain.replaceAll(new RegExp(`:${node.port}\\b`, 'g'), `:<${at}>`);
    // Which of three masters a replica gets is drawn by lot where all share one host.
    return plain.replaceAll(`:${this.lone?.port}`, ':<lone>').replaceAll(/replicates <id [0-2]>/g, 'replicates <id ?>');
  }
}

/** What add-node says about functions, which our nodes do not have: redis-cli skips that step for them. */
const aboutFunctions = /^>>> (Failed retrieving Functions|Send FUNCTION)/;

/** The lines of each `M:`/`S:` block stay together; blocks and lines are sorted, as their order is the node's own. */
function sorted(text: string): string[] {
  const joined = text.replaceAll(/\n {3}(?=\S)/g, ' | ');
  return joined
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !aboutFunctions.test(line))
    .sort();
}

describe('redis-cli --cluster, on our nodes and on real ones', function () {
  this.timeout(120_000);
  const folders: string[] = [];
  const ours = new Stage('ours');
  const real = new Stage('real');

  before(async function () {
    needRedisServer(this, 'redis-cli --cluster');
    if (spawnSync('redis-cli', ['--version']).status !== 0) this.skip();
    await Promise.all([ours.open(8), real.open(8)]);
  });
  after(async () => {
    await Promise.all([ours.close(), real.close()]);
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  /** Runs the same words on both and compares what was printed. Gives our text. */
  async function same(words: (stage: Stage) => readonly string[], input?: string): Promise<string> {
    const texts = await Promise.all(
      [ours, real].map(async (stage) => stage.plain(await stage.cli(words(stage), input))),
    );
    const [mine, theirs] = texts.map((text) => sorted(text));
    if (process.env['SHOW']) console.log(texts[0], '=====', texts[1]);
    assert.deepEqual(mine, theirs);
    return texts[0]!;
  }
  async function both(work: (stage: Stage) => Promise<unknown>): Promise<void> {
    await Promise.all([ours, real].map(work));
  }
  const agreed = (count: number): Promise<void> =>
    both(async (stage) => {
      await until('the cluster is ok', async () => {
        const infos = await Promise.all(stage.nodes.slice(0, count).map((_, at) => stage.say(at, 'CLUSTER', 'INFO')));
        const known = `cluster_known_nodes:${count}\r\n`;
        return infos.every((info) => /cluster_state:ok/.test(String(info)) && String(info).includes(known));
      });
      const view = async (at: number): Promise<string> => JSON.stringify(await stage.say(at, 'CLUSTER', 'SLOTS'));
      await until('all are of one mind', async () => {
        const views = await Promise.all(stage.nodes.slice(0, count).map((_, at) => view(at)));
        return views.every((text) => text === views[0]);
      });
      // A master that still has another's epoch takes a new one once it notices, and may win back a slot that has just been
      // moved: then nobody owns it, on redis-server as well.
      await until('each master has an epoch of its own, and all know it', async () => {
        const views = await Promise.all(stage.nodes.slice(0, count).map((_, at) => stage.epochs(at)));
        const epochs = views[0]!.split(' ').map((entry) => entry.split('=')[1]);
        return new Set(epochs).size === epochs.length && views.every((text) => text === views[0]);
      });
    });

  it('create: three masters with a replica each', async () => {
    const created = await same((stage) => [
      'create',
      ...[0, 1, 2, 3, 4, 5].map((at) => stage.address(at)),
      '--cluster-replicas',
      '1',
      '--cluster-yes',
    ]);
    assert.match(created, /All 16384 slots covered/);
    await agreed(6);
  });

  it('check and info, with keys', async () => {
    await both(async (stage) => {
      for (let at = 0; at < 90; at++) {
        for (const node of [0, 1, 2]) await stage.say(node, 'SET', `key:${at}`, `v${at}`);
      }
    });
    await same((stage) => ['check', stage.address(0)]);
    await same((stage) => ['check', stage.address(4), '--cluster-search-multiple-owners']);
    await same((stage) => ['info', stage.address(1)]);
  });

  it('fix: a slot open at both ends, one half-moved, one open at one end only, one that nobody serves', async () => {
    await both(async (stage) => {
      const [key, slot] = ['key:1', slotOf('key:1')];
      const owner = Math.floor(slot / 5461);
      const next = (owner + 1) % 3;
      const open = async (at: string): Promise<void> => {
        await stage.say(next, 'CLUSTER', 'SETSLOT', at, 'IMPORTING', stage.id(owner));
        await stage.say(owner, 'CLUSTER', 'SETSLOT', at, 'MIGRATING', stage.id(next));
      };
      await open(String(slot));
      await stage.say(owner, 'SET', `{${key}}more`, 'x');
      await stage.say(owner, 'MIGRATE', '127.0.0.1', String(stage.nodes[next]!.port), key, '0', '5000');
    });
    await same((stage) => ['check', stage.address(0)]);
    await same((stage) => ['fix', stage.address(0)]);
    await agreed(6);
    await both(async (stage) => {
      await stage.say(0, 'CLUSTER', 'SETSLOT', '100', 'MIGRATING', stage.id(1));
      await stage.say(2, 'CLUSTER', 'SETSLOT', '200', 'IMPORTING', stage.id(0));
    });
    await same((stage) => ['fix', stage.address(1)]);
    await both(async (stage) => {
      for (const at of [0, 1, 2]) await stage.say(at, 'CLUSTER', 'DELSLOTS', String(slotOf('key:2')));
    });
    await same((stage) => ['fix', stage.address(0)], 'yes\n');
    await agreed(6);
    await same((stage) => ['check', stage.address(0)]);
  });

  it('reshard and rebalance, by weight and onto an empty master', async () => {
    await same((stage) => [
      'reshard',
      stage.address(0),
      ...['--cluster-from', `${stage.id(0)},${stage.id(1)}`, '--cluster-to', stage.id(2)],
      ...['--cluster-slots', '21', '--cluster-yes'],
    ]);
    await agreed(6);
    await same((stage) => ['add-node', stage.address(6), stage.address(0)]);
    await agreed(7);
    await same((stage) => ['rebalance', stage.address(0), '--cluster-simulate', '--cluster-use-empty-masters']);
    await same((stage) => [
      'rebalance',
      stage.address(0),
      ...['--cluster-use-empty-masters', '--cluster-weight', `${stage.id(6)}=0.005`, '--cluster-threshold', '1'],
    ]);
    await agreed(7);
    await same((stage) => ['rebalance', stage.address(0), '--cluster-weight', `${stage.id(6)}=0.005`]);
  });

  it('add-node as a replica, call, set-timeout, del-node', async () => {
    await same((stage) => [
      'add-node',
      stage.address(7),
      stage.address(0),
      '--cluster-slave',
      '--cluster-master-id',
      stage.id(6),
    ]);
    await agreed(8);
    // Until it has its copy it answers LOADING.
    await both((stage) =>
      until('it follows', async () => /master_link_status:up/.test(String(await stage.say(7, 'INFO', 'replication')))),
    );
    await same((stage) => ['call', stage.address(0), 'GET', 'key:3', '--cluster-only-masters']);
    await same((stage) => ['call', stage.address(0), 'PING', '--cluster-only-replicas']);
    await same((stage) => ['set-timeout', stage.address(0), '6000']);
    await both(async (stage) => {
      for (const at of stage.nodes.keys()) {
        assert.deepEqual(await stage.say(at, 'CONFIG', 'GET', 'cluster-node-timeout'), [
          'cluster-node-timeout',
          '6000',
        ]);
      }
    });
    await same((stage) => ['del-node', stage.address(0), stage.id(6)]);
    await same((stage) => ['del-node', stage.address(0), stage.id(7)]);
    await both((stage) =>
      until('it is alone', async () => /cluster_known_nodes:1\r/.test(String(await stage.say(7, 'CLUSTER', 'INFO')))),
    );
  });

  it('import from a node on its own', async () => {
    await both(async (stage) => {
      for (let at = 0; at < 30; at++) await stage.sayTo(stage.lone!.port, 'SET', `lone:${at}`, `v${at}`);
    });
    const from = (stage: Stage): string => `127.0.0.1:${stage.lone!.port}`;
    await same((stage) => ['import', stage.address(0), '--cluster-from', from(stage), '--cluster-copy']);
    await both((stage) => stage.sayTo(stage.lone!.port, 'SET', 'key:5', 'other'));
    await same((stage) => ['import', stage.address(0), '--cluster-from', from(stage), '--cluster-replace']);
    await both(async (stage) => assert.equal(await stage.sayTo(stage.lone!.port, 'DBSIZE'), 0));
    await same((stage) => ['call', stage.address(0), 'GET', 'key:5', '--cluster-only-masters']);
  });

  it('backup', async () => {
    await both(async (stage) => {
      const folder = mkdtempSync(join(tmpdir(), 'lingcache-backup-'));
      folders.push(folder);
      const text = await stage.cli(['backup', stage.address(0), folder]);
      assert.match(text, /Created in folder|nodes\.json/i);
      assert.ok(existsSync(join(folder, 'nodes.json')));
      assert.equal(readdirSync(folder).filter((name) => name.endsWith('.rdb')).length, 4);
    });
  });
});

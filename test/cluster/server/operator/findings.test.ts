import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { RealWorld } from '../../../../lib/base/world.ts';
import { startNode } from '../../../../server/index.ts';
import { ClusterLink, type ClusterLinkOptions, checkCluster, type Finding } from '../../../../server/operator/index.ts';
import { needRedisServer, type RealCluster, type RealNode, startRealCluster } from '../../../kit/real-cluster.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { findServer, needServer } from '../../../kit/servers.ts';
import { until } from '../../../kit/until.ts';

// Every kind of finding of `check`, each brought about on redis-server (clocks that differ: on bundled nodes), and gone
// when its cause is. What settles by itself in a cluster that talks is held still: nodes.conf is edited, and the bus cut.

type Lines = string[][];
type Edit = (lines: Lines, node: RealNode, at: number) => void;

const seen = new Set<string>();

async function check(
  nodes: readonly { readonly port: number }[],
  options: Partial<ClusterLinkOptions> = {},
): Promise<readonly Finding[]> {
  const seeds = nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
  const link = new ClusterLink({ seeds, world: new RealWorld(), timeoutMs: 2000, ...options });
  try {
    const { findings } = await checkCluster(link);
    for (const { kind, todo, what } of findings) {
      assert.ok(todo !== '' && what !== '', kind);
      seen.add(kind);
    }
    return findings;
  } finally {
    link.close();
  }
}

function one(findings: readonly Finding[], kind: string, where?: RegExp): Finding {
  const found = findings.filter((finding) => finding.kind === kind && (where?.test(finding.where.join()) ?? true));
  assert.equal(found.length, 1, `${kind}: ${JSON.stringify(findings)}`);
  return found[0]!;
}

const kindsOf = (findings: readonly Finding[]): string[] => findings.map(({ kind }) => kind);

/** Stops all nodes, edits what each knows of the others, and starts those of `started` with no way to each other. */
async function heldStill(real: RealCluster, edit: Edit, started: readonly RealNode[] = real.nodes): Promise<void> {
  for (const node of real.nodes) await node.kill();
  for (const [at, node] of real.nodes.entries()) {
    const file = join(real.dir, `nodes-${node.port}.conf`);
    const lines = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(' '));
    edit(lines, node, at);
    for (const fields of lines) if (fields[0] !== 'vars') fields[1] = fields[1]!.replace(/@\d+/, '@1');
    writeFileSync(file, `${lines.map((fields) => fields.join(' ')).join('\n')}\n`);
  }
  await Promise.all(started.map((node) => node.restart()));
}

const lineOf = (lines: Lines, { id }: RealNode): string[] => lines.find(([first]) => first === id)!;

describe('findings that settle by themselves, held still', function () {
  this.timeout(60_000);
  let real: RealCluster;

  before(function () {
    needRedisServer(this, 'findings on redis-server');
  });
  beforeEach(async () => {
    real = await startRealCluster({ masters: 3, replicas: 1, config: { 'cluster-node-timeout': '3600000' } });
  });
  afterEach(() => real?.stop());

  it('epochs that collide', async () => {
    await heldStill(real, (lines) => {
      for (const node of real.masters.slice(0, 2)) lineOf(lines, node)[6] = '7';
    });
    const { what, where, severity } = one(await check(real.nodes), 'epoch-collision');
    assert.match(what, /2 masters have the same configuration epoch 7/);
    assert.deepEqual(
      [...where].sort(),
      real.masters
        .slice(0, 2)
        .map(({ address }) => address)
        .sort(),
    );
    assert.equal(severity, 'warning');
  });

  it('nodes that disagree on owners, and a slot that two claim', async () => {
    const [a, b, c] = real.masters as [RealNode, RealNode, RealNode];
    await heldStill(real, (lines, node) => {
      // One bystander believes that slot 7 is b's; and c claims slot 20 of a.
      const own = lineOf(lines, a);
      if (node === c) {
        own.splice(8, own.length, '0-6', '8-19', '21-5460');
        lineOf(lines, b).push('7');
        lineOf(lines, c).push('20');
      }
    });
    const findings = await check(real.nodes);
    const { what, where, severity } = one(findings, 'nodes-disagree', /^7$/);
    assert.deepEqual([where, severity], [['7'], 'critical']);
    assert.match(what, new RegExp(`${c.address}: ${b.address}`));
    const twice = one(findings, 'slot-claimed-twice');
    assert.match(twice.what, /slot 20 is claimed by 2 masters/);
    assert.deepEqual(
      [a, c].map(({ address }) => twice.where.some((text) => text.startsWith(address))),
      [true, true],
    );
  });

  it('a replica that follows a replica, one that follows an unknown node, and one that replicates from another node', async () => {
    const [first, second, third] = real.replicas as [RealNode, RealNode, RealNode];
    const unknownNode = '0123456789'.repeat(4);
    await heldStill(real, (lines, node) => {
      if (node === first) lineOf(lines, first)[3] = second.id;
      if (node === second) lineOf(lines, second)[3] = unknownNode;
      if (node === third) {
        const master = lineOf(lines, real.masters[2]!);
        master[1] = master[1]!.replace(/:\d+@/, `:${real.masters[0]!.port}@`);
      }
    });
    // What a master knows of them is asked first.
    const findings = await check(real.masters);
    assert.match(
      one(findings, 'wrong-master', new RegExp(first.address)).what,
      /follows .*, which is a replica itself/,
    );
    assert.match(one(findings, 'wrong-master', new RegExp(second.address)).what, /follows a node that is no member/);
    assert.match(
      one(findings, 'wrong-master', new RegExp(third.address)).what,
      new RegExp(`replicates from 127.0.0.1:${real.masters[0]!.port}, and the cluster has ${real.masters[2]!.address}`),
    );
  });

  it('nodes without bus connections, and one that does not know another', async () => {
    const [a, b] = real.masters as [RealNode, RealNode];
    await heldStill(real, (lines, node) => {
      if (node === b) lines.splice(lines.indexOf(lineOf(lines, real.replicas[0]!)), 1);
    });
    const findings = await check(real.nodes);
    assert.match(one(findings, 'bus-link', new RegExp(a.address)).what, /has no bus connection to/);
    assert.deepEqual(one(findings, 'unknown-node').where, [b.address]);
    assert.match(one(findings, 'unknown-node').what, new RegExp(real.replicas[0]!.address));
  });

  it('a replica that has lost its master, and the master that does not answer', async () => {
    await heldStill(real, () => undefined, real.nodes.slice(1));
    for (const replica of real.replicas.slice(1)) {
      const linked = async () => String(await replica.ask('info', 'replication')).includes('master_link_status:up');
      await until(`${replica.address} has found its master again`, linked);
    }
    const findings = await check(real.nodes.slice(1));
    const { severity, what } = one(findings, 'unreachable', new RegExp(real.nodes[0]!.address));
    assert.equal(severity, 'critical');
    assert.match(what, /^master of 5461 slots: the node does not answer/);
    assert.deepEqual(one(findings, 'replica-link').where, [real.replicas[0]!.address]);
  });
});

/** Passes bytes on to a node; what replication sends to replicas is held back while `stalled`. */
class StallingProxy {
  readonly #server: Server;
  readonly #toReplicas = new Set<Socket>();
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(node: RealNode): Promise<StallingProxy> {
    const server = createServer();
    const proxy = new StallingProxy(server);
    server.on('connection', (client) => {
      const upstream = connect(node.port, node.host);
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        proxy.#sockets.add(from);
        from.on('error', () => to.destroy());
        from.on('close', () => to.destroy());
        from.on('data', (chunk) => {
          if (from === client && chunk.includes('PSYNC')) proxy.#toReplicas.add(upstream);
          to.write(chunk);
        });
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Connections by which replicas follow. */
  get replicas(): number {
    return [...this.#toReplicas].filter(({ destroyed }) => !destroyed).length;
  }

  stall(stalled: boolean): void {
    for (const socket of this.#toReplicas) stalled ? socket.pause() : socket.resume();
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

describe('findings on redis-server', function () {
  this.timeout(90_000);
  let real: RealCluster;

  before(async function () {
    needRedisServer(this, 'findings on redis-server');
    const config = {
      bind: '0.0.0.0',
      'protected-mode': 'no',
      'cluster-node-timeout': '4000',
      'cluster-replica-no-failover': 'yes',
    };
    real = await startRealCluster({ masters: 3, replicas: 1, config });
  });
  after(() => real?.stop());

  const healthy = (): Promise<unknown> =>
    until(
      'nothing but notes',
      async () => (await check(real.nodes)).every(({ severity }) => severity === 'note'),
      30_000,
    );
  const views = async (test: (view: string) => boolean): Promise<boolean> =>
    (await Promise.all(real.nodes.map((node) => node.ask('cluster', 'nodes')))).every((view) => test(String(view)));

  beforeEach(healthy);

  const parameters: readonly (readonly [name: string, value: string, back: string])[] = [
    ['maxmemory', '1gb', '0'],
    ['maxmemory-policy', 'allkeys-lru', 'noeviction'],
    ['cluster-node-timeout', '4100', '4000'],
    ['cluster-require-full-coverage', 'no', 'yes'],
    ['cluster-allow-replica-migration', 'yes', 'no'],
    ['appendonly', 'yes', 'no'],
    ['appendfsync', 'no', 'everysec'],
    ['save', '3600 1', ''],
  ];
  for (const [name, value, back] of parameters) {
    it(`${name} that differs`, async () => {
      const [node] = real.masters as [RealNode];
      await node.ask('config', 'set', name, value);
      try {
        const { what, where, todo } = one(await check(real.nodes), 'parameter');
        assert.match(what, new RegExp(`^${name} differs between nodes$`));
        assert.equal(where.length, 2);
        assert.ok(
          where.some((text) => text.endsWith(`: ${node.address}`)),
          where.join(),
        );
        assert.match(todo, new RegExp(`CONFIG SET ${name} `));
      } finally {
        await node.ask('config', 'set', name, back);
      }
    });
  }

  it('requirepass that differs, without telling it', async () => {
    for (const each of real.nodes) await each.ask('acl', 'setuser', 'checker', 'on', '>known', '~*', '&*', '+@all');
    const node = real.masters[1]!;
    await node.ask('config', 'set', 'requirepass', 'very-secret');
    try {
      const findings = await check(real.nodes, { username: 'checker', password: 'known' });
      assert.match(one(findings, 'parameter').what, /requirepass differs/);
      assert.doesNotMatch(JSON.stringify(findings), /very-secret/);
    } finally {
      await node.ask('config', 'set', 'requirepass', '');
    }
  });

  it('memory near its limit, and beyond it', async () => {
    const node = real.masters[2]!;
    const used = Number(/used_memory:(\d+)/.exec(String(await node.ask('info', 'memory')))![1]);
    const ofMemory = async (limit: number): Promise<Finding> => {
      await node.ask('config', 'set', 'maxmemory', String(limit));
      return one(await check(real.nodes), 'memory');
    };
    try {
      const near = await ofMemory(Math.floor(used * 1.05));
      assert.deepEqual([near.severity, near.where], ['warning', [node.address]]);
      assert.match(near.what, /uses 9\d % of maxmemory \(noeviction\)/);
      assert.equal((await ofMemory(Math.floor(used / 2))).severity, 'critical');
      await node.ask('config', 'set', 'maxmemory-policy', 'allkeys-lfu');
      assert.equal((await ofMemory(Math.floor(used / 2))).severity, 'warning');
      await node.ask('config', 'set', 'maxmemory', String(used * 4));
      assert.ok(!kindsOf(await check(real.nodes)).includes('memory'));
    } finally {
      await node.ask('config', 'set', 'maxmemory-policy', 'noeviction');
      await node.ask('config', 'set', 'maxmemory', '0');
    }
  });

  it('one host that has a master and its replica', async () => {
    assert.equal(one(await check(real.nodes), 'shared-host').severity, 'note');
    const hosts = ['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.2', '127.0.0.5'];
    try {
      for (const [at, node] of real.nodes.entries()) await node.ask('config', 'set', 'cluster-announce-ip', hosts[at]!);
      const announced = real.nodes.map(({ port }, at) => `${hosts[at]}:${port}@`);
      const isSettled = (view: string): boolean =>
        announced.every((address) => view.includes(address)) && !view.includes(' disconnected');
      await until('everyone knows, and is connected again', () => views(isSettled), 20_000);
      const { severity, where } = one(await check(real.nodes), 'shared-host');
      assert.deepEqual([severity, where], ['warning', [`127.0.0.2:${real.nodes[4]!.port}`]]);
    } finally {
      for (const node of real.nodes) await node.ask('config', 'set', 'cluster-announce-ip', '127.0.0.1');
      await until('everyone is back', () => views((view) => !/127\.0\.0\.[2-9]/.test(view)), 20_000);
      for (const node of real.nodes) await node.ask('config', 'set', 'cluster-announce-ip', '');
    }
  });

  it('an announced address that does not answer', async () => {
    const node = real.replicas[1]!;
    try {
      await node.ask('config', 'set', 'cluster-announce-port', '1');
      await until('everyone knows', () => views((view) => view.includes(':1@')), 20_000);
      const { severity, what, where } = one(await check(real.masters), 'unreachable');
      assert.deepEqual([severity, where], ['warning', ['127.0.0.1:1']]);
      assert.match(what, /does not answer at the address that it announces \(.*ECONNREFUSED/);
      // Whoever says where it is reached finds nothing wrong.
      const natMap = { '127.0.0.1:1': { host: '127.0.0.1', port: node.port } };
      assert.ok(!kindsOf(await check(real.masters, { natMap })).includes('unreachable'));
    } finally {
      await node.ask('config', 'set', 'cluster-announce-port', '0');
      await until('everyone is back', () => views((view) => !view.includes(':1@')), 20_000);
    }
  });

  it('a replica that lags', async () => {
    const [master] = real.masters as [RealNode];
    const proxy = await StallingProxy.start(master);
    try {
      await master.ask('config', 'set', 'cluster-announce-port', String(proxy.port));
      await until('the replica follows by the proxy', () => proxy.replicas > 0, 30_000);
      await until('it is in step', async () =>
        /master_link_status:up/.test(String(await real.replicas[0]!.ask('info', 'replication'))),
      );
      assert.ok(!kindsOf(await check(real.nodes)).includes('replica-lag'));
      proxy.stall(true);
      // More than what sockets hold on the way.
      for (let at = 0; at < 40; at++) await master.ask('set', `{${'06S'}}${at}`, 'x'.repeat(1 << 20));
      const { severity, what, where } = one(await check(real.nodes), 'replica-lag');
      assert.deepEqual([severity, where], ['warning', [real.replicas[0]!.address]]);
      assert.match(what, /is \d{7,} bytes behind/);
      proxy.stall(false);
      await until('it has caught up', async () => !kindsOf(await check(real.nodes)).includes('replica-lag'), 30_000);
    } finally {
      await master.ask('config', 'set', 'cluster-announce-port', '0');
      await until('everyone is back', () => views((view) => !view.includes(`:${proxy.port}@`)), 20_000);
      proxy.stop();
      await master.ask('flushall');
    }
  });

  it('a node that is half known', async () => {
    await real.nodes[0]!.ask('cluster', 'meet', '127.0.0.1', '2', '2');
    const { severity, what } = one(await check(real.nodes.slice(0, 1)), 'half-known-node');
    assert.equal(severity, 'note');
    assert.match(what, /handshake/);
  });

  it('slots that belong to nobody, an open one, and masters without a replica', async () => {
    const [a, b] = real.masters as [RealNode, RealNode];
    const [lost] = real.replicas as [RealNode];
    await a.ask('cluster', 'setslot', '5', 'migrating', b.id);
    for (const node of real.nodes) await node.ask('cluster', 'delslots', '16000').catch(() => undefined);
    const findings = await check(real.nodes);
    assert.deepEqual(one(findings, 'uncovered-slots').where, ['16000']);
    assert.equal(one(findings, 'cluster-down').severity, 'critical');
    assert.match(one(findings, 'open-slot').what, /slot 5 is open/);
    await a.ask('cluster', 'setslot', '5', 'stable');
    await real.masters[2]!.ask('cluster', 'addslots', '16000');
    await healthy();
    await lost.ask('cluster', 'replicate', b.id);
    await until('it has moved', async () => kindsOf(await check(real.nodes)).includes('no-replica'));
    assert.deepEqual(one(await check(real.nodes), 'no-replica').where, [a.address]);
    await lost.ask('cluster', 'replicate', a.id);
  });
});

describe('findings of clusters of other kinds', function () {
  this.timeout(60_000);

  it('versions that differ', async function () {
    const other = needServer(this, 'valkey-8', 'versions that differ');
    needRedisServer(this, 'versions that differ');
    const real = await startRealCluster({ masters: 3, replicas: 0, servers: [findServer('redis-7')!, other, other] });
    try {
      const { severity, where } = one(await check(real.nodes), 'versions');
      assert.equal(severity, 'warning');
      assert.ok(
        where.some((text) => new RegExp(`^7\\.0\\.\\d+: ${real.nodes[0]!.address}$`).test(text)),
        where.join(),
      );
      assert.ok(
        where.some((text) => /^valkey 8\.\d+\.\d+: /.test(text)),
        where.join(),
      );
    } finally {
      await real.stop();
    }
  });

  it('fewer than three masters, and a node that others take for failing', async function () {
    needRedisServer(this, 'failing nodes of redis-server');
    const real = await startRealCluster({ masters: 2, replicas: 0, config: { 'cluster-node-timeout': '1000' } });
    try {
      assert.equal(one(await check(real.nodes), 'few-masters').severity, 'note');
      real.nodes[1]!.freeze();
      await until(
        'it is noticed',
        async () => kindsOf(await check(real.nodes.slice(0, 1))).includes('failing-node'),
        20_000,
      );
      const { where, what } = one(await check(real.nodes.slice(0, 1)), 'failing-node');
      assert.deepEqual(where, [real.nodes[0]!.address]);
      assert.match(what, new RegExp(`${real.nodes[1]!.address} \\(fail\\??\\)`));
    } finally {
      real.nodes[1]!.thaw();
      await real.stop();
    }
  });

  it('clocks that are apart', async () => {
    class Ahead extends RealWorld {
      readonly #ms: number;

      constructor(ms: number) {
        super();
        this.#ms = ms;
      }

      override wallClock(): number {
        return super.wallClock() + this.#ms;
      }
    }
    const nodes = await Promise.all([0, 300, 5000].map((ms) => startNode({ cluster: true, world: new Ahead(ms) })));
    try {
      const client = await RespClient.connect(nodes[0]!.port);
      for (const { port } of nodes.slice(1)) await client.call('CLUSTER', 'MEET', '127.0.0.1', String(port));
      await client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
      client.close();
      await until('they are one cluster', async () => kindsOf(await check(nodes)).includes('clocks'));
      const { severity, where } = one(await check(nodes), 'clocks');
      assert.deepEqual([severity, where.length], ['warning', 1]);
      assert.match(where[0]!, new RegExp(`^127\\.0\\.0\\.1:${nodes[2]!.port} \\([45]\\.\\d s\\)$`));
    } finally {
      await Promise.all(nodes.map((node) => node.kill()));
    }
  });

  it('every kind that the documentation names has been seen here', function () {
    needRedisServer(this, 'all kinds of findings');
    const page = readFileSync(new URL('../../../../../docs/operator.md', import.meta.url), 'utf8');
    const table = page.slice(page.indexOf('### Findings of `check`'), page.indexOf('## Changing'));
    const kinds = [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell]) =>
      [...cell!.matchAll(/`([\w-]+)`/g)].map(([, kind]) => kind!),
    );
    assert.ok(kinds.length > 20);
    assert.deepEqual(
      kinds.filter((kind) => !seen.has(kind) && !(kind === 'versions' && findServer('valkey-8') === undefined)),
      [],
    );
    assert.deepEqual(
      [...seen].filter((kind) => !kinds.includes(kind)),
      [],
    );
  });
});

import assert from 'node:assert/strict';
import { slotOf } from '../../../../lib/wire/slot.ts';
import { type BundledNode, startNode } from '../../../../server/index.ts';
import { ask } from '../../../kit/ask.ts';
import { failOver } from '../../../kit/failover.ts';
import { needRedisServer, type RealCluster, startRealCluster } from '../../../kit/real-cluster.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';

// Nodes of ours in one cluster with redis-server: every word between them is the bus of redis 7.0.

// However long an election takes on a busy machine, a replica may try again.
const config = { 'cluster-node-timeout': '2000', 'cluster-replica-validity-factor': '0' };
const slot = slotOf('foo');

/** Joins `node` to the cluster and waits until every real node knows it. */
async function join(node: BundledNode, real: RealCluster): Promise<void> {
  await real.nodes[0]!.ask('cluster', 'meet', node.host, String(node.port), String(node.port + 10_000));
  await until('it is known to all and knows all', async () => {
    const seen = await Promise.all(real.nodes.map((other) => other.ask('cluster', 'nodes')));
    const met = [...node.state!.nodes.values()].filter(({ handshake }) => !handshake);
    return seen.every((view) => String(view).includes(node.id)) && met.length > real.nodes.length;
  });
}

/** Moves an empty slot from a real node to ours. */
async function takeSlot(node: BundledNode, real: RealCluster, taken: number): Promise<void> {
  const owner = await real.ownerOf(taken);
  await ask(node, 'CLUSTER', 'SETSLOT', String(taken), 'IMPORTING', owner.id);
  await owner.ask('cluster', 'setslot', String(taken), 'migrating', node.id);
  await ask(node, 'CLUSTER', 'SETSLOT', String(taken), 'NODE', node.id);
  await until('all real nodes believe it', async () => {
    const seen = await Promise.all(real.nodes.map((other) => other.ask('cluster', 'nodes')));
    return seen.every((view) => new RegExp(`^${node.id} .* ${taken}$`, 'm').test(String(view)));
  });
}

describe('our nodes in a cluster of redis-server', function () {
  this.timeout(60_000);
  let real: RealCluster;
  let ours: BundledNode[];

  before(async function () {
    needRedisServer(this, 'our nodes in a cluster of redis-server');
    ours = [];
    real = await startRealCluster({ masters: 3, replicas: 0, config });
    for (let at = 0; at < 2; at++) ours.push(await startNode({ cluster: true, bus: 'tcp', config }));
  });

  after(async () => {
    await Promise.all((ours ?? []).map((node) => node.kill()));
    await real?.stop();
  });

  async function views(): Promise<string[]> {
    const asked = [
      ...real.nodes.map((node) => node.ask('cluster', 'nodes')),
      ...ours.map((node) => ask(node, 'CLUSTER', 'NODES')),
    ];
    return (await Promise.all(asked)).map(String);
  }

  it('join by MEET in either direction, and are known to all by gossip', async () => {
    const [first, second] = ours as [BundledNode, BundledNode];
    const [met, meeting] = real.nodes;
    const [, busPort] = /@(\d+) myself/.exec(String(await met!.ask('cluster', 'nodes')))!;
    await ask(first, 'CLUSTER', 'MEET', met!.host, String(met!.port), busPort!);
    await meeting!.ask('cluster', 'meet', second.host, String(second.port), String(second.port + 10_000));
    const ids = [...real.nodes, ...ours].map(({ id }) => id);
    await until('all know all', async () =>
      (await views()).every(
        (view) =>
          view.trim().split('\n').length === ids.length &&
          ids.every((id) => view.includes(id)) &&
          !/handshake|fail|noaddr|disconnected/.test(view),
      ),
    );
    for (const view of await views()) {
      for (const { id, port } of ours)
        assert.match(view, new RegExp(`^${id} 127\\.0\\.0\\.1:${port}@${port + 10_000} `, 'm'));
    }
    // Slots and epochs of the real nodes have come over, and ours are of one mind with them.
    await until('all are ok', async () => {
      const infos = await Promise.all(ours.map((node) => ask(node, 'CLUSTER', 'INFO')));
      return infos.every((info) => /cluster_state:ok/.test(String(info)) && /cluster_size:3/.test(String(info)));
    });
    for (const { state } of ours) {
      for (const at of [0, 8000, slot, 16_383]) assert.equal(state!.owners.get(at), (await real.ownerOf(at)).id);
    }
  });

  it('take over a slot with its key: real nodes believe the claim, and send clients here', async () => {
    const [mine] = ours as [BundledNode, BundledNode];
    const owner = await real.ownerOf(slot);
    await owner.ask('set', 'foo', 'bar');
    await ask(mine, 'CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', owner.id);
    await owner.ask('cluster', 'setslot', String(slot), 'migrating', mine.id);
    await owner.ask('migrate', mine.host, String(mine.port), 'foo', '0', '5000');
    await ask(mine, 'CLUSTER', 'SETSLOT', String(slot), 'NODE', mine.id);
    await owner.ask('cluster', 'setslot', String(slot), 'node', mine.id);
    // The third real node and our second have only the bus to learn from.
    for (const node of real.nodes) {
      await until(`${node.address} believes it`, async () => {
        const error = await node.ask('get', 'foo').catch((reason: Error) => reason.message);
        return error === `MOVED ${slot} 127.0.0.1:${mine.port}`;
      });
    }
    await until('our other node believes it', () => ours[1]!.state!.owners.get(slot) === mine.id);
    assert.equal(String(await ask(mine, 'GET', 'foo')), 'bar');
  });

  it('give a slot back: ours believe the claim of a real node', async () => {
    const target = real.nodes[0]!;
    const mine = ours[0]!;
    await target.ask('cluster', 'setslot', String(slot), 'importing', mine.id);
    await ask(mine, 'CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', target.id);
    assert.equal(String(await ask(mine, 'MIGRATE', target.host, String(target.port), 'foo', '0', '5000')), 'OK');
    await target.ask('cluster', 'setslot', String(slot), 'node', target.id);
    await until('ours believe it', () => ours.every(({ state }) => state!.owners.get(slot) === target.id));
    await until('all real nodes believe it', async () => (await real.ownerOf(slot)).id === target.id);
    assert.equal(await target.ask('get', 'foo'), 'bar');
  });

  it('carry PUBLISH both ways, bytes as they are', async () => {
    const [here, there] = [await RespClient.connect(ours[0]!.port), await RespClient.connect(real.nodes[1]!.port)];
    try {
      await Promise.all([here.call('SUBSCRIBE', 'news'), there.call('SUBSCRIBE', 'news')]);
      // The client of real nodes sends UTF-8, ours one byte a character; both listeners give the bytes as they came.
      const text = 'h\u00e9llo \r\n\0';
      for (const [listener, publish, expected] of [
        [here, () => real.nodes[2]!.ask('publish', 'news', text), Buffer.from(text).toString('latin1')],
        [there, () => ask(ours[1]!, 'PUBLISH', 'news', text), text],
      ] as const) {
        const heard = listener.read();
        await publish();
        assert.deepEqual(await heard, ['message', 'news', expected]);
        // The other listener has the same message waiting: off the queue with it.
        await (listener === here ? there : here).read();
      }
    } finally {
      here.close();
      there.close();
    }
  });

  it('agree with real nodes that a frozen one failed, and that it is back', async () => {
    const frozen = real.nodes[1]!;
    frozen.freeze();
    try {
      await until('ours and a real one say fail', async () => {
        const asked = [ask(ours[0]!, 'CLUSTER', 'NODES'), ask(ours[1]!, 'CLUSTER', 'NODES')];
        const seen = await Promise.all([...asked, real.nodes[0]!.ask('cluster', 'nodes')]);
        // Ours keep their own suspicion beside the verdict of the majority.
        if (seen.every((view) => new RegExp(`^${frozen.id} [^ ]+ master,(fail[?],)?fail `, 'm').test(String(view))))
          return true;
        throw new Error(seen.join('\n'));
      });
      assert.match(String(await ask(ours[0]!, 'CLUSTER', 'INFO')), /cluster_state:fail/);
    } finally {
      frozen.thaw();
    }
    await until('all is well', async () => (await views()).every((view) => !/fail|disconnected/.test(view)));
  });

  it('are found failed by real nodes when frozen, and are taken back', async () => {
    const frozen = ours[1]!;
    frozen.pause();
    await until('real nodes say fail', async () => {
      const seen = await Promise.all(real.nodes.map((node) => node.ask('cluster', 'nodes')));
      return seen.every((view) => new RegExp(`^${frozen.id} [^ ]+ master,fail `, 'm').test(String(view)));
    });
    frozen.resume();
    await until('all is well', async () => (await views()).every((view) => !/fail|disconnected/.test(view)));
  });
});

// Four masters with slots, one of them ours: three votes win, and one of the four is the master that fails.
describe('elections among redis-server and our nodes', function () {
  this.timeout(60_000);
  let real: RealCluster;
  let ours: BundledNode[];

  before(function () {
    needRedisServer(this, 'elections among redis-server and our nodes');
  });

  beforeEach(async () => {
    ours = [];
    real = await startRealCluster({ masters: 3, replicas: 1, config });
    ours.push(await startNode({ cluster: true, bus: 'tcp', config }));
    await join(ours[0]!, real);
    await takeSlot(ours[0]!, real, slot);
  });

  afterEach(async () => {
    await Promise.all(ours.map((node) => node.kill()));
    await real?.stop();
  });

  it('our word and our vote make a real replica the master', async () => {
    const [mine] = ours as [BundledNode];
    const [lost] = real.masters;
    const epoch = mine.state!.currentEpoch;
    await lost!.kill();
    const newPrimary = await until('a replica is elected', () => {
      const owner = mine.state!.nodes.get(mine.state!.owners.get(0)!)!;
      return owner.id === lost!.id ? undefined : owner;
    });
    assert.ok(real.replicas.some(({ id }) => id === newPrimary!.id));
    assert.equal(newPrimary!.role, 'master');
    assert.ok(newPrimary!.configEpoch > epoch);
    assert.equal(mine.state!.lastVoteEpoch, newPrimary!.configEpoch);
    await until('ours is ok', async () => /cluster_state:ok/.test(String(await ask(mine, 'CLUSTER', 'INFO'))));
    await lost!.restart();
    await until('the old master follows', () => mine.state!.nodes.get(lost!.id)?.master === newPrimary!.id);
  });

  describe('with a replica of ours', () => {
    let master: BundledNode;
    let replica: BundledNode;

    beforeEach(async () => {
      master = ours[0]!;
      replica = await startNode({ cluster: true, bus: 'tcp', config });
      ours.push(replica);
      await join(replica, real);
      await until('it knows its master', () => replica.state!.nodes.get(master.id)?.handshake === false);
      await ask(replica, 'CLUSTER', 'REPLICATE', master.id);
      await until('it serves', async () => /cluster_state:ok/.test(String(await ask(master, 'CLUSTER', 'INFO'))));
      await ask(master, 'SET', 'foo', 'kept');
      await until('it has its copy', async () => {
        const info = String(await ask(replica, 'INFO', 'replication'));
        return /master_link_status:up/.test(info) && /slave_repl_offset:[1-9]/.test(info);
      });
      await until('real nodes know its role', async () => {
        const seen = await Promise.all(real.nodes.map((node) => node.ask('cluster', 'nodes')));
        return seen.every((view) => new RegExp(`^${replica.id} .* slave ${master.id} `, 'm').test(String(view)));
      });
    });

    async function untilRedirected(): Promise<void> {
      const moved = `MOVED ${slot} 127.0.0.1:${replica.port}`;
      for (const node of real.masters) {
        await until(`${node.address} sends clients to the new master`, async () => {
          return (await node.ask('get', 'foo').catch((error: Error) => error.message)) === moved;
        });
      }
      assert.equal(String(await ask(replica, 'GET', 'foo')), 'kept');
    }

    it('real masters find ours failed and elect our replica', async () => {
      await master.kill();
      // An attempt that misses one of the three votes is made again after four node timeouts, as in redis: on a busy
      // machine there may be a second and a third.
      await until('our replica is master', () => replica.role === 'master', 45_000);
      await untilRedirected();
    });

    it('CLUSTER FAILOVER: real masters vote for our replica', async () => {
      await failOver(
        'our replica is master',
        () => ask(replica, 'CLUSTER', 'FAILOVER'),
        () => replica.role === 'master' && master.role === 'replica',
      );
      await untilRedirected();
    });
  });
});

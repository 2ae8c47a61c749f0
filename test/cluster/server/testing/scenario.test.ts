// Scenarios of lingcache/testing: steps, workload, ledger, seeds and failures.

import assert from 'node:assert/strict';
import { Cluster } from '../../../../lib/index.ts';
import {
  addNode,
  anyMaster,
  failover,
  freeze,
  heal,
  intercept,
  kill,
  lastNode,
  move,
  oneOf,
  ownerOf,
  partition,
  removeNode,
  restart,
  ScenarioError,
  scenario,
  settled,
  startCluster,
  step,
  type TestCluster,
  times,
  together,
  unfreeze,
  wait,
} from '../../../../server/testing/testing.ts';

const config = { 'cluster-node-timeout': '1000' };

describe('testing: scenarios', function () {
  this.timeout(120_000);
  let cluster: TestCluster;

  before(async () => {
    cluster = await startCluster({ config, links: true, seed: 21 });
  });
  after(() => cluster?.close());
  afterEach(() => cluster.reset());

  it('without crashes no write of the ledger is lost or done twice', async () => {
    const report = await scenario(
      cluster,
      [
        move('ledger:1'),
        together(move('ledger:2'), move('ledger:3')),
        failover(ownerOf('ledger:1')),
        addNode(anyMaster()),
        removeNode(),
        times(2, move('ledger:4'), wait(20)),
        settled(),
      ],
      { ledger: { mayFail: false }, seed: 4 },
    );
    const { ledger, steps } = report;
    assert.equal(steps.length, 7);
    assert.ok(ledger!.calls > 100, `${ledger!.calls} calls`);
    assert.deepEqual([ledger!.lost, ledger!.repeated, ledger!.failed, ledger!.violations], [0, 0, 0, []]);
    assert.match(report.text, /^scenario, seed 4:\n {2}\d+ ms: move ledger:1: .* -> .*, \d+ keys/);
  });

  it('kills, freezes and partitions are healed, and what was lost is counted', async () => {
    const { ledger } = await scenario(
      cluster,
      [
        wait(100),
        kill(ownerOf('ledger:1')),
        wait(2500),
        restart(),
        settled(),
        freeze(anyMaster(), 300),
        partition([ownerOf('ledger:2')], ['clients']),
        wait(200),
        heal(),
      ],
      { ledger: true },
    );
    assert.ok(ledger!.acknowledged > 100);
    assert.equal(ledger!.repeated, 0);
  });

  it('a workload runs until the steps are over, and what may fail is counted', async () => {
    const client = new Cluster(cluster.seeds);
    try {
      const { rounds, failedRounds } = await scenario(
        cluster,
        [intercept({ command: 'incr' }, { error: 'ERR once' }), wait(50), move('n'), wait(50)],
        {
          while: async ({ round }) => {
            assert.equal(typeof round, 'number');
            await client.incr('n');
          },
          mayFail: (error) => error.message === 'ERR once',
        },
      );
      assert.ok(rounds > 3);
      assert.equal(failedRounds, 1);
      assert.equal(await cluster.get('n'), String(rounds));
    } finally {
      client.disconnect();
    }
  });

  it('a workload that fails ends it at once, with seed and steps', async () => {
    const failing = scenario(cluster, [wait(1), wait(60_000)], {
      while: async ({ elapsedMs }) => {
        if (elapsedMs > 50) throw new Error('wrong answer');
      },
      seed: 99,
    });
    await assert.rejects(failing, (error: ScenarioError) => {
      assert.ok(error instanceof ScenarioError);
      assert.match(error.message, /^wait 60000 ms: the workload failed meanwhile\nscenario, seed 99:\n/);
      assert.match(error.message, /wait 1 ms.*\n.*wait 60000 ms: FAILED/);
      assert.equal((error.cause as Error).cause instanceof Error, true);
      return true;
    });
  });

  it('a step that fails or takes too long is named', async () => {
    const bad = step('my step', () => Promise.reject(new Error('no')));
    await assert.rejects(scenario(cluster, [bad]), /^ScenarioError: my step: no\nscenario, seed 21/);
    await assert.rejects(scenario(cluster, [wait(10_000)], { stepMs: 20 }), /wait 10000 ms: not over within 20 ms/);
    await assert.rejects(scenario(cluster, [restart()]), /lastNode: no step before was about a node/);
  });

  it('finds a server that loses writes, and one that does them twice', async () => {
    const losing = step('lose', async ({ cluster: here, pause }) => {
      await pause(100);
      for (let at = 0; at < 64; at++) await here.set(`ledger:${at}`, ['0']);
    });
    await assert.rejects(scenario(cluster, [losing], { ledger: true }), /the ledger: .*acknowledged, and lost/);
    await cluster.reset();
    const twice = step('twice', async ({ cluster: here, pause }) => {
      await pause(100);
      await (await here.ownerOf('ledger:5')).call('RPUSH', 'ledger:5', '5');
    });
    await assert.rejects(scenario(cluster, [twice], { ledger: true }), /the ledger: 1 done twice: 5 in ledger:5/);
  });

  it('chance comes from the seed', async () => {
    const play = async (seed: number): Promise<string[]> => {
      const report = await scenario(
        cluster,
        [
          times(
            6,
            oneOf(
              step('a', () => 'a'),
              step('b', () => 'b'),
              step('c', () => 'c'),
            ),
          ),
        ],
        { seed },
      );
      return report.steps.map(({ detail }) => detail);
    };
    assert.deepEqual(await play(1), await play(1));
    assert.notDeepEqual(await play(1), await play(2));
  });

  it('a frozen node can be let go by name', async () => {
    const { steps } = await scenario(cluster, [freeze(1), unfreeze(lastNode()), settled()]);
    assert.equal(steps.length, 3);
  });

  it('names the option that is wrong', async () => {
    await assert.rejects(scenario(cluster, [], { sed: 1 } as object), /^RangeError: sed: /);
    await assert.rejects(scenario(cluster, [], { heal: false, ledger: true }), /^RangeError: heal: /);
    assert.throws(() => times(0), /^RangeError: count: 0/);
  });
});

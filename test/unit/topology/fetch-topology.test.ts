import assert from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import { fetchTopology, type TopologySource } from '../../../lib/topology/fetch-topology.ts';
import type { View } from '../../../lib/topology/vote.ts';

function viewFrom(from: string, epoch = 1, master = 'm:1'): View {
  return { from, shards: [{ id: master, master, replicas: [], epoch, ranges: [[0, 16383]] }] };
}

class Town {
  readonly world = new ManualWorld();
  readonly asked: string[] = [];

  node(
    address: string,
    primary: () => Promise<View>,
    secondary: () => Promise<View> = primary,
    atHand = true,
  ): TopologySource {
    return {
      address,
      atHand,
      askMap: () => {
        this.asked.push(`primary ${address}`);
        return primary();
      },
      askEpochs: () => {
        this.asked.push(`secondary ${address}`);
        return secondary();
      },
    };
  }

  async forward(ms: number): Promise<void> {
    for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
    this.world.forward(ms);
    for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

const never = (): Promise<View> => new Promise(() => {});
const refused = (message: string) => (): Promise<View> => Promise.reject(new Error(message));

describe('topology/fetch-topology', () => {
  it('asks one primary and two secondaries at hand', async () => {
    const town = new Town();
    const targets = ['a', 'b', 'c', 'd'].map((name) => town.node(`${name}:1`, () => Promise.resolve(viewFrom(name))));
    const map = fetchTopology(targets, town.world);
    await town.forward(0);
    assert.equal((await map).masterOf(0), 'm:1');
    assert.deepEqual(town.asked.toSorted(), ['primary a:1', 'secondary b:1', 'secondary c:1']);
  });

  it('believes the secondary with the higher epoch', async () => {
    const town = new Town();
    const map = fetchTopology(
      [
        town.node('a:1', () => Promise.resolve(viewFrom('a', 1, 'old:1'))),
        town.node('b:1', never, () => Promise.resolve(viewFrom('b', 2, 'new:1'))),
      ],
      town.world,
    );
    await town.forward(60);
    assert.equal((await map).masterOf(7), 'new:1');
  });

  it('goes on to the next node when one refuses', async () => {
    const town = new Town();
    const map = fetchTopology(
      [
        town.node('a:1', refused('no'), never, false),
        town.node('b:1', refused('odd'), never, false),
        town.node('c:1', () => Promise.resolve(viewFrom('c')), never, false),
      ],
      town.world,
    );
    await town.forward(0);
    assert.equal((await map).masterOf(0), 'm:1');
    assert.deepEqual(town.asked, ['primary a:1', 'primary b:1', 'primary c:1']);
  });

  it('asks a second primary beside one that is silent', async () => {
    const town = new Town();
    const map = fetchTopology(
      [town.node('a:1', never, never, false), town.node('b:1', () => Promise.resolve(viewFrom('b')), never, false)],
      town.world,
    );
    await town.forward(50);
    assert.deepEqual(town.asked, ['primary a:1']);
    await town.forward(60);
    assert.equal((await map).masterOf(0), 'm:1');
  });

  it('does not wait for a silent secondary longer than the grace', async () => {
    const town = new Town();
    const map = fetchTopology(
      [town.node('a:1', () => Promise.resolve(viewFrom('a'))), town.node('b:1', never)],
      town.world,
    );
    await town.forward(0);
    await town.forward(50);
    assert.equal((await map).masterOf(0), 'm:1');
  });

  it('says what every node said when all fail', async () => {
    const town = new Town();
    const outcome = fetchTopology(
      [
        town.node('a:1', refused('connect ECONNREFUSED'), never, false),
        town.node('b:1', refused('WRONGPASS invalid'), never, false),
      ],
      town.world,
    ).then(
      () => assert.fail('resolved'),
      (error: unknown) => error as Error & { hint: string; errors: (Error & { node: string })[] },
    );
    await town.forward(0);
    await town.forward(150);
    const error = await outcome;
    assert.equal(error.message, 'Failed to refresh slots cache.');
    assert.equal(error.hint, 'a:1: connect ECONNREFUSED; b:1: WRONGPASS invalid');
    assert.deepEqual(
      error.errors.map(({ node }) => node),
      ['a:1', 'b:1'],
    );
  });

  it('fails, rather than hangs, with nobody to ask', async () => {
    await assert.rejects(fetchTopology([], new ManualWorld()), /Failed to refresh slots cache/);
  });
});

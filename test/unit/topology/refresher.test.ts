import assert from 'node:assert/strict';
import { ClusterAllFailedError } from '../../../lib/base/errors.ts';
import { ManualWorld } from '../../../lib/base/world.ts';
import { Refresher, type RefresherOptions } from '../../../lib/topology/refresher.ts';
import { SlotMap } from '../../../lib/topology/slot-map.ts';

const someMap = SlotMap.of([{ start: 0, end: 16383, master: 'a:1', replicas: [] }]);

class Scene {
  readonly world = new ManualWorld({ seed: 7 });
  asked = 0;
  published = 0;
  failures: Error[] = [];
  changed = false;
  answer: () => Promise<SlotMap> = () => Promise.resolve(someMap);
  readonly refresher: Refresher;

  constructor(options: Partial<RefresherOptions> = {}) {
    this.refresher = new Refresher(
      {
        ask: () => {
          this.asked++;
          return this.answer();
        },
        publish: () => {
          this.published++;
          return this.changed;
        },
        onFailure: (error) => this.failures.push(error),
        ...options,
      },
      this.world,
    );
  }

  /** Lets promises run, then moves the clock. */
  async forward(ms: number): Promise<void> {
    await settle();
    this.world.forward(ms);
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('topology/refresher', () => {
  it('starts at once for the first hint', () => {
    const scene = new Scene();
    scene.refresher.suggest('moved');
    assert.equal(scene.asked, 1);
  });

  it('answers any number of hints within an interval with two rounds at most', async () => {
    const scene = new Scene();
    scene.changed = true;
    for (let step = 0; step < 90; step++) {
      scene.refresher.suggest('moved');
      await scene.forward(10);
    }
    assert.equal(scene.asked, 1);
    await scene.forward(400);
    assert.equal(scene.asked, 2);
  });

  it('asks less and less while nothing changes, up to the limit', async () => {
    const scene = new Scene({ interval: 100, maxInterval: 1000 });
    const times: number[] = [];
    const start = scene.world.now();
    for (let step = 0; step < 500; step++) {
      const before = scene.asked;
      scene.refresher.suggest('moved');
      if (scene.asked > before) times.push(scene.world.now() - start);
      await Promise.resolve();
      await new Promise((resolve) => setImmediate(resolve));
      scene.world.forward(10);
      if (scene.asked > before && times.length === before) times.push(scene.world.now() - start);
    }
    const gaps = times.slice(1).map((time, index) => time - times[index]!);
    assert.ok(gaps.length >= 5, `${times}`);
    assert.ok(gaps[0]! >= 200 && gaps[0]! <= 260, `${gaps}`);
    assert.ok(Math.max(...gaps) <= 1220, `${gaps}`);
    assert.ok(gaps.at(-1)! >= 1000, `${gaps}`);
  });

  it('polls at its quickest while something is down', async () => {
    const scene = new Scene();
    for (let step = 0; step < 100; step++) {
      scene.refresher.suggest('outage');
      await new Promise((resolve) => setImmediate(resolve));
      scene.world.forward(10);
    }
    assert.ok(scene.asked >= 9 && scene.asked <= 11, `${scene.asked} rounds in a second`);
  });

  it('polls an outage in which nothing changes less and less often, and at its quickest after a sign of change', async () => {
    const scene = new Scene();
    const asked: number[] = [];
    scene.answer = () => {
      asked.push(scene.world.now());
      return Promise.resolve(someMap);
    };
    const last = async (ms: number): Promise<number> => {
      for (let step = 0; step < ms / 20; step++) {
        scene.refresher.suggest('outage');
        await scene.forward(20);
      }
      return asked.at(-1)! - asked.at(-2)!;
    };
    assert.ok((await last(1500)) <= 120);
    const later = await last(8000);
    assert.ok(later >= 300 && later <= 500, `${later} ms after 9 s`);
    const longest = await last(40_000);
    assert.ok(longest >= 1500 && longest <= 2420, `${longest} ms after 50 s`);
    const sign = scene.world.now();
    scene.refresher.suggest('moved');
    await last(1000);
    assert.ok(asked.filter((at) => at >= sign).length >= 8);
  });

  it('is single-flight, and looks once more for hints that came meanwhile', async () => {
    const scene = new Scene();
    let answer: (map: SlotMap) => void = () => {};
    scene.answer = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    scene.refresher.suggest('moved');
    const shared = scene.refresher.refresh('manual');
    scene.refresher.suggest('moved');
    scene.refresher.suggest('moved');
    assert.equal(scene.asked, 1);
    answer(someMap);
    await shared;
    await scene.forward(3000);
    assert.equal(scene.asked, 2);
  });

  it('reports a failed round once, and tries again for the next hint', async () => {
    const scene = new Scene();
    scene.answer = () => Promise.reject(new ClusterAllFailedError('Failed to refresh slots cache.', []));
    await assert.rejects(scene.refresher.refresh('connect'), /Failed to refresh slots cache/);
    assert.equal(scene.failures.length, 1);
    scene.refresher.suggest('outage');
    await scene.forward(150);
    assert.equal(scene.asked, 2);
  });

  it('refreshes by period when configured, and not after stop()', async () => {
    const scene = new Scene({ period: 5000 });
    scene.changed = true;
    await scene.forward(5000);
    await scene.forward(5000);
    assert.equal(scene.asked, 2);
    scene.refresher.stop();
    await scene.forward(60_000);
    assert.equal(scene.asked, 2);
    assert.equal(scene.world.pending, 0);
  });
});

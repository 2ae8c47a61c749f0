import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { ReplyError } from '../../../../lib/wire/reply.ts';
import { createEngine } from '../../../../server/command/all.ts';
import { Pauses } from '../../../../server/engine/pauses.ts';
import { Shutdown } from '../../../../server/node/shutdown.ts';
import { PersistenceManager } from '../../../../server/persistence/persistence.ts';

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

describe('a node that is to stop', () => {
  const how = { save: 'default', now: false, force: false } as const;

  function parts(world: ManualWorld) {
    const parts = {
      world,
      config: { number: () => 1.25 },
      pauses: new Pauses(world),
      asked: 0,
      replication: {
        askReplicas: () => void parts.asked++,
        forgetAsked: () => undefined,
        lagging: true,
        following: false,
        standing: () => [],
      },
      saves: [] as boolean[],
      saved: true,
      persistence: {
        mayStop: () => true,
        saveLast: (always: boolean) => {
          parts.saves.push(always);
          return parts.saved;
        },
      },
      get paused() {
        return parts.pauses.has('shutdown');
      },
      stopped: false,
      stop: () => {
        parts.stopped = true;
      },
    };
    return parts;
  }

  it('does what a signal asks for when the node looks after itself again', () => {
    const world = new ManualWorld();
    const node = Object.assign(parts(world), { half: true, cronPaused: (): boolean => node.half });
    node.replication.lagging = false;
    const shutdown = new Shutdown(node);
    shutdown.ask(how, () => undefined);
    world.forward(60_000);
    assert.deepEqual([node.stopped, node.saves], [false, []]);
    node.half = false;
    world.forward(1000);
    assert.deepEqual([node.stopped, node.saves], [true, [false]]);
  });

  it('waits until its replicas have everything, or its limit ends', () => {
    for (const catchesUp of [true, false]) {
      const world = new ManualWorld();
      const node = parts(world);
      const ends: unknown[] = [];
      new Shutdown(node).begin(how, (refusal) => ends.push(refusal));
      world.forward(500);
      assert.deepEqual([node.asked, node.paused, node.stopped], [1, true, false]);
      if (catchesUp) node.replication.lagging = false;
      world.forward(catchesUp ? 20 : 480);
      assert.equal(node.stopped, catchesUp);
      world.forward(500);
      assert.deepEqual([node.stopped, node.saves, ends], [true, [false], [undefined]]);
    }
  });

  it('does not wait when asked not to, and saves as asked', () => {
    for (const [save, saves] of [
      ['yes', [true]],
      ['no', []],
      ['default', [false]],
    ] as const) {
      const node = parts(new ManualWorld());
      new Shutdown(node).begin({ save, now: true, force: false }, () => undefined);
      assert.deepEqual([node.stopped, node.paused, node.saves], [true, false, saves]);
    }
  });

  it('goes on when it cannot save, unless forced', () => {
    const node = parts(new ManualWorld());
    node.saved = false;
    node.replication.lagging = false;
    const shutdown = new Shutdown(node);
    let answer: unknown;
    const keep = (refusal: unknown): void => {
      answer = refusal;
    };
    shutdown.begin(how, keep);
    assert.match(String(answer), /Errors trying to SHUTDOWN/);
    assert.equal(node.stopped, false);
    shutdown.begin({ ...how, force: true }, keep);
    assert.deepEqual([node.stopped, answer], [true, undefined]);
  });

  it('can be called off while it waits, and only then', () => {
    const world = new ManualWorld();
    const node = parts(world);
    const shutdown = new Shutdown(node);
    assert.match(String(shutdown.abort()), /No shutdown in progress/);
    let answer: unknown;
    const keep = (refusal: unknown): void => {
      answer = refusal;
    };
    shutdown.begin(how, keep);
    assert.equal(shutdown.abort(), undefined);
    assert.match(String(answer), /Errors trying to SHUTDOWN/);
    world.forward(5000);
    assert.deepEqual([node.stopped, node.paused], [false, false]);
  });
});

describe('what a node saves by itself', () => {
  it('begins when no script is half done', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'lingcache-saving-'));
    const world = new ManualWorld();
    const engine = createEngine({ world, config: { dir, appendonly: 'yes', save: '1 1' } });
    const saving = new PersistenceManager(engine, (reason) => assert.fail(reason));
    const begun = (): readonly number[] => [saving.snapshots.begun, saving.aof.rewrites.count];
    try {
      await saving.load({ following: false });
      engine.databases.dirty = 1;
      engine.busy = new ReplyError('BUSY');
      world.forward(5000);
      assert.deepEqual(begun(), [0, 0]);
      saving.aof.rewrites.request();
      world.forward(5000);
      assert.deepEqual(begun(), [0, 0]);
      engine.busy = undefined;
      world.forward(200);
      assert.equal(saving.begun, 1);
      await saving.saves.running?.ended;
      await turn();
      world.forward(200);
      assert.deepEqual(begun(), [1, 1]);
    } finally {
      await saving.close();
      engine.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  });
});

describe('the log of a node', () => {
  it('takes the writes of a turn at once: in the file when replies may leave, at the latest when the turn ends', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'lingcache-saving-'));
    const engine = createEngine({
      world: new ManualWorld(),
      config: { dir, appendonly: 'yes', appendfsync: 'always' },
    });
    const saving = new PersistenceManager(engine, (reason) => assert.fail(reason));
    const logged = (): string => {
      const folder = join(dir, 'appendonlydir');
      const last = readdirSync(folder).filter((name) => name.endsWith('.incr.aof'));
      return readFileSync(join(folder, last[0]!), 'latin1');
    };
    try {
      await saving.load({ following: false });
      saving.onEffects([{ db: 0, argv: ['SET', 'a', 'one'] }]);
      saving.onEffects([{ db: 0, argv: ['SET', 'b', 'two'] }]);
      assert.equal(logged(), '');
      saving.flush();
      assert.match(logged(), /one[\s\S]+two/);
      assert.equal(saving.canFlushReplies(assert.fail), true);
      saving.onEffects([{ db: 0, argv: ['SET', 'c', 'three'] }]);
      const seen: string[] = [];
      assert.equal(
        saving.canFlushReplies(() => void seen.push(logged())),
        false,
      );
      await turn();
      assert.equal(seen.length, 1);
      assert.match(seen[0]!, /three/);
      assert.equal(engine.config.set([['appendfsync', 'everysec']]), undefined);
      saving.onEffects([{ db: 0, argv: ['SET', 'd', 'four'] }]);
      assert.equal(saving.canFlushReplies(assert.fail), true);
      assert.match(logged(), /four/);
      saving.onEffects([{ db: 0, argv: ['SET', 'e', 'five'] }]);
      await Promise.resolve();
      assert.match(logged(), /five/);
    } finally {
      await saving.close();
      engine.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  });
});

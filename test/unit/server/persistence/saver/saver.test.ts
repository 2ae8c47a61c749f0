import assert from 'node:assert/strict';
import type { RdbPiece } from '../../../../../server/persistence/rdb/file-writer.ts';
import {
  BackgroundSaves,
  type SaveEnd,
  type SaveRequest,
  type SaveWriter,
  SpawnError,
} from '../../../../../server/persistence/saver/saver.ts';

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** A writer that does what the test wants. */
class ScriptedWriter implements SaveWriter {
  readonly pid = 42;
  readonly seen: string[] = [];
  readonly ended: Promise<SaveEnd>;
  end!: (end: SaveEnd) => void;
  /** Set: the next write waits until it is called. */
  full = false;
  goOn: () => void = () => undefined;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  write({ bytes }: RdbPiece): Promise<void> | undefined {
    this.seen.push(bytes.toString());
    if (!this.full) return undefined;
    return new Promise((resolve) => {
      this.goOn = resolve;
    });
  }

  finish(): void {
    this.seen.push('finish');
  }

  kill(): void {
    this.seen.push('kill');
  }
}

describe('the saves of a node', () => {
  let writer: ScriptedWriter;
  let saves: BackgroundSaves;
  let released: number;
  let taken: number;
  beforeEach(() => {
    writer = new ScriptedWriter();
    saves = new BackgroundSaves({ begin: () => writer });
    released = 0;
    taken = 0;
  });

  function request(count: number, more: Partial<SaveRequest> = {}): SaveRequest {
    function* pieces(): Generator<RdbPiece> {
      for (let at = 0; at < count; at++) {
        taken++;
        yield { bytes: Buffer.from(String(at)), strings: [] };
      }
    }
    const content = { aux: [], functions: [], databases: [], release: () => void released++ };
    const target = { path: 'p', before: 'b', after: 'a' };
    return { kind: 'rdb', rdb: true, checksum: true, target, content, pieces: pieces(), ...more };
  }

  it('are one at a time, and release what they hold when they have ended', async () => {
    const freed: unknown[] = [];
    saves.onFree(() => freed.push(saves.running));
    const save = saves.begin(request(3));
    assert.equal(save.pid, 42);
    assert.throws(() => saves.begin(request(1)), /under way/);
    await turns();
    assert.deepEqual(writer.seen, ['0', '1', '2', 'finish']);
    assert.deepEqual([released, saves.running, freed], [0, save, []]);
    writer.end({ how: 'done' });
    assert.deepEqual(await save.ended, { how: 'done' });
    await turns();
    assert.deepEqual([released, saves.running, freed], [1, undefined, [undefined]]);
  });

  it('stand still with a writer that takes no more, and hold no more than one piece then', async () => {
    writer.full = true;
    saves.begin(request(1000));
    await turns();
    assert.deepEqual([taken, writer.seen], [1, ['0']]);
    writer.goOn();
    await turns();
    assert.equal(taken, 2);
  });

  it('walk no further when the writer has ended by itself, or was killed', async () => {
    for (const killed of [false, true]) {
      writer = new ScriptedWriter();
      taken = 0;
      const waits: AbortSignal[] = [];
      const pace = {
        pause: (signal: AbortSignal) => {
          waits.push(signal);
          return new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
        },
      };
      const save = saves.begin(request(1000, { pace }));
      await turns();
      assert.equal(taken, 1);
      if (killed) save.kill();
      writer.end({ how: 'killed', signal: 9 });
      assert.deepEqual(await save.ended, { how: 'killed', signal: 9 });
      await turns();
      assert.equal(waits[0]!.aborted, true);
      assert.deepEqual([taken, writer.seen], [1, killed ? ['0', 'kill'] : ['0']]);
    }
  });

  it('fail with what the content throws, and leave no writer behind', async () => {
    const odd = {
      [Symbol.iterator]: () => ({
        next: (): never => {
          throw new Error('odd');
        },
      }),
    };
    const save = saves.begin(request(0, { pieces: odd }));
    await turns();
    assert.deepEqual(writer.seen, ['kill']);
    writer.end({ how: 'killed', signal: 10 });
    const end = await save.ended;
    assert.equal(end.how, 'failed');
    assert.equal(end.how === 'failed' && end.error?.message, 'odd');
  });

  it('that cannot be begun hold nothing', () => {
    saves = new BackgroundSaves({
      begin: () => {
        throw new SpawnError(Promise.resolve(new Error('EAGAIN')));
      },
    });
    assert.throws(() => saves.begin(request(1)), SpawnError);
    assert.deepEqual([released, taken, saves.running], [1, 0, undefined]);
  });
});

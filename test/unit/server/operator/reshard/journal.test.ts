import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { ManualWorld } from '../../../../../lib/base/world.ts';
import { FileJournal } from '../../../../../server/operator/reshard/journal.ts';
import {
  type MoveRecord,
  newRecord,
  parseRecords,
  printRecords,
  statusOf,
} from '../../../../../server/operator/reshard/record.ts';
import { Throttle } from '../../../../../server/operator/reshard/throttle.ts';

const end = (letter: string, port: number) => ({ id: letter.repeat(40), host: '127.0.0.1', port, heirs: ['x'] });
const record = (slot: number): MoveRecord => newRecord(slot, end('a', 7000), end('b', 7001), 5);

describe('records of moves', () => {
  it('survive the way to a file and back', () => {
    const phases = fc.constantFrom('waiting', 'moving', 'turning', 'failed') as fc.Arbitrary<MoveRecord['phase']>;
    const changes = fc.record({
      slot: fc.nat(16_383),
      phase: phases,
      direction: fc.constantFrom('forward', 'back') as fc.Arbitrary<MoveRecord['direction']>,
      keysMoved: fc.nat(),
      startedAt: fc.option(fc.nat()),
      error: fc.option(fc.string()),
    });
    const lists = fc.uniqueArray(changes, { selector: ({ slot }) => slot });
    fc.assert(
      fc.property(lists, (list) => {
        const records = list.map((change) => ({ ...record(0), ...change }));
        assert.deepEqual(parseRecords(printRecords(records)), records);
      }),
      { numRuns: 50 },
    );
  });

  const good = JSON.parse(printRecords([record(1)])) as { moves: Record<string, unknown>[] };
  const bad: [string, unknown, RegExp][] = [
    ['another format', { ...good, format: 'x' }, /format: not a file of slot moves/],
    ['another version', { ...good, version: 2 }, /version: 2 is not 1/],
    ['no list', { ...good, moves: {} }, /moves: not a list/],
    ['a slot that does not exist', { ...good, moves: [{ ...good.moves[0], slot: 16_384 }] }, /moves\[0\]\.slot/],
    ['an unknown phase', { ...good, moves: [{ ...good.moves[0], phase: 'flying' }] }, /moves\[0\]\.phase/],
    ['a slot twice', { ...good, moves: [good.moves[0], good.moves[0]] }, /a slot is there twice/],
    [
      'an end without a port',
      { ...good, moves: [{ ...good.moves[0], target: { id: 'x', host: 'h' } }] },
      /target\.port/,
    ],
  ];
  for (const [name, value, message] of bad) {
    it(`are refused: ${name}`, () => assert.throws(() => parseRecords(JSON.stringify(value)), message));
  }

  it('give the rate of what was moved', () => {
    const moving = { ...record(1), keysMoved: 500, startedAt: 1000 };
    assert.equal(statusOf(moving, 3000, false).rate, 250);
    assert.equal(statusOf({ ...moving, endedAt: 2000 }, 9000, false).rate, 500);
    assert.equal(statusOf(record(1), 9000, false).rate, 0);
  });
});

describe('the journal file', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'lingcache-journal-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('is whole after any number of saves at once, and holds what was there when the last was asked for', async () => {
    const path = join(dir, 'deep', 'moves.json');
    const journal = new FileJournal(path);
    assert.deepEqual(await journal.load(), []);
    let records: MoveRecord[] = [];
    const saves: Promise<void>[] = [];
    for (let slot = 0; slot < 20; slot++) {
      records = [...records, record(slot)];
      saves.push(journal.save(() => records));
    }
    await Promise.all(saves);
    assert.equal(existsSync(`${path}.tmp`), false);
    assert.deepEqual(await new FileJournal(path).load(), records);
  });

  it('that is no journal is reported by name, and left alone', async () => {
    const path = join(dir, 'moves.json');
    writeFileSync(path, '{"format": "lingcache-mov');
    await assert.rejects(new FileJournal(path).load(), (error: Error) => error.message.startsWith(`${path}: not JSON`));
    assert.equal(readFileSync(path, 'utf8'), '{"format": "lingcache-mov');
  });

  it('that cannot be written fails every save that waits for it', async () => {
    writeFileSync(join(dir, 'file'), '');
    const journal = new FileJournal(join(dir, 'file', 'moves.json'));
    const saves = await Promise.allSettled([journal.save(() => []), journal.save(() => [])]);
    assert.deepEqual(
      saves.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
  });
});

describe('the throttle', () => {
  it('waits off what was charged, by whichever limit is the tighter', () => {
    const world = new ManualWorld();
    const throttle = new Throttle(world, { keysPerSecond: 100, bytesPerSecond: 1000 });
    assert.equal(throttle.waitMs, 0);
    throttle.charge(10, 1);
    assert.equal(throttle.waitMs, 100);
    throttle.charge(1, 500);
    assert.equal(throttle.waitMs, 600);
    world.forward(600);
    assert.equal(throttle.waitMs, 0);
    // Idle time is not saved up.
    world.forward(10_000);
    throttle.charge(100, 1);
    assert.equal(throttle.waitMs, 1000);
  });

  it('without limits never waits', () => {
    const throttle = new Throttle(new ManualWorld(), { keysPerSecond: 0, bytesPerSecond: 0 });
    throttle.charge(1e6, 1e9);
    assert.equal(throttle.waitMs, 0);
  });
});

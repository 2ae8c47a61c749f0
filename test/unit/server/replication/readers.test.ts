import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { printCommand } from '../../../../server/persistence/aof/commands.ts';
import type { RdbKey } from '../../../../server/persistence/rdb/file.ts';
import { CopyReader } from '../../../../server/replication/rdb-transfer.ts';
import type { Words } from '../../../../server/replication/stream.ts';
import { StreamReader } from '../../../../server/replication/stream-reader.ts';

interface Vector {
  readonly name: string;
  readonly receivedHex?: string;
}
const { vectors } = JSON.parse(readFileSync('test/fixtures/repl-vectors.json', 'utf8')) as { vectors: Vector[] };

function bytesOf(name: string): Buffer {
  return Buffer.from(vectors.find((vector) => vector.name === name)!.receivedHex!, 'hex');
}

/** The captured bytes, cut behind the line that answers PSYNC. */
function afterAnswer(name: string): { answer: string; rest: Buffer } {
  const bytes = bytesOf(name);
  const end = bytes.indexOf('\r\n');
  return { answer: bytes.toString('latin1', 0, end), rest: bytes.subarray(end + 2) };
}

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...places, bytes.length].map((end, at) => bytes.subarray(at === 0 ? 0 : places[at - 1], end));
}

describe('the copy of a master, as captured', () => {
  for (const name of ['fullsync_eof_with_ack', 'fullsync_eof_no_ack', 'fullsync_disk', 'partial_future']) {
    it(`${name}: is read in pieces of any size, and what follows is left alone`, () => {
      const { answer, rest } = afterAnswer(name);
      assert.match(answer, /^\+FULLRESYNC [0-9a-f]{40} \d+$/);
      const headerEnd = rest.indexOf('\r\n');
      const header = rest.toString('latin1', 0, headerEnd);
      const body = rest.subarray(headerEnd + 2);
      let whole: string | undefined;
      fc.assert(
        fc.property(fc.array(fc.nat(), { maxLength: 12 }), (cuts) => {
          const keys: RdbKey[] = [];
          const facts = new Map<string, string>();
          const sink = {
            onKey: (key: RdbKey) => void keys.push(key),
            onAux: (fact: string, value: string) => void facts.set(fact, value),
          };
          const reader = new CopyReader(header, sink, 16);
          const left: Buffer[] = [];
          for (const piece of pieces(body, cuts)) left.push(reader.done ? piece : reader.feed(piece));
          assert.ok(reader.done);
          assert.equal(`+FULLRESYNC ${facts.get('repl-id')} ${facts.get('repl-offset')}`, answer);
          assert.ok(keys.some(({ key }) => key === 'k1'));
          const text = Buffer.concat(left).toString('latin1');
          whole ??= text;
          assert.equal(text, whole);
        }),
        { numRuns: 60 },
      );
      if (name === 'fullsync_eof_no_ack') assert.equal(whole, '');
      if (name === 'fullsync_disk') assert.ok(whole!.startsWith('*2\r\n$6\r\nSELECT\r\n'));
    });
  }

  it('is refused when it is cut, damaged, or ends otherwise than announced', () => {
    const sink = { onKey: () => undefined };
    assert.throws(() => new CopyReader('*3', sink, 16), /where a copy should begin/);
    assert.throws(() => new CopyReader('$EOF:short', sink, 16), /where a copy should begin/);
    const { rest } = afterAnswer('fullsync_eof_no_ack');
    const headerEnd = rest.indexOf('\r\n');
    const body = rest.subarray(headerEnd + 2);
    const wrongMark = new CopyReader(`$EOF:${'0'.repeat(40)}`, sink, 16);
    assert.throws(() => wrongMark.feed(body), /does not end with its mark/);
    const file = body.subarray(0, body.length - 40);
    assert.throws(() => new CopyReader(`$${file.length + 5}`, sink, 16).feed(body), /ends before its length/);
    assert.throws(() => new CopyReader(`$${file.length - 5}`, sink, 16).feed(body), /cut short/);
    assert.throws(() => new CopyReader('$0', sink, 16).feed(body), /cut short/);
    const damaged = Buffer.from(file);
    damaged[damaged.length >> 1]! ^= 0x55;
    assert.throws(() => new CopyReader(`$${file.length}`, sink, 16).feed(damaged));
  });
});

describe('the stream of a master', () => {
  interface Seen {
    readonly units: Words[][];
    readonly asked: number[];
    applied: number;
    bytes: string;
  }

  function read(chunks: readonly Buffer[]): Seen {
    const seen: Seen = { units: [], asked: [], applied: 0, bytes: '' };
    const consumer = {
      apply: (unit: readonly Words[]) => void seen.units.push([...unit]),
      onApplied: (bytes: Buffer) => {
        seen.applied += bytes.length;
        seen.bytes += bytes.toString('latin1');
      },
      mayApply: () => true,
    };
    const reader = new StreamReader(consumer, () => void seen.asked.push(seen.applied));
    for (const chunk of chunks) reader.feed(chunk);
    return seen;
  }

  const stream = (...commands: Words[]): Buffer => Buffer.from(commands.map(printCommand).join(''), 'latin1');

  it('as captured, gives its commands and counts its bytes', () => {
    const { rest } = afterAnswer('fullsync_disk');
    const start = rest.indexOf('*2\r\n$6\r\nSELECT');
    const seen = read([rest.subarray(start)]);
    assert.deepEqual(seen.units, [[['SELECT', '0']], [['set', 'after3', '1']]]);
    assert.equal(seen.applied, rest.length - start);
    assert.equal(974 + seen.applied, 974 + 23 + 32 + 14);
  });

  it('is applied by transactions; its bytes are passed on just as they came, in pieces of any size', () => {
    const commands: Words[] = [
      ['SELECT', '3'],
      ['set', 'a\r\n\xff', ''],
      ['MULTI'],
      ['INCR', 'n'],
      ['ping'],
      ['DEL', 'a', 'b'],
      ['exec'],
      ['ping'],
      ['REPLCONF', 'GETACK', '*'],
      ['SET', 'big', 'y'.repeat(40_000)],
    ];
    const bytes = stream(...commands);
    const upToAsk = stream(...commands.slice(0, 8)).length;
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 15 }), (cuts) => {
        const seen = read(pieces(bytes, cuts));
        assert.deepEqual(seen.units, [
          [['SELECT', '3']],
          [['set', 'a\r\n\xff', '']],
          [
            ['INCR', 'n'],
            ['DEL', 'a', 'b'],
          ],
          [['SET', 'big', 'y'.repeat(40_000)]],
        ]);
        assert.equal(seen.bytes, bytes.toString('latin1'));
        // The answer leaves out the question, as redis-server's does.
        assert.deepEqual(seen.asked, [upToAsk]);
      }),
      { numRuns: 100 },
    );
  });

  it('cut within a transaction, stands before it', () => {
    const whole = stream(['SET', 'a', '1']);
    const seen = read([whole, stream(['MULTI'], ['SET', 'b', '1'])]);
    assert.equal(seen.applied, whole.length);
    assert.deepEqual(seen.units, [[['SET', 'a', '1']]]);
  });

  it('is refused when it is none', () => {
    assert.throws(() => read([Buffer.from('*1\r\n!3\r\nabc\r\n')]), /Protocol error/);
  });
});

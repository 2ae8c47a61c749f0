// Replies beyond a limit: passed over whole, so that what comes behind them still reaches its own call.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Decoder, type DecoderOptions, ProtocolError, pending } from '../../../lib/wire/decoder.ts';

/** A reply as bytes, and how deep and wide it is. */
interface Sample {
  readonly text: string;
  readonly depth: number;
  readonly widest: number;
  readonly longest: number;
}

const { sample } = fc.letrec<{ sample: Sample }>((tie) => ({
  sample: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc
      .constantFrom('+OK\r\n', ':7\r\n', '$-1\r\n', '*-1\r\n', '_\r\n', '-ERR no\r\n', ',1.5\r\n', '#t\r\n', '(9\r\n')
      .map(leaf),
    fc.tuple(fc.constantFrom('$', '!'), fc.integer({ min: 0, max: 40 })).map(([type, length]) => bulk(type, length)),
    fc
      .tuple(fc.constantFrom('*', '~'), fc.array(tie('sample'), { maxLength: 6 }))
      .map(([type, items]) => list(type, items)),
    fc.array(fc.tuple(tie('sample'), tie('sample')), { maxLength: 3 }).map((pairs) => map('%', pairs.flat())),
    fc
      .tuple(fc.array(fc.tuple(tie('sample'), tie('sample')), { maxLength: 2 }), tie('sample'))
      .map(([pairs, value]) => {
        const attribute = map('|', pairs.flat());
        return { ...both(attribute, value), text: attribute.text + value.text };
      }),
  ),
}));

function leaf(text: string): Sample {
  return { text, depth: 0, widest: 0, longest: 0 };
}

function bulk(type: string, length: number): Sample {
  return {
    text: `${type}${length}\r\n${'\r\n*$'.repeat(length).slice(0, length)}\r\n`,
    depth: 0,
    widest: 0,
    longest: length,
  };
}

function list(type: string, items: readonly Sample[]): Sample {
  return holding(`${type}${items.length}\r\n`, items.length, items);
}

function map(type: string, items: readonly Sample[]): Sample {
  return holding(`${type}${items.length / 2}\r\n`, items.length / 2, items);
}

function holding(header: string, count: number, items: readonly Sample[]): Sample {
  return {
    text: header + items.map(({ text }) => text).join(''),
    depth: 1 + Math.max(0, ...items.map(({ depth }) => depth)),
    widest: Math.max(count, ...items.map(({ widest }) => widest)),
    longest: Math.max(0, ...items.map(({ longest }) => longest)),
  };
}

function both(one: Sample, other: Sample): Omit<Sample, 'text'> {
  return {
    depth: Math.max(one.depth, other.depth),
    widest: Math.max(one.widest, other.widest),
    longest: Math.max(one.longest, other.longest),
  };
}

function decodeIn(pieces: readonly string[], options: DecoderOptions): unknown[] {
  const decoder = new Decoder(options);
  const replies: unknown[] = [];
  for (const piece of pieces) {
    decoder.feed(Buffer.from(piece, 'latin1'));
    for (let reply = decoder.read('utf8'); reply !== pending; reply = decoder.read('utf8')) replies.push(reply);
    decoder.keep();
  }
  assert.equal(decoder.buffered, 0, 'bytes left over');
  return replies;
}

const limits = { maxDepth: 2, maxElements: 3, maxBulkLength: 20 };

function withinLimits({ depth, widest, longest }: Sample): boolean {
  return depth <= limits.maxDepth && widest <= limits.maxElements && longest <= limits.maxBulkLength;
}

describe('wire/decoder, replies beyond a limit', () => {
  it('gives a ProtocolError in their place and reads on behind them, whatever they hold and however they are cut', () => {
    let beyond = 0;
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 9 }), (samples, size) => {
        const text = samples.map((one) => one.text).join('');
        const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
        const replies = decodeIn(pieces, limits);
        assert.equal(replies.length, samples.length);
        samples.forEach((one, index) => {
          if (!withinLimits(one)) beyond++;
          const [free] = decodeIn([one.text], {});
          if (withinLimits(one)) assert.deepEqual(replies[index], free);
          else assert.ok(replies[index] instanceof ProtocolError, `${JSON.stringify(one.text)} passed`);
        });
      }),
      { numRuns: 2000 },
    );
    assert.ok(beyond > 100, 'hardly anything was beyond the limits');
  });

  it('passes over nesting of any depth without memory for it', () => {
    const depth = 200_000;
    const replies = decodeIn([`${'*1\r\n'.repeat(depth)}:1\r\n+next\r\n`], {});
    assert.match((replies[0] as Error).message, /nested deeper than 1024/);
    assert.equal(replies[1], 'next');
  });

  it('reads 200 levels, as deep as a script can answer', () => {
    const [reply] = decodeIn([`${'*1\r\n'.repeat(200)}:1\r\n`], {});
    let level = reply;
    for (let deep = 0; deep < 200; deep++) [level] = level as [unknown];
    assert.equal(level, 1);
  });

  it('drops a push frame beyond a limit, and no reply for it', () => {
    const replies = decodeIn(['>2\r\n+message\r\n$30\r\n', 'x'.repeat(30), '\r\n+reply\r\n'], limits);
    assert.deepEqual(replies, ['reply']);
  });

  it('says so as soon as the limit is announced', () => {
    for (const header of ['$600000000\r\n', '*4294967296\r\n', '*2\r\n:1\r\n$600000000\r\n']) {
      const decoder = new Decoder();
      decoder.feed(Buffer.from(header));
      assert.ok(decoder.read('utf8') instanceof ProtocolError, header);
      assert.equal(decoder.read('utf8'), pending);
    }
  });

  it('still throws where the bytes inside are no RESP', () => {
    assert.throws(() => decodeIn(['*4\r\n:1\r\n?\r\n'], limits), ProtocolError);
    assert.throws(() => decodeIn(['*4\r\n$x\r\n'], limits), ProtocolError);
  });
});

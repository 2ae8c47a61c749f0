import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Decoder, pending } from '../../../lib/wire/decoder.ts';
import { Double, NullArray, Push, type Reply, ReplyError, Status, Verbatim } from '../../../lib/wire/reply.ts';
import { ReplyWriter } from '../../../lib/wire/reply-writer.ts';
import { RequestDecoder, RequestError } from '../../../lib/wire/request-decoder.ts';

const binary = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'));

function print(reply: Reply, protocol: 2 | 3): Buffer {
  const writer = new ReplyWriter();
  writer.protocol = protocol;
  writer.write(reply);
  const size = writer.size;
  const text = writer.take().join('');
  assert.equal(text.length, size);
  assert.equal(writer.size, 0);
  return Buffer.from(text, 'latin1');
}

/** What a client's decoder makes of a reply in RESP3. */
function seen(reply: Reply): unknown {
  if (reply instanceof Status) return reply.text;
  if (reply instanceof Double) return reply.value;
  if (reply instanceof Verbatim) return reply.text;
  if (reply instanceof NullArray) return null;
  if (reply instanceof Map) return new Map([...reply].map(([key, value]) => [seen(key), seen(value)]));
  if (reply instanceof Set) return new Set([...reply].map(seen));
  if (Array.isArray(reply)) return reply.map(seen);
  return reply;
}

const simple: fc.Arbitrary<Reply> = fc.oneof(
  binary,
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 }),
  fc.boolean(),
  fc.constant(null),
  fc.double({ noNaN: true }).map((value) => new Double(Object.is(value, -0) ? 0 : value)),
  fc.stringMatching(/^[A-Za-z]{1,10}$/).map((text) => new Status(text)),
  binary.map((text) => new Verbatim(text)),
  fc.constant(NullArray.value),
);
const reply = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 3 },
    simple,
    fc.array(tie('reply'), { maxLength: 5 }),
    fc.array(fc.tuple(binary, tie('reply')), { maxLength: 4 }).map((pairs) => new Map<Reply, Reply>(pairs)),
    fc.uniqueArray(binary, { maxLength: 4 }).map((items) => new Set<Reply>(items)),
  ),
})).reply;

describe('the reply writer', () => {
  it('prints what the client reads back, in RESP3', () => {
    fc.assert(
      fc.property(reply, (value) => {
        const decoder = new Decoder({ mapping: 'resp3' });
        decoder.feed(print(value, 3));
        assert.deepEqual(decoder.read('latin1'), seen(value));
        assert.equal(decoder.buffered, 0);
      }),
    );
  });

  it('prints in RESP2 nothing that only RESP3 has', () => {
    fc.assert(
      fc.property(reply, (value) => {
        const decoder = new Decoder();
        const bytes = print(value, 2);
        assert.match(bytes.toString('latin1')[0]!, /[$*:+]/);
        decoder.feed(bytes);
        assert.notEqual(decoder.read('latin1'), pending);
        assert.equal(decoder.buffered, 0);
      }),
    );
  });

  it('keeps an error on one line', () => {
    assert.equal(print(new ReplyError('ERR a\r\n+b'), 2).toString(), '-ERR a  +b\r\n');
  });

  it('prints pushes, 64-bit integers and long bulks', () => {
    assert.equal(print(new Push(['message', 'a', 'b']), 2).toString(), '*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n');
    assert.ok(
      print(new Push(['x']), 3)
        .toString()
        .startsWith('>1\r\n'),
    );
    assert.equal(print(9223372036854775807n, 2).toString(), ':9223372036854775807\r\n');
    const long = 'x'.repeat(100_000);
    assert.equal(print([long, 1], 2).toString(), `*2\r\n$100000\r\n${long}\r\n:1\r\n`);
  });
});

function requestBytes(argv: readonly string[]): Buffer {
  const text = `*${argv.length}\r\n${argv.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
  return Buffer.from(text, 'latin1');
}

describe('the request decoder', () => {
  it('reads what was sent, cut anywhere', () => {
    const requests = fc.array(fc.array(binary, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(requests, fc.array(fc.nat(300), { maxLength: 6 }), (sent, cuts) => {
        const bytes = Buffer.concat(sent.map(requestBytes));
        const decoder = new RequestDecoder();
        const got: string[][] = [];
        const edges = [...new Set([0, ...cuts.map((cut) => cut % bytes.length), bytes.length])].sort((a, b) => a - b);
        for (let at = 1; at < edges.length; at++) {
          decoder.feed(bytes.subarray(edges[at - 1], edges[at]));
          for (let argv = decoder.read(); argv !== undefined; argv = decoder.read()) got.push(argv);
        }
        assert.deepEqual(got, sent);
        assert.equal(decoder.buffered, 0);
      }),
    );
  });

  it('gathers a long argument that comes in pieces', () => {
    const long = 'ab'.repeat(100_000);
    const bytes = requestBytes(['SET', 'k', long, 'NX']);
    const beginning = bytes.indexOf(long);
    for (const size of [1000, 16 * 1024, 70_000]) {
      const decoder = new RequestDecoder();
      let argv: string[] | undefined;
      for (let at = 0; at < bytes.length; at += size) {
        assert.equal(argv, undefined);
        decoder.feed(bytes.subarray(at, at + size));
        argv = decoder.read();
        const [begun, whole] = [at + size >= beginning, at + size >= beginning + long.length];
        assert.equal(decoder.awaited, begun && !whole ? beginning + long.length - at - size : 0);
      }
      assert.equal(decoder.awaited, 0);
      assert.deepEqual(argv, ['SET', 'k', long, 'NX']);
    }
  });

  it('keeps to its limits', () => {
    const limits = { maxBulkLength: 10, maxArguments: 3, maxLineLength: 50, maxRequestBytes: 15 };
    const refused = (text: string, message: RegExp): void => {
      const decoder = new RequestDecoder(limits);
      decoder.feed(Buffer.from(text));
      assert.throws(
        () => decoder.read(),
        (error) => error instanceof RequestError && message.test(error.message),
      );
    };
    refused('*4\r\n', /invalid multibulk length/);
    refused('*1\r\n$11\r\n', /invalid bulk length/);
    refused('*2\r\n$10\r\n0123456789\r\n$6\r\n', /too big request/);
    refused('x'.repeat(51), /too big inline request/);
    refused(`*${'1'.repeat(51)}`, /too big mbulk count string/);
    refused(`*1\r\n$${'1'.repeat(51)}`, /too big bulk count string/);
    const restricted = new RequestDecoder();
    restricted.restricted = true;
    restricted.feed(Buffer.from('*11\r\n'));
    assert.throws(() => restricted.read(), { message: 'Protocol error: unauthenticated multibulk length' });
  });

  it('never throws anything but RequestError, whatever comes', () => {
    // Bytes alone are hardly ever a request, nor the beginning of one.
    const piece = fc.constantFrom(
      ...[
        '*1\r\n',
        '*2\r\n',
        '*0\r\n',
        '*-1\r\n',
        '*9999999999\r\n',
        '*x\r\n',
        '$4\r\n',
        '$0\r\n',
        '$-1\r\n',
        '$x\r\n',
      ],
      ...['ping\r\n', '\r\n', 'get "a b"\r\n', 'get "a\r\n', "'", '"', '\\x4', ' ', '\n', '\r', '\0'],
    );
    const chunk = fc.oneof(
      { weight: 9, arbitrary: piece.map((text) => Buffer.from(text)) },
      fc.uint8Array({ maxLength: 60 }),
    );
    const counts = { read: 0, refused: 0 };
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 12 }), (chunks) => {
        const decoder = new RequestDecoder();
        try {
          for (const bytes of chunks) {
            decoder.feed(Buffer.from(bytes));
            while (decoder.read() !== undefined) counts.read++;
          }
        } catch (error) {
          assert.ok(error instanceof RequestError);
          counts.refused++;
        }
      }),
      { numRuns: 500 },
    );
    assert.ok(counts.read > 100 && counts.refused > 100, JSON.stringify(counts));
  });
});

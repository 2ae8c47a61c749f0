import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Decoder, type DecoderOptions, type Encoding, pending } from '../../../lib/wire/decoder.ts';
import { Push, ReplyError } from '../../../lib/wire/reply.ts';

function decodeAll(chunks: readonly Buffer[], encoding: Encoding = 'utf8', options: DecoderOptions = {}): unknown[] {
  const decoder = new Decoder(options);
  const replies: unknown[] = [];
  for (const chunk of chunks) {
    decoder.feed(chunk);
    for (let reply = decoder.read(encoding); reply !== pending; reply = decoder.read(encoding)) replies.push(reply);
  }
  assert.equal(decoder.buffered, 0, 'bytes left over');
  return replies;
}

function decode(text: string, options: DecoderOptions = {}): unknown {
  const replies = decodeAll([Buffer.from(text, 'latin1')], 'utf8', options);
  assert.equal(replies.length, 1);
  return replies[0];
}

const resp3: DecoderOptions = { mapping: 'resp3' };

describe('wire/decoder', () => {
  const plain: [string, unknown][] = [
    ['+OK\r\n', 'OK'],
    ['+\r\n', ''],
    [':0\r\n', 0],
    [':-42\r\n', -42],
    [':+7\r\n', 7],
    [':9007199254740991\r\n', 9007199254740991],
    ['$5\r\nhello\r\n', 'hello'],
    ['$0\r\n\r\n', ''],
    ['$-1\r\n', null],
    ['*-1\r\n', null],
    ['_\r\n', null],
    ['*0\r\n', []],
    ['*3\r\n:1\r\n$-1\r\n*1\r\n+x\r\n', [1, null, ['x']]],
    ['%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n', ['a', 1, 'b', 2]],
    ['~2\r\n+a\r\n+b\r\n', ['a', 'b']],
    [',1.5\r\n', '1.5'],
    [',inf\r\n', 'inf'],
    ['#t\r\n', 1],
    ['#f\r\n', 0],
    ['(3492890328409238509324850943850943825024385\r\n', '3492890328409238509324850943850943825024385'],
    ['=7\r\ntxt:abc\r\n', 'abc'],
    ['|1\r\n+ttl\r\n:3600\r\n$1\r\nv\r\n', 'v'],
    ['*2\r\n|1\r\n+a\r\n*1\r\n:1\r\n+x\r\n+y\r\n', ['x', 'y']],
  ];
  for (const [text, value] of plain) {
    it(`reads ${JSON.stringify(text)}`, () => assert.deepEqual(decode(text), value));
  }

  it('keeps the types of RESP3 when asked to', () => {
    assert.deepEqual(decode('%1\r\n+a\r\n,2.5\r\n', resp3), new Map([['a', 2.5]]));
    assert.deepEqual(decode('~2\r\n#t\r\n#f\r\n', resp3), new Set([true, false]));
    assert.equal(decode(',-inf\r\n', resp3), Number.NEGATIVE_INFINITY);
    assert.equal(decode('(123456789012345678901\r\n', resp3), 123456789012345678901n);
  });

  it('makes plain objects of maps in the mapping ioredis calls resp3, keys as text whatever the encoding', () => {
    const text = '%3\r\n$1\r\na\r\n,2.5\r\n+__proto__\r\n~2\r\n#t\r\n#f\r\n:7\r\n%1\r\n$1\r\nk\r\n$1\r\nv\r\n';
    const read = (encoding: Encoding): unknown => decodeAll([Buffer.from(text)], encoding, { mapping: 'objects' })[0];
    const entries = [
      ['7', { k: 'v' }],
      ['a', 2.5],
      ['__proto__', [true, false]],
    ];
    assert.deepEqual(Object.entries(read('utf8') as object), entries);
    assert.deepEqual(Object.entries(read('buffer') as object), [['7', { k: Buffer.from('v') }], ...entries.slice(1)]);
    assert.equal(decode('(123456789012345678901\r\n', { mapping: 'objects' }), '123456789012345678901');
  });

  it('says doubles as it says bulk strings, or as text where numbers are to be text', () => {
    const read = (options: DecoderOptions): unknown => decodeAll([Buffer.from(',2.5\r\n')], 'buffer', options)[0];
    assert.deepEqual(read({}), Buffer.from('2.5'));
    assert.equal(read({ stringNumbers: true }), '2.5');
    assert.equal(read({ stringNumbers: true, mapping: 'objects' }), '2.5');
    assert.equal(read({ mapping: 'objects' }), 2.5);
  });

  it('reads errors as values, at the top and inside arrays', () => {
    const error = decode('-WRONGTYPE Operation against a key\r\n') as ReplyError;
    assert.ok(error instanceof ReplyError);
    assert.equal(error.code, 'WRONGTYPE');
    assert.equal(error.message, 'WRONGTYPE Operation against a key');
    const [inner] = decode('*1\r\n-ERR no\r\n') as ReplyError[];
    assert.equal(inner!.message, 'ERR no');
    assert.equal((decode('!11\r\nERR a\r\nb cd\r\n') as Error).message, 'ERR a\r\nb cd');
  });

  it('gives push frames apart, as bytes', () => {
    const push = decode('>3\r\n+message\r\n$1\r\nc\r\n$2\r\n\xff\xfe\r\n') as Push;
    assert.ok(push instanceof Push);
    assert.deepEqual(push.items, [Buffer.from('message'), Buffer.from('c'), Buffer.from([0xff, 0xfe])]);
  });

  it('gives bytes or latin1 when asked', () => {
    const bytes = Buffer.from([36, 50, 13, 10, 0xc3, 0x28, 13, 10]);
    assert.deepEqual(decodeAll([bytes], 'buffer'), [Buffer.from([0xc3, 0x28])]);
    assert.deepEqual(decodeAll([bytes], 'latin1'), ['\xc3\x28']);
  });

  it('copies bytes out of the chunk they came in', () => {
    const chunk = Buffer.from('$3\r\nabc\r\n');
    const [value] = decodeAll([chunk], 'buffer');
    chunk.fill(0);
    assert.equal(String(value), 'abc');
  });

  it('gives integers as exact text with stringNumbers', () => {
    assert.equal(decode(':9223372036854775807\r\n', { stringNumbers: true }), '9223372036854775807');
  });

  const stream = Buffer.from(
    '+OK\r\n$11\r\nhello\r\nwrld\r\n*3\r\n:12\r\n%1\r\n$1\r\nk\r\n_\r\n~1\r\n,1.5\r\n>2\r\n+a\r\n:1\r\n' +
      '-MOVED 1 h:1\r\n$-1\r\n=6\r\ntxt:hé\r\n|1\r\n+x\r\n+y\r\n#t\r\n!5\r\nERR x\r\n*0\r\n(12\r\n:5\r\n',
    'latin1',
  );

  it('gives the same replies cut at every offset', () => {
    const whole = decodeAll([stream]);
    assert.equal(whole.length, 12);
    for (let at = 1; at < stream.length; at++) {
      assert.deepEqual(decodeAll([stream.subarray(0, at), stream.subarray(at)]), whole, `cut at ${at}`);
    }
    const bytes = Array.from(stream, (byte) => Buffer.from([byte]));
    assert.deepEqual(decodeAll(bytes), whole);
  });

  it('gathers a long bulk from pieces of any size', () => {
    const body = Buffer.alloc(300_000, 'abcdefg');
    const bytes = Buffer.concat([Buffer.from(`*2\r\n$${body.length}\r\n`), body, Buffer.from('\r\n:1\r\n')]);
    for (const size of [1000, 4096, 65_536, 299_999, 300_010]) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
      const [reply] = decodeAll(chunks, 'buffer');
      assert.ok((reply as [Buffer, number])[0].equals(body), `pieces of ${size}`);
    }
  });

  it('survives any cut of any replies', () => {
    const leaf = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`),
      fc.integer().map((value) => `:${value}\r\n`),
      fc.constantFrom('_\r\n', '#t\r\n', ',0.25\r\n', '$-1\r\n', '+fine\r\n', '-ERR bad\r\n'),
    );
    const { reply } = fc.letrec<{ reply: string }>((tie) => ({
      reply: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc.array(tie('reply'), { maxLength: 5 }).map((items) => `*${items.length}\r\n${items.join('')}`),
        fc.array(tie('reply'), { maxLength: 4 }).map((items) => `~${items.length}\r\n${items.join('')}`),
      ),
    }));
    fc.assert(
      fc.property(
        fc.array(reply, { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 10 }),
        (replies, cuts) => {
          const bytes = Buffer.from(replies.join(''));
          const points = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort(
            (a, b) => a - b,
          );
          const chunks = points.slice(1).map((end, index) => bytes.subarray(points[index], end));
          assert.deepEqual(decodeAll(chunks), decodeAll([bytes]));
        },
      ),
    );
  });

  const malformed: [string, DecoderOptions?][] = [
    ['?\r\n'],
    ['hello\r\n'],
    [':12a\r\n'],
    [':\r\n'],
    ['$x\r\n'],
    ['$\r\n'],
    ['$-2\r\n'],
    ['$3\r\nabcde\r\n'],
    ['*-2\r\n'],
    ['*abc\r\n'],
    ['_x\r\n'],
    ['#x\r\n'],
    [',abc\r\n'],
    ['(1.5\r\n'],
    ['=2\r\nab\r\n'],
    ['+a\rb\r\n'],
    ['*1\r\n>1\r\n+a\r\n'],
    ['$99999999999\r\n'],
    [`+${'x'.repeat(70_000)}\r\n`],
    [`:${'1'.repeat(70_000)}`],
  ];
  for (const [text, options] of malformed) {
    it(`refuses ${JSON.stringify(text.slice(0, 30))}`, () => {
      assert.throws(() => decodeAll([Buffer.from(text, 'latin1')], 'utf8', options), /^ProtocolError: Protocol error/);
    });
  }

  it('takes no memory for lengths that are only announced', () => {
    const decoder = new Decoder();
    decoder.feed(Buffer.from('*134217728\r\n$536870912\r\nabc'));
    const before = process.memoryUsage().arrayBuffers;
    assert.equal(decoder.read('utf8'), pending);
    assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 20);
    assert.equal(decoder.buffered, 3);
  });

  it('reads the same from memory that is used again after every chunk', () => {
    const long = 'y'.repeat(9000);
    const values = ['a', long, ['b', long, 7], 'c'.repeat(4095), 'd'.repeat(4096), [[], 'e'], 'OK'];
    const resp = (value: unknown): string => {
      if (Array.isArray(value)) return `*${value.length}\r\n${value.map(resp).join('')}`;
      return typeof value === 'number' ? `:${value}\r\n` : `$${String(value).length}\r\n${String(value)}\r\n`;
    };
    const bytes = Buffer.from(values.map(resp).join(''), 'latin1');
    // Headroom for what is left of most chunks, and too little for that of others.
    const headroom = 64;
    for (const step of [1, 2, 3, 7, 61, 64, 65, 1000, 4095, 4100, 9001, bytes.length]) {
      const decoder = new Decoder();
      const shared = Buffer.alloc(headroom + step);
      const read: unknown[] = [];
      for (let at = 0; at < bytes.length; at += step) {
        const length = bytes.copy(shared, headroom, at, at + step);
        decoder.feed(shared, headroom, headroom + length);
        for (let value = decoder.read('utf8'); value !== pending; value = decoder.read('utf8')) read.push(value);
        decoder.keep();
        shared.fill(0xee);
      }
      assert.deepEqual(read, values, `steps of ${step}`);
      assert.equal(decoder.buffered, 0);
    }
  });

  it('long values as bytes are memory of their own, also when others follow', () => {
    const decoder = new Decoder();
    const read: Buffer[] = [];
    for (const letter of ['a', 'b', 'c']) {
      const bytes = Buffer.from(`$300000\r\n${letter.repeat(300_000)}\r\n`);
      for (let at = 0; at < bytes.length; at += 50_000) {
        decoder.feed(bytes.subarray(at, at + 50_000));
        const value = decoder.read('buffer');
        if (value !== pending) read.push(value as Buffer);
        decoder.keep();
      }
    }
    assert.deepEqual(
      read.map((value) => value.toString()),
      ['a', 'b', 'c'].map((letter) => letter.repeat(300_000)),
    );
  });

  it('takes no more room for a value in pieces than the value has', () => {
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 200 }, () => {
      const decoder = new Decoder();
      decoder.feed(Buffer.from(`$5000\r\n${'x'.repeat(100)}`));
      assert.equal(decoder.read('utf8'), pending);
      return decoder;
    });
    assert.ok(process.memoryUsage().arrayBuffers - before < 200 * 10_000);
    assert.ok(decoders.every(({ buffered }) => buffered === 100));
  });
});

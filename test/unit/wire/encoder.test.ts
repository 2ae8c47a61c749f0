import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Argument, Encoder } from '../../../lib/wire/encoder.ts';

function plain(argv: readonly Argument[]): Buffer {
  const parts = [Buffer.from(`*${argv.length}\r\n`)];
  for (const argument of argv) {
    const bytes = Buffer.from(argument as string);
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

function encode(...commands: readonly (readonly Argument[])[]): Buffer {
  const encoder = new Encoder();
  for (const argv of commands) encoder.encode(argv);
  return Buffer.concat(encoder.take());
}

describe('wire/encoder', () => {
  it('writes arrays of bulks', () => {
    assert.equal(encode(['set', 'a', '']).toString(), '*3\r\n$3\r\nset\r\n$1\r\na\r\n$0\r\n\r\n');
  });

  it('equals the obvious encoding for any arguments', () => {
    const argument = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 100 }),
      fc.string({ unit: 'grapheme-ascii', maxLength: 300 }),
      fc.uint8Array({ maxLength: 200 }),
    );
    const commands = fc.array(fc.array(argument, { minLength: 1, maxLength: 12 }), { maxLength: 20 });
    fc.assert(
      fc.property(commands, (all) => {
        assert.deepEqual(encode(...all), Buffer.concat(all.map(plain)));
      }),
    );
  });

  it('keeps order across slabs, long texts and bytes by reference', () => {
    const commands: Argument[][] = [];
    for (let at = 0; at < 400; at++) {
      commands.push(['set', `key:${at}`, 'x'.repeat(at * 7)], ['set', 'é'.repeat(at), Buffer.alloc(at * 100, at)]);
    }
    commands.push(['set', 'big', 'y'.repeat(3_000_000)], ['set', 'big', 'ü'.repeat(200_000)], ['get', 'end']);
    assert.ok(encode(...commands).equals(Buffer.concat(commands.map(plain))));
  });

  it('passes big bytes on without a copy', () => {
    const big = Buffer.alloc(100_000, 1);
    const encoder = new Encoder();
    encoder.encode(['set', 'k', big]);
    assert.ok(encoder.take().includes(big));
  });

  it('counts what is not yet taken and never touches what was', () => {
    const encoder = new Encoder();
    encoder.encode(['get', 'a']);
    assert.equal(encoder.size, plain(['get', 'a']).length);
    const [first] = encoder.take();
    const before = Buffer.from(first!);
    for (let at = 0; at < 5000; at++) encoder.encode(['set', `k${at}`, 'v'.repeat(50)]);
    encoder.take();
    assert.equal(encoder.size, 0);
    assert.deepEqual(Buffer.from(first!), before);
  });

  it('writes lengths of every size', () => {
    for (const size of [0, 9, 10, 99, 100, 999, 1000, 9999, 10_000, 65_535, 100_000, 1_000_000]) {
      const argv = ['set', 'k', Buffer.alloc(size)];
      assert.ok(encode(argv).equals(plain(argv)));
    }
  });
});

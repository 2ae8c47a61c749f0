import assert from 'node:assert/strict';
import { crc16, slotOf, slotOfBinary } from '../../../lib/wire/slot.ts';

describe('wire/slot', () => {
  it('has the check value of CRC16/XMODEM', () => {
    assert.equal(crc16(Buffer.from('123456789')), 0x31c3);
  });

  it('knows the slots of the cluster specification', () => {
    assert.equal(slotOf('foo'), 12182);
    assert.equal(slotOf('somekey'), 11058);
    assert.equal(slotOf('foo{hash_tag}'), 2515);
    assert.equal(slotOf('bar{hash_tag}'), 2515);
  });

  const tags: [string, string][] = [
    ['{user1000}.following', 'user1000'],
    ['{a{b}c', 'a{b'],
    ['{a{b}c}', 'a{b'],
    ['foo{{bar}}zap', '{bar'],
    ['foo{bar}{zap}', 'bar'],
    ['a}b{c}', 'c'],
  ];
  for (const [key, tag] of tags) {
    it(`hashes ${tag} of ${key}`, () => assert.equal(slotOf(key), crc16(Buffer.from(tag)) & 0x3fff));
  }

  for (const key of ['foo{}{bar}', 'foo{bar', '{}', '{', '}{', '']) {
    it(`hashes the whole of ${JSON.stringify(key)}`, () => {
      assert.equal(slotOf(key), crc16(Buffer.from(key)) & 0x3fff);
    });
  }

  it('gives text, bytes and binary strings one slot', () => {
    for (const key of ['plain', 'ключ', '{тег}x', '日本', '\u{1f600}{a}']) {
      const bytes = Buffer.from(key);
      assert.equal(slotOf(key), slotOf(bytes));
      assert.equal(slotOf(key), slotOfBinary(bytes.toString('latin1')));
    }
  });
});

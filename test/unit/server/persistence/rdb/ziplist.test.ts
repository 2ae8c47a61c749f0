import assert from 'node:assert/strict';
import { readZiplist } from '../../../../../server/persistence/rdb/ziplist.ts';

// The list a, 1, -2 in the form of servers before 7.0.
const sound = Buffer.from('1400000010000000030000016102f202feff', 'hex');

function listOf(entries: string, tail: number, count: number): Buffer {
  const body = Buffer.from(entries, 'hex');
  const head = Buffer.alloc(10);
  head.writeUInt32LE(10 + body.length + 1, 0);
  head.writeUInt32LE(tail, 4);
  head.writeUInt16LE(count, 8);
  return Buffer.concat([head, body, Buffer.from([0xff])]);
}

describe('ziplists of old servers', () => {
  const entries = '000161' + '03f2' + '02fefe';

  it('are read, also with long forms of short lengths', () => {
    assert.deepEqual(readZiplist(listOf(entries, 15, 3)), ['a', '1', '-2']);
    assert.deepEqual(readZiplist(listOf(`000161${'fe03000000'}f2`, 13, 2)), ['a', '1']);
    assert.deepEqual(readZiplist(listOf('', 10, 0)), []);
  });

  it('are refused when their lengths disagree, as redis-server does', () => {
    assert.throws(() => readZiplist(listOf(entries, 13, 3)), /last entry is not where/);
    assert.throws(() => readZiplist(listOf('000161' + '04f2' + '02fefe', 15, 3)), /the one before it disagree/);
    assert.throws(() => readZiplist(listOf(entries, 15, 2)), /3 entries, not 2/);
    assert.throws(() => readZiplist(sound), /its length is not/);
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Framer } from '../../../../server/bus/frame.ts';
import { vectors } from './packet-kit.ts';

const packets = vectors.map(({ hex }) => Buffer.from(hex, 'hex'));
const stream = Buffer.concat(packets);

describe('framing of the bus', () => {
  it('finds every packet, wherever the stream is cut', () => {
    const cuts = fc.array(fc.nat(stream.length), { maxLength: 60 });
    fc.assert(
      fc.property(cuts, (places) => {
        const framer = new Framer(10_000);
        const found: Buffer[] = [];
        const ends = [...places.sort((a, b) => a - b), stream.length];
        for (const [at, end] of ends.entries()) found.push(...framer.push(stream.subarray(ends[at - 1] ?? 0, end)));
        assert.deepEqual(found, packets);
        assert.equal(framer.pending, 0);
      }),
    );
  });

  it('takes one byte at a time', () => {
    const framer = new Framer(10_000);
    const found: Buffer[] = [];
    for (let at = 0; at < stream.length; at++) found.push(...framer.push(stream.subarray(at, at + 1)));
    assert.deepEqual(found, packets);
  });

  it('refuses a stream that is no bus as soon as eight bytes show it', () => {
    const framer = new Framer(10_000);
    assert.deepEqual(framer.push(Buffer.from('GET / H')), []);
    assert.throws(() => framer.push(Buffer.from('T')), /not the cluster bus/);
  });

  it('refuses lengths below a header and above the limit before it keeps anything for them', () => {
    for (const length of [0, 2255, 10_001, 0xffffffff]) {
      const front = Buffer.from('RCmb\0\0\0\0', 'latin1');
      front.writeUInt32BE(length, 4);
      assert.throws(() => new Framer(10_000).push(front), /shorter than its header|above the limit/, String(length));
    }
    const largest = Buffer.alloc(10_000);
    largest.write('RCmb');
    largest.writeUInt32BE(10_000, 4);
    assert.equal(new Framer(10_000).push(largest).length, 1);
  });

  it('says how much of a packet is waiting for the rest', () => {
    const framer = new Framer(10_000);
    framer.push(packets[0]!.subarray(0, 100));
    framer.push(packets[0]!.subarray(100, 2000));
    assert.equal(framer.pending, 2000);
    assert.deepEqual(framer.push(packets[0]!.subarray(2000)), [packets[0]]);
  });
});

import assert from 'node:assert/strict';
import { Fifo } from '../../../lib/base/fifo.ts';

describe('base/fifo replaceEach', () => {
  it('puts others in the same places, also across the end of the ring', () => {
    const fifo = new Fifo<number>();
    for (let item = 0; item < 12; item++) fifo.push(item);
    for (let item = 0; item < 10; item++) fifo.shift();
    for (let item = 12; item < 24; item++) fifo.push(item);
    fifo.replaceEach((item) => item * 2);
    assert.deepEqual(
      fifo.drain(),
      [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23].map((item) => item * 2),
    );
  });
});

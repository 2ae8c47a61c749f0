// How many frames a debugger shows between a method and the encoder: the way of a command can be read in one sitting.

import assert from 'node:assert/strict';
import { Cluster, Redis } from '../../../lib/index.ts';
import { Encoder } from '../../../lib/wire/encoder.ts';
import { bulk, clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';

describe('client: the way of a command', () => {
  let node: FakeNode;

  before(async () => {
    node = await FakeNode.start((argv) => {
      const place = { host: '127.0.0.1', port: node.port };
      if (argv[0] === 'cluster') {
        return argv[1]!.toLowerCase() === 'slots' ? slotsReply([{ start: 0, end: 16383, nodes: [place] }]) : clusterOk;
      }
      return argv[0] === 'get' ? bulk('v') : argv[0] === 'info' ? bulk('loading:0\r\n') : '+OK\r\n';
    });
  });
  after(() => node.close());

  /** The files and functions from the encoder up to the method, while `run` sends a GET. */
  async function framesOf(run: () => Promise<unknown>): Promise<string[]> {
    const { encode } = Encoder.prototype;
    const { stackTraceLimit } = Error;
    let frames: string[] = [];
    Error.stackTraceLimit = 50;
    Encoder.prototype.encode = function traced(argv) {
      if (argv[0] === 'get') frames = (new Error().stack ?? '').split('\n').slice(2);
      encode.call(this, argv);
    };
    try {
      assert.equal(await run(), 'v');
    } finally {
      Encoder.prototype.encode = encode;
      Error.stackTraceLimit = stackTraceLimit;
    }
    const outside = frames.findIndex((frame) => frame.includes('facade/path.test'));
    // The frame of the encoder itself was taken away with the one that traces it.
    return ['encode', ...frames.slice(0, outside)];
  }

  it('is at most 9 frames long for a ready Cluster', async () => {
    const cluster = new Cluster([{ host: '127.0.0.1', port: node.port }]);
    await cluster.set('k', 'v');
    const frames = await framesOf(() => cluster.get('k'));
    assert.ok(frames.length > 3 && frames.length <= 9, frames.join('\n'));
    await cluster.quit();
  });

  it('is at most 10 frames long for a ready Redis', async () => {
    const redis = new Redis(node.port, '127.0.0.1');
    await redis.set('k', 'v');
    const frames = await framesOf(() => redis.get('k'));
    assert.ok(frames.length > 3 && frames.length <= 10, frames.join('\n'));
    await redis.quit();
  });
});

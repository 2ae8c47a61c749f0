import assert from 'node:assert/strict';
import { startNode } from '../../../../server/index.ts';
import { ask } from '../../../kit/ask.ts';

describe('a node behind a door of its own', () => {
  it('starts, and announces the bus port that is configured', async () => {
    const config = { 'cluster-announce-bus-port': '12345' };
    const node = await startNode({ cluster: true, bus: 'tcp', config });
    try {
      assert.match(String(await ask(node, 'CLUSTER', 'NODES')), new RegExp(`:${node.port}@12345 myself`));
      assert.notEqual(node.server.cport, 12_345);
    } finally {
      await node.kill();
    }
  });
});

import assert from 'node:assert/strict';
import { startCluster } from '../../../../server/index.ts';
import { ask, say } from '../../../kit/ask.ts';
import { RespClient } from '../../../kit/resp-client.ts';
import { until } from '../../../kit/until.ts';

// The words of DEBUG that make a node deaf for one kind of message, or close its links.

describe('DEBUG of the cluster bus', () => {
  it('a node does not receive what it is set to drop, and its links can be closed', async () => {
    const config = { 'enable-debug-command': 'yes' };
    const cluster = await startCluster({ masters: 3, replicas: 0, config });
    try {
      const node = cluster.nodes[0]!;
      assert.equal(
        await say(node, 'DEBUG', 'DROP-CLUSTER-PACKET-FILTER', 'x'),
        '-ERR value is not an integer or out of range',
      );
      const listener = await RespClient.connect(node.port);
      await listener.call('SUBSCRIBE', 'news');
      assert.equal(await say(node, 'DEBUG', 'DROP-CLUSTER-PACKET-FILTER', '4'), 'OK');
      await ask(cluster.nodes[1]!, 'PUBLISH', 'news', 'unheard');
      const published = async (): Promise<boolean> =>
        String(await ask(cluster.nodes[1]!, 'CLUSTER', 'INFO')).includes('messages_publish_sent:2');
      await until('it was sent to both', published);
      assert.equal(await say(node, 'DEBUG', 'DROP-CLUSTER-PACKET-FILTER', '-1'), 'OK');
      await ask(cluster.nodes[1]!, 'PUBLISH', 'news', 'heard');
      assert.deepEqual(((await listener.read()) as unknown[]).map(String), ['message', 'news', 'heard']);
      listener.close();
      const other = String(await ask(cluster.nodes[1]!, 'CLUSTER', 'MYID'));
      const opened = async (): Promise<string> => String(await ask(node, 'CLUSTER', 'LINKS'));
      const before = await opened();
      assert.equal(await say(node, 'DEBUG', 'CLUSTERLINK', 'KILL', 'TO', other), 'OK');
      await until('the link is another one', async () => (await opened()) !== before);
      const client = await RespClient.connect(node.port);
      const kinds = async (direction: string): Promise<string[]> => {
        await until('both ways', async () => String(await client.call('CLUSTER', 'LINKS')).split(other).length === 3);
        await client.call('MULTI');
        await client.call('DEBUG', 'CLUSTERLINK', 'KILL', direction, other);
        await client.call('CLUSTER', 'LINKS');
        const [done, links] = (await client.call('EXEC')) as [unknown, unknown[][]];
        assert.equal(String(done), 'OK');
        return links.filter((link) => link.map(String).includes(other)).map((link) => String(link[1]));
      };
      assert.deepEqual(await kinds('TO'), ['from']);
      assert.deepEqual(await kinds('from'), ['to']);
      assert.deepEqual(await kinds('All'), []);
      client.close();
      const kill = ['DEBUG', 'CLUSTERLINK', 'KILL'];
      assert.match(String(await say(node, ...kill, 'ALL', 'nobody')), /Unknown node nobody/);
      assert.match(String(await say(node, ...kill, 'sideways', other)), /Unknown direction sideways/);
    } finally {
      await cluster.close();
    }
  });
});

// What queue workers do all day: block. A call that has waited for longer than the retry deadline when its node goes
// has had no trouble so far, and is asked again as any other call is.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster } from '../../lib/index.ts';
import { FakeNode, slotsReply } from '../kit/fake-node.ts';
import { until } from '../kit/until.ts';

const retryDeadline = 300;

describe('consumers: blocking calls that wait for long', () => {
  let node: FakeNode;
  let cluster: Cluster;
  let answer: string | undefined;

  beforeEach(async () => {
    answer = undefined;
    node = await FakeNode.start(([name]) => {
      if (name === 'cluster') return slotsReply([{ start: 0, end: 16383, nodes: [node] }]);
      return answer;
    });
    cluster = new Cluster([{ host: '127.0.0.1', port: node.port }], { retryDeadline, enableReadyCheck: false });
    await cluster.connect().catch(() => undefined);
  });
  afterEach(async () => {
    cluster.disconnect();
    await node.close();
  });

  /** A call that has been blocking for twice the deadline; in an object, so that awaiting this does not await it. */
  const wait = async (): Promise<{ popped: Promise<unknown> }> => {
    const popped = cluster.blpop('list', 0);
    popped.catch(() => undefined);
    await until('the call has been sent', () => node.count('blpop') === 1);
    await pause(retryDeadline * 2);
    return { popped };
  };

  it('survive a lost connection', async () => {
    const { popped } = await wait();
    answer = '*2\r\n$4\r\nlist\r\n$1\r\nv\r\n';
    node.cut();
    assert.deepEqual(await popped, ['list', 'v']);
  });

  it('survive the demotion of their node', async () => {
    const { popped } = await wait();
    answer = '*2\r\n$4\r\nlist\r\n$1\r\nv\r\n';
    node.say('-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n');
    assert.deepEqual(await popped, ['list', 'v']);
  });

  it('are given up once trouble has lasted for the deadline', async () => {
    const { popped } = await wait();
    answer = '-CLUSTERDOWN The cluster is down\r\n';
    node.cut();
    await assert.rejects(popped, { code: 'ERR_RETRY_DEADLINE' });
  });

  it('leave the error of CLIENT UNBLOCK to the caller', async () => {
    const { popped } = await wait();
    node.say('-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n');
    await assert.rejects(popped, { code: 'UNBLOCKED' });
  });
});

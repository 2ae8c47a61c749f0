import assert from 'node:assert/strict';
import { parseNodes } from '../../../../../lib/wire/cluster-nodes.ts';
import { healthOf } from '../../../../../server/operator/monitor/health.ts';
import {
  type ClusterMetrics,
  clusterMetrics,
  type NodeAnswers,
} from '../../../../../server/operator/monitor/metrics.ts';
import { metricsText } from '../../../../../server/operator/monitor/report.ts';

const [a, b, c] = ['a', 'b', 'c'].map((letter) => letter.repeat(40)) as [string, string, string];

/** What `me` answers in a cluster of two masters and a replica; `marks` are its open slots. */
function viewOf(me: string, marks = '', flags: Record<string, string> = {}): ReturnType<typeof parseNodes> {
  const line = (id: string, port: number, role: string, rest: string): string => {
    const words = [id === me ? 'myself' : '', role, flags[id] ?? ''].filter((word) => word !== '').join(',');
    return `${id} 127.0.0.1:${port}@1${port} ${words} ${rest}${id === me ? marks : ''}`;
  };
  return parseNodes(
    [
      line(a, 7000, 'master', '- 0 500 1 connected 0-8000'),
      line(b, 7001, 'master', '- 0 600 2 connected 8001-16383'),
      line(c, 7002, 'slave', `${a} 0 700 1 connected`),
    ].join('\n'),
  );
}

const info = [
  'used_memory:1000',
  'connected_clients:3',
  'instantaneous_ops_per_sec:42',
  'total_error_replies:9',
  'errorstat_MOVED:count=4',
  'errorstat_ASK:count=1',
  'db0:keys=17,expires=0,avg_ttl=0',
].join('\r\n');
const clusterInfo =
  'cluster_current_epoch:6\r\ncluster_stats_messages_sent:10\r\ncluster_stats_messages_received:20\r\n';

function answers(id: string, marks = ''): NodeAnswers {
  return { latencyMs: 1.5, info, clusterInfo, view: viewOf(id, marks) };
}

function metrics(given: Record<string, NodeAnswers>, flags: Record<string, string> = {}): ClusterMetrics {
  return clusterMetrics(viewOf(a, '', flags), new Map(Object.entries(given)), 9000);
}

describe('cluster metrics', () => {
  const whole = { [a]: answers(a), [b]: answers(b), [c]: answers(c) };

  it('add up what the nodes say', () => {
    const all = metrics(whole);
    assert.deepEqual(
      [all.totalNodes, all.masterNodes, all.replicaNodes, all.assignedSlots, all.unassignedSlots, all.totalKeys],
      [3, 2, 1, 16_384, 0, 34],
    );
    assert.deepEqual([all.currentEpoch, all.messagesSent, all.messagesReceived, all.lastUpdate], [6, 30, 60, 9000]);
    assert.deepEqual(all.nodes[0], {
      id: a,
      address: '127.0.0.1:7000',
      role: 'master',
      masterId: null,
      status: 'online',
      slots: 8001,
      keys: 17,
      qps: 42,
      latencyMs: 1.5,
      memoryUsed: 1000,
      connections: 3,
      errors: 9,
      redirects: 5,
      configEpoch: 1,
      messagesSent: 10,
      messagesReceived: 20,
      lastHeartbeat: 9000,
    });
    assert.deepEqual([all.nodes[2]!.role, all.nodes[2]!.masterId, all.nodes[1]!.lastHeartbeat], ['replica', a, 600]);
    assert.deepEqual(healthOf(all), { state: 'ok', problems: [] });
  });

  it('leave gaps for a node that did not answer', () => {
    const all = metrics({ [a]: answers(a), [c]: answers(c) });
    assert.deepEqual([all.nodes[1]!.status, all.nodes[1]!.keys, all.nodes[1]!.qps], ['unreachable', null, null]);
    const { state, problems } = healthOf(all);
    assert.deepEqual([state, problems], ['degraded', ['master 127.0.0.1:7001 is unreachable, with 8383 slots']]);
  });

  it('a failed or suspected node makes it degraded', () => {
    assert.deepEqual(healthOf(metrics(whole, { [b]: 'fail?' })).problems, [
      'master 127.0.0.1:7001 is suspected, with 8383 slots',
    ]);
    const failed = metrics({ [a]: answers(a), [b]: answers(b) }, { [c]: 'fail' });
    assert.deepEqual(healthOf(failed).problems, ['replica 127.0.0.1:7002 is failed']);
  });

  it('a slot open at both ends is migrating, at one end only is a problem', () => {
    const moving = metrics({ ...whole, [a]: answers(a, ` [5->-${b}]`), [b]: answers(b, ` [5-<-${a}]`) });
    assert.deepEqual(healthOf(moving), { state: 'migrating', problems: [] });
    assert.equal(moving.openSlots.length, 2);
    const left = metrics({ ...whole, [a]: answers(a, ` [5->-${b}]`) });
    assert.deepEqual(healthOf(left).problems, ['slot 5 is migrating at aaaaaaaa and at nobody else']);
  });

  it('slots of nobody and views that differ are problems', () => {
    const odd = { ...answers(b), view: viewOf(b).map((line) => ({ ...line, ranges: line.ranges.slice(1) })) };
    assert.deepEqual(healthOf(metrics({ ...whole, [b]: odd })).problems, [
      'the nodes do not agree on the owners of the slots',
    ]);
    const short = clusterMetrics(odd.view, new Map(), 0);
    assert.equal(short.unassignedSlots, 16_384);
  });

  it('read as a text', () => {
    const text = metricsText(metrics({ [a]: answers(a), [c]: answers(c) }));
    assert.match(text, /^health: degraded\n {2}master 127\.0\.0\.1:7001 is unreachable/);
    assert.match(text, /nodes: 3 \(2 masters, 1 replicas\)/);
    assert.match(text, /127\.0\.0\.1:7000 {2}master {3}online +8001 +17 +42 +1\.5 +1000 +3 +9 +5\n/);
    assert.match(text, /127\.0\.0\.1:7001 {2}master {3}unreachable +8383 +- /);
  });
});

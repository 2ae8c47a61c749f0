import assert from 'node:assert/strict';
import { expose, formatFor } from '../../../../../server/operator/metrics/exposition.ts';
import { clusterFamilies, type Family } from '../../../../../server/operator/metrics/families.ts';
import { type FakeNode, sampleOf } from '../monitor/samples.ts';
import { problemsOf } from './exposition-rules.ts';

// The text that Prometheus reads, judged by the rules that promtool has, and the names that dashboards know.

const nodes: FakeNode[] = [
  {
    slots: '0-16383',
    info: [
      'redis_version:7.0.15',
      'connected_clients:3',
      'used_memory:1000',
      'total_commands_processed:77',
      'cmdstat_get:calls=70,usec=140,rejected_calls=0,failed_calls=1',
      'cmdstat_config|get:calls=7,usec=14,rejected_calls=0,failed_calls=0',
      'errorstat_MOVED:count=4',
      'db0:keys=10,expires=1,avg_ttl=0',
      'os:Linux "6.1"\\x',
    ],
  },
  { follows: 0, info: undefined },
];

const slots = [
  { slot: 5, keys: 1, busy: 0.5, bytesPerSecond: 10 },
  { slot: 6, keys: 1, busy: 0.4, bytesPerSecond: 1 },
];

describe('metrics for Prometheus', () => {
  for (const format of ['prometheus', 'openmetrics'] as const) {
    it(`${format}: names, types, HELP, no series twice`, async () => {
      const { text } = await expose(clusterFamilies({ sample: sampleOf(nodes, 0), slots }), format);
      assert.deepEqual(problemsOf(text, format), []);
    });
  }

  it('has the names of redis_exporter, by node, role and shard', async () => {
    const { text } = await expose(clusterFamilies({ sample: sampleOf(nodes, 0), slots }), 'prometheus');
    const shard = 'a'.repeat(40);
    const labels = `node="127.0.0.1:7000",role="master",shard="${shard}"`;
    for (const line of [
      `redis_up{${labels}} 1`,
      `redis_up{node="127.0.0.1:7001",role="replica",shard="${shard}"} 0`,
      `redis_connected_clients{${labels}} 3`,
      `redis_memory_used_bytes{${labels}} 1000`,
      `redis_commands_processed_total{${labels}} 77`,
      `redis_commands_total{${labels},cmd="get"} 70`,
      `redis_db_keys{${labels},db="db0"} 10`,
      `redis_errors_total{${labels},err="MOVED"} 4`,
      'lingcache_cluster_health{state="degraded"} 1',
      `lingcache_slot_cpu_share{${labels},slot="5"} 0.5`,
    ])
      assert.ok(text.split('\n').includes(line), `${line}\n${text}`);
  });

  it('limits slots and commands', async () => {
    const families = clusterFamilies({ sample: sampleOf(nodes, 0), slots, limits: { slots: 1, commands: 1 } });
    const count = (name: string): number | undefined => families.find((one) => one.name === name)?.series.length;
    assert.equal(count('lingcache_slot_keys'), 1);
    assert.equal(count('redis_commands_total'), 1);
  });

  it('a figure that is not there has no series; the format is what the scraper asks for', () => {
    const families = clusterFamilies({ sample: sampleOf([{ slots: '0-16383', info: [] }], 0) });
    assert.equal(
      families.find(({ name }) => name === 'redis_memory_used_bytes'),
      undefined,
    );
    assert.equal(formatFor('application/openmetrics-text;version=1.0.0,text/plain;q=0.5'), 'openmetrics');
    assert.equal(formatFor(undefined), 'prometheus');
  });

  it('the rules find what is wrong', () => {
    const bad = '# HELP a b\n# TYPE a gauge\na{x="1"} 1\na{x="1"} 2\nb 1\nc{x="\\q"} 1\nd{ 1\n';
    assert.equal(problemsOf(bad, 'prometheus').length, 4);
    const family: Family = { name: 'x', help: 'h', type: 'gauge', series: [] };
    assert.equal(family.series.length, 0);
  });
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { clusterFamilies } from '../../../../../server/operator/metrics/families.ts';
import { sampleOf } from '../monitor/samples.ts';

// The dashboard for Grafana asks for metrics that there are, by labels that they have.

const info = `run_id:x connected_clients:1 used_memory:1 total_commands_processed:1 total_net_input_bytes:1
  total_net_output_bytes:1 keyspace_hits:1 keyspace_misses:1 used_cpu_user:1 used_cpu_sys:1 evicted_keys:1
  expired_keys:1 slave_repl_offset:1 master_repl_offset:1 cmdstat_get:calls=1,usec=1 errorstat_ERR:count=1
  db0:keys=1,expires=0`.split(/\s+/);

describe('the dashboard for Grafana', () => {
  it('names only metrics and labels that the endpoint has', () => {
    const text = readFileSync('docs/grafana-dashboard.json', 'utf8');
    const { panels } = JSON.parse(text) as { panels: { targets: { expr: string; legendFormat: string }[] }[] };
    const sample = sampleOf(
      [
        { slots: '0-16383', info },
        { follows: 0, info },
      ],
      0,
    );
    const slots = [{ slot: 1, keys: 1, busy: 1, bytesPerSecond: 1 }];
    const labels = new Map(
      clusterFamilies({ sample, slots }).map(({ name, series }) => [name, new Set(Object.keys(series[0]!.labels))]),
    );
    assert.ok(panels.length > 15);
    for (const { expr, legendFormat } of panels.flatMap(({ targets }) => targets)) {
      const names = expr.match(/\b(?:redis|lingcache)_\w+/g)!;
      for (const name of names) assert.ok(labels.has(name), `${name} in ${expr}`);
      for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
        assert.ok(
          names.some((name) => labels.get(name)!.has(label!)),
          `${label} of ${expr}`,
        );
    }
  });
});

// INFO memory. `used_memory` is what counts against maxmemory and what is kept beside it: keys and buffers, as estimated;
// the allocator's figures are those of V8's heap, in which the program itself and what awaits collection lie too.

import { totalmem } from 'node:os';
import type { Engine } from '../engine/engine.ts';
import { baseBytes } from '../eviction/eviction.ts';
import { memoryFacts } from './memory.ts';

function human(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`;
  const units = ['K', 'M', 'G', 'T', 'P'];
  let value = bytes / 1024;
  let at = 0;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at++;
  }
  return `${value.toFixed(2)}${units[at]}`;
}

function percent(part: number, whole: number): string {
  return `${(whole === 0 ? 0 : (part * 100) / whole).toFixed(2)}%`;
}

function ratio(part: number, whole: number): string {
  return (whole === 0 ? 0 : part / whole).toFixed(2);
}

export function memoryLines(engine: Engine): readonly string[] {
  const facts = memoryFacts(engine);
  const limit = engine.config.number('maxmemory');
  const dataset = Math.max(0, facts.used - facts.overhead);
  const uncounted = facts.backlog + facts.replicaBuffers + facts.aofBuffer;
  const buffers = facts.backlog + facts.replicaBuffers;
  return [
    `used_memory:${facts.used}`,
    `used_memory_human:${human(facts.used)}`,
    `used_memory_rss:${facts.rss}`,
    `used_memory_rss_human:${human(facts.rss)}`,
    `used_memory_peak:${facts.peak}`,
    `used_memory_peak_human:${human(facts.peak)}`,
    `used_memory_peak_perc:${percent(facts.used, facts.peak)}`,
    `used_memory_overhead:${facts.overhead}`,
    `used_memory_startup:${baseBytes}`,
    `used_memory_dataset:${dataset}`,
    `used_memory_dataset_perc:${percent(dataset, facts.used - baseBytes)}`,
    `allocator_allocated:${facts.allocated}`,
    `allocator_active:${facts.active}`,
    `allocator_resident:${facts.rss}`,
    `total_system_memory:${totalmem()}`,
    `total_system_memory_human:${human(totalmem())}`,
    ...engine.scriptInfo(),
    `maxmemory:${limit}`,
    `maxmemory_human:${human(limit)}`,
    `maxmemory_policy:${engine.config.get('maxmemory-policy')}`,
    `allocator_frag_ratio:${ratio(facts.active, facts.allocated)}`,
    `allocator_frag_bytes:${facts.active - facts.allocated}`,
    `allocator_rss_ratio:${ratio(facts.rss, facts.active)}`,
    `allocator_rss_bytes:${facts.rss - facts.active}`,
    'rss_overhead_ratio:1.00',
    'rss_overhead_bytes:0',
    `mem_fragmentation_ratio:${ratio(facts.rss, facts.allocated)}`,
    `mem_fragmentation_bytes:${facts.rss - facts.allocated}`,
    `mem_not_counted_for_evict:${uncounted}`,
    `mem_replication_backlog:${facts.backlog}`,
    `mem_total_replication_buffers:${buffers}`,
    `mem_clients_slaves:${facts.replicaBuffers}`,
    `mem_clients_normal:${facts.clients}`,
    'mem_cluster_links:0',
    `mem_aof_buffer:${facts.aofBuffer}`,
    'mem_allocator:v8',
    'active_defrag_running:0',
    'lazyfree_pending_objects:0',
    `lazyfreed_objects:${engine.databases.lazyFreed}`,
  ];
}

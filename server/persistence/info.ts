// INFO persistence, in the words of redis-server 7.0. Pure.

import type { Engine } from '../engine/engine.ts';
import type { ContentProgress } from './rdb/file.ts';

/** Times in whole seconds, -1: never, or not now. */
export interface SavingFacts {
  readonly snapshots: {
    readonly lastSave: number;
    readonly ok: boolean;
    readonly running: boolean;
    readonly seconds: number;
    readonly lastSeconds: number;
    readonly count: number;
  };
  readonly loaded: { readonly keys: number; readonly expired: number };
  readonly rewrites: {
    readonly running: boolean;
    readonly seconds: number;
    readonly lastSeconds: number;
    readonly ok: boolean;
    readonly count: number;
    readonly failures: number;
    readonly scheduled: boolean;
  };
  /** Of the save under way; undefined: none is. */
  readonly current: ContentProgress | undefined;
  /** Estimated bytes. */
  readonly lastKept: { readonly rdb: number; readonly aof: number };
  /** Undefined: no log is kept. */
  readonly log: { readonly size: number; readonly baseSize: number; readonly failed: boolean } | undefined;
}

export function persistenceLines(engine: Engine, facts: SavingFacts): string[] {
  const { snapshots, loaded, rewrites, log, current, lastKept } = facts;
  const kept = current?.kept ?? 0;
  const done = current === undefined || current.keys === 0 ? 0 : (current.written * 100) / current.keys;
  return [
    `loading:${bit(engine.loading || engine.copying || engine.takingCopy)}`,
    `async_loading:${bit(engine.copyingBeside)}`,
    `current_cow_peak:${kept}`,
    `current_cow_size:${kept}`,
    'current_cow_size_age:0',
    `current_fork_perc:${done.toFixed(2)}`,
    `current_save_keys_processed:${current?.written ?? 0}`,
    `current_save_keys_total:${current?.keys ?? 0}`,
    `rdb_changes_since_last_save:${engine.databases.dirty}`,
    `rdb_bgsave_in_progress:${bit(snapshots.running)}`,
    `rdb_last_save_time:${snapshots.lastSave}`,
    `rdb_last_bgsave_status:${word(snapshots.ok)}`,
    `rdb_last_bgsave_time_sec:${snapshots.lastSeconds}`,
    `rdb_current_bgsave_time_sec:${snapshots.seconds}`,
    `rdb_saves:${snapshots.count}`,
    `rdb_last_cow_size:${lastKept.rdb}`,
    `rdb_last_load_keys_expired:${loaded.expired}`,
    `rdb_last_load_keys_loaded:${loaded.keys}`,
    `aof_enabled:${bit(log !== undefined)}`,
    `aof_rewrite_in_progress:${bit(rewrites.running)}`,
    `aof_rewrite_scheduled:${bit(rewrites.scheduled)}`,
    `aof_last_rewrite_time_sec:${rewrites.lastSeconds}`,
    `aof_current_rewrite_time_sec:${rewrites.seconds}`,
    `aof_last_bgrewrite_status:${word(rewrites.ok)}`,
    `aof_rewrites:${rewrites.count}`,
    `aof_rewrites_consecutive_failures:${rewrites.failures}`,
    `aof_last_write_status:${word(log?.failed !== true)}`,
    `aof_last_cow_size:${lastKept.aof}`,
    'module_fork_in_progress:0',
    'module_fork_last_cow_size:0',
    ...(log === undefined ? [] : logLines(log)),
  ];
}

function logLines(log: { readonly size: number; readonly baseSize: number }): string[] {
  return [
    `aof_current_size:${log.size}`,
    `aof_base_size:${log.baseSize}`,
    'aof_pending_rewrite:0',
    'aof_buffer_length:0',
    'aof_pending_bio_fsync:0',
    'aof_delayed_fsync:0',
  ];
}

function bit(value: boolean): number {
  return value ? 1 : 0;
}

function word(ok: boolean): string {
  return ok ? 'ok' : 'err';
}

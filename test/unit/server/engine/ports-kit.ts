// A cluster, replication and persistence for an engine under test, of which only what the test names does anything.

import type { ClusterPort, PersistencePort, ReplicationPort } from '../../../../server/engine/ports.ts';

export function clusterPort(guard: ClusterPort['guard']): ClusterPort {
  return { guard, publish: () => undefined };
}

export function replicationPort(parts: Partial<ReplicationPort>): ReplicationPort {
  return {
    onEffects: () => undefined,
    publish: () => undefined,
    wait: () => () => undefined,
    enoughReplicas: true,
    copying: false,
    copiesBegun: 0,
    role: () => ['master', 0, []],
    info: () => ['role:master'],
    counts: () => [],
    facts: () => [],
    restore: () => undefined,
    memory: () => ({ backlog: 0, replicaBuffers: 0 }),
    resetCounts: () => undefined,
    ...parts,
  };
}

export function persistencePort(parts: Partial<PersistencePort>): PersistencePort {
  return {
    loading: false,
    onEffects: () => undefined,
    canFlushReplies: () => true,
    flush: () => undefined,
    refusal: () => undefined,
    flushed: () => undefined,
    replaced: () => undefined,
    info: () => [],
    followParameter: () => undefined,
    logBuffer: 0,
    begun: 0,
    resetCounts: () => undefined,
    ...parts,
  };
}

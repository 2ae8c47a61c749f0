// What a server may be part of, as the commands see it: a cluster, replication, persistence, a process. A bare engine has
// none of these; a node fills them in (server/node), each with the object that does it.
// Invariant: the engine knows no implementation; each of these may be undefined, and everything still answers.

import type { Reply, ReplyError } from '../../lib/wire/reply.ts';
import type { GuardRequest } from '../cluster/guard.ts';

/** One write to replicate: the argv, and the database it applies to. */
export interface Effect {
  readonly db: number;
  readonly argv: readonly string[];
  /** Where it goes: 1 the log, 2 the replicas. Undefined: everywhere. */
  readonly targets?: number;
}

export interface ClusterPort {
  /** Undefined to serve the call, or the error to answer. */
  guard(request: GuardRequest): ReplyError | undefined;
  /** PUBLISH and SPUBLISH to the other nodes. */
  publish(kind: 'publish' | 'publishshard', channel: string, message: string): void;
}

/** A key that had run out when its file was loaded. */
export interface ExpiredKey {
  readonly db: number;
  readonly key: string;
}

export interface ReplicationPort {
  /** What one command or transaction did; several effects are one unit, to be wrapped in MULTI and EXEC. */
  onEffects(effects: readonly Effect[]): void;
  /** PUBLISH outside of a cluster, by a client in database `db`. */
  publish(channel: string, message: string, shard: boolean, db: number): void;
  /** `done` is called once, with the number of replicas that acknowledged everything written so far. Returns what ends the wait. */
  wait(count: number, timeoutMs: number, done: (acknowledged: number) => void): () => void;
  /** False: too few replicas were heard lately for a write to be taken. */
  readonly enoughReplicas: boolean;
  /** A copy of all data is being written for replicas. */
  readonly copying: boolean;
  /** Copies of all data for replicas that were begun: where redis-server forks. */
  readonly copiesBegun: number;
  /** ROLE's reply. */
  role(): Reply;
  /** The lines of INFO replication, and those of INFO stats that are about it. */
  info(): readonly string[];
  counts(): readonly string[];
  /** What a snapshot records of the stream that the data is the result of. */
  facts(): readonly (readonly [name: string, value: string])[];
  /** What a loaded snapshot recorded, `expired` keys left out. */
  restore(facts: ReadonlyMap<string, string>, expired: readonly ExpiredKey[]): void;
  /** CONFIG RESETSTAT. */
  resetCounts(): void;
  /** Bytes. */
  memory(): { readonly backlog: number; readonly replicaBuffers: number };
}

export interface PersistencePort {
  /** The node's own past is being replayed: effects are not news. */
  readonly loading: boolean;
  onEffects(effects: readonly Effect[]): void;
  /**
   * Whether replies may leave now. False: they wait, so that what they promise is written for many clients at once, and
   * `again` is called when they may.
   */
  canFlushReplies(again: () => void): boolean;
  /** Replies leave, whether they should wait or not: what they promise must hold from then on. */
  flush(): void;
  /** Why writes are refused: what they change could not be kept. */
  refusal(): ReplyError | undefined;
  /** FLUSHALL has deleted everything. */
  flushed(): void;
  /** All data was replaced by a copy from elsewhere. */
  replaced(): void;
  /** The lines of INFO persistence. */
  info(copying: boolean): readonly string[];
  /** `appendonly` was set: why it cannot be followed, or undefined. A log that is turned on in a transaction is written after it. */
  followParameter(inTransaction?: boolean): string | undefined;
  /** CONFIG RESETSTAT. */
  resetCounts(): void;
  /** Bytes that wait to be logged. */
  readonly logBuffer: number;
  /** Snapshots and rewrites begun in the background: where redis-server forks. */
  readonly begun: number;
}

/** The options of SHUTDOWN: a snapshot always, never, or when there are save points; without waiting; come what may. */
export interface ShutdownHow {
  readonly save: 'yes' | 'no' | 'default';
  readonly now: boolean;
  readonly force: boolean;
}

export interface RefusedParameter {
  readonly name: string;
  readonly why: string;
}

/** The node around the engine: its files, its listening sockets, its end. */
export interface NodePort {
  /** `done` gets the refusal, or undefined when the node stops. */
  shutdown(how: ShutdownHow, done: (refusal: ReplyError | undefined) => void): void;
  /** SHUTDOWN ABORT: the refusal, or undefined. */
  abortShutdown(): ReplyError | undefined;
  /** Milliseconds until a shutdown under way no longer waits for replicas; undefined: none is. */
  readonly shutdownMs: number | undefined;
  /**
   * CONFIG SET of where and how the server listens: `done` gets the parameter that cannot be followed and why, the
   * listeners being as they were, or undefined.
   */
  rebind(names: readonly string[], done: (refused: RefusedParameter | undefined) => void): void;
  /** CONFIG SET dir, which was `before` until now: why it cannot be, or undefined. */
  moveTo(before: string): string | undefined;
  /** The path of the configuration file; undefined: there is none. */
  readonly configFile: string | undefined;
  /** CONFIG REWRITE, with `all` of parameters that are at their defaults too: the refusal, or undefined. */
  rewriteConfig(all?: boolean): ReplyError | undefined;
  /** Connections that MIGRATE keeps. */
  readonly migrateLinks: number;
  /** The ACL file; undefined when there is none. `load()` gives the refusal, `save()` whether it is written. */
  aclFile(): { load(): string | undefined; save(): boolean } | undefined;
  /** DEBUG SEGFAULT and its like: ends the process with a report. Undefined: the node runs inside a program. */
  readonly crash: ((signal: 'SIGSEGV' | 'SIGABRT') => void) | undefined;
  /** DEBUG SLEEP of a process of its own: returns after `ms`. Undefined: the node runs inside a program. */
  readonly blockFor: ((ms: number) => void) | undefined;
  /**
   * DEBUG SLEEP of a node inside a program: answers nobody for `ms`, then calls `done`. Returns what ends it early.
   * Undefined: the caller alone waits.
   */
  readonly freezeFor: ((ms: number, done: () => void) => () => void) | undefined;
}

/** All of them, as an engine holds them. */
export interface Ports {
  cluster: ClusterPort | undefined;
  replication: ReplicationPort | undefined;
  persistence: PersistencePort | undefined;
  node: NodePort | undefined;
}

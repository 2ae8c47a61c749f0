// How the parts of a node serve each other: what the engine asks of the others, and what the membership does.
// Owns nothing. Parts are asked for when they are needed: some do not exist yet when these are made.

import type { ReplyError } from '../../lib/wire/reply.ts';
import { guard } from '../cluster/guard.ts';
import type { Effect, Engine, EngineHooks } from '../engine/engine.ts';
import type { Store } from '../keyspace/store.ts';
import type { ClusterMember, MemberHost } from '../membership/membership.ts';
import type { LinkCache } from '../migrate/link-cache.ts';
import type { PersistenceManager } from '../persistence/persistence.ts';
import type { NodeReplication } from '../replication/replication.ts';
import { aclFileOf, usersToKeep } from './acl-file.ts';
import { moveTo } from './dir.ts';
import type { Listeners } from './listeners.ts';
import type { Shutdown, ShutdownHost } from './shutdown.ts';
import { dropKeys, dropShardChannels, redirectBlockedClients } from './slot-loss.ts';

export interface ConfigFile {
  readonly path: string;
  /** `users`: the lines that define the users; none are kept in the file when there is an ACL file. */
  rewrite(users: readonly string[], all?: boolean): ReplyError | undefined;
}

export interface NodeParts {
  readonly engine: Engine;
  readonly store: Store;
  readonly replication: NodeReplication;
  readonly shutdown: Shutdown;
  readonly listeners: Listeners;
  readonly links: LinkCache;
  /** Undefined: outside a cluster, or not in it yet. */
  readonly member: ClusterMember | undefined;
  /** Undefined: nothing is kept on the disk. */
  readonly persistence: PersistenceManager | undefined;
  /** Keeps the member's state, before anything that follows from it is told: the others build on it. */
  saveState(): void;
  /** As EngineHooks.freezeFor. */
  freezeFor(ms: number, done: () => void): () => void;
  close(): void;
}

/** Of the time to stop, the part that replicas may take to catch up. */
const waitShare = 0.8;

export function engineHooks(parts: NodeParts, cluster: boolean, configFile: ConfigFile | undefined): EngineHooks {
  return {
    ...(cluster && { guard: (request) => parts.member && guard(parts.member.guardView, request) }),
    onEffects: (effects) => {
      if (effects.length === 0 || parts.persistence?.loading === true) return;
      const logged = effectsFor(effects, 1);
      if (logged.length > 0) parts.persistence?.onEffects(logged);
      const replicated = effectsFor(effects, 2);
      if (replicated.length > 0) parts.replication.onEffects(replicated);
    },
    canFlushReplies: (again) => parts.persistence?.canFlushReplies(again) ?? true,
    beforeFlush: () => parts.persistence?.flush(),
    onPublish: (channel, message, shard, db) => {
      if (parts.member === undefined) parts.replication.publish(channel, message, shard, db);
      else parts.member.publish(shard ? 'publishshard' : 'publish', channel, message);
    },
    waitReplicas: (count, timeoutMs, done) => parts.replication.wait(count, timeoutMs, done),
    enoughReplicas: () => parts.replication.enoughReplicas,
    role: () => parts.replication.role(),
    replicationInfo: () => parts.replication.info(),
    replicationStats: () => parts.replication.counts(),
    replicationFacts: () => parts.replication.facts(),
    onSnapshotLoaded: (facts, expired) => parts.replication.restore(facts, expired),
    diskRefusal: () => parts.persistence?.refusal(),
    onFlushAll: () => parts.persistence?.flushed(),
    shutdownMs: () => parts.shutdown.remainingMs,
    copiesBegun: () => (parts.persistence?.begun ?? 0) + parts.replication.copiesBegun,
    persistenceInfo: () => parts.persistence?.info(parts.replication.copying),
    onLogSet: (inTransaction) => parts.persistence?.followParameter(inTransaction),
    migrateLinks: () => parts.links.size,
    onStatsReset: () => {
      parts.persistence?.resetCounts();
      parts.replication.resetCounts();
    },
    onAddressesSet: (names, done) => void parts.listeners.rebind(names).then(done),
    configFile: () => configFile?.path ?? '',
    ...(configFile && { onConfigRewrite: (all) => configFile.rewrite(usersToKeep(parts.engine), all) }),
    replicationMemory: () => parts.replication.memory(),
    persistenceMemory: () => ({ aofBuffer: parts.persistence?.logBuffer ?? 0 }),
    freezeFor: (ms, done) => parts.freezeFor(ms, done),
    onDirSet: (before) => moveTo(parts.engine.config, before),
    aclFile: () => aclFileOf(parts.engine),
    onShutdown: (how, done) => {
      if (how === 'abort') done(parts.shutdown.abort());
      else parts.shutdown.begin(how, done);
    },
  };
}

/** Those that go to the log (1) or to replicas (2). */
function effectsFor(effects: readonly Effect[], target: 1 | 2): readonly Effect[] {
  const chosen = effects.some(({ targets }) => targets !== undefined);
  return chosen ? effects.filter(({ targets }) => targets === undefined || (targets & target) !== 0) : effects;
}

function setPause(engine: Engine, purpose: 'failover' | 'shutdown', paused: boolean): void {
  if (paused) engine.pauses.pause(purpose, 'writes');
  else engine.pauses.resume(purpose);
}

export function memberHost(parts: NodeParts): MemberHost {
  const { engine, store, replication } = parts;
  return {
    world: engine.world,
    keysInSlot: (slot) => store.countInSlot(slot),
    has: (key) => store.has(key),
    get offset() {
      return replication.offset;
    },
    get masterLinked() {
      return replication.linked;
    },
    // Nodes that talk TLS are known by their ports with TLS, which is not where the stream is without.
    follow: ({ host, port, plainPort }) =>
      replication.follow({ host, port: engine.config.flag('tls-replication') ? port : plainPort || port }),
    promote: () => replication.promote(),
    flush: () => {
      engine.databases.clear();
      replication.forget();
      parts.persistence?.onEffects([{ db: 0, argv: ['FLUSHALL'] }]);
    },
    dropKeys: (slots) => dropKeys(engine, store, slots),
    pauseWrites: (paused) => setPause(engine, 'failover', paused),
    onPublish: (kind, channel, message) => {
      if (kind === 'publish') engine.pubsub.publish(channel, message);
      else engine.pubsub.publishShard(channel, message);
    },
    onRoutesChanged: () => parts.member && redirectBlockedClients(engine, parts.member),
    onSlotsLeft: (left) => dropShardChannels(engine, left),
    save: () => parts.saveState(),
  };
}

export function shutdownHost(parts: NodeParts): ShutdownHost {
  return {
    world: parts.engine.world,
    get waitMs() {
      // The rest is for the snapshot after it: who sends SIGTERM often sends SIGKILL when the time is over.
      return parts.engine.config.number('shutdown-timeout') * waitShare * 1000;
    },
    askReplicas: () => parts.replication.askReplicas(),
    get lagging() {
      return parts.replication.lagging;
    },
    pauseWrites: (paused) => {
      setPause(parts.engine, 'shutdown', paused);
      if (!paused) parts.replication.forgetAsked();
    },
    standing: () => (parts.replication.following ? [] : parts.replication.standing()),
    mayStop: (force) => parts.persistence?.mayStop(force) ?? true,
    save: (always) => parts.persistence?.saveLast(always) ?? true,
    stop: () => parts.close(),
  };
}

// What is internal to ioredis's Cluster and read by others all the same, as read-only views made of the public cluster.
// Nothing of lingcache uses them.

import type { EventEmitter } from 'node:events';
import { AbortError, RedisError } from '../../base/errors.ts';
import { nextTick } from '../../base/turns.ts';
import { RealWorld } from '../../base/world.ts';
import type { Status } from '../../core/lifecycle.ts';
import type { Redis } from '../redis.ts';

const world = new RealWorld();

type Role = 'master' | 'slave' | 'all';

interface Face extends EventEmitter {
  readonly slots: string[][];
  readonly status: Status;
  nodes(role?: Role): Redis[];
}

/** The reading half of ioredis's ConnectionPool. */
interface ConnectionPoolView {
  /** `host:port` -> node, by role. */
  readonly nodes: Readonly<Record<Role, Readonly<Record<string, Redis>>>>;
  getNodes(role?: Role): Redis[];
  getInstanceByKey(key: string): Redis | undefined;
  /** A node at random. */
  getSampleInstance(role: Role): Redis | undefined;
}

export interface ClusterInternals {
  readonly connectionPool: ConnectionPoolView;
  /** A shard's node keys joined by `;` -> its number, from 1. */
  readonly _groupsIds: Readonly<Record<string, number>>;
  /** slot -> the number of its shard. */
  readonly _groupsBySlot: readonly (number | undefined)[];
  /** Calls back once the client is ready, or with an error when it ends first. */
  delayUntilReady(callback: (error?: Error) => void): void;
}

interface Groups {
  readonly ids: Readonly<Record<string, number>>;
  readonly bySlot: readonly (number | undefined)[];
}

/** By the slots they were made of: a new map brings new slots. */
const groupsOf = new WeakMap<readonly string[][], Groups>();

function groups(cluster: Face): Groups {
  const { slots } = cluster;
  const known = groupsOf.get(slots);
  if (known !== undefined) return known;
  const ids: Record<string, number> = Object.create(null) as Record<string, number>;
  let count = 0;
  const bySlot = slots.map((keys) => {
    if (keys.length === 0) return undefined;
    const name = keys.join(';');
    ids[name] ??= ++count;
    return ids[name];
  });
  const made = { ids, bySlot };
  groupsOf.set(slots, made);
  return made;
}

function byKey(nodes: readonly Redis[]): Record<string, Redis> {
  return Object.fromEntries(nodes.map((node) => [`${node.options.host}:${node.options.port}`, node]));
}

function poolOf(cluster: Face): ConnectionPoolView {
  return {
    get nodes() {
      return {
        all: byKey(cluster.nodes()),
        master: byKey(cluster.nodes('master')),
        slave: byKey(cluster.nodes('slave')),
      };
    },
    getNodes: (role = 'all') => cluster.nodes(role),
    getInstanceByKey: (key) => cluster.nodes().find(({ options }) => `${options.host}:${options.port}` === key),
    getSampleInstance: (role) => {
      const nodes = cluster.nodes(role);
      return nodes[Math.floor(world.random() * nodes.length)];
    },
  };
}

function delayUntilReady(this: Face, callback: (error?: Error) => void): void {
  if (this.status === 'ready') {
    nextTick(callback);
    return;
  }
  if (this.status === 'end') {
    nextTick(callback, new AbortError('Connection is closed.', { code: 'ERR_CLOSED' }));
    return;
  }
  const ready = (): void => {
    this.off('end', ended);
    callback();
  };
  const ended = (): void => {
    this.off('ready', ready);
    callback(new RedisError('Cluster is ended.', { code: 'ERR_CLOSED' }));
  };
  this.once('ready', ready);
  this.once('end', ended);
}

/** Puts ClusterInternals on the prototype of the cluster client. */
export function installInternals(prototype: object): void {
  Object.defineProperties(prototype, {
    connectionPool: {
      configurable: true,
      get(this: Face) {
        return poolOf(this);
      },
    },
    _groupsIds: {
      configurable: true,
      get(this: Face) {
        return groups(this).ids;
      },
    },
    _groupsBySlot: {
      configurable: true,
      get(this: Face) {
        return groups(this).bySlot;
      },
    },
    delayUntilReady: { configurable: true, writable: true, value: delayUntilReady },
  });
}

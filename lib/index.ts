// The public names. ioredis's come first; `module.exports` makes require('lingcache') give the class itself.

import { Chain } from './facade/chain.ts';
import { Cluster } from './facade/cluster.ts';
import { Command } from './facade/command.ts';
import { Redis } from './facade/redis.ts';
import { ReplyError } from './wire/reply.ts';

export {
  AbortError,
  ClusterAllFailedError,
  MaxRetriesPerRequestError,
  OptionError,
  QueueFullError,
  RedisError,
  TimeoutError,
} from './base/errors.ts';
export type { NodeRole } from './facade/cluster.ts';
export type { Status as ClusterStatus, Status as RedisStatus } from './facade/lifecycle.ts';
export type {
  ClusterNode,
  ClusterOptions,
  CommonRedisOptions,
  NatMap,
  RedisOptions,
  ScriptDefinition,
} from './facade/options.ts';
export type { ChainableCommander, RedisCommander } from './facade/surface.generated/index.ts';
export type { Callback, ClientContext, RedisKey, RedisValue, Result, ScanStreamOptions } from './facade/types.ts';
export { slotOf } from './wire/slot.ts';
export { Chain as Pipeline, Cluster, Command, Redis, Redis as default, ReplyError };

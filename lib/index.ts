// The public names. ioredis's come first; `module.exports` makes require('lingcache') give the class itself.

import { ReplyError } from './wire/reply.ts';
import { Chain } from './facade/chain.ts';
import { Cluster } from './facade/cluster.ts';
import { Command } from './facade/command.ts';
import { Redis } from './facade/redis.ts';

export { AbortError, ClusterAllFailedError, MaxRetriesPerRequestError, OptionError, QueueFullError, RedisError, TimeoutError } from './base/errors.ts';
export { slotOf } from './wire/slot.ts';
export type { ClusterNode, ClusterOptions, CommonRedisOptions, NatMap, RedisOptions, ScriptDefinition } from './facade/options.ts';
export { Chain as Pipeline, Cluster, Command, Redis, Redis as default, ReplyError };

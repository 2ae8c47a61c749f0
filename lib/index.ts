// The public names. ioredis's come first. The package's CommonJS entry exports the class itself, with everything else on
// it (scripts/bundle.js), so `const { Cluster } = require('lingcache')` works as well.
// Owns: nothing. Does not know: the server.
// Invariant: what is not named here is no part of the client's public surface.

import {
  AbortError,
  ClusterAllFailedError,
  MaxRetriesPerRequestError,
  OptionError,
  PartialFailureError,
  QueueFullError,
  RedisError,
  TimeoutError,
} from './base/errors.ts';
import { Cluster } from './facade/cluster.ts';
import { Command } from './facade/compat/command.ts';
import { PipelineBuilder } from './facade/pipeline.ts';
import { Redis as RedisNode } from './facade/redis.ts';
import type { RedisOptions, ReplyMappingMode } from './options/options.ts';
import { ScanStream } from './scan/scan-stream.ts';
import { ReplyError } from './wire/reply.ts';
import { slotOf } from './wire/slot.ts';

export type { CacheStats, NearCacheOptions } from './cache/near-cache.ts';
export type {
  BatchContext as BatchOperationContext,
  CommandContext as CommandTraceContext,
  ConnectContext as ConnectTraceContext,
} from './core/diagnostics.ts';
export type { Status as ClusterStatus, Status as RedisStatus } from './core/lifecycle.ts';
export type { ClusterStats } from './core/stats.ts';
export type { NodeRole } from './facade/cluster.ts';
export type { CommandOptions } from './facade/compat/command.ts';
export type { ChainableCommander, RedisCommander } from './facade/surface.generated/index.ts';
export type {
  Callback,
  ClientContext,
  RedisKey,
  RedisValue,
  Result,
  ResultTypes,
} from './facade/types.ts';
export type { HimportFieldset } from './options/fieldsets.ts';
export type {
  ClusterNode,
  ClusterOptions,
  CommonRedisOptions,
  Credentials,
  CredentialsProvider,
  DNSLookupFunction,
  DNSResolveSrvFunction,
  NatMap,
  RedirectAllow,
  RedisOptions,
  ReplyMappingMode,
  ScriptDefinition,
  StandaloneConnectionOptions,
  TlsOptionsFunction,
} from './options/options.ts';
export type { ScanStreamOptions } from './scan/scan-stream.ts';

/** Prints what a callback got; ioredis has it for examples. */
export function print(error: Error | null | undefined, reply?: unknown): void {
  console.log(error ? `Error: ${String(error)}` : `Reply: ${String(reply)}`);
}

interface Statics {
  readonly default: typeof RedisNode & Statics;
  readonly Redis: typeof RedisNode & Statics;
  readonly Cluster: typeof Cluster;
  readonly Command: typeof Command;
  readonly Pipeline: typeof PipelineBuilder;
  readonly ReplyError: typeof ReplyError;
  readonly RedisError: typeof RedisError;
  readonly AbortError: typeof AbortError;
  readonly ClusterAllFailedError: typeof ClusterAllFailedError;
  readonly MaxRetriesPerRequestError: typeof MaxRetriesPerRequestError;
  readonly OptionError: typeof OptionError;
  readonly PartialFailureError: typeof PartialFailureError;
  readonly QueueFullError: typeof QueueFullError;
  readonly TimeoutError: typeof TimeoutError;
  readonly ScanStream: typeof ScanStream;
  readonly print: typeof print;
  readonly slotOf: typeof slotOf;
  /** The same as `new Redis(...)`. */
  createClient(port: number, host?: string, options?: RedisOptions): RedisNode;
  createClient(port: number, options: RedisOptions): RedisNode;
  createClient(path: string, options?: RedisOptions): RedisNode;
  createClient(options?: RedisOptions): RedisNode;
}

/** One node. `Redis.Cluster` is the cluster client. */
const RedisClient: typeof RedisNode & Statics = Object.assign(RedisNode, {
  Cluster,
  Command,
  Pipeline: PipelineBuilder,
  ReplyError,
  RedisError,
  AbortError,
  ClusterAllFailedError,
  MaxRetriesPerRequestError,
  OptionError,
  PartialFailureError,
  QueueFullError,
  TimeoutError,
  ScanStream,
  print,
  slotOf,
  createClient: (...args: unknown[]) => Reflect.construct(RedisNode, args),
}) as typeof RedisNode & Statics;
Object.assign(RedisClient, { Redis: RedisClient, default: RedisClient });

// Named apart from the class: a bundler that sees two of a name renames one, and libraries look at names.
type RedisClient<Mapping extends ReplyMappingMode = 'legacy'> = RedisNode<Mapping>;

export {
  AbortError,
  Cluster,
  ClusterAllFailedError,
  Command,
  MaxRetriesPerRequestError,
  OptionError,
  PartialFailureError,
  PipelineBuilder as Pipeline,
  QueueFullError,
  RedisClient as default,
  RedisClient as Redis,
  RedisError,
  ReplyError,
  ScanStream,
  slotOf,
  TimeoutError,
};

// Checked by tsc: every public name of ioredis's classes and options, walked through with keyof. What ours lacks is a list
// here, so that a name more or less is an error, and options of ioredis's types must be options of ours. The compilation
// is the test; never run. What the methods take and give: commands.test.ts, and test/house/parity.
import { expectTypeOf } from 'expect-type';
import type * as theirs from 'ioredis';
import type { Cluster, ClusterOptions, Redis, RedisOptions } from '../../lib/index.ts';

/** Names of `Theirs` that `Ours` has not. */
type Missing<Theirs, Ours> = Exclude<keyof Theirs, keyof Ours>;

/** Options that both have, and whose values of theirs ours does not take. */
type Refused<Theirs, Ours> = {
  [Name in keyof Theirs & keyof Ours]: Theirs[Name] extends Ours[Name] ? never : Name;
}[keyof Theirs & keyof Ours];

/** How ioredis does it inside, public for its own modules. */
type InsideRedis =
  | '_buildBatchContext'
  | '_getServerAddress'
  | 'addedBuiltinSet'
  | 'commandQueue'
  | 'condition'
  | 'handleReconnection'
  | 'recoverFromFatalError'
  | 'scriptsSet'
  | 'silentEmit';

/** Sentinel is refused; the queues and the connector are ioredis's own parts; the rest is of a Cluster there too. */
type RefusedOptions =
  | 'Connector'
  | 'commandQueue'
  | 'enableTLSForSentinelMode'
  | 'failoverDetector'
  | 'name'
  | 'natMap'
  | 'offlineQueue'
  | 'preferredSlaves'
  | 'role'
  | 'sentinelCommandTimeout'
  | 'sentinelMaxConnections'
  | 'sentinelPassword'
  | 'sentinelReconnectStrategy'
  | 'sentinelRetryStrategy'
  | 'sentinelTLS'
  | 'sentinelUsername'
  | 'sentinels'
  | 'updateSentinels';

export function names(): void {
  expectTypeOf<Missing<theirs.Redis, Redis>>().toEqualTypeOf<InsideRedis>();
  expectTypeOf<Missing<theirs.Cluster, Cluster>>().toEqualTypeOf<'addedBuiltinSet' | 'handleError' | 'scriptsSet'>();
  expectTypeOf<Missing<theirs.ChainableCommander, ReturnType<Redis['pipeline']>>>().toEqualTypeOf<never>();
}

export function options(): void {
  expectTypeOf<Missing<theirs.RedisOptions, RedisOptions>>().toEqualTypeOf<RefusedOptions>();
  expectTypeOf<Missing<theirs.ClusterOptions, ClusterOptions>>().toEqualTypeOf<never>();
  expectTypeOf<Refused<theirs.RedisOptions, RedisOptions>>().toEqualTypeOf<never>();
  // Typed as Function there.
  expectTypeOf<Refused<theirs.ClusterOptions, ClusterOptions>>().toEqualTypeOf<'scaleReads'>();
}

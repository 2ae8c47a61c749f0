// lingcache/operator: a cluster as its operator sees it, of bundled nodes, redis-server or Valkey, by address.
// Names what the rooms below make; the command line uses nothing else.

export { ManualWorld, RealWorld, type World } from '../../lib/base/world.ts';
export { type CheckedNode, type CheckReport, checkCluster, checkInDetail } from './check/check.ts';
export type { Finding, Severity } from './check/finding.ts';
export { type FixOptions, type FixResult, planFix, runFix, silentMasters } from './check/fix.ts';
export { type FixStep, stepText } from './check/fix-plan.ts';
export { type SlotRange, slotsOfCluster } from './check/slot-ranges.ts';
export {
  ClusterLink,
  type ClusterLinkOptions,
  type MovingNode,
  type NodeAddress,
  RefusedError,
  UnreachableError,
} from './link/cluster-link.ts';
export { OperatorBusyError } from './link/presence.ts';
export { ClusterOperator, type OperatorOptions } from './operator.ts';
export type { BalanceMove, BalancePlan } from './rebalance/plan.ts';
export type { AutoBalance, BalanceRequest, BalanceResult, MeasuredPlan, TrafficKnown } from './rebalance/rebalance.ts';
export type { BalanceCheck, BalanceStrategy } from './rebalance/shares.ts';
export type { MoveOrder } from './reshard/orders.ts';
export type { KeepThroughput } from './reshard/pacer.ts';
export type { MovePhase, MoveRecord, MoveStatus } from './reshard/record.ts';
export type { MoveEngine, MoveEngineOptions } from './reshard/reshard.ts';
export type { Pace, ThroughputDecision, ThroughputSummary } from './reshard/throughput-control.ts';
export { createCluster, type PlannedMaster, planCluster, readNodes } from './shape/create.ts';
export { type FailoverOptions, type FailoverResult, failOver, replicaFor } from './shape/failover.ts';
export { type ImportOptions, type ImportResult, importKeys } from './shape/import.ts';
export { addNode, deleteNode, type FreshNode, forgetNode, type JoinOptions } from './shape/members.ts';
export { planRolling, type RollingOptions, type RollingStep, rollingText, runRolling } from './shape/rolling.ts';
export { findNode, type WaitOptions } from './shape/waiting.ts';

// What ROLE and INFO say about replication, in the words of redis-server 7.0.

import type { Reply } from '../../lib/wire/reply.ts';
import type { Config } from '../config/config.ts';
import type { AttachedReplica, ReplicaStage } from './attached-replica.ts';
import type { History } from './history.ts';
import type { Primary } from './primary.ts';
import type { Replica } from './replica.ts';
import type { FailoverState } from './single-failover.ts';

export interface ReplicationView {
  readonly now: number;
  readonly primary: Primary;
  readonly replica: Replica;
  readonly history: History;
  readonly config: Config;
  readonly failover: FailoverState;
}

const stageWords: Readonly<Record<ReplicaStage, string>> = {
  waiting: 'wait_bgsave',
  preparing: 'wait_bgsave',
  copying: 'send_bulk',
  'awaiting-ack': 'online',
  online: 'online',
};

/** A copy that is sent as it is made is not finished before it is sent. */
export function stageWord({ stage, streamed }: Pick<AttachedReplica, 'stage' | 'streamed'>): string {
  return stageWords[stage === 'copying' && streamed ? 'preparing' : stage];
}

export function roleReply({ primary, replica }: ReplicationView): Reply {
  const { address } = replica;
  if (address !== undefined) {
    return ['slave', address.host, address.port, replica.stage, replica.linked ? primary.offset : -1];
  }
  const replicas = primary.replicas
    .filter(({ stage }) => stage === 'online')
    .map(({ facts, acked }) => [facts.host, String(facts.port), String(acked)]);
  return ['master', primary.offset, replicas];
}

export function replicationLines(view: ReplicationView): string[] {
  const { primary, replica, history, config } = view;
  const least = config.number('min-replicas-to-write');
  const lag = config.number('min-replicas-max-lag');
  const { backlog } = history;
  return [
    `role:${replica.address === undefined ? 'master' : 'slave'}`,
    ...(replica.address === undefined ? [] : masterLines(view)),
    `connected_slaves:${primary.replicas.length}`,
    ...(least > 0 && lag > 0 ? [`min_slaves_good_slaves:${primary.heardWithin(lag * 1000)}`] : []),
    ...primary.replicas.map((attached, index) => replicaLine(view, attached, index)),
    `master_failover_state:${view.failover}`,
    `master_replid:${history.id}`,
    `master_replid2:${history.formerId}`,
    `master_repl_offset:${primary.offset}`,
    `second_repl_offset:${history.formerEnd}`,
    `repl_backlog_active:${backlog === undefined ? 0 : 1}`,
    `repl_backlog_size:${config.get('repl-backlog-size')}`,
    `repl_backlog_first_byte_offset:${backlog?.first ?? 0}`,
    `repl_backlog_histlen:${backlog?.length ?? 0}`,
  ];
}

function seconds(ms: number): number {
  return Math.max(0, Math.floor(ms / 1000));
}

function replicaLine({ now }: ReplicationView, attached: AttachedReplica, index: number): string {
  const { facts, stage, acked, heardAt } = attached;
  const lag = stage === 'online' ? seconds(now - heardAt) : 0;
  return `slave${index}:ip=${facts.host},port=${facts.port},state=${stageWord(attached)},offset=${acked},lag=${lag}`;
}

function masterLines(view: ReplicationView): string[] {
  const { now, primary, replica, config } = view;
  const { address, link, linked, downSince } = replica;
  const copy = link?.copy;
  return [
    `master_host:${address?.host ?? ''}`,
    `master_port:${address?.port ?? 0}`,
    `master_link_status:${linked ? 'up' : 'down'}`,
    `master_last_io_seconds_ago:${linked && link !== undefined ? seconds(now - link.heardAt) : -1}`,
    `master_sync_in_progress:${copy === undefined ? 0 : 1}`,
    `slave_read_repl_offset:${primary.offset + (link?.pending ?? 0)}`,
    `slave_repl_offset:${primary.offset}`,
    ...(copy === undefined ? [] : copyLines(copy, seconds(now - link!.heardAt))),
    ...(downSince === undefined ? [] : [`master_link_down_since_seconds:${seconds(now - downSince)}`]),
    `slave_priority:${config.get('replica-priority')}`,
    `slave_read_only:${config.flag('replica-read-only') ? 1 : 0}`,
    `replica_announced:${config.flag('replica-announced') ? 1 : 0}`,
  ];
}

function copyLines({ length, taken }: { length: number; taken: number }, silence: number): string[] {
  const percent = length > 0 ? (taken / length) * 100 : 0;
  return [
    `master_sync_total_bytes:${length}`,
    `master_sync_read_bytes:${taken}`,
    `master_sync_left_bytes:${length < 0 ? -1 : length - taken}`,
    `master_sync_perc:${percent.toFixed(2)}`,
    `master_sync_last_io_seconds_ago:${silence}`,
  ];
}

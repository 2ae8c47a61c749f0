// What ROLE and INFO say about replication, in the words of redis-server 7.0.

import type { Reply } from '../lib/wire/reply.ts';
import type { Primary } from './replication/primary.ts';
import type { Replica } from './replication/replica.ts';

export interface ReplicationView {
  readonly isReplica: boolean;
  readonly primary: Primary;
  readonly replica: Replica;
  /** 40 hex digits that name the stream. */
  readonly streamId: string;
}

export function roleReply({ isReplica, primary, replica }: ReplicationView): Reply {
  if (isReplica) {
    const { host = '', port = 0 } = replica.address ?? {};
    return ['slave', host, port, replica.linked ? 'connected' : 'connect', replica.offset];
  }
  const replicas = primary.replicas.map(({ identity, acked }) => [identity.host, String(identity.port), String(acked)]);
  return ['master', primary.offset, replicas];
}

export function replicationLines(view: ReplicationView): string[] {
  const { isReplica, primary, replica } = view;
  const lines = [`role:${isReplica ? 'slave' : 'master'}`];
  if (isReplica) {
    lines.push(
      `master_host:${replica.address?.host ?? ''}`,
      `master_port:${replica.address?.port ?? 0}`,
      `master_link_status:${replica.linked ? 'up' : 'down'}`,
      'master_last_io_seconds_ago:0',
      `master_sync_in_progress:${replica.linked ? 0 : 1}`,
      `slave_read_repl_offset:${replica.offset}`,
      `slave_repl_offset:${replica.offset}`,
      'slave_priority:100',
      'slave_read_only:1',
      'replica_announced:1',
    );
  }
  lines.push(`connected_slaves:${isReplica ? 0 : primary.replicas.length}`);
  if (!isReplica) {
    for (const [index, { identity, acked }] of primary.replicas.entries()) {
      lines.push(`slave${index}:ip=${identity.host},port=${identity.port},state=online,offset=${acked},lag=0`);
    }
  }
  const offset = isReplica ? replica.offset : primary.offset;
  return [
    ...lines,
    'master_failover_state:no-failover',
    `master_replid:${view.streamId}`,
    `master_replid2:${'0'.repeat(40)}`,
    `master_repl_offset:${offset}`,
    'second_repl_offset:-1',
    'repl_backlog_active:0',
    'repl_backlog_size:0',
    'repl_backlog_first_byte_offset:0',
    'repl_backlog_histlen:0',
  ];
}

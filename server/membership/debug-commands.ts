// DEBUG DROP-CLUSTER-PACKET-FILTER and DEBUG CLUSTERLINK: the subcommands of DEBUG that tests of the cluster bus use.

import { OK, type Reply, ReplyError } from '../../lib/wire/reply.ts';
import { type MessageKind, messageKinds } from '../cluster/message.ts';
import type { DebugSubcommand } from '../engine/debug-subcommands.ts';
import type { ClusterMember } from './membership.ts';

/** Where packets can be kept from the node. */
interface PacketFilter {
  kind: MessageKind | undefined;
}

export function clusterDebugSubcommands(
  member: ClusterMember | undefined,
  filter: PacketFilter,
): Record<string, DebugSubcommand> {
  return {
    'drop-cluster-packet-filter': { least: 1, run: (_client, argv) => dropPackets(filter, argv[2]!) },
    clusterlink: { least: 3, run: (_client, argv) => killLinks(member, argv) },
  };
}

function dropPackets(filter: PacketFilter, text: string): Reply {
  if (!/^-?\d{1,9}$/.test(text)) return new ReplyError('ERR value is not an integer or out of range');
  filter.kind = messageKinds[Number(text)];
  return OK;
}

function killLinks(member: ClusterMember | undefined, argv: readonly string[]): Reply {
  if (member === undefined) return new ReplyError('ERR Debug option only available for cluster mode enabled setup!');
  const [, , action, which, id] = argv as [string, string, string, string, string];
  if (action.toLowerCase() !== 'kill') return new ReplyError('ERR syntax error');
  if (!member.state.nodes.has(id)) return new ReplyError(`ERR Unknown node ${id}`);
  const direction = which.toLowerCase();
  if (direction !== 'to' && direction !== 'from' && direction !== 'all') {
    return new ReplyError(`ERR Unknown direction ${which}`);
  }
  member.killLinks(id, direction);
  return OK;
}

// DEBUG DROP-CLUSTER-PACKET-FILTER and DEBUG CLUSTERLINK: the words of DEBUG that tests of the cluster bus use.

import { OK, type Reply, ReplyError } from '../../lib/wire/reply.ts';
import type { Body } from '../cluster/message.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import type { CommandGroup } from '../engine/registry.ts';
import type { ClusterMember } from './membership.ts';

/** By the numbers that messages have on the wire. */
const kinds: readonly (Body['kind'] | undefined)[] = [
  'ping',
  'pong',
  'meet',
  'fail',
  'publish',
  'auth-req',
  'auth-ack',
  'update',
  'mfstart',
  undefined,
  'publishshard',
];

/** Adds to a DEBUG that is there already and answers every other word. */
export function clusterDebugWords(engine: Engine, member: ClusterMember | undefined): CommandGroup<Client> {
  const others = engine.registry.find(['debug', 'sleep']);
  if (others instanceof ReplyError) throw new Error(others.message);
  const { handler } = others;
  return {
    debug: (client, argv) => {
      const word = argv[1]!.toLowerCase();
      if (word === 'drop-cluster-packet-filter' && argv.length === 3) return dropPackets(member, argv[2]!);
      if (word === 'clusterlink' && argv.length === 5) return killLinks(member, argv);
      return handler(client, argv);
    },
  };
}

function dropPackets(member: ClusterMember | undefined, text: string): Reply {
  if (!/^-?\d{1,9}$/.test(text)) return new ReplyError('ERR value is not an integer or out of range');
  member?.ignoreMessages(kinds[Number(text)]);
  return OK;
}

function killLinks(member: ClusterMember | undefined, argv: readonly string[]): Reply {
  if (member === undefined) return new ReplyError('ERR Debug option only available for cluster mode enabled setup!');
  const [, , action, which, id] = argv as [string, string, string, string, string];
  if (action.toLowerCase() !== 'kill' || !['to', 'from', 'all'].includes(which.toLowerCase())) {
    return new ReplyError('ERR syntax error');
  }
  if (!member.state.nodes.has(id)) return new ReplyError(`ERR Unknown node ${id}`);
  if (which.toLowerCase() !== 'from') member.killLink(id);
  return OK;
}

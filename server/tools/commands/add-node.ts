// `lingcache add-node`: joins an empty node to a cluster, as a master without slots or as a replica.

import { addNode, findNode } from '../../operator/index.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import { readNode } from '../cli/connection.ts';

export const addNodeCommand: Command = defineCommand({
  name: 'add-node',
  arguments: [
    { name: 'NEW', help: 'host:port of the empty node' },
    { name: 'ADDRESS', help: 'host:port of any node of the cluster' },
  ],
  options: {
    'replica-of': {
      kind: 'text',
      value: 'ID',
      help: 'it becomes a replica of this master (id or address); default: a master without slots',
    },
  },
  connects: true,
  changes: true,
  run: async (context) => {
    const { args, options, out, signal } = context;
    const node = readNode(args[0]!);
    const link = await context.link(args[1]!);
    const replicaOf = options['replica-of'];
    const master = replicaOf === undefined ? undefined : findNode(await link.view(), replicaOf);
    const as = master === undefined ? 'a master without slots' : `a replica of ${master.host}:${master.port}`;
    const data = { node: args[0], replicaOf: master?.id ?? null };
    const plan = { lines: [`${args[0]} joins as ${as}`], data, named: true };
    if (!(await context.approve(plan))) return exitCodes.ok;
    const id = await addNode(link, node, { replicaOf: master?.id, signal });
    out.answer({ id, address: `${node.host}:${node.port}`, replicaOf: master?.id ?? null });
    out.line(`${args[0]} is ${as}, id ${id}`);
    if (master === undefined) out.line(`slots: lingcache rebalance ${args[1]}`);
    return exitCodes.ok;
  },
});

// `lingcache forget`: every node forgets one that is gone for good.

import { findNode, forgetNode } from '../../operator/index.ts';
import { type Command, defineCommand, ExitError, exitCodes } from '../cli/command.ts';

export const forget: Command = defineCommand({
  name: 'forget',
  arguments: [
    { name: 'ID', help: 'id or address of the node that is gone' },
    { name: 'ADDRESS', help: 'host:port of any other node' },
  ],
  options: {},
  connects: true,
  changes: true,
  details:
    'For a node that does not come back; one that runs is taken out by del-node. Nodes believe no gossip about it for a minute.',
  run: async (context) => {
    const { args, out } = context;
    const link = await context.link(args[1]!);
    const view = await link.view();
    const node = findNode(view, args[0]!);
    const name = `${node.host}:${node.port}`;
    if (node.ranges.length > 0) {
      throw new ExitError(
        exitCodes.failed,
        `nothing was changed: ${name} has slots; a replica has to take its place, or lingcache fix gives them away`,
      );
    }
    const others = view.length - 1;
    const plan = { lines: [`${others} nodes forget ${name} (${node.id})`], data: { node: node.id, address: name } };
    if (!(await context.approve(plan))) return exitCodes.ok;
    await forgetNode(link, node, view);
    out.answer({ forgotten: node.id, address: name });
    out.line(`${name} is forgotten`);
    return exitCodes.ok;
  },
});

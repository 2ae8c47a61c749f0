// `lingcache del-node`: takes a node out of the cluster; with --drain its slots go to the others first.

import { deleteNode, findNode } from '../../operator/index.ts';
import { type Command, defineCommand, ExitError, exitCodes } from '../cli/command.ts';
import { moveOptions, openMover, runMoves } from '../moving.ts';

export const delNode: Command = defineCommand({
  name: 'del-node',
  arguments: [
    { name: 'ID', help: 'id or address of the node' },
    { name: 'ADDRESS', help: 'host:port of any other node' },
  ],
  options: { drain: { kind: 'flag', help: 'move its slots to the other masters first' }, ...moveOptions },
  connects: true,
  changes: true,
  details:
    'Replicas of the node follow the master with the fewest replicas; the node itself is reset (CLUSTER RESET SOFT).',
  run: async (context) => {
    const { args, options, out, signal } = context;
    const link = await context.link(args[1]!);
    const view = await link.view();
    const node = findNode(view, args[0]!);
    const name = `${node.host}:${node.port}`;
    const slots = node.ranges.reduce((sum, [start, end]) => sum + end - start + 1, 0);
    if (slots > 0 && !options.drain) {
      throw new ExitError(
        exitCodes.failed,
        `nothing was changed: ${name} has ${slots} slots; --drain moves them away first`,
      );
    }
    const replicas = view.filter(({ master }) => master === node.id).map(({ host, port }) => `${host}:${port}`);
    const lines = [
      ...(slots > 0 ? [`${slots} slots of ${name} go to the other masters`] : []),
      ...replicas.map((replica) => `${replica} follows another master`),
      `all nodes forget ${name}, and it is reset`,
    ];
    const data = { node: node.id, address: name, slots, replicas };
    if (!(await context.approve({ lines, data }))) return exitCodes.ok;
    if (slots > 0) {
      const { operator } = await openMover(context, args[1]!, options);
      const weights = { [node.id]: 0 };
      const plan = await operator.balancer.plan({ strategy: 'weighted', weights, threshold: 0 });
      const moves = plan.moves.filter(({ source }) => source === node.id);
      const code = await runMoves(context, operator, moves, `lingcache del-node ${args[0]} ${args[1]} --drain`, true);
      if (code !== exitCodes.ok) return code;
    }
    await deleteNode(link, node.id, { signal });
    out.answer({ deleted: node.id, address: name });
    out.line(`${name} is out of the cluster`);
    return exitCodes.ok;
  },
});

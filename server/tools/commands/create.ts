// `lingcache create`: builds a cluster out of empty nodes.

import { createCluster, planCluster, readNodes } from '../../operator/index.ts';
import { usage } from '../cli/arguments.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import { readNode } from '../cli/connection.ts';

export const create: Command = defineCommand({
  name: 'create',
  arguments: [{ name: 'ADDRESS', rest: true, help: 'host:port of every node, all empty and with cluster-enabled yes' }],
  options: {
    replicas: { kind: 'integer', value: 'N', most: 100, default: 0, help: 'replicas of each master, default 0' },
  },
  connects: true,
  changes: true,
  examples: ['lingcache create 10.0.0.1:6379 10.0.0.2:6379 10.0.0.3:6379 --yes'],
  run: async (context) => {
    const { args, options, out, signal } = context;
    const nodes = args.map(readNode);
    const link = await context.link(args.join(','), true);
    const fresh = await readNodes(link, nodes);
    let plan: ReturnType<typeof planCluster<(typeof fresh)[0]>>;
    try {
      plan = planCluster(fresh, options.replicas);
    } catch (error) {
      throw usage((error as Error).message);
    }
    const name = ({ host, port }: { host: string; port: number }): string => `${host}:${port}`;
    const data = plan.map(({ node, slots, replicas }) => ({ master: name(node), slots, replicas: replicas.map(name) }));
    const lines = data.map(({ master, slots: [start, end], replicas }) => {
      return `${master}: slots ${start}-${end}${replicas.length === 0 ? '' : `, replicas ${replicas.join(' ')}`}`;
    });
    if (!(await context.approve({ lines, data }))) return exitCodes.ok;
    await createCluster(link, plan, { signal });
    out.answer({ created: data });
    out.line(
      out.paint('green', `the cluster is ready: ${plan.length} masters, ${nodes.length - plan.length} replicas`),
    );
    return exitCodes.ok;
  },
});

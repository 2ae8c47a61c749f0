// `lingcache dashboard`: a live page on loopback, until Ctrl-C. It only shows, unless --operate.

import { Dashboard, type DashboardActions } from '../../operator/dashboard/dashboard.ts';
import type { ClusterLink } from '../../operator/link/cluster-link.ts';
import type { ClusterOperator } from '../../operator/operator.ts';
import { type Command, defineCommand, ExitError, exitCodes } from '../cli/command.ts';
import { listenOptions } from '../common-options.ts';

export const dashboard: Command = defineCommand({
  name: 'dashboard',
  arguments: [{ name: 'ADDRESS', help: 'host:port of any node' }],
  options: {
    ...listenOptions(7379),
    interval: {
      kind: 'duration',
      value: 'TIME',
      least: 100,
      most: 60_000,
      default: 1000,
      help: 'time between two samples; default 1s',
    },
    operate: { kind: 'flag', help: 'the page may fail over and move slots, each after a question' },
  },
  details: `Prints the address of the page with a token, without which nothing is shown. The page needs nothing from elsewhere. HTTP is
not encrypted: for another machine use an SSH tunnel rather than --host.`,
  connects: true,
  run: async ({ args, options, out, signal, link, operator, onEnd }) => {
    const { host, port, interval: intervalMs } = options;
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    const connection = await link(args[0]!);
    const actions = options.operate ? actionsOf(await operator(args[0]!), connection) : undefined;
    const page = new Dashboard(connection, { host, port, intervalMs, actions });
    onEnd(() => page.close());
    const url = await page.listen().catch((error: Error) => {
      throw new ExitError(exitCodes.failed, error.message);
    });
    out.record({ url, pid: process.pid });
    out.line(`${url}\n${options.operate ? 'it may change the cluster; ' : ''}Ctrl-C ends it`);
    await stopped;
    return exitCodes.ok;
  },
});

const movesShown = 50;

function actionsOf({ mover }: ClusterOperator, link: ClusterLink): DashboardActions {
  return {
    failover: async (nodeId) => {
      const node = (await link.view()).find(({ id }) => id === nodeId);
      if (node === undefined) throw new Error('there is no such node');
      await link.ask(node, ['CLUSTER', 'FAILOVER']);
    },
    move: async (slot, target) => {
      await mover.move(slot, target);
    },
    moves: () =>
      mover
        .moves()
        .slice(-movesShown)
        .map(({ slot, source, target, phase, keysMoved, keysTotal }) => ({
          slot,
          from: `${source.host}:${source.port}`,
          to: `${target.host}:${target.port}`,
          state: phase,
          done: keysMoved,
          total: keysTotal,
        })),
  };
}

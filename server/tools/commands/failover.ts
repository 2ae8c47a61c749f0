// `lingcache failover`: a replica takes the place of its master.

import { failOver, replicaFor } from '../../operator/index.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';

export const failover: Command = defineCommand({
  name: 'failover',
  arguments: [
    { name: 'ID', help: 'id or address of the replica; or of a master, whose best replica takes over' },
    { name: 'ADDRESS', help: 'host:port of any node' },
  ],
  options: {
    force: { kind: 'flag', help: 'without the consent of the master: it is down' },
    takeover: { kind: 'flag', help: 'also without the votes of the other masters: most of them are down' },
    wait: { kind: 'duration', value: 'TIME', default: 30_000, help: 'how long it may take, default 30s' },
  },
  connects: true,
  changes: true,
  run: async (context) => {
    const { args, options, out, signal } = context;
    const link = await context.link(args[1]!);
    const { replica, master } = await replicaFor(link, args[0]!);
    const [from, to] = [master, replica].map(({ host, port }) => `${host}:${port}`);
    const mode = options.takeover ? 'takeover' : options.force ? 'force' : undefined;
    const text = `${to} takes the place of ${from}${mode === undefined ? '' : ` (${mode})`}`;
    if (
      !(await context.approve({
        lines: [text],
        data: { from: master.id, to: replica.id, mode: mode ?? null },
        named: true,
      }))
    ) {
      return exitCodes.ok;
    }
    const { tookMs } = await failOver(link, replica.id, { mode, signal, limitMs: options.wait });
    out.answer({ from: { id: master.id, address: from }, to: { id: replica.id, address: to }, tookMs });
    out.line(`${to} is master; all nodes know after ${tookMs} ms`);
    return exitCodes.ok;
  },
});

// `lingcache set-timeout`: cluster-node-timeout of every node, now and in its file.

import { usage } from '../cli/arguments.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import { sayToAll } from '../every-node.ts';

export const setTimeoutCommand: Command = defineCommand({
  name: 'set-timeout',
  arguments: [
    { name: 'MS', help: 'milliseconds, 100 or more' },
    { name: 'ADDRESS', help: 'host:port of any node' },
  ],
  options: {},
  connects: true,
  changes: true,
  run: async (context) => {
    const { args, out } = context;
    const [ms, address] = args as [string, string];
    if (!/^\d{3,9}$/.test(ms)) throw usage(`'${ms}' is no number of milliseconds, 100 or more`);
    const link = await context.link(address);
    const nodes = await link.view();
    const lines = [`${nodes.length} nodes: cluster-node-timeout ${ms}, and CONFIG REWRITE`];
    const data = { timeout: Number(ms), nodes: nodes.map(({ id }) => id) };
    if (!(await context.approve({ lines, data, named: true }))) return exitCodes.ok;
    const results = await sayToAll(link, nodes, ['CONFIG', 'SET', 'cluster-node-timeout', ms]);
    // A node that was started without a file has none to write.
    const kept = await sayToAll(link, nodes, ['CONFIG', 'REWRITE']);
    const rows = results.map((result, at) => ({ ...result, rewritten: kept[at]!.error === null }));
    const failed = rows.filter(({ error }) => error !== null);
    out.answer({ timeout: Number(ms), nodes: rows });
    for (const { address, error, rewritten } of rows) {
      const state = error ?? (rewritten ? 'set' : 'set, and not kept in a file');
      out.line(`${address}: ${error === null ? state : out.paint('red', state)}`);
    }
    return failed.length === 0 ? exitCodes.ok : exitCodes.failed;
  },
});

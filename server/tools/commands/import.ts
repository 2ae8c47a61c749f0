// `lingcache import`: the keys of a single server come into the cluster.

import { ClusterLink, importKeys } from '../../operator/index.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import { linkOptions } from '../cli/connection.ts';

export const importCommand: Command = defineCommand({
  name: 'import',
  arguments: [
    { name: 'SOURCE', help: 'host:port of the server, or redis://user:password@host:port' },
    { name: 'ADDRESS', help: 'host:port of any node of the cluster' },
  ],
  options: {
    copy: { kind: 'flag', help: 'the server keeps its keys' },
    replace: { kind: 'flag', help: 'keys that the cluster has already are overwritten' },
    database: { kind: 'integer', value: 'N', default: 0, help: 'database of the server, default 0' },
  },
  connects: true,
  changes: true,
  details:
    'The server hands the keys over itself (MIGRATE), so it has to reach the nodes at the addresses that they announce.',
  run: async (context) => {
    const { args, options, out, signal, world } = context;
    const [from, address] = args as [string, string];
    const cluster = await context.link(address);
    const none = { 'nat-map': [], timeout: 30_000, tls: false, 'tls-insecure': false };
    const source = new ClusterLink(linkOptions(from, none, {}, world));
    context.onEnd(() => source.close());
    const server = source.seeds[0]!;
    const [keys] = await source.exchange(server, [['DBSIZE']], 30_000, 0, options.database);
    if (typeof keys !== 'number') throw new Error(`${from}: ${String(keys)}`);
    const verb = options.copy ? 'are copied' : 'are moved';
    const lines = [
      `${keys} keys of database ${options.database} of ${server.host}:${server.port} ${verb} to the cluster`,
    ];
    if (!(await context.approve({ lines, data: { keys, copy: options.copy, replace: options.replace } })))
      return exitCodes.ok;
    const bar = context.progress('importing');
    const { copy, replace, database } = options;
    const onProgress = (done: number, total: number): void => bar.update(done, total, `${done} keys`);
    const result = await importKeys(cluster, source, { copy, replace, database, signal, onProgress });
    bar.end();
    out.answer(result);
    out.line(`${result.imported} keys imported`);
    if (result.refused > 0)
      out.line(out.paint('yellow', `${result.refused} keys are in the cluster already: --replace overwrites them`));
    if (!result.interrupted) return result.refused === 0 ? exitCodes.ok : exitCodes.failed;
    out.note(`stopped; lingcache import ${from} ${address} goes on${copy ? ' (with --replace)' : ''}`);
    return exitCodes.interrupted;
  },
});

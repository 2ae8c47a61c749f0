// `lingcache backup`: an RDB of every master with slots, and a manifest, in a folder that appears whole.

import { backupCluster } from '../../operator/backup/backup.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import { bytesText, countText } from './shown.ts';

export const backup: Command = defineCommand({
  name: 'backup',
  arguments: [
    { name: 'ADDRESS', help: 'host:port of any node' },
    { name: 'DIR', help: 'folder to write; it may not be there yet' },
  ],
  options: {
    parallel: {
      kind: 'integer',
      value: 'N',
      least: 1,
      most: 100,
      default: 1,
      help: 'masters that make a copy at the same time; default 1',
    },
  },
  details: `Every master is asked for a copy as a replica asks; each copy is of its own moment. Refused while a slot is being moved,
and given up when slots changed owners meanwhile. The folder has manifest.json (nodes, slots, sizes, SHA-256, offsets).`,
  connects: true,
  run: async ({ args, options, out, signal, link, progress }) => {
    const connection = await link(args[0]!);
    const bar = progress('copy');
    const manifest = await backupCluster(connection, args[1]!, {
      parallel: options.parallel,
      signal,
      onProgress: (node, bytes, total) => bar.update(bytes, total ?? bytes * 2, `${node} ${bytesText(bytes)}`),
    }).finally(() => bar.end());
    out.answer({ dir: args[1], ...manifest });
    out.table(
      ['file', 'of', 'keys', 'bytes', 'RDB'],
      manifest.files.map(({ file, address, databases, bytes, rdbVersion }) => [
        file,
        address,
        countText(Object.values(databases).reduce((sum, keys) => sum + keys, 0)),
        bytesText(bytes),
        String(rdbVersion),
      ]),
    );
    out.line(`${countText(manifest.keys)} keys in ${args[1]}`);
    return exitCodes.ok;
  },
});

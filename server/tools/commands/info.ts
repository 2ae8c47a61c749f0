// `lingcache info`: the masters of a cluster, their slots, keys and replicas, in a few lines.

import { checkCluster } from '../../operator/index.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import { slotsText } from '../report.ts';

export const info: Command = defineCommand({
  name: 'info',
  arguments: [{ name: 'ADDRESS', help: 'host:port of any node' }],
  options: {},
  connects: true,
  run: async ({ args, link, out }) => {
    const { nodes, healthy, findings } = await checkCluster(await link(args[0]!));
    const masters = nodes.filter(({ role }) => role === 'master');
    const rows = masters.map((master) => {
      const replicas = nodes.filter(({ masterId }) => masterId === master.id).map(({ address }) => address);
      return { ...master, replicas };
    });
    const keys = masters.reduce((sum, node) => sum + node.keys, 0);
    out.answer({ masters: rows, keys, healthy });
    const cells = rows.map(({ id, address, slots, keys, replicas, version }) => {
      return [id, address, slotsText(slots), String(keys), version, replicas.join(' ') || '-'];
    });
    out.table(['id', 'master', 'slots', 'keys', 'version', 'replicas'], cells);
    out.line(`${keys} keys in ${masters.length} masters`);
    if (!healthy) {
      const count = findings.filter(({ severity }) => severity !== 'note').length;
      out.line(out.paint('yellow', `${count} findings: lingcache check ${args[0]}`));
    }
    return exitCodes.ok;
  },
});

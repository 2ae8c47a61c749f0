// `lingcache restore`: puts a backup into a cluster, whatever its shape.

import { planRestore, restoreCluster } from '../../operator/backup/restore.ts';
import { type Command, defineCommand, ExitError, exitCodes } from '../cli/command.ts';
import { countText, keyText } from './shown.ts';

export const restore: Command = defineCommand({
  name: 'restore',
  arguments: [
    { name: 'ADDRESS', help: 'host:port of any node' },
    { name: 'DIR', help: 'folder that backup has written' },
  ],
  options: {
    replace: { kind: 'flag', help: 'into a cluster with keys; those of the backup win, others stay' },
  },
  details: `Every key goes to the master of its slot by RESTORE, with its time to live and its database. Refused before anything
is changed: files that are not those of the manifest, databases that the cluster does not have, a cluster with keys
without --replace. Exit code 1 when a key was refused, or when the count afterwards does not fit.`,
  connects: true,
  changes: true,
  run: async ({ args, options, out, signal, link, approve, progress }) => {
    const connection = await link(args[0]!);
    const { replace } = options;
    const plan = await planRestore(connection, args[1]!, replace).catch((error: Error) => {
      throw new ExitError(exitCodes.failed, `nothing was changed: ${error.message}`);
    });
    const { manifest, masters, keysBefore } = plan;
    const agreed = await approve({
      lines: [
        `restore ${countText(manifest.keys)} keys of ${manifest.createdAt} from ${manifest.files.length} files`,
        ...masters.map(({ address, slots }) => `  into ${address}, ${countText(slots)} slots`),
        ...(keysBefore > 0 ? [`  over ${countText(keysBefore)} keys that are there`] : []),
      ],
      data: { keys: manifest.keys, createdAt: manifest.createdAt, files: manifest.files.length, masters, keysBefore },
    });
    if (!agreed) return exitCodes.ok;
    const bar = progress('keys');
    const outcome = await restoreCluster(connection, args[1]!, plan, {
      replace,
      signal,
      onProgress: (done, total) => bar.update(done, total, countText(done)),
    }).finally(() => bar.end());
    out.answer({
      ...outcome,
      refused: outcome.refused.map(({ key, reason }) => ({ key: keyText(key, 10_000), reason })),
    });
    const { restored, expired, foreign, functions, refused, refusedCount, keysAfter, verified } = outcome;
    out.line(`${countText(restored)} keys restored; the cluster has ${countText(keysAfter)}`);
    if (expired > 0) out.line(`${countText(expired)} had passed their time to live`);
    if (foreign > 0) out.line(`${countText(foreign)} were in the file of a node that did not own their slot`);
    if (functions > 0) out.line(`${countText(functions)} libraries of functions`);
    for (const { key, reason } of refused) out.note(`refused: ${keyText(key)}: ${reason}`);
    if (refusedCount > refused.length) out.note(`... and ${countText(refusedCount - refused.length)} more`);
    if (verified === false) out.note(`the count does not fit: ${countText(restored)} were restored`);
    return refusedCount > 0 || verified === false ? exitCodes.failed : exitCodes.ok;
  },
});

// `lingcache hot`: the busiest slots, and the keys that are used most.

import type { ClusterLink } from '../../operator/link/cluster-link.ts';
import { type HotKeys, hotKeysByFrequency, hotKeysByMonitor } from '../../operator/monitor/hot-keys.ts';
import { readSlotCounts, type SlotLoad, slotLoads } from '../../operator/monitor/slot-counts.ts';
import { type Command, defineCommand, ExitError, exitCodes } from '../cli/command.ts';
import { keyScanOptions, measuredForOption } from '../common-options.ts';
import { bytesText, countText, keyText, shareText } from './shown.ts';

export const hot: Command = defineCommand({
  name: 'hot',
  arguments: [{ name: 'ADDRESS', help: 'host:port of any node' }],
  options: {
    top: {
      kind: 'integer',
      value: 'N',
      least: 1,
      most: 10_000,
      default: 16,
      help: 'slots and keys listed; default 16',
    },
    for: measuredForOption('slots are'),
    monitor: {
      kind: 'duration',
      value: 'TIME',
      least: 100,
      most: 60_000,
      help: 'find keys by listening to MONITOR this long; it slows busy servers',
    },
    ...keyScanOptions,
  },
  details: `Slots: by SLOT-STATS, on Valkey 8 and later with cluster-slot-stats-enabled. Keys: by OBJECT FREQ where maxmemory-policy is
an LFU one, or by MONITOR where you ask for it. Exit code 1 when neither slots nor keys could be measured.`,
  connects: true,
  run: async ({ args, options, out, signal, link, sleep, progress }) => {
    const connection = await link(args[0]!);
    const slots = await measureSlots(connection, () => sleep(options.for));
    const bar = progress('keys');
    const { top, rate: keysPerSecond, limit, monitor } = options;
    const keys = await (monitor === undefined
      ? hotKeysByFrequency(connection, {
          top,
          keysPerSecond,
          limit,
          signal,
          onProgress: (done, total) => bar.update(done, total),
        })
      : hotKeysByMonitor(connection, { top, durationMs: monitor, signal })
    ).catch((error: Error) => error);
    bar.end();
    const found = keys instanceof Error ? null : keys;
    out.answer({
      slots: slots?.slice(0, top) ?? null,
      keys: found === null ? null : found.keys.map((one) => ({ ...one, key: keyText(one.key, 10_000) })),
      keysBy: found?.by ?? null,
      problem: keys instanceof Error ? keys.message : null,
      ...(found === null ? {} : found.outcome),
    });
    if (slots === undefined) out.line('slots: no node counts their traffic');
    else
      out.table(
        ['slot', 'busy', 'bytes/s', 'keys'],
        slots
          .slice(0, top)
          .map((one) => [`${one.slot}`, shareText(one.busy), bytesText(one.bytesPerSecond), countText(one.keys)]),
      );
    out.line();
    if (found !== null) showKeys(out, found);
    else if (slots === undefined) throw new ExitError(exitCodes.failed, (keys as Error).message);
    else out.note(`keys: ${(keys as Error).message}`);
    return exitCodes.ok;
  },
});

async function measureSlots(link: ClusterLink, wait: () => Promise<void>): Promise<SlotLoad[] | undefined> {
  const before = await readSlotCounts(link);
  if (![...before.slots.values()].some(({ cpuUsec }) => cpuUsec !== null)) return undefined;
  await wait();
  return slotLoads(before, await readSlotCounts(link));
}

function showKeys(
  out: { table(head: string[], rows: string[][]): void; note(text: string): void },
  { by, keys, outcome }: HotKeys,
): void {
  out.table(
    ['key', by === 'monitor' ? 'commands/s' : 'frequency', 'db', 'node'],
    keys.map(({ key, figure, database, node }) => [
      keyText(key),
      by === 'monitor' ? figure.toFixed(1) : `${figure}`,
      `${database}`,
      node,
    ]),
  );
  for (const problem of outcome.problems) out.note(problem);
  if (outcome.partial) out.note('not everything was looked at');
}

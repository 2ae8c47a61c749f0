// `lingcache map`: the 16,384 slots as a picture.

import type { ClusterLink } from '../../operator/link/cluster-link.ts';
import { sampleJson } from '../../operator/monitor/json.ts';
import { ClusterSampler } from '../../operator/monitor/sampler.ts';
import { readSlotCounts, slotLoads } from '../../operator/monitor/slot-counts.ts';
import { cellText, rowsOf, type SlotCell, type SlotMap, shadeOf, slotMap } from '../../operator/monitor/slot-map.ts';
import { type Command, defineCommand, ExitError, exitCodes } from '../cli/command.ts';
import type { Output, Paint } from '../cli/output.ts';
import { measuredForOption } from '../common-options.ts';
import { countText } from './shown.ts';

export const map: Command = defineCommand({
  name: 'map',
  arguments: [{ name: 'ADDRESS', help: 'host:port of any node' }],
  options: {
    by: {
      kind: 'choice',
      choices: ['owner', 'keys', 'traffic'],
      default: 'owner',
      help: 'how strong a cell is drawn; default owner: all alike',
    },
    for: measuredForOption('traffic is'),
    columns: {
      kind: 'choice',
      choices: ['16', '32', '64', '128', '256'],
      help: 'cells in a row; default: what the terminal has room for, at most 64',
    },
  },
  details: `A cell is some slots: coloured, and in a pipe lettered, by who has most of them; + where owners meet, > where a slot is
migrating or importing, . where slots belong to nobody. Traffic needs SLOT-STATS (Valkey 8 and later with
cluster-slot-stats-enabled).`,
  connects: true,
  run: async ({ args, options, out, link, sleep }) => {
    const connection = await link(args[0]!);
    const weights = await weightsOf(connection, options.by, () => sleep(options.for));
    const { sample } = await new ClusterSampler(connection).take();
    const columns = options.columns === undefined ? columnsFor(out.width) : Number(options.columns);
    const picture = slotMap(sample, columns, weights);
    const { nodes, openSlots, health, totals } = sampleJson(sample, new Map());
    out.answer({
      health,
      slotsAssigned: totals.slotsAssigned,
      slotsUnassigned: totals.slotsUnassigned,
      owners: nodes
        .filter(({ slots }) => slots > 0)
        .map(({ id, address, slots, ranges, keys }) => ({ id, address, slots, ranges, keys })),
      openSlots,
      ...(weights === undefined ? {} : { by: options.by, slots: Array.from(weights) }),
    });
    draw(out, picture);
    return exitCodes.ok;
  },
});

/** Room for the number of the slot before each row, and one blank. */
function columnsFor(width: number): number {
  return [64, 32, 16].find((columns) => columns + 8 <= width) ?? 16;
}

async function weightsOf(
  link: ClusterLink,
  by: 'owner' | 'keys' | 'traffic',
  wait: () => Promise<void>,
): Promise<Float64Array | undefined> {
  if (by === 'owner') return undefined;
  const weights = new Float64Array(16_384);
  const before = await readSlotCounts(link);
  if (by === 'keys') {
    for (const [slot, { keys }] of before.slots) weights[slot] = keys;
    return weights;
  }
  if (before.slots.size > 0 && [...before.slots.values()].every(({ cpuUsec }) => cpuUsec === null))
    throw new ExitError(
      exitCodes.failed,
      'no node counts the traffic of slots: that needs Valkey 8 or later with cluster-slot-stats-enabled yes',
    );
  await wait();
  for (const { slot, busy, bytesPerSecond } of slotLoads(before, await readSlotCounts(link)))
    weights[slot] = busy * 1e6 + bytesPerSecond;
  return weights;
}

const paints: readonly Paint[] = ['cyan', 'green', 'yellow', 'magenta', 'blue', 'gray'];

function draw(out: Output, map: SlotMap): void {
  if (out.json) return;
  for (const { first, cells } of rowsOf(map))
    out.line(`${String(first).padStart(6)} ${cells.map((cell) => cellShown(out, map, cell)).join('')}`);
  out.line();
  for (const [index, { letter, node, slots }] of map.owners.entries())
    out.line(`  ${out.paint(paintOf(index), letter)}  ${node.address}  ${countText(slots)} slots`);
  const marks: [string, string, boolean][] = [
    ['+', 'slots of several owners', map.cells.some(({ mixed }) => mixed)],
    ['>', 'a slot on its way', map.cells.some(({ moving }) => moving)],
    ['.', 'slots of nobody', map.cells.some(({ unassigned }) => unassigned > 0)],
  ];
  for (const [mark, text, there] of marks) if (there) out.line(`  ${mark}  ${text}`);
  const each = map.slotsPerCell === 1 ? 'one slot' : `${map.slotsPerCell} slots`;
  out.line(`  a cell is ${each}${map.cells[0]?.weight === null ? '' : '; · nothing in it, ░ ▒ ▓ █ more and more'}`);
}

function paintOf(owner: number): Paint {
  return paints[owner % paints.length]!;
}

function cellShown(out: Output, map: SlotMap, cell: SlotCell): string {
  const text = cellText(map, cell);
  if (text === '.') return out.paint('red', text);
  if (text === '>') return out.paint(['bold', 'red'], text);
  const shown = cell.weight === null ? (out.colour && text !== '+' ? '█' : text) : shadeOf(cell.weight);
  return out.paint(paintOf(cell.owner), shown);
}

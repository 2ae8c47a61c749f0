// What happens in single slots: keys, CPU time and bytes by SLOT-STATS where the server has it (Valkey 8 and later),
// keys alone by COUNTKEYSINSLOT elsewhere.
// Invariant: what a server does not count is null, not zero.

import type { NodeLine } from '../../../lib/wire/cluster-nodes.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { type ClusterLink, isMaster, isReachable } from '../link/cluster-link.ts';
import { countSlotKeys } from './survey.ts';

export interface SlotCounts {
  readonly keys: number;
  /** Microseconds since the node has the slot; null where cluster-slot-stats-enabled is not set. */
  readonly cpuUsec: number | null;
  readonly bytesIn: number | null;
  readonly bytesOut: number | null;
}

export interface SlotCountsSample {
  /** Milliseconds of a clock that never goes back. */
  readonly clock: number;
  readonly slots: ReadonlyMap<number, SlotCounts>;
  /** Addresses of nodes that count no traffic of slots, and those that could not be asked. */
  readonly withoutTraffic: readonly string[];
  readonly unreachable: readonly string[];
}

export async function readSlotCounts(link: ClusterLink): Promise<SlotCountsSample> {
  const masters = (await link.view()).filter((node) => isMaster(node) && node.ranges.length > 0);
  const slots = new Map<number, SlotCounts>();
  const withoutTraffic: string[] = [];
  const unreachable: string[] = [];
  await Promise.all(
    masters.map(async (node) => {
      const address = `${node.host}:${node.port}`;
      const found = isReachable(node) ? await countsOf(link, node).catch(() => undefined) : undefined;
      if (found === undefined) return unreachable.push(address);
      for (const [slot, counts] of found) slots.set(slot, counts);
      return [...found.values()].some(({ cpuUsec }) => cpuUsec !== null) ? 0 : withoutTraffic.push(address);
    }),
  );
  return { clock: link.world.now(), slots, withoutTraffic, unreachable };
}

async function countsOf(link: ClusterLink, node: NodeLine): Promise<Map<number, SlotCounts>> {
  const questions = node.ranges.map(([start, end]) => ['CLUSTER', 'SLOT-STATS', 'SLOTSRANGE', `${start}`, `${end}`]);
  const replies = await link.exchange(node, questions);
  if (replies.some((reply) => reply instanceof ReplyError)) return keysOnly(link, node);
  return new Map(replies.flatMap(readSlotStats));
}

async function keysOnly(link: ClusterLink, node: NodeLine): Promise<Map<number, SlotCounts>> {
  const keys = await countSlotKeys(link, [node]);
  return new Map(
    [...keys].map(([slot, count]) => [slot, { keys: count, cpuUsec: null, bytesIn: null, bytesOut: null }]),
  );
}

/** `[[slot, [name, value, ...]], ...]`; what does not fit is left out. */
export function readSlotStats(reply: unknown): [number, SlotCounts][] {
  if (!Array.isArray(reply)) return [];
  return reply.flatMap((entry): [number, SlotCounts][] => {
    if (!Array.isArray(entry) || typeof entry[0] !== 'number' || !Array.isArray(entry[1])) return [];
    const fields = new Map<string, number>();
    const list = entry[1] as unknown[];
    for (let at = 0; at + 1 < list.length; at += 2) fields.set(String(list[at]), Number(list[at + 1]));
    const figure = (name: string): number | null => fields.get(name) ?? null;
    return [
      [
        entry[0],
        {
          keys: figure('key-count') ?? 0,
          cpuUsec: figure('cpu-usec'),
          bytesIn: figure('network-bytes-in'),
          bytesOut: figure('network-bytes-out'),
        },
      ],
    ];
  });
}

export interface SlotLoad {
  readonly slot: number;
  readonly keys: number;
  /** Share of one thread's time, 0 to 1. */
  readonly busy: number;
  readonly bytesPerSecond: number;
}

/** Slots with traffic between two samples, busiest first. Slots that changed owners began to count anew and are left out. */
export function slotLoads(before: SlotCountsSample, after: SlotCountsSample): SlotLoad[] {
  const seconds = (after.clock - before.clock) / 1000;
  const loads: SlotLoad[] = [];
  for (const [slot, counts] of after.slots) {
    const old = before.slots.get(slot);
    if (old === undefined || counts.cpuUsec === null || old.cpuUsec === null || !(seconds > 0)) continue;
    const usec = counts.cpuUsec - old.cpuUsec;
    const bytes = sumOf(counts) - sumOf(old);
    if (usec < 0 || bytes < 0 || (usec === 0 && bytes === 0)) continue;
    loads.push({ slot, keys: counts.keys, busy: usec / 1e6 / seconds, bytesPerSecond: bytes / seconds });
  }
  return loads.sort((one, other) => other.busy - one.busy || other.bytesPerSecond - one.bytesPerSecond);
}

function sumOf({ bytesIn, bytesOut }: SlotCounts): number {
  return (bytesIn ?? 0) + (bytesOut ?? 0);
}

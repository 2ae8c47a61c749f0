// The single measures of the redirect suite: one client's child on one side, the hand that moves slots on the other.

import { setTimeout as pause } from 'node:timers/promises';
import { slotOf } from '../../lib/wire/slot.ts';
import type { Child } from '../cluster/child.ts';
import type { BatchAnswer, LoadRequest, ReadAnswer } from './contract.ts';
import type { Counters } from './counters.ts';
import type { KeyPlan } from './keys.ts';
import type { LoadFigures } from './load.ts';
import type { Mover } from './mover.ts';

/** How much of everything; a quick run does with little. */
export interface Effort {
  readonly direct: number;
  readonly moved: number;
  readonly ask: number;
  readonly batches: number;
  readonly cold: number;
  readonly reshardSlots: number;
  readonly steadyMs: number;
}

export const fullEffort: Effort = {
  direct: 1000,
  moved: 150,
  ask: 1000,
  batches: 12,
  cold: 5,
  reshardSlots: 2000,
  steadyMs: 1500,
};
export const quickEffort: Effort = {
  direct: 200,
  moved: 30,
  ask: 200,
  batches: 4,
  cold: 2,
  reshardSlots: 200,
  steadyMs: 400,
};

export interface CallFigures {
  readonly ms: readonly number[];
  readonly arrivalsPerCall: number;
  readonly bytesPerCall: number;
  /** Slot maps asked for, a call. */
  readonly mapsPerCall: number;
  readonly redirectsPerCall: number;
  readonly errors: number;
}

export interface BatchFigures {
  readonly ms: readonly number[];
  readonly redirects: number;
  readonly errors: number;
}

export interface ShiftFigures {
  readonly steady: LoadFigures;
  readonly during: LoadFigures;
  /** Cores that the servers kept busy; 1 is all they may use. */
  readonly steadyCores: number;
  readonly duringCores: number;
  readonly moved: number;
  readonly ask: number;
  readonly maps: number;
  /** How long the servers took to change. */
  readonly shiftMs: number;
  /** From the end of the change to the last MOVED or ASK. */
  readonly convergeMs: number;
}

export interface Bench {
  readonly child: Child;
  readonly mover: Mover;
  readonly counters: Counters;
  readonly plan: KeyPlan;
  readonly effort: Effort;
}

const width = 64;
const poll = 20;
/** Between a moved read and the direct one it is compared with. */
const afterMove = 5;
const warmUpBatches = 20;
const quiet = 500;
const timeoutMs = 20_000;

export async function direct({ child, counters, plan, effort }: Bench): Promise<CallFigures> {
  const indexes = Array.from({ length: effort.direct }, (_, at) => (at * 7) % plan.keys.length);
  await child.ask('read', indexes);
  await counters.start();
  return callFigures(await child.ask<ReadAnswer>('read', indexes), counters);
}

async function callFigures(answer: ReadAnswer, counters: Counters): Promise<CallFigures> {
  const counts = await counters.read();
  const calls = answer.ms.length;
  return {
    ms: answer.ms,
    // Maps asked for in the meantime arrive too, but on nobody's path.
    arrivalsPerCall: (counts.arrivals - counts.maps) / calls,
    bytesPerCall: counts.bytes / calls,
    mapsPerCall: counts.maps / calls,
    redirectsPerCall: (counts.moved + counts.ask) / calls,
    errors: answer.errors,
  };
}

/**
 * A slot moves, its key is read: one sample; then the same key once more, after the same pause, to compare with.
 * The first few, which warm the path up, are thrown away.
 */
export async function moved(bench: Bench): Promise<{ moved: CallFigures; alone: CallFigures }> {
  const { child, mover, counters, plan, effort } = bench;
  const warmUp = Math.ceil(effort.moved / 5);
  const samples: CallFigures[] = [];
  const alone: CallFigures[] = [];
  let maps = 0;
  for (let sample = -warmUp; sample < effort.moved; sample++) {
    const index = plan.batch[(sample + warmUp) % plan.batch.length]!;
    await mover.move(mover.onward([slotOf(plan.keys[index]!)]));
    const between = await counters.read();
    const figures = await callFigures(await child.ask<ReadAnswer>('read', [index]), counters);
    await pause(afterMove);
    const after = await counters.read();
    const again = await callFigures(await child.ask<ReadAnswer>('read', [index]), counters);
    if (sample < 0) continue;
    maps += between.maps + figures.mapsPerCall + after.maps + again.mapsPerCall;
    if (again.redirectsPerCall === 0) alone.push(again);
    // The client had heard of the move by other roads: no sample of a redirect.
    if (figures.redirectsPerCall > 0) samples.push(figures);
  }
  await goHome(bench);
  return { moved: { ...together(samples), mapsPerCall: maps / effort.moved }, alone: together(alone) };
}

function together(samples: readonly CallFigures[]): CallFigures {
  const mean = (pick: (one: CallFigures) => number): number =>
    samples.reduce((sum, one) => sum + pick(one), 0) / samples.length;
  return {
    ms: samples.flatMap((one) => one.ms),
    arrivalsPerCall: mean((one) => one.arrivalsPerCall),
    bytesPerCall: mean((one) => one.bytesPerCall),
    mapsPerCall: mean((one) => one.mapsPerCall),
    redirectsPerCall: mean((one) => one.redirectsPerCall),
    errors: samples.reduce((sum, one) => sum + one.errors, 0),
  };
}

/** Every slot back where it was, and the client informed by reading: the next measure starts on a warm map. */
async function goHome({ child, mover }: Bench): Promise<void> {
  await mover.move(mover.homeward());
  await child.ask('settle');
}

export async function ask({ child, mover, counters, plan, effort }: Bench): Promise<CallFigures> {
  const chosen = plan.batch.slice(0, 20);
  const moves = mover.onward(chosen.map((index) => slotOf(plan.keys[index]!)));
  await mover.begin(moves);
  try {
    await child.ask('read', chosen);
    await counters.start();
    const indexes = Array.from({ length: effort.ask }, (_, at) => chosen[at % chosen.length]!);
    return await callFigures(await child.ask<ReadAnswer>('read', indexes), counters);
  } finally {
    await mover.rollback(moves);
  }
}

/**
 * Batches of 1,000 keys, `share` of whose slots move before each batch; every second sample moves them back. The clean
 * batch has slots moved before it too, of keys that it does not read: it is to find the servers, and the caches of the
 * processor, as the others do.
 */
export async function batches(bench: Bench, share: number): Promise<BatchFigures> {
  const { child, mover, counters, plan, effort } = bench;
  const slots = share === 0 ? slotsAside(plan) : slotsOfBatch(plan).slice(0, Math.round(plan.batch.length * share));
  const ms: number[] = [];
  let [redirects, errors] = [0, 0];
  for (let warm = 0; warm < warmUpBatches; warm++) await child.ask('batch');
  for (let sample = -2; sample < effort.batches; sample++) {
    await mover.move(sample % 2 === 0 ? mover.onward(slots) : mover.homeward());
    await counters.start();
    const answer = await child.ask<BatchAnswer>('batch');
    const counts = await counters.read();
    if (sample < 0) continue;
    ms.push(answer.ms);
    redirects += counts.moved + counts.ask;
    errors += answer.errors;
  }
  await goHome(bench);
  return { ms, redirects: redirects / effort.batches, errors };
}

const slotsOfBatch = (plan: KeyPlan): number[] => plan.batch.map((index) => slotOf(plan.keys[index]!));

/** One slot for a hundred of the batch's, none of them. */
function slotsAside(plan: KeyPlan): number[] {
  const batch = new Set(slotsOfBatch(plan));
  return [...plan.inSlot.keys()].filter((slot) => !batch.has(slot)).slice(0, plan.batch.length / 100);
}

/** All slots go to the next node while loops read. */
export async function swap(bench: Bench): Promise<ShiftFigures> {
  const { mover } = bench;
  const all = Array.from({ length: 16384 }, (_, slot) => slot);
  const figures = await shift(bench, () => mover.move(mover.onward(all)));
  await mover.move(mover.homeward());
  return figures;
}

/** Slots of the first node go over to the second one by one, with MIGRATE, while loops read. */
export async function reshard(bench: Bench): Promise<ShiftFigures> {
  const { mover, effort } = bench;
  const slots = Array.from({ length: effort.reshardSlots }, (_, slot) => slot);
  const figures = await shift(bench, async () => {
    for (const move of mover.onward(slots)) await mover.migrate(move);
  });
  await mover.move(mover.homeward());
  return figures;
}

async function shift({ child, counters, effort }: Bench, change: () => Promise<void>): Promise<ShiftFigures> {
  await child.ask('startLoad', { width, slots: [0, 16383] } satisfies LoadRequest);
  await pause(effort.steadyMs / 2);
  await child.ask('mark');
  const cpuBefore = await counters.cpuSeconds();
  await pause(effort.steadyMs);
  const cpuSteady = await counters.cpuSeconds();
  const steady = await child.ask<LoadFigures>('mark');
  await counters.start();
  const start = performance.now();
  await change();
  const shifted = performance.now();
  let [moves, asks, maps, last] = [0, 0, 0, shifted];
  for (let now = shifted; now - last < quiet && now - shifted < timeoutMs; now = performance.now()) {
    const counts = await counters.read();
    if (now !== shifted && counts.moved + counts.ask > 0) last = performance.now();
    moves += counts.moved;
    asks += counts.ask;
    maps += counts.maps;
    await pause(poll);
  }
  const during = await child.ask<LoadFigures>('mark');
  const cpuAfter = await counters.cpuSeconds();
  await child.ask('stopLoad');
  return {
    steady,
    during,
    steadyCores: (cpuSteady - cpuBefore) / steady.seconds,
    duringCores: (cpuAfter - cpuSteady) / during.seconds,
    moved: moves,
    ask: asks,
    maps,
    shiftMs: shifted - start,
    convergeMs: last - shifted,
  };
}

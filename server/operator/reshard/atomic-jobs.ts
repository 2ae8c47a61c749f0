// Slots that the servers migrate themselves, job after job from one source to one target; what does not arrive that way is
// handed back, to be moved key by key.
// Does not know: what a job is on the wire (atomic.ts), nor in which order other slots go.
// Invariant: each task has arrived, or is handed back, or has ended otherwise; unless the engine was closed meanwhile.

import type { ClusterLink } from '../link/cluster-link.ts';
import { type AtomicOutcome, type AtomicWish, moveAtomically } from './atomic.ts';
import { countSlots } from './empty-slots.ts';
import type { Pacer } from './pacer.ts';
import type { SlotTask } from './slot-task.ts';

export interface JobHost {
  readonly link: ClusterLink;
  readonly pacer: Pacer;
  readonly closed: boolean;
  /** The slot has its new owner, and its record says so. */
  arrived(task: SlotTask): void;
  keyByKey(task: SlotTask): void;
}

/** Slots of one job: what is not handed over is done again when it fails. */
const mostSlots = 2048;

export async function runJobs(tasks: readonly SlotTask[], host: JobHost): Promise<void> {
  for (let at = 0; at < tasks.length; ) {
    await admit(host);
    if (host.closed) return;
    const part = tasks.slice(at, at + Math.min(mostSlots, host.pacer.slotsOfJob));
    const outcome = await runJob(
      part.filter(({ isNew, paused }) => isNew && !paused),
      host,
    );
    if (outcome.end === 'left') return;
    if (outcome.end === 'refused') {
      host.link.world.log(`slots go key by key: ${outcome.reason}`);
      handBack(tasks.slice(at), host);
      return;
    }
    handBack(part, host);
    at += part.length;
  }
}

function handBack(tasks: readonly SlotTask[], host: JobHost): void {
  for (const task of tasks) if (!task.ended) host.keyByKey(task);
}

async function runJob(tasks: readonly SlotTask[], host: JobHost): Promise<AtomicOutcome> {
  const first = tasks[0]?.record;
  if (first === undefined) return { end: 'moved', reason: '' };
  const { link, pacer } = host;
  const slots = tasks.map(({ record }) => record.slot);
  // Counted on the way: the job is asked for only after this reply, on the same connection.
  const counting = countSlots(link, first.source, slots).catch(() => undefined);
  const route = { slots, from: first.source, to: first.target };
  const moving = moveAtomically(link, route, () => wishFor(tasks, host)).catch(
    (error: Error): AtomicOutcome => ({ end: 'refused', reason: error.message }),
  );
  const counts = await counting;
  await Promise.all(tasks.map((task, index) => task.handedOver(counts?.[index] ?? 0)));
  pacer.pay({ slots: slots.length, keys: (counts ?? []).reduce((sum, count) => sum + count, 0) });
  const outcome = await moving;
  if (outcome.end === 'moved') {
    await Promise.all(tasks.map((task) => task.arrived()));
    for (const task of tasks) host.arrived(task);
  }
  return outcome;
}

function wishFor(tasks: readonly SlotTask[], { closed }: JobHost): AtomicWish {
  if (closed) return 'leave';
  return tasks.some(({ isCalledOff, paused }) => isCalledOff || paused) ? 'call off' : 'go on';
}

/** Resolves when the next job may begin, or the engine is closed. */
async function admit(host: JobHost): Promise<void> {
  const { link, pacer } = host;
  for (let ms = pacer.waitMs({}); ms > 0 && !host.closed; ms = pacer.waitMs({})) {
    await new Promise<void>((resolve) => void link.world.after(ms, resolve, true));
  }
}

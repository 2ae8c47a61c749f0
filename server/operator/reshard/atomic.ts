// Slots that the servers move by themselves: CLUSTER MIGRATESLOTS of Valkey 9, which hands a slot over with all its
// keys and databases at once, or not at all. Used where both ends have it.
// Owns: nothing; the jobs live at the source and go on without whoever asked for them.
// Invariant: `moved` is said only after both ends have named the target as the owner of every slot.

import { type NodeLine, ownersIn } from '../../../lib/wire/cluster-nodes.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { type ClusterLink, type MovingNode, RefusedError } from '../link/cluster-link.ts';
import { rangesOf } from './slot-commands.ts';

export interface AtomicRoute {
  readonly slots: readonly number[];
  readonly from: MovingNode;
  readonly to: MovingNode;
}

/**
 * - `moved`: all of it arrived.
 * - `left`: the job goes on at the servers, and nobody waits for it here any more.
 * - `refused`: nothing was moved; `reason` says why.
 */
export interface AtomicOutcome {
  readonly end: 'moved' | 'left' | 'refused';
  readonly reason: string;
}

/** What the caller wants of a job that is under way. */
export type AtomicWish = 'go on' | 'call off' | 'leave';

/** Most jobs are over within a tenth of a second; one that is older is looked at less often. */
const quickPollMs = 5;
const pollMs = 20;
const slowPollMs = 200;
const agreeMs = 5000;

const listArgv = ['CLUSTER', 'GETSLOTMIGRATIONS'];

/**
 * Both ends have the command, and the source has one database: Valkey 9.1.2 sends writes that come while it hands a slot
 * over to the database that it copied last (`npm run proof:valkey-migration`).
 */
export async function canMoveAtomically(link: ClusterLink, source: MovingNode, target: MovingNode): Promise<boolean> {
  if ((await link.databasesOf(source)) > 1) return false;
  const ask = (node: MovingNode): Promise<unknown[]> => link.exchange(node, [listArgv]).catch((error) => [error]);
  const answers = await Promise.all([source, target].map(ask));
  return answers.every(([reply]) => Array.isArray(reply));
}

/** Resolves to how the job ended; rejects when the source cannot be asked any more. */
export async function moveAtomically(
  link: ClusterLink,
  route: AtomicRoute,
  wish: () => AtomicWish,
): Promise<AtomicOutcome> {
  const { slots, from, to } = route;
  const ranges = rangesOf(slots);
  const before = new Set((await jobsAt(link, from)).map(({ name }) => name));
  const argv = ['CLUSTER', 'MIGRATESLOTS', 'SLOTSRANGE', ...ranges.flat().map(String), 'NODE', to.id];
  try {
    await link.ask(from, argv);
  } catch (error) {
    if (error instanceof RefusedError) return { end: 'refused', reason: error.message };
    throw error;
  }
  const text = ranges.map(([start, end]) => `${start}-${end}`).join(' ');
  const started = link.world.now();
  for (;;) {
    const now = wish();
    if (now === 'leave') return { end: 'left', reason: '' };
    const job = (await jobsAt(link, from)).find(
      (one) => !before.has(one.name) && one.target === to.id && one.ranges === text,
    );
    if (job === undefined) return { end: 'refused', reason: 'the source does not know of the job any more' };
    if (job.state === 'success') break;
    if (job.state === 'failed' || job.state === 'cancelled') {
      return { end: 'refused', reason: `${job.state}${job.message === '' ? '' : `: ${job.message}`}` };
    }
    if (now === 'call off') await link.exchange(from, [['CLUSTER', 'CANCELSLOTMIGRATIONS']]);
    const age = link.world.now() - started;
    await pause(link, age < 200 ? quickPollMs : age < 2000 ? pollMs : slowPollMs);
  }
  return agreed(link, route);
}

/** Waits until both ends say so themselves: a matter of milliseconds. */
async function agreed(link: ClusterLink, { slots, from, to }: AtomicRoute): Promise<AtomicOutcome> {
  const end = link.world.now() + agreeMs;
  for (;;) {
    const views = await Promise.all([link.viewOf(from), link.viewOf(to)]);
    if (views.every((view) => ownsAll(view, to.id, slots))) return { end: 'moved', reason: '' };
    if (link.world.now() > end) return { end: 'refused', reason: 'the two ends do not agree on the owner' };
    await pause(link, quickPollMs);
  }
}

function ownsAll(view: readonly NodeLine[], id: string, slots: readonly number[]): boolean {
  const owners = ownersIn(view);
  return slots.every((slot) => owners[slot]?.id === id);
}

interface Job {
  readonly name: string;
  readonly target: string;
  readonly ranges: string;
  readonly state: string;
  readonly message: string;
}

/** Jobs that this node exports or imports, as pairs of names and values. */
async function jobsAt(link: ClusterLink, node: MovingNode): Promise<Job[]> {
  const reply = await link.ask(node, listArgv);
  if (!Array.isArray(reply)) throw new ReplyError('ERR GETSLOTMIGRATIONS gave no list');
  return reply.map((entry): Job => {
    const pairs = Array.isArray(entry) ? entry.map(String) : [];
    const field = (name: string): string => pairs[pairs.findIndex((one, at) => at % 2 === 0 && one === name) + 1] ?? '';
    return {
      name: field('name'),
      target: field('target_node'),
      ranges: field('slot_ranges'),
      state: field('state'),
      message: field('message'),
    };
  });
}

function pause(link: ClusterLink, ms: number): Promise<void> {
  return new Promise((resolve) => void link.world.after(ms, resolve, true));
}

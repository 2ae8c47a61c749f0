// Carries out what fix-plan.ts has planned: gives slots an owner, ends moves that were broken off, brings keys together.
// Each step may be repeated; after any of them it may be stopped, and another check finds what is left.
// Invariant: no key is dropped, except a copy that is the same as the one at the place that clients ask.

import { ownersIn } from '../../../lib/wire/cluster-nodes.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { type ClusterLink, isMaster, isReachable, type MovingNode, RefusedError } from '../link/cluster-link.ts';
import { presenceOf } from '../link/presence.ts';
import { setSlot } from '../reshard/slot-commands.ts';
import { SlotMove } from '../reshard/slot-move.ts';
import { type KeyBatch, keysIn } from '../reshard/slot-steps.ts';
import type { CheckDetails } from './check.ts';

import { type FixStep, planSlots, stepText } from './fix-plan.ts';
import type { ClusterSurvey, NodeSurvey } from './survey.ts';

export interface FixOptions {
  /** Ends after the step that is under way. */
  readonly signal?: AbortSignal | undefined;
  /** Called before each step. */
  readonly onStep?: ((done: number, total: number, text: string) => void) | undefined;
  /** Milliseconds that one exchange of keys may take. Default 5000. */
  readonly exchangeMs?: number | undefined;
}

export interface FixResult {
  readonly done: readonly string[];
  readonly failed: readonly { readonly step: string; readonly reason: string }[];
  /** Steps that were not begun: it was interrupted. */
  readonly left: number;
}

/** The steps that would mend what a check found; none when there is nothing that can be mended from here. */
export function planFix({ survey, slots, report }: CheckDetails): FixStep[] {
  const steps = planSlots(slots);
  const kinds = new Set(report.findings.map(({ kind }) => kind));
  const bumped = new Set<string>();
  const bump = (node: NodeSurvey): void => {
    if (bumped.has(node.id)) return;
    bumped.add(node.id);
    steps.push({ kind: 'bump', node });
  };
  if (kinds.has('epoch-collision')) for (const node of colliding(survey)) bump(node);
  if (kinds.has('nodes-disagree')) for (const node of disbelieved(survey)) bump(node);
  return steps;
}

/** Masters that a slot's move needs and that do not answer: what they know of a slot is not known. */
export function silentMasters(survey: ClusterSurvey): readonly NodeSurvey[] {
  return survey.nodes.filter(
    ({ unreachable, line }) => unreachable !== undefined && line.flags.includes('master') && line.ranges.length > 0,
  );
}

/** Of masters with the same epoch all but the first. */
function colliding({ nodes }: ClusterSurvey): NodeSurvey[] {
  const seen = new Set<number>();
  return nodes.filter(({ view }) => {
    const own = view.find(({ flags }) => flags.includes('myself'));
    if (own === undefined || !own.flags.includes('master') || own.ranges.length === 0) return false;
    if (seen.has(own.configEpoch)) return true;
    seen.add(own.configEpoch);
    return false;
  });
}

/** Owners by their own word whom others do not take for the owner. */
function disbelieved({ nodes }: ClusterSurvey): NodeSurvey[] {
  const views = nodes.filter(({ unreachable }) => unreachable === undefined).map(({ view }) => ownersIn(view));
  return nodes.filter(({ id, view }) => {
    const own = view.find(({ flags }) => flags.includes('myself'));
    return own?.ranges.some(([start, end]) => {
      for (let slot = start; slot <= end; slot++) if (views.some((owners) => owners[slot]?.id !== id)) return true;
      return false;
    });
  });
}

/**
 * Carries the steps out, one after the other; a slot whose step fails is left, the others go on. Rejects with an
 * OperatorBusyError, and nothing done, when another operator is at work.
 */
export async function runFix(
  link: ClusterLink,
  steps: readonly FixStep[],
  options: FixOptions = {},
): Promise<FixResult> {
  const masters = (await link.view()).filter((node) => isMaster(node) && isReachable(node));
  const presence = presenceOf(link);
  await presence.enter(masters);
  const done: string[] = [];
  const failed: { step: string; reason: string }[] = [];
  const skipped = new Set<number>();
  try {
    for (const [at, step] of steps.entries()) {
      if (options.signal?.aborted === true) return { done, failed, left: steps.length - at };
      const slot = step.kind === 'bump' ? -1 : step.slot;
      if (skipped.has(slot)) continue;
      const text = stepText(step);
      options.onStep?.(at, steps.length, text);
      try {
        await runStep(link, step, masters, options.exchangeMs ?? 5000);
        done.push(text);
      } catch (error) {
        skipped.add(slot);
        failed.push({ step: text, reason: (error as Error).message });
      }
    }
    return { done, failed, left: 0 };
  } finally {
    await presence.leave();
  }
}

async function runStep(
  link: ClusterLink,
  step: FixStep,
  masters: readonly MovingNode[],
  exchangeMs: number,
): Promise<void> {
  switch (step.kind) {
    case 'bump':
      await link.ask(step.node, ['CLUSTER', 'BUMPEPOCH']);
      return;
    case 'assign':
      await assign(link, step.slot, step.node);
      return;
    case 'unclaim':
      await atOnce(link, step.node, [
        setSlot(step.slot, 'STABLE'),
        ['CLUSTER', 'DELSLOTS', String(step.slot)],
        setSlot(step.slot, 'NODE', step.owner.id),
        setSlot(step.slot, 'IMPORTING', step.owner.id),
      ]);
      // The newest claim wins: the one that was given up may have been.
      await link.ask(step.owner, ['CLUSTER', 'BUMPEPOCH']);
      return;
    case 'gather':
      await gather(link, step, exchangeMs);
      return;
    case 'close': {
      const left = await keysIn(link, step.node, step.slot, 1);
      const own = (await link.viewOf(step.node)).find(({ flags }) => flags.includes('myself'));
      const owner = own?.ranges.some(([start, end]) => start <= step.slot && step.slot <= end) === true;
      if (left.keys.length > 0 && !owner) throw new Error(`${step.node.address} has keys of the slot again`);
      await link.ask(step.node, setSlot(step.slot, 'STABLE'));
      return;
    }
    case 'finish': {
      const move = new SlotMove({ slot: step.slot, source: step.from, target: step.to }, link, {
        timeoutMs: exchangeMs,
      });
      await move.begin();
      await move.commit();
      return;
    }
    case 'tell':
      for (const node of masters) {
        if (node.id !== step.owner.id) await link.ask(node, setSlot(step.slot, 'NODE', step.owner.id));
      }
  }
}

async function assign(link: ClusterLink, slot: number, node: MovingNode): Promise<void> {
  const add = ['CLUSTER', 'ADDSLOTS', String(slot)];
  await link.ask(node, setSlot(slot, 'STABLE'));
  try {
    await link.ask(node, add);
  } catch (error) {
    if (!(error instanceof RefusedError) || !error.refusal.includes('busy')) throw error;
    // It has somebody in mind who does not claim the slot any more.
    await atOnce(link, node, [['CLUSTER', 'DELSLOTS', String(slot)], add]);
  }
  await link.ask(node, ['CLUSTER', 'BUMPEPOCH']);
}

/** Brings the keys of a node that does not own the slot to where clients look for them. */
async function gather(
  link: ClusterLink,
  { slot, from, to }: Extract<FixStep, { kind: 'gather' }>,
  exchangeMs: number,
): Promise<void> {
  const owner = to.claims || to.importing === undefined ? to.id : to.importing;
  // A node gives keys of a slot that is not its own away only while it imports the slot from an owner that it knows.
  await atOnce(link, from, [setSlot(slot, 'NODE', owner), setSlot(slot, 'IMPORTING', owner)]);
  for (;;) {
    const batch = await keysIn(link, from, slot, 64);
    if (batch.keys.length === 0) return;
    const { database } = batch;
    const head = ['MIGRATE', to.host, String(to.port), '', String(database), String(exchangeMs), ...link.migrateAuth];
    const migrate = [...head, 'KEYS', ...batch.keys];
    const [moved] = await link.exchange(from, [migrate], exchangeMs * 2 + 1000, 1, database);
    if (!(moved instanceof ReplyError)) continue;
    if (!moved.message.includes('BUSYKEY')) throw new RefusedError(from, ['MIGRATE'], moved.message);
    await dropCopies(link, from, to, batch);
  }
}

/** Keys that both nodes have: the copy goes where both are the same; else somebody has to look at them. */
async function dropCopies(link: ClusterLink, from: MovingNode, to: MovingNode, batch: KeyBatch): Promise<void> {
  const { database, keys } = batch;
  const dumps = keys.flatMap((key) => [['ASKING'], ['DUMP', key]]);
  const [here, there] = await Promise.all(
    [from, to].map((node) => link.exchange(node, dumps, link.timeoutMs, 0, database)),
  );
  const same: string[] = [];
  for (const [at, key] of keys.entries()) {
    const [mine, theirs] = [here![at * 2 + 1], there![at * 2 + 1]];
    if (typeof mine !== 'string' || typeof theirs !== 'string') continue;
    if (mine === theirs) same.push(key);
    else {
      const name = Buffer.from(key, 'latin1').toString();
      throw new Error(
        `key '${name}' differs at ${from.host}:${from.port} and ${to.host}:${to.port}: delete one of the two (ASKING, DEL)`,
      );
    }
  }
  if (same.length === 0) throw new RefusedError(from, ['MIGRATE'], 'BUSYKEY, and no key is at both ends');
  const deletes = same.flatMap((key) => [['ASKING'], ['DEL', key]]);
  const replies = await link.exchange(from, deletes, link.timeoutMs, 0, database);
  const refused = replies.find((reply) => reply instanceof ReplyError);
  if (refused !== undefined) throw refused;
}

async function atOnce(link: ClusterLink, node: MovingNode, commands: readonly (readonly string[])[]): Promise<void> {
  const replies = await link.exchange(node, [['MULTI'], ...commands, ['EXEC']]);
  const outcome = replies.at(-1);
  if (outcome instanceof ReplyError) throw new RefusedError(node, commands.at(-1)!, outcome.message);
  // The first ones may have been done already.
  const last = Array.isArray(outcome) ? outcome.at(-1) : undefined;
  if (last instanceof ReplyError) throw new RefusedError(node, commands.at(-1)!, last.message);
}

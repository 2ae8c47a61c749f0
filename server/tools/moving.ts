// What the commands that move slots have in common: their options, the journal, the plan as people read it, the bar, and
// how they end.

import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { NodeLine } from '../../lib/wire/cluster-nodes.ts';
import type { ClusterLink, ClusterOperator, MoveOrder, MoveStatus } from '../operator/index.ts';
import { usage } from './cli/arguments.ts';
import { type CommandContext, ExitError, exitCodes, type Plan } from './cli/command.ts';
import type { NumberOption } from './common-options.ts';
import { slotsText } from './report.ts';

interface MoveOptions {
  readonly atomic: {
    readonly kind: 'choice';
    readonly choices: readonly ['auto', 'never'];
    readonly default: 'auto';
    readonly help: string;
  };
  readonly concurrency: NumberOption<'integer'>;
  readonly batch: NumberOption<'integer'>;
  readonly 'keys-per-second': NumberOption<'integer'>;
  readonly 'bytes-per-second': NumberOption<'bytes'>;
  readonly 'exchange-timeout': NumberOption<'duration'>;
  readonly 'keep-throughput': {
    readonly kind: 'text';
    readonly value: string;
    readonly default: string;
    readonly help: string;
  };
  readonly journal: { readonly kind: 'text'; readonly value: string; readonly help: string };
}

export const moveOptions: MoveOptions = {
  atomic: {
    kind: 'choice',
    choices: ['auto', 'never'],
    default: 'auto',
    help: "the servers' own migration where both ends have it and one database; never: key by key",
  },
  concurrency: {
    kind: 'integer',
    value: 'N',
    least: 1,
    most: 1000,
    default: 256,
    help: 'slots on their way at once, default 256',
  },
  batch: {
    kind: 'integer',
    value: 'N',
    least: 1,
    most: 10_000,
    default: 64,
    help: 'keys handed over in one exchange, default 64',
  },
  'keys-per-second': { kind: 'integer', value: 'N', default: 0, help: 'no faster than this; default: no limit' },
  'bytes-per-second': {
    kind: 'bytes',
    value: 'SIZE',
    default: 0,
    help: 'no faster than this, by MEMORY USAGE; default: no limit',
  },
  'exchange-timeout': {
    kind: 'duration',
    value: 'TIME',
    least: 1,
    default: 60_000,
    help: 'what one exchange of keys may take, default 60s',
  },
  'keep-throughput': {
    kind: 'text',
    value: 'SHARE',
    default: 'auto',
    help: 'of their throughput that clients keep, 0.1 to 0.99, or never; default auto: 0.9 where a master uses half of a core',
  },
  journal: {
    kind: 'text',
    value: 'FILE',
    help: 'where moves are kept; default: a file for each cluster in the state folder of this user',
  },
};

interface MovingOptions {
  readonly atomic: 'auto' | 'never';
  readonly concurrency: number;
  readonly batch: number;
  readonly 'keys-per-second': number;
  readonly 'bytes-per-second': number;
  readonly 'exchange-timeout': number;
  readonly 'keep-throughput': string;
  readonly journal: string | undefined;
}
type Context = Pick<CommandContext, 'link' | 'operator' | 'out' | 'signal' | 'progress' | 'options' | 'sleep'>;

/** An operator with a journal. Rejects with an ExitError when slots are open that this journal does not know. */
export async function openMover(
  context: Context,
  address: string,
  options: MovingOptions,
): Promise<{ operator: ClusterOperator; link: ClusterLink; journal: string }> {
  const keepThroughput = readKeep(options['keep-throughput']);
  const link = await context.link(address);
  const journal = options.journal ?? journalOf(await link.view());
  const operator = await context.operator(address, {
    journal,
    moves: {
      atomic: options.atomic,
      concurrency: options.concurrency,
      batch: options.batch,
      keysPerSecond: options['keys-per-second'],
      bytesPerSecond: options['bytes-per-second'],
      exchangeMs: options['exchange-timeout'],
      keepThroughput,
    },
  });
  return { operator, link, journal };
}

/** `auto`, `never`, `0.9` or `90%`. Throws an ExitError (2). */
function readKeep(text: string): 'auto' | 'never' | number {
  if (text === 'auto' || text === 'never') return text;
  const [, number, percent] = /^(\d{1,2}(?:\.\d{1,3})?|\.\d{1,3})(%?)$/.exec(text) ?? [];
  const share = Number(number) / (percent === '%' ? 100 : 1);
  if (share >= 0.1 && share <= 0.99) return share;
  throw usage(`--keep-throughput: '${text}' is not auto, never or a share from 0.1 to 0.99`);
}

/** Clusters have no name: the smallest id of their nodes stands for one. */
export function journalOf(view: readonly NodeLine[]): string {
  const state = process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state');
  const folder = join(state, 'lingcache');
  mkdirSync(folder, { recursive: true });
  return join(folder, `moves-${view.map(({ id }) => id).sort()[0]}.json`);
}

/** Finishes what the journal has left; then slots that are still open are somebody else's, and nothing is begun. */
export async function finishEarlier(context: Context, operator: ClusterOperator, again: string): Promise<number> {
  const left = await operator.mover.recover();
  if (left.length > 0) {
    context.out.note(`finishing ${left.length} moves of an earlier run`);
    const over = Promise.all(left.map(({ slot }) => operator.mover.finished(slot)));
    const slots = left.map(({ slot }) => slot);
    const code = await showMoves(context, operator, slots, over, again, true);
    if (code !== exitCodes.ok) return code;
  }
  const { openSlots } = await operator.monitor.update();
  if (openSlots.length === 0) return exitCodes.ok;
  const slots = [...new Set(openSlots.map(({ slot }) => slot))].slice(0, 10).join(', ');
  throw new ExitError(
    exitCodes.failed,
    `nothing was changed: slots are open already (${slots}): somebody is moving them, or left them; lingcache fix ends that`,
  );
}

/**
 * Carries orders out with a bar; resolves to the exit code. `again`: the command that goes on after Ctrl-C; `part`: they
 * are part of something that has an answer of its own.
 */
export async function runMoves(
  context: Context,
  operator: ClusterOperator,
  orders: readonly MoveOrder[],
  again: string,
  part = false,
): Promise<number> {
  if (orders.length === 0) {
    if (!part) context.out.answer({ moved: 0, keys: 0, failed: [] });
    return exitCodes.ok;
  }
  const slots = orders.map(({ slot }) => slot);
  return showMoves(context, operator, slots, operator.mover.moveAll(orders), again, part);
}

const barMs = 100;

/** `over`: settles with the moves themselves; what it says counts, the bar is for people. */
async function showMoves(
  { out, signal, progress, sleep }: Context,
  operator: ClusterOperator,
  slots: readonly number[],
  over: Promise<readonly MoveStatus[]>,
  again: string,
  part: boolean,
): Promise<number> {
  const started = performance.now();
  let outcome: readonly MoveStatus[] | Error | undefined;
  over.then(
    (statuses) => {
      outcome = statuses;
    },
    (error: Error) => {
      outcome = error;
    },
  );
  const bar = progress('moving');
  // A stopped mover rejects what is left: that is no failure.
  while (outcome === undefined && !signal.aborted) {
    if (bar.shown) {
      const { ended, keys } = standOf(operator, slots);
      bar.update(ended, slots.length, `${ended} of ${slots.length} slots, ${keys} keys${paceText(operator)}`);
    }
    await Promise.race([sleep(barMs), over.catch(() => undefined)]);
  }
  if (outcome === undefined) {
    await operator.mover.close();
    bar.end();
    const { ended } = standOf(operator, slots);
    out.answer({ interrupted: true, moved: ended, left: slots.length - ended, again });
    out.note(`stopped; ${slots.length - ended} slots are left: ${again} goes on`);
    return exitCodes.interrupted;
  }
  bar.end();
  if (outcome instanceof Error) throw outcome;
  const failed = outcome.filter(({ phase }) => phase !== 'done');
  const moved = outcome.length - failed.length;
  const keys = outcome.reduce((sum, { keysMoved }) => sum + keysMoved, 0);
  const tookMs = Math.round(performance.now() - started);
  // What is left out for being a part is reported when it failed: nothing else is printed then.
  const { steady = null, share = null } = operator.mover.throughput ?? {};
  if (!part || failed.length > 0) {
    const throughput = share === null ? null : { steady, share };
    out.answer({ moved, keys, tookMs, throughput, failed: failed.map(({ slot, error }) => ({ slot, error })) });
  }
  out.line(`moved ${moved} slots with ${keys} keys in ${(tookMs / 1000).toFixed(1)} s`);
  if (share !== null) out.line(`clients kept ${percent(share)} of ${Math.round(steady!)} commands/s meanwhile`);
  for (const { slot, error } of failed.slice(0, 20)) out.line(out.paint('red', `slot ${slot}: ${error}`));
  return failed.length === 0 ? exitCodes.ok : exitCodes.failed;
}

const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;

/** What the bar says of the clients' throughput. */
function paceText({ mover: { throughput } }: ClusterOperator): string {
  if (throughput === undefined || throughput.stage === 'free') return '';
  if (throughput.stage === 'measuring') return ', measuring what clients get';
  return throughput.share === null ? '' : `, clients keep ${percent(throughput.share)}`;
}

function standOf(operator: ClusterOperator, slots: readonly number[]): { ended: number; keys: number } {
  const wanted = new Set(slots);
  const statuses = operator.mover.moves().filter(({ slot }) => wanted.has(slot));
  const ended = statuses.filter(({ phase }) => phase === 'done' || phase === 'failed' || phase === 'cancelled').length;
  return { ended, keys: statuses.reduce((sum, { keysMoved }) => sum + keysMoved, 0) };
}

/** One line for each pair of masters. */
export function movePlan(view: readonly NodeLine[], orders: readonly MoveOrder[]): Plan {
  const pairs = new Map<string, number[]>();
  for (const { slot, target } of orders) {
    const source = view.find(({ ranges }) => ranges.some(([start, end]) => start <= slot && slot <= end))?.id ?? '';
    if (source === target) continue;
    const name = `${source} ${target}`;
    const list = pairs.get(name);
    if (list === undefined) pairs.set(name, [slot]);
    else list.push(slot);
  }
  const addressOf = (id: string): string => {
    const node = view.find((line) => line.id === id);
    return node === undefined ? 'nobody' : `${node.host}:${node.port}`;
  };
  const moves = [...pairs].map(([name, slots]) => {
    const [source, target] = name.split(' ') as [string, string];
    return { from: source, to: target, slots: rangesOf(slots) };
  });
  const lines = moves.map(({ from, to, slots }) => {
    const count = slots.reduce((sum, [start, end]) => sum + end - start + 1, 0);
    return `${addressOf(from)} -> ${addressOf(to)}: ${count} slots (${slotsText(slots)})`;
  });
  return { lines, data: { moves } };
}

function rangesOf(slots: readonly number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const slot of slots.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === slot - 1) last[1] = slot;
    else ranges.push([slot, slot]);
  }
  return ranges;
}

/** `count` slots of `from` (nobody named: of all masters but `to`), from each in proportion to what it has. */
export function pickSlots(view: readonly NodeLine[], from: readonly NodeLine[], to: NodeLine, count: number): number[] {
  const givers = (from.length > 0 ? from : view.filter(({ ranges }) => ranges.length > 0)).filter(
    ({ id }) => id !== to.id,
  );
  const owned = givers.map(({ ranges }) =>
    ranges.flatMap(([start, end]) => Array.from({ length: end - start + 1 }, (_, at) => start + at)),
  );
  const total = owned.reduce((sum, slots) => sum + slots.length, 0);
  if (count > total) throw usage(`--slots: ${count} are asked for, and those that give have ${total}`);
  const shares = owned.map((slots) => Math.floor((count * slots.length) / total));
  for (let at = 0, left = count - shares.reduce((sum, one) => sum + one, 0); left > 0; at = (at + 1) % shares.length) {
    if (shares[at]! >= owned[at]!.length) continue;
    shares[at]!++;
    left--;
  }
  return owned.flatMap((slots, at) => slots.slice(0, shares[at]));
}

/** `1,5-9` as numbers. Throws an ExitError (2). */
export function readSlotList(texts: readonly string[]): number[] {
  const slots = texts.flatMap((text) => {
    const [, start, end = start] = (/^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []).map((one) =>
      one === undefined ? undefined : Number(one),
    );
    if (start === undefined || end === undefined || end > 16_383 || start > end) {
      throw usage(`--slot-list: '${text}' is no slot and no range of slots`);
    }
    return Array.from({ length: end - start + 1 }, (_, at) => start + at);
  });
  return [...new Set(slots)];
}

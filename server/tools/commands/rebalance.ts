// `lingcache rebalance`: moves slots until every master has its share, once or again and again.

import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { type BalanceResult, type BalanceStrategy, findNode } from '../../operator/index.ts';
import { usage } from '../cli/arguments.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import { finishEarlier, journalOf, moveOptions, movePlan, openMover, runMoves } from '../moving.ts';

export const rebalance: Command = defineCommand({
  name: 'rebalance',
  arguments: [{ name: 'ADDRESS', help: 'host:port of any node' }],
  options: {
    weight: {
      kind: 'list',
      value: 'ID=W,...',
      help: "a master's share (id or address); others have 1, and 0 empties one",
    },
    by: {
      kind: 'choice',
      choices: ['slots', 'load'],
      default: 'slots',
      help: 'equal numbers of slots, or keys and traffic; default slots',
    },
    threshold: {
      kind: 'number',
      value: 'PERCENT',
      default: 2,
      help: 'leave it when no master is further from its share; default 2',
    },
    first: {
      kind: 'choice',
      choices: ['nodes', 'slots'],
      default: 'nodes',
      help: 'what goes first: slots of the most burdened master, or with --by load the busiest slots; default nodes',
    },
    fewest: { kind: 'flag', help: 'no more moves than bring every master within the threshold' },
    sample: {
      kind: 'duration',
      value: 'TIME',
      least: 0,
      most: 600_000,
      default: 2000,
      help: 'with --by load: how long traffic is measured; 0: keys alone count; default 2s',
    },
    'max-slots': { kind: 'integer', value: 'N', least: 1, help: 'slots moved at most, in each round' },
    auto: { kind: 'flag', help: 'again and again, until Ctrl-C' },
    every: {
      kind: 'duration',
      value: 'TIME',
      least: 1,
      default: 60_000,
      help: 'with --auto: time between rounds, default 1m',
    },
    hours: { kind: 'text', value: '1-5', help: 'with --auto: only in these hours of the day, local time' },
    pause: { kind: 'flag', help: 'a running --auto begins no slot more, nor one that is started later' },
    unpause: { kind: 'flag', help: 'it goes on' },
    resume: { kind: 'flag', help: 'only finish what an earlier run has begun' },
    ...moveOptions,
  },
  connects: true,
  changes: true,
  examples: [
    'lingcache rebalance 127.0.0.1:7000 --weight 127.0.0.1:7001=2 --plan',
    'lingcache rebalance 127.0.0.1:7000 --by load --auto --hours 1-5 --max-slots 200 --yes',
  ],
  run: async (context) => {
    const { args, options, out } = context;
    const address = args[0]!;
    const inHours = readHours(options.hours);
    const again = `lingcache rebalance ${address} --resume`;
    if (options.pause && options.unpause) throw usage('--pause or --unpause: one of the two');
    if (options.pause || options.unpause) return setPause(context, address, options);
    const { operator, link, journal } = await openMover(context, address, options);
    const earlier = await finishEarlier(context, operator, again);
    if (earlier === exitCodes.ok && options.resume) context.out.answer({ resumed: true });
    if (earlier !== exitCodes.ok || options.resume) return earlier;
    const view = await link.view();
    const weights = Object.fromEntries(
      options.weight.map((pair) => readWeight(pair, (name) => findNode(view, name).id)),
    );
    const strategy: BalanceStrategy =
      options.by === 'load' ? 'adaptive' : options.weight.length > 0 ? 'weighted' : 'equal';
    const limit = options['max-slots'];
    const request = {
      strategy,
      weights,
      threshold: options.threshold,
      first: options.first,
      fewest: options.fewest,
      sampleMs: options.sample,
      ...(limit === undefined ? {} : { maxMoves: limit }),
    };
    const plan = await operator.balancer.plan(request);
    const shown = movePlan(view, plan.moves);
    const off = `${plan.before.maxDiffPercent.toFixed(1)} %`;
    if (plan.moves.length === 0) out.line(`balanced: no master is further than ${off} from its share`);
    else
      out.line(`the worst master is ${off} from its share, and ${plan.after.maxDiffPercent.toFixed(1)} % afterwards`);
    if (plan.traffic !== 'none') out.line(plan.traffic === 'slots' ? trafficBySlot : trafficByNode);
    const data = { ...(shown.data as object), traffic: plan.traffic, before: plan.before, after: plan.after };
    const lines = options.auto && shown.lines.length === 0 ? ['rounds are held until Ctrl-C'] : shown.lines;
    if (!(await context.approve({ lines, data }))) return exitCodes.ok;
    if (!options.auto) return runMoves(context, operator, plan.moves, again);
    // A pause that is there already holds before the first round.
    if (existsSync(pauseFile(journal))) operator.balancer.pauseAuto();
    operator.balancer.startAuto({
      ...request,
      everyMs: options.every,
      when: (now) => inHours(new Date(now).getHours()),
      onRound: (outcome) => showRound(out, outcome),
    });
    const pause = pauseFile(journal);
    for (let shown = false; !context.signal.aborted; shown = operator.balancer.autoPaused) {
      const paused = existsSync(pause);
      if (paused !== shown) showPause(out, paused, `lingcache rebalance ${address} --unpause`);
      if (paused) operator.balancer.pauseAuto();
      else operator.balancer.resumeAuto();
      await context.sleep(pauseMs);
    }
    operator.balancer.stopAuto();
    await operator.mover.close();
    out.note(`stopped; ${again} finishes what was on its way`);
    return exitCodes.interrupted;
  },
});

type Out = Parameters<typeof rebalance.run>[0]['out'];

const pauseMs = 500;
const trafficBySlot = 'keys, processor time and bytes of each slot were measured (CLUSTER SLOT-STATS)';
const trafficByNode = 'commands of each master were measured, and spread over its slots by their keys';

/** Beside the journal: whoever may move slots here may stop that. */
function pauseFile(journal: string): string {
  return `${journal}.paused`;
}

async function setPause(
  context: Parameters<typeof rebalance.run>[0],
  address: string,
  options: { readonly pause: boolean; readonly journal: string | undefined },
): Promise<number> {
  const file = pauseFile(options.journal ?? journalOf(await (await context.link(address)).view()));
  if (options.pause) writeFileSync(file, `${JSON.stringify({ since: new Date(context.world.wallClock()) })}\n`);
  else rmSync(file, { force: true });
  context.out.answer({ paused: options.pause, file });
  context.out.line(options.pause ? 'paused: no slot more is begun; --unpause goes on' : 'goes on');
  return exitCodes.ok;
}

function showPause(out: Out, paused: boolean, again: string): void {
  out.record({ paused });
  out.line(paused ? `paused: ${again} goes on` : 'goes on');
}

function showRound(out: Out, outcome: BalanceResult | Error): void {
  if (outcome instanceof Error) {
    out.record({ error: outcome.message });
    out.line(out.paint('yellow', outcome.message));
    return;
  }
  const count = (wanted: string): number => outcome.moves.filter(({ phase }) => phase === wanted).length;
  const [moved, failed, left] = [count('done'), count('failed'), count('cancelled')];
  out.record({ moved, failed, left, after: outcome.plan.after });
  out.line(
    `moved ${moved} slots${failed === 0 ? '' : `, ${failed} failed`}${left === 0 ? '' : `, ${left} were not begun`}`,
  );
}

function readWeight(pair: string, idOf: (name: string) => string): [string, number] {
  const at = pair.lastIndexOf('=');
  const weight = /^\d{1,6}(\.\d{1,6})?$/.test(pair.slice(at + 1)) ? Number(pair.slice(at + 1)) : Number.NaN;
  if (at <= 0 || Number.isNaN(weight)) throw usage(`--weight: '${pair}' is not ID=NUMBER`);
  return [idOf(pair.slice(0, at)), weight];
}

function readHours(text: string | undefined): (hour: number) => boolean {
  if (text === undefined) return () => true;
  const [, from, to] = (/^(\d{1,2})-(\d{1,2})$/.exec(text) ?? []).map(Number);
  if (from === undefined || to === undefined || from > 23 || to > 24)
    throw usage(`--hours: '${text}' is not FROM-TO, such as 1-5`);
  return (hour) => (from <= to ? hour >= from && hour < to : hour >= from || hour < to);
}

// `lingcache rebalance`: moves slots until every master has its share, once or again and again.

import { type BalanceResult, type BalanceStrategy, findNode } from '../../operator/index.ts';
import { usage } from '../cli/arguments.ts';
import { defineWord, exitCodes, type Word } from '../cli/word.ts';
import { finishEarlier, moveOptions, movePlan, openMover, runMoves } from '../moving.ts';

export const rebalance: Word = defineWord({
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
    const { operator, link } = await openMover(context, address, options);
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
      ...(limit === undefined ? {} : { maxMoves: limit }),
    };
    const plan = await operator.balancer.plan(request);
    const shown = movePlan(view, plan.moves);
    const off = `${plan.before.maxDiffPercent.toFixed(1)} %`;
    if (plan.moves.length === 0) out.line(`balanced: no master is further than ${off} from its share`);
    else
      out.line(`the worst master is ${off} from its share, and ${plan.after.maxDiffPercent.toFixed(1)} % afterwards`);
    const data = { ...(shown.data as object), before: plan.before, after: plan.after };
    const lines = options.auto && shown.lines.length === 0 ? ['rounds are held until Ctrl-C'] : shown.lines;
    if (!(await context.approve({ lines, data }))) return exitCodes.ok;
    if (!options.auto) return runMoves(context, operator, plan.moves, again);
    operator.balancer.startAuto({
      ...request,
      everyMs: options.every,
      when: (now) => inHours(new Date(now).getHours()),
      onRound: (outcome) => showRound(out, outcome),
    });
    while (!context.signal.aborted) await context.sleep(3_600_000);
    operator.balancer.stopAuto();
    await operator.mover.close();
    out.note(`stopped; ${again} finishes what was on its way`);
    return exitCodes.interrupted;
  },
});

function showRound(out: Parameters<typeof rebalance.run>[0]['out'], outcome: BalanceResult | Error): void {
  if (outcome instanceof Error) {
    out.record({ error: outcome.message });
    out.line(out.paint('yellow', outcome.message));
    return;
  }
  const failed = outcome.moves.filter(({ phase }) => phase !== 'done').length;
  out.record({ moved: outcome.moves.length - failed, failed, after: outcome.plan.after });
  out.line(`moved ${outcome.moves.length - failed} slots${failed === 0 ? '' : `, ${failed} failed`}`);
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

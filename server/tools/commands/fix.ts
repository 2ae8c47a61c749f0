// `lingcache fix`: mends what `check` has found and what can be mended without a decision of people.

import { checkInDetail, planFix, runFix, silentMasters, stepText } from '../../operator/index.ts';
import { type Command, defineCommand, ExitError, exitCodes } from '../cli/command.ts';

export const fix: Command = defineCommand({
  name: 'fix',
  arguments: [{ name: 'ADDRESS', help: 'host:port of any node' }],
  options: {
    'with-unreachable-masters': {
      kind: 'flag',
      help: 'also while masters with slots do not answer: their keys are not seen',
    },
  },
  connects: true,
  changes: true,
  details:
    'Gives slots without an owner to the master that has their keys, ends moves that were broken off, brings keys that\n' +
    'lie at the wrong node to the right one, settles slots with several owners and epochs that collide. No key is\n' +
    'dropped: of a key that two nodes have with different values, both stay, and fix says where.',
  run: async (context) => {
    const { args, link, out, options, signal } = context;
    const nodes = await link(args[0]!);
    const details = await checkInDetail(nodes);
    const silent = silentMasters(details.survey);
    const steps = planFix(details);
    if (silent.length > 0 && steps.length > 0 && !options['with-unreachable-masters']) {
      const names = silent.map(({ host, port }) => `${host}:${port}`).join(', ');
      throw new ExitError(
        exitCodes.failed,
        `nothing was changed: ${names} has slots and does not answer; start it, or say --with-unreachable-masters`,
      );
    }
    if (steps.length === 0) {
      const left = details.report.findings.filter(({ severity }) => severity !== 'note');
      out.answer({ done: [], failed: [], left: 0, findings: left });
      out.line(
        left.length === 0
          ? 'nothing to fix'
          : `nothing that fix can mend; lingcache check shows ${left.length} findings`,
      );
      return left.length === 0 ? exitCodes.ok : exitCodes.failed;
    }
    if (!(await context.approve({ lines: steps.map(stepText), data: steps.map(stepText) }))) return exitCodes.ok;
    const bar = context.progress('fixing');
    const result = await runFix(nodes, steps, { signal, onStep: (done, total, text) => bar.update(done, total, text) });
    bar.end();
    out.answer(result);
    out.line(`${result.done.length} of ${steps.length} steps done`);
    for (const { step, reason } of result.failed) out.line(out.paint('red', `failed: ${step}: ${reason}`));
    if (signal.aborted) {
      out.note(`stopped with ${result.left} steps left: lingcache fix ${args[0]} goes on`);
      return exitCodes.interrupted;
    }
    return result.failed.length === 0 ? exitCodes.ok : exitCodes.failed;
  },
});

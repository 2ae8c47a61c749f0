// `lingcache learn`: experiments on a cluster of their own, explained while they run. The experiments are in server/learn.

import { ClaimError, experiments, learn as runExperiment } from '../../learn/learn.ts';
import { type Command, defineCommand, ExitError, exitCodes } from '../cli/command.ts';
import { nearest } from '../cli/near.ts';

const names = Object.keys(experiments);

export const learn: Command = defineCommand({
  name: 'learn',
  arguments: [{ name: 'EXPERIMENT', optional: true, help: 'one of those below; none lists them' }],
  options: { fast: { kind: 'flag', help: 'no pauses for reading' } },
  details: names.map((name) => `  ${name.padEnd(12)}  ${experiments[name]!.title}`).join('\n'),
  examples: ['lingcache learn failover'],
  run: async ({ args: [name], options, out, signal }) => {
    if (name === undefined) {
      const rows = Object.entries(experiments).map(([each, { title }]) => [each, title]);
      out.table(['experiment', 'shows'], rows);
      out.answer(rows.map(([each, title]) => ({ name: each, title })));
      return exitCodes.ok;
    }
    if (!Object.hasOwn(experiments, name)) {
      const near = nearest(name, names);
      throw new ExitError(
        exitCodes.usage,
        `no experiment '${name}'${near === undefined ? '' : `; did you mean ${near}?`}`,
      );
    }
    const started = performance.now();
    out.line(out.paint('bold', `${name}: ${experiments[name]!.title}`));
    try {
      const claims = await runExperiment(name, {
        line: (text) => out.line(text),
        paint: (style, text) => out.paint(style, text),
        fast: options.fast,
        signal,
      });
      const took = (performance.now() - started) / 1000;
      out.line(
        `\n${claims} claims shown in ${took.toFixed(1)} s. Others: ${names.filter((each) => each !== name).join(', ')}`,
      );
      out.answer({ experiment: name, claims });
      return exitCodes.ok;
    } catch (error) {
      if (signal.aborted) return exitCodes.interrupted;
      if (error instanceof ClaimError) throw new ExitError(exitCodes.failed, error.message);
      throw error;
    }
  },
});

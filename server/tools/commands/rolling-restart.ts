// `lingcache rolling-restart`: every node is restarted while the cluster serves; or a drill of the failovers alone.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { planRolling, rollingText, runRolling } from '../../operator/index.ts';
import { usage } from '../cli/arguments.ts';
import { type Command, defineCommand, ExitError, exitCodes } from '../cli/command.ts';

export const rollingRestart: Command = defineCommand({
  name: 'rolling-restart',
  arguments: [{ name: 'ADDRESS', help: 'host:port of any node' }],
  options: {
    command: {
      kind: 'text',
      value: 'SHELL',
      help: 'restarts one node; gets NODE_HOST, NODE_PORT and NODE_ID in its environment',
    },
    drill: { kind: 'flag', help: 'restart nothing: only let a replica of every master take its place' },
    'fail-back': { kind: 'flag', help: 'masters take their places again' },
    wait: { kind: 'duration', value: 'TIME', default: 60_000, help: 'how long each step may take, default 60s' },
  },
  connects: true,
  changes: true,
  details:
    'Replicas first, then each master after a replica has taken its place. The next one waits until the last one is in step.',
  examples: ["lingcache rolling-restart 10.0.0.1:6379 --command 'ssh $NODE_HOST systemctl restart redis@$NODE_PORT'"],
  run: async (context) => {
    const { args, options, out, signal } = context;
    const { command } = options;
    if ((command === undefined) !== options.drill)
      throw usage('--command restarts nodes, --drill does not: one of the two');
    const link = await context.link(args[0]!);
    let steps: ReturnType<typeof planRolling>;
    try {
      steps = planRolling(await link.view(), command !== undefined, options['fail-back']);
    } catch (error) {
      throw new ExitError(exitCodes.failed, `nothing was changed: ${(error as Error).message}`);
    }
    if (!(await context.approve({ lines: steps.map(rollingText), data: steps.map(rollingText) }))) return exitCodes.ok;
    const bar = context.progress('restarting');
    const done = await runRolling(link, steps, {
      signal,
      limitMs: options.wait,
      failBack: options['fail-back'],
      restart: command === undefined ? undefined : (node) => restart(command, node),
      onStep: (at, total, text) => bar.update(at, total, text),
    });
    bar.end();
    out.answer({ done: steps.slice(0, done).map(rollingText), left: steps.slice(done).map(rollingText) });
    out.line(`${done} of ${steps.length} steps done`);
    if (done === steps.length) return exitCodes.ok;
    out.note(`stopped; the cluster is whole. Left: ${steps.slice(done).map(rollingText).join('; ')}`);
    return exitCodes.interrupted;
  },
});

async function restart(command: string, { id, host, port }: { id: string; host: string; port: number }): Promise<void> {
  const env = { ...process.env, NODE_ID: id, NODE_HOST: host, NODE_PORT: String(port) };
  const child = spawn(command, { shell: true, stdio: ['ignore', 'ignore', 'inherit'], env });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`the command for ${host}:${port} ended with ${code}`);
}

// `lingcache down`: stops what `up --daemon` has started.

import { type Command, defineCommand, ExitError, exitCodes } from '../cli/command.ts';
import { type Daemon, forgetDaemon, isRunning, runningDaemons } from '../daemons.ts';

const stopTimeoutMs = 15_000;

export const down: Command = defineCommand({
  name: 'down',
  arguments: [],
  options: {
    port: {
      kind: 'integer',
      value: 'N',
      least: 1,
      most: 65_535,
      help: 'the one whose first node has this port; needed where several run',
    },
    all: { kind: 'flag', help: 'all of them' },
  },
  run: async ({ options, out, sleep }) => {
    const running = await runningDaemons();
    const chosen = options.port === undefined ? running : running.filter(({ port }) => port === options.port);
    if (chosen.length === 0) {
      const which = options.port === undefined ? '' : ` with port ${options.port}`;
      throw new ExitError(exitCodes.failed, `no cluster${which} was started by up --daemon`);
    }
    if (chosen.length > 1 && !options.all) {
      const ports = chosen.map(({ port }) => port).join(', ');
      throw new ExitError(exitCodes.usage, `several are running (ports ${ports}): choose by --port, or --all`);
    }
    for (const entry of chosen) await stop(entry, sleep);
    out.answer({ stopped: chosen.map(({ port, pid }) => ({ port, pid })) });
    for (const { port, pid } of chosen) out.line(`stopped the cluster with port ${port} (pid ${pid})`);
    return exitCodes.ok;
  },
});

async function stop(entry: Daemon, sleep: (ms: number) => Promise<void>): Promise<void> {
  process.kill(entry.pid, 'SIGTERM');
  const end = performance.now() + stopTimeoutMs;
  while (await isRunning(entry)) {
    if (performance.now() > end)
      throw new ExitError(exitCodes.failed, `pid ${entry.pid} does not end; its log is ${entry.log}`);
    await sleep(50);
  }
  forgetDaemon(entry);
}

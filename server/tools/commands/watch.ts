// `lingcache watch`: what happens in a cluster, one line an event, until Ctrl-C.

import { openingText } from '../../operator/monitor/events.ts';
import { ClusterSampler } from '../../operator/monitor/sampler.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import { intervalOption } from '../common-options.ts';
import { timeText } from './shown.ts';

const paints = { bad: 'red', good: 'green', info: 'cyan' } as const;

export const watch: Command = defineCommand({
  name: 'watch',
  arguments: [{ name: 'ADDRESS', help: 'host:port of any node' }],
  options: {
    interval: intervalOption(500, '500ms', 'looks'),
    for: { kind: 'duration', value: 'TIME', least: 100, help: 'end after this time' },
  },
  details: 'Role changes, failovers, slots that open, close and move, nodes that fail, restart and come back.',
  connects: true,
  run: async ({ args, options, out, signal, link, world }) => {
    const sampler = new ClusterSampler(await link(args[0]!));
    const end = world.now() + (options.for ?? Number.POSITIVE_INFINITY);
    let [begun, lost] = [false, false];
    for await (const outcome of sampler.every(options.interval, signal)) {
      if (outcome instanceof Error) {
        if (!lost) {
          out.record({
            at: new Date(world.wallClock()).toISOString(),
            kind: 'unreachable',
            severity: 'bad',
            node: '',
            text: outcome.message,
          });
          out.line(`${timeText(world.wallClock())}  ${out.paint('red', outcome.message)}`);
        }
        lost = true;
      } else {
        lost = false;
        if (!begun) {
          const { at, health } = outcome.sample;
          out.record({ at: new Date(at).toISOString(), kind: 'start', severity: 'info', node: '', text: health.state });
          out.line(`${timeText(at)}  ${openingText(outcome.sample)}`);
        }
        begun = true;
        for (const event of outcome.events) {
          out.record({ ...event, at: new Date(event.at).toISOString() });
          const where = (event.node === '' ? 'cluster' : event.node).padEnd(21);
          const kind = out.paint(paints[event.severity], event.kind.padEnd(16));
          out.line(`${timeText(event.at)}  ${kind}  ${where}  ${event.text}`);
        }
      }
      if (world.now() >= end) break;
    }
    return exitCodes.ok;
  },
});

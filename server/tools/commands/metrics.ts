// `lingcache metrics`: an endpoint that Prometheus scrapes, until Ctrl-C.

import { MetricsEndpoint } from '../../operator/metrics/metrics.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import { listenOptions } from '../common-options.ts';

export const metrics: Command = defineCommand({
  name: 'metrics',
  arguments: [{ name: 'ADDRESS', help: 'host:port of any node' }],
  options: {
    ...listenOptions(9121),
    slots: {
      kind: 'integer',
      value: 'N',
      least: 0,
      most: 16_384,
      default: 100,
      help: 'busiest slots with series of their own; 0: none; default 100',
    },
    commands: {
      kind: 'integer',
      value: 'N',
      least: 0,
      most: 1000,
      default: 200,
      help: 'commands of a node with series of their own; default 200',
    },
  },
  details: `/metrics in the OpenMetrics or the Prometheus format, as the scraper asks; /healthz answers 200, or 503 with the reasons.
Names are those of redis_exporter where it has one. The cluster is asked when somebody scrapes, at most once a second.
Anybody who reaches the port can read it: it listens on loopback unless --host says otherwise.`,
  connects: true,
  run: async ({ args, options, out, signal, link, onEnd }) => {
    const { host, port, slots, commands } = options;
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    const endpoint = new MetricsEndpoint(await link(args[0]!), { host, port, limits: { slots, commands } });
    onEnd(() => endpoint.close());
    const url = await endpoint.listen();
    out.record({ url, pid: process.pid });
    out.line(`${url}\nCtrl-C ends it`);
    await stopped;
    return exitCodes.ok;
  },
});

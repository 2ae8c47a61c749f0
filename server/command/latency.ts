// LATENCY: what the monitor and the histograms of commands have seen.

import { type Reply, ReplyError, Verbatim } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import type { LatencyEvent } from '../engine/latency.ts';
import type { Command, CommandGroup } from '../engine/registry.ts';
import { sparkline } from './sparkline.ts';

function latest(engine: Engine): Reply {
  return engine.latency.events().map(({ name, samples, longest }) => {
    const last = samples.at(-1)!;
    return [name, last.at, last.ms, longest];
  });
}

function history(engine: Engine, name: string): Reply {
  return (engine.latency.event(name)?.samples ?? []).map(({ at, ms }) => [at, ms]);
}

function graph(engine: Engine, name: string): Reply {
  const event = engine.latency.event(name);
  if (event === undefined) return new ReplyError(`ERR No samples available for event '${name}'`);
  const now = Math.floor(engine.world.wallClock() / 1000);
  const times = event.samples.map(({ ms }) => ms);
  const head = `${name} - high ${Math.max(...times)} ms, low ${Math.min(...times)} ms (all time high ${event.longest} ms)`;
  const points = event.samples.map(({ at, ms }) => ({ value: ms, label: age(now - at) }));
  return new Verbatim(`${head}\n${'-'.repeat(80)}\n${sparkline(points)}`);
}

function age(seconds: number): string {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

/** What can be done about an event. */
const advice: Readonly<Record<string, string>> = {
  command: 'Look at SLOWLOG for commands that walk large values (KEYS, SORT, SMEMBERS, DEBUG) and split their work.',
  'fast-command':
    'Commands of constant time were slow: the machine is short of CPU, or the process was collecting garbage.',
  'eviction-cycle': 'Making room takes long: raise maxmemory, or lower maxmemory-eviction-tenacity.',
  'expire-cycle': 'Many keys run out at the same moment: spread their deadlines.',
};

function doctor(engine: Engine): Reply {
  const events = engine.latency.events();
  if (engine.latency.threshold === 0 && events.length === 0) {
    return new Verbatim(
      'Latency is not monitored: set a threshold in milliseconds with CONFIG SET latency-monitor-threshold, and ask again later.\n',
    );
  }
  if (events.length === 0) return new Verbatim('No event has been slower than the threshold so far.\n');
  const lines = events.map((event, at) => `${at + 1}. ${described(event)}`);
  const hints = events.map(({ name }) => advice[name]).filter((hint) => hint !== undefined);
  return new Verbatim(
    `Events slower than the threshold of ${engine.latency.threshold} ms:\n\n${lines.join('\n')}\n\n${hints.map((hint) => `- ${hint}\n`).join('')}`,
  );
}

function described({ name, samples, longest }: LatencyEvent): string {
  const mean = samples.reduce((sum, { ms }) => sum + ms, 0) / samples.length;
  return `${name}: ${samples.length} spikes (mean ${Math.round(mean)} ms, longest ${longest} ms).`;
}

/** The named commands with their subcommands, or every one that was called. */
function histograms(engine: Engine, names: readonly string[]): Reply {
  const found = new Map<Reply, Reply>();
  const add = ({ row, histogram }: Command<Client>): void => {
    if (histogram === undefined) return;
    const distribution = new Map(histogram.doublings());
    found.set(
      row.name,
      new Map<Reply, Reply>([
        ['calls', histogram.count],
        ['histogram_usec', distribution],
      ]),
    );
  };
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  for (const command of engine.registry.all()) {
    const { name } = command.row;
    if (wanted.size === 0 || wanted.has(name) || wanted.has(name.split('|')[0]!)) add(command);
  }
  return found;
}

export function latencyCommands(engine: Engine): CommandGroup<Client> {
  return {
    'latency|latest': () => latest(engine),
    'latency|history': (_client, argv) => history(engine, argv[2]!),
    'latency|graph': (_client, argv) => graph(engine, argv[2]!),
    'latency|reset': (_client, argv) => engine.latency.reset(argv.slice(2)),
    'latency|histogram': (_client, argv) => histograms(engine, argv.slice(2)),
    'latency|doctor': () => doctor(engine),
  };
}

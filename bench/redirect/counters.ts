// What the servers counted between two looks: redirections given, maps asked for, bytes, and arrivals. One arrival is
// one read of a socket that had something, so with one command in flight arrivals are round trips: a command and its
// ASKING that leave in one write arrive as one.

import type { Admin } from '../cluster/admin.ts';

export interface Counts {
  readonly moved: number;
  readonly ask: number;
  /** CLUSTER SLOTS, SHARDS and NODES. */
  readonly maps: number;
  readonly bytes: number;
  readonly arrivals: number;
}

interface Look {
  readonly counts: Counts;
  /** Length of the INFO replies themselves, which the next look finds counted. */
  readonly replyBytes: number;
}

export class Counters {
  readonly #admin: Admin;
  #last: Look | undefined;
  /** Bytes and arrivals that a look adds by itself. */
  #ownBytes = 0;
  #ownArrivals = 0;

  constructor(admin: Admin) {
    this.#admin = admin;
  }

  /** Finds out what looking costs; call while no client is connected. */
  async calibrate(): Promise<void> {
    this.#ownBytes = 0;
    this.#ownArrivals = 0;
    await this.start();
    const { bytes, arrivals } = await this.read();
    this.#ownBytes = bytes;
    this.#ownArrivals = arrivals;
  }

  /** Seconds of processor time that the servers have used so far. */
  cpuSeconds(): Promise<number> {
    return this.#admin.cpuSeconds();
  }

  async start(): Promise<void> {
    this.#last = await this.#look();
  }

  /** Since start() or the last read(). */
  async read(): Promise<Counts> {
    const before = this.#last!;
    const now = await this.#look();
    this.#last = now;
    return {
      moved: now.counts.moved - before.counts.moved,
      ask: now.counts.ask - before.counts.ask,
      maps: now.counts.maps - before.counts.maps,
      bytes: now.counts.bytes - before.counts.bytes - before.replyBytes - this.#ownBytes,
      arrivals: now.counts.arrivals - before.counts.arrivals - this.#ownArrivals,
    };
  }

  async #look(): Promise<Look> {
    const texts = await this.#admin.info('stats', 'commandstats', 'errorstats');
    const all = texts.map(parseCounts);
    const sum = (pick: (one: Counts) => number): number => all.reduce((total, one) => total + pick(one), 0);
    return {
      counts: {
        moved: sum((one) => one.moved),
        ask: sum((one) => one.ask),
        maps: sum((one) => one.maps) - this.#admin.mapsAsked,
        bytes: sum((one) => one.bytes),
        arrivals: sum((one) => one.arrivals),
      },
      replyBytes: texts.reduce((total, text) => total + text.length, 0),
    };
  }
}

/** One node's INFO text; a counter that is not there yet is 0. */
export function parseCounts(info: string): Counts {
  const number = (pattern: RegExp): number => Number(pattern.exec(info)?.[1] ?? 0);
  const calls = (name: string): number => number(new RegExp(`^cmdstat_cluster\\|${name}:calls=(\\d+)`, 'm'));
  return {
    moved: number(/^errorstat_MOVED:count=(\d+)/m),
    ask: number(/^errorstat_ASK:count=(\d+)/m),
    maps: calls('slots') + calls('shards') + calls('nodes'),
    bytes: number(/^total_net_input_bytes:(\d+)/m) + number(/^total_net_output_bytes:(\d+)/m),
    arrivals: number(/^total_reads_processed:(\d+)/m),
  };
}

// What an experiment works with: a place to explain, nodes to send raw commands to, claims that must hold.
// Owns: the connections of an experiment and whatever it has left to be closed.
// Does not know: any experiment.
// Invariant: a claim that does not hold ends the experiment; whatever happens, everything opened is closed.

import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, type ClusterOptions, Redis } from '../../lib/index.ts';

/** An address is all that a command needs. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

export interface LabOptions {
  /** Writes one line. */
  readonly line: (text: string) => void;
  /** Styles a piece of text; gives it back as it is in a pipe. */
  readonly paint: (style: 'bold' | 'cyan' | 'green' | 'gray', text: string) => string;
  /** Short timeouts of the nodes, for tests. */
  readonly fast: boolean;
  /** Somebody reads along: after each text there is a pause for as long as it takes to read. Default false. */
  readonly reader?: boolean;
  /** Ends the experiment when it fires; what it has opened is closed all the same. */
  readonly signal?: AbortSignal;
}

/** A claim of an experiment that turned out to be wrong. */
export class ClaimError extends Error {}

/** A text is read at 25 characters a second: an experiment takes about a minute. */
const readingMs = { least: 800, most: 12_000, character: 40 };
const pollMs = 10;
const limitMs = 20_000;

export class Lab {
  readonly fast: boolean;
  /** Claims that held. */
  claims = 0;
  readonly #options: LabOptions;
  readonly #clients = new Map<number, Redis>();
  readonly #cleanups: (() => unknown)[] = [];
  #closed = false;
  #step = 0;

  constructor(options: LabOptions) {
    this.#options = options;
    this.fast = options.fast;
  }

  /** Begins a numbered part. */
  async part(title: string): Promise<void> {
    this.#line('');
    this.#line(this.#options.paint('bold', `${++this.#step}. ${title}`));
    await this.#read(title);
  }

  /** An explanation, folded at about 100 columns. */
  async say(text: string): Promise<void> {
    const flat = text.replaceAll(/\s+/g, ' ').trim();
    for (const line of fold(flat, 100)) this.#line(`   ${line}`);
    await this.#read(flat);
  }

  /** Sends a command to one node and shows it with its reply. Errors of the server are replies too. */
  async ask(node: Target, ...argv: (string | number)[]): Promise<unknown> {
    const { paint } = this.#options;
    const line = (text: string): void => this.#line(text);
    line(paint('cyan', `   ${node.port}> ${argv.join(' ')}`));
    const reply = await this.quiet(node, ...argv);
    const texts = shown(reply);
    for (const text of texts) line(paint('gray', `      ${text}`));
    await this.#read(texts.join(' '));
    return reply;
  }

  /** The same without showing anything. */
  async quiet(node: Target, ...argv: (string | number)[]): Promise<unknown> {
    const [name, ...args] = argv;
    return this.#client(node)
      .call(String(name), ...args)
      .catch((error: Error) => error);
  }

  /** Shows lines of a longer reply that are worth a look. */
  show(...lines: string[]): void {
    for (const text of lines) this.#line(this.#options.paint('gray', `      ${text}`));
  }

  /** Shows a claim with a tick when it holds; throws a ClaimError when it does not. */
  check(claim: string, holds: boolean): void {
    if (!holds) throw new ClaimError(`this should be so, and is not: ${claim}`);
    this.claims++;
    this.#line(this.#options.paint('green', `   ✓ ${claim}`));
  }

  /** Waits until `test` gives something true, and gives it; throws a ClaimError after 20 s. */
  async until<T>(what: string, test: () => T | Promise<T>): Promise<T> {
    const end = performance.now() + limitMs;
    for (;;) {
      const value = await test();
      if (value) return value;
      if (performance.now() > end) throw new ClaimError(`this did not come about within ${limitMs} ms: ${what}`);
      await sleep(pollMs);
    }
  }

  /** A cluster client that goes with the experiment. */
  client(seeds: readonly Target[], options: ClusterOptions = {}): Cluster {
    const cluster = new Cluster([...seeds], options);
    // Whoever waits for a call gets its error; the experiment breaks nodes on purpose.
    cluster.on('error', () => undefined);
    this.onEnd(() => cluster.disconnect());
    return cluster;
  }

  /** Runs when the experiment is over, however it ended; the last one first. At once when it is over already. */
  onEnd(cleanup: () => unknown): void {
    if (this.#closed) void cleanup();
    else this.#cleanups.push(cleanup);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const client of this.#clients.values()) client.disconnect();
    for (const cleanup of this.#cleanups.reverse()) await cleanup();
  }

  #client({ host, port }: Target): Redis {
    let client = this.#clients.get(port);
    if (client === undefined || client.status === 'end') {
      client = new Redis({ host, port, retryStrategy: () => null, commandTimeout: 5000 });
      client.on('error', () => undefined);
      this.#clients.set(port, client);
    }
    return client;
  }

  /** An experiment that was interrupted says no more. */
  #line(text: string): void {
    if (!this.#closed) this.#options.line(text);
  }

  async #read(text: string): Promise<void> {
    const { reader = false, signal } = this.#options;
    const { least, most, character } = readingMs;
    const ms = Math.min(most, least + text.length * character);
    if (reader) await sleep(ms, undefined, { signal }).catch(() => undefined);
  }
}

function* fold(text: string, width: number): Generator<string> {
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length >= width) {
      yield line;
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  yield line;
}

/** A reply in the notation of redis-cli, long ones cut. */
function shown(reply: unknown): string[] {
  const text = printed(reply).split('\n');
  return text.length > 12 ? [...text.slice(0, 12), `... ${text.length - 12} more lines`] : text;
}

function printed(reply: unknown): string {
  if (reply instanceof Error) return `(error) ${reply.message}`;
  if (reply === null) return '(nil)';
  if (typeof reply === 'number') return `(integer) ${reply}`;
  if (Array.isArray(reply)) return reply.map((item, at) => `${at + 1}) ${printed(item)}`).join('\n') || '(empty array)';
  return String(reply).trimEnd();
}

/** A line of CLUSTER NODES as the experiments read it. */
export interface NodeView {
  readonly id: string;
  readonly flags: readonly string[];
  readonly master: string;
  readonly epoch: number;
  readonly line: string;
}

/** What a node says of its cluster. */
export async function viewOf(lab: Lab, node: Target): Promise<NodeView[]> {
  const text = await lab.quiet(node, 'CLUSTER', 'NODES');
  if (text instanceof Error) throw text;
  return String(text)
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [id = '', , flags = '', master = '', , , epoch = ''] = line.split(' ');
      return { id, flags: flags.split(','), master, epoch: Number(epoch), line };
    });
}

/** A number of CLUSTER INFO; 0 where the node does not name it. */
export async function infoOf(lab: Lab, node: Target, field: string): Promise<number> {
  return Number(new RegExp(`${field}:(\\d+)`).exec(String(await lab.quiet(node, 'CLUSTER', 'INFO')))?.[1] ?? 0);
}

/** A number with its unit, as text for people. */
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

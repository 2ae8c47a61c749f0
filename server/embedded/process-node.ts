// One node of a cluster as a process of its own: started, stopped in order or killed by a signal, started again.
// Owns the process. Invariant: at most one process at a time, and none that outlives the one that started it: ours end
// when their line to that one is cut, another server's when that one exits (or, killed by SIGKILL, never).

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from '../../lib/base/world.ts';
import { PeerLink } from '../../lib/connection/exchange.ts';
import { nodeProgram } from './node-program.ts';

export interface ProcessNodeOptions {
  readonly world: World;
  /** 40 hex digits; `''`: it has none yet. */
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** Where it keeps its data, its nodes.conf and its log. */
  readonly folder: string;
  /** Parameters by their redis.conf names. */
  readonly settings: Readonly<Record<string, string>>;
  /** Path of another server's program. Default: the bundled one. */
  readonly program?: string;
  /** Called when it ends although nobody stopped it. */
  readonly onEnded?: (node: ProcessNode, how: string) => void;
}

const stopMs = 10_000;
const startMs = 20_000;
const pollMs = 10;
/** Servers that would not notice that this process has ended. */
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** One node of a ProcessCluster: a process to be killed, frozen and started again. */
export class ProcessNode {
  readonly host: string;
  readonly port: number;
  readonly folder: string;
  readonly #options: ProcessNodeOptions;
  #child: ChildProcess | undefined;
  #id: string;
  #stopping = false;
  #paused = false;
  /** Where in its log the lines of this start begin. */
  #logStart = 0;

  constructor(options: ProcessNodeOptions) {
    this.#options = options;
    this.#id = options.id;
    this.host = options.host;
    this.port = options.port;
    this.folder = options.folder;
  }

  /** 40 hex digits. */
  get id(): string {
    return this.#id;
  }

  /** Takes note of the id that a node without a configuration has given itself. */
  learnId(id: string): void {
    this.#id = id;
  }

  /** Of the process, the last one when it does not run; -1 before the first. */
  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves when it serves; rejects with the last line of its log. Does nothing when it runs. */
  async start(): Promise<void> {
    if (this.running) return;
    this.#stopping = false;
    this.#paused = false;
    const { settings, onEnded, program } = this.#options;
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    const log = openSync(join(this.folder, 'log'), 'a');
    this.#logStart = fstatSync(log).size;
    const child =
      program === undefined
        ? spawn(process.execPath, [nodeProgram(import.meta.url), 'server', ...args], {
            stdio: ['ignore', log, log, 'ipc'],
          })
        : spawn(program, args, { cwd: this.folder, stdio: ['ignore', log, log] });
    closeSync(log);
    if (program !== undefined) keep(child);
    this.#child = child;
    await this.#untilUp(child);
    child.once('exit', (code, signal) => {
      if (!this.#stopping) onEnded?.(this, signal === null ? `ended with code ${code}` : `was ended by ${signal}`);
    });
  }

  /** Sends it a signal and resolves when it is gone. What it had not written to the disk is lost with SIGKILL. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#end(signal);
  }

  /** Stops it in order, after ten seconds by force. */
  async stop(): Promise<void> {
    const timer = this.#options.world.after(stopMs, () => this.#child?.kill('SIGKILL'), true);
    await this.#end('SIGTERM');
    timer.cancel();
  }

  /** Kills it if needed, then starts it again at the same address, with what it has on the disk. */
  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** SIGSTOP: sockets stay open, nothing is answered. */
  pause(): void {
    if (this.running) this.#paused = this.#child!.kill('SIGSTOP');
  }

  /** Whether it is paused. */
  get paused(): boolean {
    return this.#paused && this.running;
  }

  resume(): void {
    this.#paused = false;
    this.#child?.kill('SIGCONT');
  }

  #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.running) return Promise.resolve();
    this.#stopping = true;
    return new Promise((done) => {
      child.once('exit', () => done());
      child.kill(signal);
      // A stopped process would not react to any other signal.
      if (signal !== 'SIGKILL') child.kill('SIGCONT');
    });
  }

  #untilUp(child: ChildProcess): Promise<void> {
    return new Promise((ready, fail) => {
      let over = false;
      const done = (): void => {
        timer.cancel();
        over = true;
        ready();
      };
      const end = (why: string): void => {
        timer.cancel();
        over = true;
        fail(new Error(`the node at port ${this.port}: ${this.#lastWords()} (${why})`));
      };
      const timer = this.#options.world.after(startMs, () => end(`not up within ${startMs} ms`), true);
      child.once('error', (error) => end(error.message));
      child.once('exit', (code) => end(`exit code ${code}`));
      if (this.#options.program === undefined) child.once('message', done);
      else void this.#untilAnswers(() => over).then(done);
    });
  }

  /** Resolves once it answers anything but LOADING, or nobody waits any more. */
  async #untilAnswers(over: () => boolean): Promise<void> {
    const { world } = this.#options;
    while (!over()) {
      const link = new PeerLink(this.host, this.port, world);
      const [reply] = await link.exchange([['PING']], startMs).catch(() => [undefined]);
      link.close();
      if (reply !== undefined && !String(reply).includes('LOADING')) return;
      await new Promise<void>((resolve) => void world.after(pollMs, resolve, true));
    }
  }

  /** What it said of its failure since it was started: the first error, or its last line. */
  #lastWords(): string {
    try {
      const said = readFileSync(join(this.folder, 'log')).subarray(this.#logStart).toString().trimEnd().split('\n');
      return said.find((line) => /^\w*Error\b/.test(line)) ?? said.at(-1)!;
    } catch {
      return 'it said nothing';
    }
  }
}

function keep(child: ChildProcess): void {
  children.add(child);
  child.once('exit', () => children.delete(child));
  child.once('error', () => children.delete(child));
}

// A process of our own and questions to it over IPC: the parent's side and the child's. A child whose parent is gone
// leaves by itself.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

interface Question {
  readonly id: number;
  readonly name: string;
  readonly value: unknown;
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

export type Handlers = Record<string, (value: never) => unknown>;

/** The child's side: answers questions with what the handler of that name returns. */
export function serve(handlers: Handlers): void {
  process.on('disconnect', () => process.exit(0));
  process.on('message', (question: Question) => {
    answerTo(handlers, question).then(
      (answer) => process.send?.(answer),
      () => process.exit(1),
    );
  });
}

async function answerTo(handlers: Handlers, { id, name, value }: Question): Promise<Answer> {
  try {
    const handler = handlers[name];
    if (handler === undefined) throw new Error(`no handler "${name}"`);
    return { id, value: await handler(value as never) };
  } catch (error) {
    return { id, error: (error as Error).stack ?? String(error) };
  }
}

/** The parent's side. */
export class Child {
  readonly #process: ChildProcess;
  readonly #title: string;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  readonly #gone: Promise<void>;
  #next = 1;

  /** Runs `module` (a URL) under `prefix` (a taskset, or nothing) with node's `flags`. */
  constructor(module: string, prefix: readonly string[], title: string, flags: readonly string[] = []) {
    const words = [...prefix, process.execPath, ...flags, fileURLToPath(module)];
    this.#title = title;
    this.#process = spawn(words[0]!, words.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#process.on('message', (answer: Answer) => this.#answered(answer));
    this.#gone = new Promise((resolve) => {
      const gone = (reason: string): void => {
        for (const { reject } of this.#waiting.values()) reject(new Error(`${title}: ${reason}`));
        this.#waiting.clear();
        resolve();
      };
      this.#process.once('exit', (code, signal) => gone(`left with ${code ?? signal}`));
      this.#process.once('error', (error) => gone(error.message));
    });
  }

  ask<T>(name: string, value?: unknown): Promise<T> {
    const id = this.#next++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#process.send({ id, name, value } satisfies Question, (error) => {
        if (error !== null && this.#waiting.delete(id)) reject(error);
      });
    });
  }

  /** Lets it go, and kills it (by pid) when it has not left within two seconds. */
  async close(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect();
    const kill = setTimeout(() => this.#process.kill('SIGKILL'), 2000);
    await this.#gone;
    clearTimeout(kill);
  }

  #answered({ id, value, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    if (error === undefined) waiting.resolve(value);
    else waiting.reject(new Error(`${this.#title}: ${error}`));
  }
}

/** Node's flags for a measured client; BENCH_NODE_FLAGS="--cpu-prof ..." adds to them. */
export function clientFlags(): string[] {
  return ['--expose-gc', ...(process.env['BENCH_NODE_FLAGS'] ?? '').split(/\s+/).filter((flag) => flag !== '')];
}

// Saves written by a process of their own, which operators see, limit and kill as redis-server's forked children.
// Owns: the child of the save under way.
// Does not know: what the bytes are, who wants them; the walk over the data stays in the node's process.
// Invariant: a save counts as done only when the child has exited with 0; of any other end no file is left.

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { RdbPiece } from '../persistence/rdb/file-writer.ts';
import { endFrame, pieceHeader } from '../persistence/saver/frames.ts';
import { placeFile, temporaryOf } from '../persistence/saver/place.ts';
import {
  type SaveEnd,
  type SaveOrder,
  type Saver,
  type SaveWriter,
  SpawnError,
  unwantedSignal,
} from '../persistence/saver/saver.ts';
import { printOrder, streamDescriptor, unwantedCode } from './save-order.ts';

export interface ChildSaverOptions {
  /** The path of the child's program. */
  readonly program: string;
  /** As ChildOrder; asked when a child is started. */
  readonly log: () => string;
  readonly score: () => number | undefined;
  /** Default that of node:child_process. */
  readonly spawn?: (command: string, args: readonly string[], options: SpawnOptions) => ChildProcess;
}

/** Where the child's program lies: beside the code at `from`, compiled one by one or as the package has it. */
export function saverProgram(from: string): string {
  const places = ['./saver-child.js', './cli-saver.cjs'].map((path) => fileURLToPath(new URL(path, from)));
  return places.find((path) => existsSync(path)) ?? places[0]!;
}

export class ChildSaver implements Saver {
  readonly #options: ChildSaverOptions;

  constructor(options: ChildSaverOptions) {
    this.#options = options;
  }

  begin(order: SaveOrder): SaveWriter {
    return new ChildWriter(order, this.#start(order));
  }

  #start({ kind, rdb, checksum, target }: SaveOrder): ChildProcess {
    const { program, log, score, spawn: start = spawn } = this.#options;
    const file = typeof target === 'function' ? undefined : target;
    const argument = printOrder({ kind, rdb, checksum, file, log: log(), score: score() });
    // What is set for the node (an inspector, say) is not meant for its children.
    const { NODE_OPTIONS: _, ...env } = process.env;
    let child: ChildProcess;
    try {
      child = start(process.execPath, [program, argument], {
        stdio: ['pipe', 'inherit', 'inherit', ...(file === undefined ? (['pipe'] as const) : [])],
        env,
        // Ctrl-C in a terminal is for the node, which knows what its child is worth.
        detached: true,
      });
    } catch (error) {
      throw new SpawnError(Promise.resolve(error as Error));
    }
    if (child.pid === undefined) throw new SpawnError(new Promise((resolve) => child.once('error', resolve)));
    if (file !== undefined) show(temporaryOf(file, child.pid));
    return child;
  }
}

/** The file is there from the first moment; that it cannot be is for the child to say. */
function show(path: string): void {
  try {
    closeSync(openSync(path, 'w'));
  } catch {
    // It will find the same.
  }
}

class ChildWriter implements SaveWriter {
  readonly pid: number;
  readonly ended: Promise<SaveEnd>;
  readonly #order: SaveOrder;
  readonly #child: ChildProcess;
  readonly #input: Socket;
  readonly #temporary: string | undefined;
  /** Killed on purpose. */
  #unwanted = false;
  #over = false;

  constructor(order: SaveOrder, child: ChildProcess) {
    this.#order = order;
    this.#child = child;
    this.pid = child.pid!;
    this.#temporary = typeof order.target === 'function' ? undefined : temporaryOf(order.target, this.pid);
    this.#input = child.stdin as Socket;
    // How the child ends says it all.
    this.#input.on('error', () => undefined);
    child.on('error', () => undefined);
    const exit = new Promise<SaveEnd>((resolve) => {
      child.once('exit', (code, signal) => resolve(this.#endOf(code, signal)));
    });
    const taken = this.#relay();
    this.ended = exit.then((end) => this.#settle(end, taken));
  }

  write(piece: RdbPiece): Promise<void> | undefined {
    if (this.#over) return undefined;
    const input = this.#input;
    const header = pieceHeader(piece);
    input.cork();
    input.write(header);
    const free = input.write(piece.bytes);
    input.uncork();
    if (free && !input.writableNeedDrain) return undefined;
    return new Promise((resolve) => {
      const done = (): void => {
        input.off('drain', done);
        input.off('close', done);
        resolve();
      };
      input.on('drain', done);
      input.on('close', done);
      if (input.destroyed) done();
    });
  }

  finish(): void {
    if (!this.#over) this.#input.end(endFrame);
  }

  kill(): void {
    if (this.#over) return;
    this.#unwanted = true;
    // A child that is stopped has to end as well.
    this.#child.kill('SIGKILL');
    // Who sees the node go must not see the file any more.
    if (this.#temporary !== undefined) rmSync(this.#temporary, { force: true });
  }

  #endOf(code: number | null, signal: NodeJS.Signals | null): SaveEnd {
    this.#over = true;
    this.#input.destroy();
    if (this.#unwanted || code === unwantedCode) return { how: 'killed', signal: unwantedSignal };
    if (signal !== null) return { how: 'killed', signal: constants.signals[signal] };
    return code === 0 ? { how: 'done' } : { how: 'failed' };
  }

  async #settle(end: SaveEnd, taken: Promise<void>): Promise<SaveEnd> {
    const { target } = this.#order;
    const temporary = this.#temporary;
    if (typeof target === 'function' || temporary === undefined) {
      const stream = this.#stream;
      if (end.how === 'done') await taken;
      else stream?.destroy();
      return end;
    }
    if (end.how === 'done') {
      return placeFile(temporary, target.path).then(
        () => end,
        (error: unknown) => ({ how: 'failed', error: error as Error }),
      );
    }
    await rm(temporary, { force: true }).catch(() => undefined);
    return end;
  }

  get #stream(): Socket | undefined {
    return (this.#child.stdio[streamDescriptor] ?? undefined) as Socket | undefined;
  }

  /** Hands on what the child gives back; resolves when all of it was taken. */
  async #relay(): Promise<void> {
    const { target } = this.#order;
    const stream = this.#stream;
    if (typeof target !== 'function' || stream === undefined) return;
    try {
      for await (const bytes of stream) await target(bytes as Buffer);
    } catch {
      // The stream was given up.
    }
  }
}

// How the bytes of a save get to the disk or to replicas while the node goes on: the port, which a child process and
// the node's own process implement, and the save that walks over the content and hands its pieces to one of them.
// Owns: the one save of a node that may be under way.
// Does not know: who wants a save, what its failure means, what the bytes are.
// Invariant: at most one save is under way, its content is released once, and what waits between two pieces is bounded
// by what the writer takes: a writer that stands still makes the walk stand still.

import { nextTurn, setImmediate } from '../../../lib/base/turns.ts';
import type { World } from '../../../lib/base/world.ts';
import { systemText } from '../disk/system-text.ts';
import type { ContentProgress, RdbContent } from '../rdb/file.ts';
import type { RdbPiece } from '../rdb/file-writer.ts';

/** A file that appears whole or not at all. It is written under the name `before` + process id + `after`. */
export interface FileTarget {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

export interface SaveOrder {
  /** What the process of a save is called; a file of commands has no checksum. */
  readonly kind: 'rdb' | 'aof' | 'copy';
  /** An RDB file, to whose end its checksum belongs; else bytes as they are. */
  readonly rdb: boolean;
  /** False: zeros in the checksum's place. */
  readonly checksum: boolean;
  /** A file; or who takes the bytes, and has the writer wait while the promise is open. */
  readonly target: FileTarget | ((bytes: Buffer) => Promise<void> | undefined);
}

/** How a save ended. `failed` without an error: the log says why. */
export type SaveEnd =
  | { readonly how: 'done' }
  | { readonly how: 'failed'; readonly error?: Error | undefined }
  | { readonly how: 'killed'; readonly signal: number };

/** As if by this signal (SIGUSR1) a save is ended that is not wanted any more. */
export const unwantedSignal = 10;

/** Writes one save. */
export interface SaveWriter {
  /** Of the process that writes. */
  readonly pid: number;
  /** Never rejects. Not before the file is in its place, or what was written of it is gone. */
  readonly ended: Promise<SaveEnd>;
  /** A promise is waited for before the next piece; it resolves when the writer has ended, too. */
  write(piece: RdbPiece): Promise<void> | undefined;
  /** There are no more pieces. */
  finish(): void;
  /** Ends it at once, with nothing written. */
  kill(): void;
}

/** No process could be started. */
export class SpawnError extends Error {
  override readonly name = 'SpawnError';
  /** What the system says, which comes a moment later. */
  readonly reason: Promise<Error>;

  constructor(reason: Promise<Error>) {
    super('no process could be started');
    this.reason = reason;
  }
}

/** Logs why a save could not be begun, as redis-server says it of its fork. `what`: what cannot be done. */
export function noteSpawnFailure(world: World, what: string, error: unknown): void {
  const log = (why: Error): void => world.log(`${what}: fork: ${systemText(why)}`);
  if (error instanceof SpawnError) void error.reason.then(log);
  else log(error as Error);
}

export interface Saver {
  /** Throws a SpawnError when no save can be begun. */
  begin(order: SaveOrder): SaveWriter;
}

/** How quickly the pieces are handed over. */
interface WritePace {
  /** Called between two pieces; a promise is waited for. Its delays end with `signal`. */
  pause?(signal: AbortSignal): Promise<void> | undefined;
}

export interface SaveRequest extends SaveOrder {
  readonly content: RdbContent;
  readonly pieces: Iterable<RdbPiece>;
  readonly pace?: WritePace | undefined;
}

export class RunningSave {
  readonly kind: SaveOrder['kind'];
  readonly pid: number;
  readonly ended: Promise<SaveEnd>;
  readonly progress: ContentProgress | undefined;
  readonly #writer: SaveWriter;
  readonly #over = new AbortController();
  #error: Error | undefined;

  constructor(request: SaveRequest, writer: SaveWriter) {
    this.kind = request.kind;
    this.pid = writer.pid;
    this.progress = request.content.progress;
    this.#writer = writer;
    this.ended = writer.ended.then((end) => {
      this.#over.abort();
      return this.#error === undefined ? end : { how: 'failed', error: this.#error };
    });
    void this.#walk(request);
  }

  /** Ends it as unwanted. */
  kill(): void {
    this.#over.abort();
    this.#writer.kill();
  }

  async #walk({ pieces, pace }: SaveRequest): Promise<void> {
    const { signal } = this.#over;
    // Whoever has begun it has the first word to those who get the bytes.
    await nextTurn();
    try {
      for (const piece of pieces) {
        await this.#writer.write(piece);
        await nextTurn();
        await pace?.pause?.(signal);
        if (signal.aborted) return;
      }
      this.#writer.finish();
    } catch (error) {
      // A value that cannot be written.
      this.#error = error as Error;
      this.#writer.kill();
    }
  }
}

/** What the last saves kept of values that changed while they were written: estimated bytes. */
interface LastKept {
  rdb: number;
  aof: number;
}

export class BackgroundSaves {
  readonly lastKept: LastKept = { rdb: 0, aof: 0 };
  readonly #saver: Saver;
  #running: RunningSave | undefined;
  readonly #onFree: (() => void)[] = [];

  constructor(saver: Saver) {
    this.#saver = saver;
  }

  get running(): RunningSave | undefined {
    return this.#running;
  }

  /** `run` is called whenever a save has ended, after those who wait for its end. */
  onFree(run: () => void): void {
    this.#onFree.push(run);
  }

  /** Begins one; none may be under way. Releases the content at the end, also when it throws as Saver.begin does. */
  begin(request: SaveRequest): RunningSave {
    if (this.#running !== undefined) throw new Error('a save is under way');
    let writer: SaveWriter;
    try {
      writer = this.#saver.begin(request);
    } catch (error) {
      request.content.release?.();
      throw error;
    }
    const save = new RunningSave(request, writer);
    this.#running = save;
    void save.ended.then((end) => this.#onEnded(request, end));
    return save;
  }

  #onEnded({ content, kind }: SaveRequest, end: SaveEnd): void {
    if (end.how === 'done') this.lastKept[kind === 'aof' ? 'aof' : 'rdb'] = content.progress?.kept ?? 0;
    this.#running = undefined;
    content.release?.();
    setImmediate(() => {
      for (const run of this.#onFree) if (this.#running === undefined) run();
    });
  }
}

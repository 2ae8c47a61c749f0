// Saves written by the node's own process: for nodes that share a process with others or with an application.
// Knows files; the order and the pieces come from outside.

import { type FileHandle, open, rm } from 'node:fs/promises';
import { RunningChecksum } from '../rdb/file-checksum.ts';
import type { RdbPiece } from '../rdb/file-writer.ts';
import { packStrings } from '../rdb/string.ts';
import { placeFile, temporaryOf } from './place.ts';
import { type FileTarget, type SaveEnd, type SaveOrder, type Saver, type SaveWriter, unwantedSignal } from './saver.ts';

export class InProcessSaver implements Saver {
  begin(order: SaveOrder): SaveWriter {
    return new InProcessWriter(order);
  }
}

class InProcessWriter implements SaveWriter {
  readonly pid: number = process.pid;
  readonly ended: Promise<SaveEnd>;
  readonly #order: SaveOrder;
  readonly #sum: RunningChecksum;
  readonly #file: OutputFile | undefined;
  #end!: (end: SaveEnd) => void;
  #over = false;

  constructor(order: SaveOrder) {
    this.#order = order;
    this.#sum = new RunningChecksum(order.rdb && order.checksum);
    this.#file = typeof order.target === 'function' ? undefined : new OutputFile(order.target);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  write(piece: RdbPiece): Promise<void> | undefined {
    if (this.#over) return undefined;
    const bytes = packStrings(piece.bytes, piece.strings);
    this.#sum.update(bytes);
    return this.#put(bytes);
  }

  finish(): void {
    if (this.#over) return;
    void this.#close();
  }

  kill(): void {
    this.#settle({ how: 'killed', signal: unwantedSignal });
  }

  #put(bytes: Buffer): Promise<void> | undefined {
    const { target } = this.#order;
    if (typeof target === 'function') return target(bytes);
    return this.#file!.write(bytes).catch((error: unknown) => this.#settle({ how: 'failed', error: error as Error }));
  }

  async #close(): Promise<void> {
    if (this.#order.rdb) await this.#put(this.#sum.value);
    if (this.#over) return;
    if (this.#file === undefined) {
      this.#settle({ how: 'done' });
      return;
    }
    try {
      await this.#file.sync();
      if (this.#over) return;
      this.#over = true;
      await this.#file.place();
      this.#end({ how: 'done' });
    } catch (error) {
      this.#over = false;
      this.#settle({ how: 'failed', error: error as Error });
    }
  }

  #settle(end: SaveEnd): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#file === undefined) this.#end(end);
    else void this.#file.discard().then(() => this.#end(end));
  }
}

/** The file beside its place. One thing is done at a time, in the order of the calls. */
class OutputFile {
  readonly #target: FileTarget;
  readonly #temporary: string;
  readonly #file: Promise<FileHandle>;
  #last: Promise<unknown>;

  constructor(target: FileTarget) {
    this.#target = target;
    this.#temporary = temporaryOf(target, process.pid);
    this.#file = open(this.#temporary, 'w');
    this.#last = this.#file.catch(() => undefined);
  }

  write(bytes: Buffer): Promise<void> {
    return this.#then((file) => file.writeFile(bytes));
  }

  sync(): Promise<void> {
    return this.#then(async (file) => {
      await file.sync();
      await file.close();
    });
  }

  place(): Promise<void> {
    return placeFile(this.#temporary, this.#target.path);
  }

  async discard(): Promise<void> {
    await this.#then((file) => file.close()).catch(() => undefined);
    await rm(this.#temporary, { force: true }).catch(() => undefined);
  }

  #then(run: (file: FileHandle) => Promise<void>): Promise<void> {
    const done = this.#last.then(async () => run(await this.#file));
    this.#last = done.catch(() => undefined);
    return done;
  }
}

// Copies of all data for replicas that cannot go on from where they are: one copy for all that wait, sent piece by piece
// as they take it. Without `capa eof` its length must be sent first: then it is written twice, once to be measured,
// for that takes neither memory nor a disk.
// Invariant: a copy shows the data at one offset, and its replicas are fed every byte of the stream after that one.

import { setImmediate } from '../../lib/base/turns.ts';
import { progress, type Timer, type World } from '../../lib/base/world.ts';
import type { SavePace } from '../engine/save-pace.ts';
import type { RdbContent } from '../persistence/rdb/file.ts';
import { writeRdb } from '../persistence/rdb/file-writer.ts';
import type { AttachedReplica } from './attached-replica.ts';

/** All data as it is at `offset` of the stream `id`. */
export interface Copy {
  readonly id: string;
  readonly offset: number;
  readonly content: RdbContent;
}

/** When copies are made, and how. */
export interface FullSyncSettings {
  /** Copies may be sent before their length is known. */
  readonly diskless: boolean;
  /** Milliseconds to wait for more replicas that want such a copy. */
  readonly disklessDelayMs: number;
  /** Waits no longer once there are so many; 0: any number. */
  readonly disklessEnough: number;
}

/** The master whose data is copied. */
export interface CopySource {
  readonly world: World;
  readonly settings: FullSyncSettings;
  /** The data now; what is written to the stream afterwards is fed to the replicas that are no longer `waiting`. */
  capture(functionsOnly: boolean): Copy;
  /** How quickly a copy is written; undefined: as quickly as it is taken. */
  pace(signal: AbortSignal): SavePace | undefined;
}

const markLength = 40;

export class FullSync {
  readonly #source: CopySource;
  #waiting: AttachedReplica[] = [];
  #timer: Timer | undefined;
  #scheduled = false;
  #busy = false;
  /** Copies begun. */
  begun = 0;

  constructor(source: CopySource) {
    this.#source = source;
  }

  /** A copy is being written. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Takes in a replica that is `waiting`. */
  add(replica: AttachedReplica): void {
    this.#waiting.push(replica);
    this.#schedule();
  }

  close(): void {
    this.#timer?.cancel();
    this.#waiting = [];
  }

  #schedule(): void {
    if (this.#busy || this.#scheduled || this.#waiting.length === 0) return;
    const { world, settings } = this.#source;
    const { disklessDelayMs: delayMs, disklessEnough: enough } = settings;
    const patient = delayMs > 0 && this.#waiting.every((replica) => this.#withMark(replica));
    if (patient && (enough === 0 || this.#waiting.length < enough)) {
      if (this.#timer === undefined) progress(world, 'Delay next BGSAVE for diskless SYNC');
      this.#timer ??= world.after(delayMs, () => {
        this.#timer = undefined;
        this.#start();
      });
      return;
    }
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#start();
    });
  }

  #withMark(replica: AttachedReplica): boolean {
    return this.#source.settings.diskless && replica.facts.eof;
  }

  #start(): void {
    const open = this.#waiting.filter((replica) => !replica.closed);
    const first = open[0];
    if (first === undefined) {
      this.#waiting = [];
      return;
    }
    const alike = (replica: AttachedReplica): boolean =>
      this.#withMark(replica) === this.#withMark(first) && replica.facts.functionsOnly === first.facts.functionsOnly;
    const group = open.filter(alike);
    this.#waiting = open.filter((replica) => !alike(replica));
    this.#busy = true;
    this.begun++;
    void this.#serve(group, this.#withMark(first))
      .catch((error: unknown) => {
        // A value that cannot be written, say: these replicas will ask again, and the log says why.
        this.#source.world.log(`a copy for replicas failed: ${error instanceof Error ? error.stack : String(error)}`);
        for (const replica of group) replica.close();
      })
      .finally(() => {
        this.#busy = false;
        this.#schedule();
      });
  }

  async #serve(group: readonly AttachedReplica[], withMark: boolean): Promise<void> {
    const copy = this.#source.capture(group[0]!.facts.functionsOnly);
    try {
      await this.#give(copy, group, withMark);
    } finally {
      copy.content.release?.();
    }
  }

  async #give({ id, offset, content }: Copy, group: readonly AttachedReplica[], withMark: boolean): Promise<void> {
    for (const replica of group) {
      replica.stage = 'preparing';
      if (replica.facts.psync) replica.send(`+FULLRESYNC ${id} ${offset}\r\n`);
    }
    const { world } = this.#source;
    progress(world, `Starting BGSAVE for SYNC with target: ${withMark ? 'replicas sockets' : 'disk'}`);
    progress(world, `Background RDB transfer started by pid ${process.pid}`);
    const mark = withMark ? this.#newMark() : '';
    const length = withMark ? 0 : await this.#measure(content, group);
    for (const replica of group) {
      replica.stage = 'copying';
      replica.heardAt = this.#source.world.now();
      replica.send(withMark ? `$EOF:${mark}\r\n` : `$${length}\r\n`);
    }
    await this.#write(content, group);
    const left = group.filter(({ closed }) => !closed).length;
    if (left === 0) {
      progress(world, 'Diskless rdb transfer, last replica dropped, killing fork child.');
      return;
    }
    progress(world, `Diskless rdb transfer, done reading from pipe, ${left} replicas still up.`);
    progress(world, 'Background RDB transfer terminated with success');
    for (const replica of group) {
      progress(world, `Streamed replica with replica ${replica.facts.host}:${replica.facts.port} succeeded`);
      if (withMark) replica.send(mark);
      // The end of a marked copy is known by its last bytes, so nothing may follow until the replica says that it has it.
      if (withMark) replica.stage = 'awaiting-ack';
      else replica.goOnline();
    }
  }

  async #measure(content: RdbContent, group: readonly AttachedReplica[]): Promise<number> {
    let length = 0;
    for (const chunk of writeRdb(content)) {
      length += chunk.length;
      await turn();
      if (group.every(({ closed }) => closed)) break;
    }
    return length;
  }

  async #write(content: RdbContent, group: readonly AttachedReplica[]): Promise<void> {
    const abort = new AbortController();
    const pace = this.#source.pace(abort.signal);
    const over = (): boolean => group.every(({ closed }) => closed);
    for (const replica of group) replica.whenClosed(() => over() && abort.abort());
    for (const chunk of writeRdb(content, pace?.chunkBytes === undefined ? {} : { chunkBytes: pace.chunkBytes })) {
      for (const replica of group) replica.send(chunk);
      await Promise.all(group.map((replica) => replica.writable()));
      await turn();
      await pace?.pause?.();
      if (over()) break;
    }
  }

  #newMark(): string {
    let mark = '';
    while (mark.length < markLength) mark += Math.floor(this.#source.world.random() * 16).toString(16);
    return mark;
  }
}

/** Lets other work go on between two pieces. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

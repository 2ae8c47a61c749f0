// Copies of all data for replicas that cannot go on from where they are: one copy for all that wait. A copy is streamed
// as it is made and ends with a mark; without `capa eof` or with `repl-diskless-sync no` its length must be sent first:
// then it is a snapshot on the disk, whose file is sent. A node without a disk writes it twice, once to be measured,
// for that takes neither memory nor a disk.
// Invariant: a copy shows the data at one offset, and its replicas are fed every byte of the stream after that one.

import { nextTurn, setImmediate } from '../../lib/base/turns.ts';
import { progress, type Timer, type World } from '../../lib/base/world.ts';
import type { SavePace } from '../engine/save-pace.ts';
import { systemText } from '../persistence/disk/system-text.ts';
import type { RdbContent } from '../persistence/rdb/file.ts';
import { rdbPieces, writeRdb } from '../persistence/rdb/file-writer.ts';
import {
  type BackgroundSaves,
  noteSpawnFailure,
  type RunningSave,
  type SaveEnd,
  unwantedSignal,
} from '../persistence/saver/saver.ts';
import type { AttachedReplica } from './attached-replica.ts';
import { sendFile } from './copy-file.ts';

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
  /** Copies carry a checksum, and their strings are packed. */
  readonly checksum: boolean;
  readonly compress: boolean;
}

/** Snapshots on the disk, of a node that has one. */
export interface DiskCopies {
  /** The file of snapshots. */
  readonly path: string;
  /** A snapshot is of use though no replica waits for it any more. */
  readonly wantedAnyway: boolean;
  /** Begins to write the file; undefined: that failed, and the log says why. */
  begin(content: RdbContent): RunningSave | undefined;
}

/** The master whose data is copied. */
export interface CopySource {
  readonly world: World;
  readonly settings: FullSyncSettings;
  /** All saves of the node: one at a time. */
  readonly saves: BackgroundSaves;
  readonly disk: DiskCopies | undefined;
  /** Bytes of the stream so far. */
  readonly offset: number;
  /** False: a script is half done; goOn() is called when it is over. */
  readonly mayCapture: boolean;
  /** The data now; what is written to the stream afterwards is fed to the replicas that are no longer `waiting`. */
  capture(functionsOnly: boolean): Copy;
  /** How quickly a copy is written; undefined: as quickly as it is taken. */
  pace(): SavePace | undefined;
}

type Group = AttachedReplica[];

const markLength = 40;
const refusal = "-ERR BGSAVE failed, replication can't continue\r\n";

export class FullSync {
  readonly #source: CopySource;
  #waiting: Group = [];
  #timer: Timer | undefined;
  /** When the first of those that wait has waited long enough for others; milliseconds. */
  #dueAt: number | undefined;
  #scheduled = false;
  #busy = false;
  /** The snapshot on the disk that is made for replicas. */
  #onDisk: { readonly copy: Copy; readonly group: Group } | undefined;
  /** Copies begun. */
  begun = 0;

  constructor(source: CopySource) {
    this.#source = source;
    source.saves.onFree(() => this.#schedule());
  }

  /** A copy is being written. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Takes in a replica that is `waiting`. */
  add(replica: AttachedReplica): void {
    const { running } = this.#source.saves;
    if (running?.kind === 'rdb' && this.#join(replica)) return;
    this.#waiting.push(replica);
    if (running !== undefined) progress(this.#source.world, whyLater[running.kind]);
    this.#schedule();
  }

  /** Begins what was kept back while nothing could be captured. */
  goOn(): void {
    this.#schedule();
  }

  close(): void {
    this.#timer?.cancel();
    this.#waiting = [];
  }

  /** The snapshot under way is good for one more, as long as the stream after it is kept for another. */
  #join(replica: AttachedReplica): boolean {
    if (this.#onDisk === undefined || this.#withMark(replica)) return false;
    const { copy, group } = this.#onDisk;
    const { facts } = replica;
    const alike = group.some(
      (other) => !other.closed && (!other.facts.copyOnly || facts.copyOnly) && (!other.facts.eof || facts.eof),
    );
    if (!alike || facts.functionsOnly) return false;
    this.#announce(copy, [replica]);
    group.push(replica);
    progress(this.#source.world, 'Waiting for end of BGSAVE for SYNC');
    this.#watch(replica);
    return true;
  }

  #schedule(): void {
    if (this.#busy || this.#scheduled || this.#waiting.length === 0) return;
    const { world, settings, saves } = this.#source;
    if (saves.running !== undefined) return;
    const { disklessDelayMs: delayMs, disklessEnough: enough } = settings;
    const patient = delayMs > 0 && this.#waiting.every((replica) => this.#withMark(replica));
    if (patient) this.#dueAt ??= world.now() + delayMs;
    const leftMs = patient ? this.#dueAt! - world.now() : 0;
    if (leftMs > 0 && (enough === 0 || this.#waiting.length < enough)) {
      if (this.#timer === undefined) progress(world, 'Delay next BGSAVE for diskless SYNC');
      this.#timer ??= world.after(leftMs, () => {
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
    // The snapshot on the disk is not to be replaced by a part of the data.
    return (this.#source.settings.diskless || replica.facts.functionsOnly) && replica.facts.eof;
  }

  #start(): void {
    if (this.#busy || this.#source.saves.running !== undefined || !this.#source.mayCapture) return;
    this.#dueAt = undefined;
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

  #serve(group: Group, withMark: boolean): Promise<void> {
    const { world, disk } = this.#source;
    progress(world, `Starting BGSAVE for SYNC with target: ${withMark ? 'replicas sockets' : 'disk'}`);
    const copy = this.#source.capture(group[0]!.facts.functionsOnly);
    if (withMark) return this.#stream(copy, group);
    return disk === undefined ? this.#measureAndSend(copy, group) : this.#saveAndSend(copy, group, disk);
  }

  #announce({ id, offset }: Copy, group: Group): void {
    for (const replica of group) {
      replica.prepare(offset, this.#source.offset);
      if (replica.facts.psync) replica.send(`+FULLRESYNC ${id} ${offset}\r\n`);
    }
  }

  #refuse(group: Group): void {
    this.begun--;
    this.#source.world.log('BGSAVE for replication failed');
    for (const replica of group) replica.dismiss(refusal);
  }

  // ---- streamed as it is made

  async #stream(copy: Copy, group: Group): Promise<void> {
    const { world } = this.#source;
    let save: RunningSave;
    try {
      save = this.#beginStream(copy, group);
    } catch (error) {
      noteSpawnFailure(world, "Can't save in background", error);
      this.#refuse(group);
      return;
    }
    this.#announce(copy, group);
    progress(world, `Background RDB transfer started by pid ${save.pid}`);
    const mark = this.#newMark();
    let ended = false;
    for (const replica of group) {
      replica.stage = 'copying';
      replica.streamed = true;
      replica.heardAt = world.now();
      replica.send(`$EOF:${mark}\r\n`);
      replica.whenClosed(() => {
        if (ended || !isOver(group)) return;
        progress(world, 'Diskless rdb transfer, last replica dropped, killing fork child.');
        save.kill();
      });
    }
    const end = await save.ended;
    ended = true;
    const left = group.filter(({ closed }) => !closed);
    if (end.how === 'done') {
      progress(world, `Diskless rdb transfer, done reading from pipe, ${left.length} replicas still up.`);
      progress(world, 'Background RDB transfer terminated with success');
      for (const replica of left) this.#endStream(replica, mark);
      return;
    }
    this.#noteEnd(end);
    for (const replica of left) this.#fail(replica);
  }

  #beginStream({ content }: Copy, group: Group): RunningSave {
    const { saves, settings } = this.#source;
    const pace = this.#source.pace();
    return saves.begin({
      kind: 'copy',
      rdb: true,
      checksum: settings.checksum,
      target: (bytes) => sendToAll(group, bytes),
      content,
      pieces: rdbPieces(content, settings.compress ? 'later' : 'never', pace?.chunkBytes),
      pace,
    });
  }

  #endStream(replica: AttachedReplica, mark: string): void {
    const name = `${replica.facts.host}:${replica.facts.port}`;
    progress(
      this.#source.world,
      `Streamed RDB transfer with replica ${name} succeeded (socket). Waiting for REPLCONF ACK from slave to enable streaming`,
    );
    replica.send(mark);
    // The end of a marked copy is known by its last bytes, so nothing may follow until the replica says that it has it.
    replica.stage = 'awaiting-ack';
  }

  #noteEnd(end: SaveEnd): void {
    const { world } = this.#source;
    if (end.how === 'killed') {
      const line = `Background transfer terminated by signal ${end.signal}`;
      if (end.signal === unwantedSignal) progress(world, line);
      else world.log(line);
    }
    if (end.how !== 'failed') return;
    if (end.error !== undefined) world.log(`a copy for replicas failed: ${end.error.stack}`);
    world.log('Background transfer error');
  }

  #fail(replica: AttachedReplica): void {
    this.#source.world.log('SYNC failed. BGSAVE child returned an error');
    replica.close();
  }

  // ---- by way of the disk

  async #saveAndSend(copy: Copy, group: Group, disk: DiskCopies): Promise<void> {
    // Where the next one goes may be set to something else meanwhile.
    const { path } = disk;
    const save = disk.begin(copy.content);
    if (save === undefined) {
      this.#refuse(group);
      return;
    }
    this.#announce(copy, group);
    this.#onDisk = { copy, group };
    for (const replica of group) this.#watch(replica);
    const end = await save.ended;
    this.#onDisk = undefined;
    const left = group.filter(({ closed }) => !closed);
    if (end.how === 'done') for (const replica of left) void this.#sendSaved(replica, path);
    else for (const replica of left) this.#fail(replica);
  }

  /** A snapshot that nobody waits for any more is given up, unless the node wants it for itself. */
  #watch(replica: AttachedReplica): void {
    replica.whenClosed(() => {
      const { disk, saves } = this.#source;
      if (this.#onDisk === undefined || disk?.wantedAnyway === true || !isOver(this.#onDisk.group)) return;
      saves.running?.kill();
    });
  }

  async #sendSaved(replica: AttachedReplica, path: string): Promise<void> {
    replica.heardAt = this.#source.world.now();
    try {
      await sendFile(replica, path);
    } catch (error) {
      this.#source.world.log(`SYNC failed. Can't open/stat DB after BGSAVE: ${systemText(error as Error)}`);
      replica.close();
    }
  }

  // ---- without a disk

  async #measureAndSend(copy: Copy, group: Group): Promise<void> {
    const { content } = copy;
    const { world } = this.#source;
    try {
      this.#announce(copy, group);
      progress(world, `Background RDB transfer started by pid ${process.pid}`);
      const length = await this.#measure(content, group);
      for (const replica of group) {
        replica.stage = 'copying';
        replica.heardAt = world.now();
        replica.send(`$${length}\r\n`);
      }
      await this.#write(content, group);
    } finally {
      content.release?.();
    }
    for (const replica of group) replica.goOnline();
  }

  async #measure(content: RdbContent, group: Group): Promise<number> {
    let length = 0;
    for (const chunk of writeRdb(content, this.#source.settings)) {
      length += chunk.length;
      await nextTurn();
      if (isOver(group)) break;
    }
    return length;
  }

  async #write(content: RdbContent, group: Group): Promise<void> {
    const abort = new AbortController();
    const pace = this.#source.pace();
    for (const replica of group) replica.whenClosed(() => isOver(group) && abort.abort());
    const { checksum, compress } = this.#source.settings;
    const chunkBytes = pace === undefined ? {} : { chunkBytes: pace.chunkBytes };
    for (const chunk of writeRdb(content, { checksum, compress, ...chunkBytes })) {
      await sendToAll(group, chunk);
      await nextTurn();
      await pace?.pause(abort.signal);
      if (isOver(group)) break;
    }
  }

  #newMark(): string {
    let mark = '';
    while (mark.length < markLength) mark += Math.floor(this.#source.world.random() * 16).toString(16);
    return mark;
  }
}

/** Why a replica does not get its copy now. */
const whyLater = {
  rdb: "Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC",
  copy: 'Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC',
  aof: 'No BGSAVE in progress, but another BG operation is active. BGSAVE for replication delayed',
} as const;

function isOver(group: Group): boolean {
  return group.every(({ closed }) => closed);
}

/** The promise, if any, is open until all of them take more. */
function sendToAll(group: Group, bytes: Buffer): Promise<void> | undefined {
  let full = false;
  for (const replica of group) if (!replica.send(bytes)) full = true;
  return full ? Promise.all(group.map((replica) => replica.writable())).then(() => undefined) : undefined;
}

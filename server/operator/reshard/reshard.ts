// Moves slots of a running cluster: several at once, in order of priority, at a rate, with progress, pause, cancel and
// recovery.
// Owns: the tasks and their journal.
// Does not know: how one slot moves (slot-task.ts), nor why it should (rebalance/).
// Invariant: a slot has at most one task that has not ended, and no slot is opened before its record is safe.

import type { Timer } from '../../../lib/base/world.ts';
import type { NodeLine } from '../../../lib/wire/cluster-nodes.ts';
import { slotCount } from '../../../lib/wire/slot.ts';
import { type ClusterLink, isMaster, isReachable } from '../link/cluster-link.ts';
import { presenceOf } from '../link/presence.ts';
import { SlotAssigner } from './assign-slots.ts';
import { canMoveAtomically } from './atomic.ts';
import { runJobs } from './atomic-jobs.ts';
import { closedSlots } from './closed-slots.ts';
import { tooFewDatabases } from './empty-slots.ts';
import { type Journal, MemoryJournal } from './journal.ts';
import { type MoveOrder, onItsWay, pairsOf, recordsFor, within } from './orders.ts';
import { type KeepThroughput, Pacer } from './pacer.ts';
import { MoveQueue } from './queue.ts';
import { endPhases, type MoveRecord, type MoveStatus, statusOf } from './record.ts';
import { SlotTask, StoppedError, type TaskHost, type TaskSettings } from './slot-task.ts';
import type { ThroughputDecision, ThroughputSummary } from './throughput-control.ts';

export interface MoveEngineOptions {
  /** Slots on their way at once. Default 16. */
  readonly concurrency?: number;
  /** Keys handed over in one exchange, 1 to 10,000. Default 64. */
  readonly batch?: number;
  /** Keys per second over all slots; 0, the default: no limit. */
  readonly keysPerSecond?: number;
  /** Bytes of memory (MEMORY USAGE) per second over all slots; 0, the default: no limit. */
  readonly bytesPerSecond?: number;
  /** Milliseconds that one exchange of keys may take. Default 5000. */
  readonly exchangeMs?: number;
  /** Milliseconds that one slot may take before it is rolled back; 0, the default: no limit. */
  readonly slotMs?: number;
  /** Times that a slot is taken up again when something breaks, without a key moved in between. Default 30. */
  readonly retries?: number;
  /** Milliseconds before it is, doubled each time up to 2000. Default 100. */
  readonly retryMs?: number;
  /**
   * `auto`: slots go by the servers' own migration (CLUSTER MIGRATESLOTS of Valkey 9) where both ends have it, they
   * have one database, and no rate and no time limit is set; `never`: key by key everywhere. Default `auto`.
   */
  readonly atomic?: 'auto' | 'never';
  /**
   * Share of their throughput that clients keep while slots move, 0.1 to 0.99: it is measured before and meanwhile, by
   * INFO, and keys, slots and pauses follow. `auto`: 0.9 where a master uses half of a core or more, and as fast as can
   * be elsewhere. Default `never`.
   */
  readonly keepThroughput?: KeepThroughput;
  /** Called with every decision about that, four times a second. */
  readonly onPace?: (decision: ThroughputDecision) => void;
  /** Called with every change of a move. */
  readonly onChange?: (status: MoveStatus) => void;
}

const saveEveryMs = 500;
const maxHistory = slotCount;

interface Entry {
  /** Its task runs, or ran. */
  started: boolean;
  readonly task: SlotTask;
  readonly done: Promise<MoveStatus>;
  readonly settle: (status: MoveStatus) => void;
  readonly fail: (error: Error) => void;
}

/** Moves slots between the nodes of any cluster: several at once, with limits, progress, pause, rollback and recovery. */
export class MoveEngine implements AsyncDisposable {
  readonly #link: ClusterLink;
  readonly #journal: Journal;
  readonly #host: TaskHost;
  readonly #pacer: Pacer;
  readonly #onChange: ((status: MoveStatus) => void) | undefined;
  /** By slot, in order of arrival; the last move of each slot, over or not. */
  readonly #entries = new Map<number, Entry>();
  readonly #queue = new MoveQueue<Entry>();
  readonly #presence: ReturnType<typeof presenceOf>;
  readonly #atomic: boolean;
  readonly #running = new Set<Promise<void>>();
  #paused = false;
  #filling: Timer | undefined;
  #closed = false;
  /** What the journal had is known: before that it must not be written over. */
  #loaded = false;
  #savedAt = 0;
  /** Something changed since the records were read for the last save. */
  #unsaved = false;
  #saving: Promise<void> = Promise.resolve();
  #recovered: Promise<void> | undefined;

  constructor(link: ClusterLink, options: MoveEngineOptions = {}, journal: Journal = new MemoryJournal()) {
    this.#link = link;
    this.#journal = journal;
    this.#onChange = options.onChange;
    this.#presence = presenceOf(link);
    const { atomic = 'auto' } = options;
    if (atomic !== 'auto' && atomic !== 'never') throw new RangeError(`atomic: '${atomic}' is not auto or never`);
    const holds = [options.keysPerSecond, options.bytesPerSecond, options.slotMs];
    this.#atomic = atomic === 'auto' && holds.every((limit) => (limit ?? 0) === 0);
    const settings: TaskSettings = {
      exchangeMs: within('exchangeMs', options.exchangeMs ?? 5000, 1),
      limitMs: within('slotMs', options.slotMs ?? 0, 0),
      retries: within('retries', options.retries ?? 30, 0),
      retryMs: within('retryMs', options.retryMs ?? 100, 1),
    };
    const rates = {
      keysPerSecond: within('keysPerSecond', options.keysPerSecond ?? 0, 0),
      bytesPerSecond: within('bytesPerSecond', options.bytesPerSecond ?? 0, 0),
    };
    const limits = {
      keys: within('batch', options.batch ?? 64, 1, 10_000),
      slots: within('concurrency', options.concurrency ?? 16, 1, 1000),
    };
    this.#pacer = new Pacer(link, {
      keep: options.keepThroughput ?? 'never',
      rates,
      limits,
      onDecision: options.onPace,
    });
    this.#host = {
      link,
      decisions: new SlotAssigner(link),
      settings,
      pacer: this.#pacer,
      changed: (task, durable) => this.#changed(task, durable),
    };
  }

  /**
   * Moves one slot. Resolves to how it ended (`done`, `cancelled` or `failed`; the status has the reason). Rejects for a
   * slot that does not exist or is on its way already, a target that is no master, and when the engine is closed.
   */
  async move(slot: number, target: string, priority?: number): Promise<MoveStatus> {
    const [status] = await this.moveAll([{ slot, target, ...(priority === undefined ? {} : { priority }) }]);
    return status!;
  }

  /**
   * Moves many slots, those of higher priority first; a slot that fails or is cancelled does not stop the others.
   * Resolves to how each ended, in the order asked. Rejects, with nothing begun, when one of them cannot be asked for.
   */
  async moveAll(orders: readonly MoveOrder[]): Promise<MoveStatus[]> {
    await this.recover();
    const view = await this.#link.view();
    const records = recordsFor(orders, view, this.#link.world.now());
    this.#refuseMoving(records);
    await this.#pacer.check();
    await this.#enter(view);
    try {
      const ends = new Set(records.flatMap(({ source, target }) => [source.id, target.id]));
      const [isClosed, movable] = await Promise.all([
        closedSlots(this.#link, view, ends),
        this.#movableByServers(records),
        this.#checkDatabases(records),
      ]);
      // Others may have been asked for since.
      this.#refuseMoving(records);
      const closed = movable.map((group) =>
        group.filter(({ slot, source, target }) => isClosed(slot, source.id, target.id)),
      );
      const atomic = closed.filter((group) => group.length > 0);
      const grouped = new Set(atomic.flat().map(({ slot }) => slot));
      const entries = records.map((record) =>
        this.#add(record, isClosed(record.slot, record.source.id, record.target.id), !grouped.has(record.slot)),
      );
      await this.#save();
      for (const group of atomic) this.#track(this.#runAtomic(group.map(({ slot }) => this.#entry(slot))));
      this.#fill();
      return await Promise.all(entries.map(({ done }) => done));
    } finally {
      await this.#presence.leave();
    }
  }

  #refuseMoving(records: readonly MoveRecord[]): void {
    for (const { slot } of records) if (this.#entries.get(slot)?.task.ended === false) throw onItsWay(slot);
  }

  /** Rejects with an OperatorBusyError when another operator is changing the cluster. */
  async #enter(view: readonly NodeLine[]): Promise<void> {
    await this.#presence.enter(view.filter((node) => isMaster(node) && isReachable(node)));
  }

  /** Rejects when a target has not the databases of its source: before anything is changed. */
  async #checkDatabases(records: readonly MoveRecord[]): Promise<void> {
    const checks = pairsOf(records).map(([{ source, target }]) => tooFewDatabases(this.#link, source, target));
    const reason = (await Promise.all(checks)).find((one) => one !== undefined);
    if (reason !== undefined) throw new Error(reason);
  }

  /** Groups of which the servers can move those slots by themselves that are closed. */
  async #movableByServers(records: readonly MoveRecord[]): Promise<MoveRecord[][]> {
    if (!this.#atomic || this.#paused) return [];
    return Promise.all(
      pairsOf(records).map(async (group) =>
        (await canMoveAtomically(this.#link, group[0].source, group[0].target)) ? group : [],
      ),
    );
  }

  /** One source gives to one target. */
  async #runAtomic(entries: readonly Entry[]): Promise<void> {
    const bySlot = new Map(entries.map((entry) => [entry.task.record.slot, entry]));
    const entryOf = (task: SlotTask): Entry => bySlot.get(task.record.slot)!;
    const isClosed = (): boolean => this.#closed;
    await runJobs(
      entries.map(({ task }) => task),
      {
        link: this.#link,
        pacer: this.#pacer,
        get closed() {
          return isClosed();
        },
        arrived: (task) => entryOf(task).settle(this.#statusOf(task)),
        keyByKey: (task) => this.#queue.add(entryOf(task), task.record.priority),
      },
    );
  }

  /**
   * Takes up what an earlier engine with the same journal left unfinished. Resolves once the journal is read, to the
   * moves that go on; other methods do it by themselves. Rejects when the journal cannot be read.
   */
  async recover(): Promise<MoveStatus[]> {
    this.#recovered ??= this.#load().catch((error: Error) => {
      this.#recovered = undefined;
      throw error;
    });
    await this.#recovered;
    return this.moves().filter(({ phase }) => !endPhases.has(phase));
  }

  async #load(): Promise<void> {
    const records = await this.#journal.load();
    this.#loaded = true;
    const open = records.filter(({ phase }) => !endPhases.has(phase));
    if (open.length > 0) await this.#enter(await this.#link.view());
    const entries = open.filter(({ slot }) => !this.#entries.has(slot)).map((record) => this.#add(record));
    this.#fill();
    if (open.length > 0) void Promise.allSettled(entries.map(({ done }) => done)).then(() => this.#presence.leave());
  }

  /** Every move asked for: those under way, and the last one of each slot. */
  moves(): MoveStatus[] {
    return [...this.#entries.values()].map(({ task }) => this.#statusOf(task));
  }

  /** The slot's last move; undefined when it never had one. */
  status(slot: number): MoveStatus | undefined {
    const entry = this.#entries.get(slot);
    return entry === undefined ? undefined : this.#statusOf(entry.task);
  }

  /** Keys moved and keys in all, of one slot or of all that have a move. */
  progress(slot?: number): { moved: number; total: number } {
    const chosen = slot === undefined ? this.moves() : [this.status(slot)].filter((status) => status !== undefined);
    return {
      moved: chosen.reduce((sum, { keysMoved }) => sum + keysMoved, 0),
      total: chosen.reduce((sum, { keysTotal }) => sum + keysTotal, 0),
    };
  }

  /** What clients had and kept, of the moves under way or the last ones; undefined: with `keepThroughput: 'never'`. */
  get throughput(): ThroughputSummary | undefined {
    return this.#pacer.summary;
  }

  /** Resolves when the slot's move is over, to how it ended. Rejects when it has none, or when the engine is closed. */
  async finished(slot: number): Promise<MoveStatus> {
    return this.#entry(slot).done;
  }

  /** Hands over no more keys, of one slot or of all; open slots stay open. */
  pause(slot?: number): void {
    if (slot !== undefined) this.#entry(slot).task.pause();
    else {
      this.#paused = true;
      for (const { task } of this.#entries.values()) task.pause();
    }
  }

  /** Goes on with one slot, or with all. */
  resume(slot?: number): void {
    if (slot !== undefined) {
      this.#entry(slot).task.resume();
      return;
    }
    this.#paused = false;
    for (const { task } of this.#entries.values()) task.resume();
    this.#fill();
  }

  /**
   * Calls a move off: its keys go back, the slot stays with its owner and is stable at both ends. Resolves to how it
   * ended: `done` when it was too late.
   */
  async cancel(slot: number, reason = 'cancelled'): Promise<MoveStatus> {
    const { task, done } = this.#entry(slot);
    task.cancel(reason);
    // Called off before it began: that takes no room.
    if (task.isNew && !this.#entry(slot).started) this.#start(this.#entry(slot));
    return done;
  }

  /** Calls every move off that has not ended. */
  async cancelAll(reason?: string): Promise<MoveStatus[]> {
    const slots = this.moves().filter(({ phase }) => !endPhases.has(phase));
    return Promise.all(slots.map(({ slot }) => this.cancel(slot, reason)));
  }

  /** Stops at the next safe place and keeps what is needed to go on; slots on their way stay open. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#filling?.cancel();
    this.#pacer.stop();
    for (const { task, fail } of this.#entries.values()) {
      task.stop();
      if (!task.ended) fail(new StoppedError(`the mover was closed while slot ${task.record.slot} was on its way`));
    }
    await Promise.allSettled([...this.#running]);
    if (this.#loaded) await (this.#unsaved ? this.#save() : this.#saving);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #entry(slot: number): Entry {
    const entry = this.#entries.get(slot);
    if (entry === undefined) throw new Error(`slot ${slot} has no move`);
    return entry;
  }

  #statusOf(task: SlotTask): MoveStatus {
    return statusOf(task.record, this.#link.world.now(), task.paused);
  }

  #add(record: MoveRecord, seenClosed = false, queued = true): Entry {
    if (this.#closed) throw new StoppedError('the mover was closed');
    const task = new SlotTask(this.#host, record, seenClosed);
    if (this.#paused) task.pause();
    const { promise, resolve, reject } = withResolvers<MoveStatus>();
    // Nobody may be waiting for it: its outcome is in moves().
    promise.catch(() => undefined);
    const entry: Entry = { started: false, task, done: promise, settle: resolve, fail: reject };
    this.#unsaved = true;
    this.#entries.delete(record.slot);
    this.#entries.set(record.slot, entry);
    this.#forgetOld();
    if (task.ended) resolve(this.#statusOf(task));
    else {
      this.#pacer.start();
      if (queued) this.#queue.add(entry, record.priority);
    }
    return entry;
  }

  #forgetOld(): void {
    for (const [slot, { task }] of this.#entries) {
      if (this.#entries.size <= maxHistory) return;
      if (task.ended) this.#entries.delete(slot);
    }
  }

  /** Starts waiting moves while there is room, the most urgent first. */
  #fill(): void {
    while (!this.#closed && !this.#paused && this.#queue.size > 0 && this.#running.size < this.#pacer.slots) {
      const ms = this.#pacer.waitMs({ slots: 1 });
      if (ms > 0) {
        this.#fillIn(ms);
        return;
      }
      const entry = this.#queue.take()!;
      if (!entry.started) this.#start(entry);
    }
  }

  #fillIn(ms: number): void {
    this.#filling ??= this.#link.world.after(
      ms,
      () => {
        this.#filling = undefined;
        this.#fill();
      },
      true,
    );
  }

  #start(entry: Entry): void {
    if (this.#closed) return;
    entry.started = true;
    this.#track(this.#run(entry));
  }

  #track(work: Promise<void>): void {
    const run = work.finally(() => {
      this.#running.delete(run);
      this.#fill();
      if (this.#running.size > 0) return;
      if (this.#queue.size === 0) this.#pacer.stop();
      if (!this.#closed) this.#saveSoon();
    });
    this.#running.add(run);
  }

  async #run({ task, settle, fail }: Entry): Promise<void> {
    try {
      await task.run();
      settle(this.#statusOf(task));
    } catch (error) {
      fail(error as Error);
    }
  }

  async #changed(task: SlotTask, durable: boolean): Promise<void> {
    this.#unsaved = true;
    this.#onChange?.(this.#statusOf(task));
    const now = this.#link.world.now();
    if (durable) await this.#save();
    else if (now - this.#savedAt > saveEveryMs) this.#saveSoon();
  }

  #saveSoon(): void {
    this.#savedAt = this.#link.world.now();
    this.#save().catch((error: Error) => this.#link.world.log(`moves of slots were not kept: ${error.message}`));
  }

  #save(): Promise<void> {
    const records = (): MoveRecord[] => {
      this.#unsaved = false;
      return [...this.#entries.values()].map(({ task }) => task.record);
    };
    this.#saving = this.#journal.save(records).catch((error: Error) => {
      this.#unsaved = true;
      throw error;
    });
    return this.#saving;
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

// Promise.withResolvers is not in Node 20.
function withResolvers<T>(): Deferred<T> {
  let deferred: Pick<Deferred<T>, 'resolve' | 'reject'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    deferred = { resolve, reject };
  });
  return { promise, ...deferred! };
}

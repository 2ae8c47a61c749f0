// One slot on its way, by itself from start to end: opens, hands over, decides, and when something breaks looks where
// the slot stands and goes on from there. Called off, it goes the same way back.
// Invariant: the record changes direction at most once, and only before the target may have claimed the slot.

import type { NodeLine } from '../../../lib/wire/cluster-nodes.ts';
import { type ClusterLink, isMaster, isReachable, ownerIn } from '../link/cluster-link.ts';
import type { SlotAssigner } from './assign-slots.ts';
import { type NextStep, nextStep, slotView } from './next-step.ts';
import type { Pacer } from './pacer.ts';
import { endPhases, type MoveEnd, type MovePhase, type MoveRecord } from './record.ts';
import type { SlotRoute } from './slot-commands.ts';
import { handOver, type KeyBatch, keysIn, openSlot, reverse } from './slot-steps.ts';

export interface TaskSettings {
  /** Milliseconds that one exchange may take. */
  readonly exchangeMs: number;
  /** Milliseconds that the slot may take before it is called off; 0: no limit. */
  readonly limitMs: number;
  /** Times that it is taken up again after a failure. */
  readonly retries: number;
  /** Milliseconds before the first of them; doubled each time, up to 2 s. */
  readonly retryMs: number;
}

export interface TaskHost {
  readonly link: ClusterLink;
  readonly decisions: SlotAssigner;
  readonly pacer: Pacer;
  readonly settings: TaskSettings;
  /** The record changed. `durable`: resolves when it is safe. */
  changed(task: SlotTask, durable: boolean): Promise<void>;
}

const longestRetryMs = 2000;

/** The mover is being closed: the slot stays as it is, to be taken up again. */
export class StoppedError extends Error {
  override get name(): string {
    return 'StoppedError';
  }
}

export class SlotTask {
  readonly #host: TaskHost;
  /** Changed in place, some ten times for each slot. */
  readonly #record: MoveRecord;
  #paused = false;
  #stopped = false;
  #started = false;
  #seenClosed: boolean;
  #calledOff: string | undefined;
  #wake: (() => void) | undefined;

  /** `seenClosed`: a moment ago the slot was the source's and closed, as both ends said. */
  constructor(host: TaskHost, record: MoveRecord, seenClosed = false) {
    this.#host = host;
    this.#record = { ...record };
    this.#seenClosed = seenClosed;
  }

  /** As it is now; it changes while the slot moves. */
  get record(): MoveRecord {
    return this.#record;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Nobody ran it yet. */
  get isNew(): boolean {
    return !this.#started && !this.ended;
  }

  get isCalledOff(): boolean {
    return this.#calledOff !== undefined;
  }

  get ended(): boolean {
    return endPhases.has(this.#record.phase);
  }

  pause(): void {
    this.#paused = true;
  }

  /** The servers move the slot by themselves, with `keys` keys. */
  async handedOver(keys: number): Promise<void> {
    this.#started = true;
    const startedAt = this.#record.startedAt ?? this.#host.link.world.now();
    await this.#set({ phase: 'moving', startedAt, keysTotal: keys });
  }

  /** They did. */
  async arrived(): Promise<void> {
    const now = this.#host.link.world.now();
    await this.#set({ keysMoved: this.#record.keysTotal, phase: 'done', error: null, endedAt: now });
  }

  resume(): void {
    this.#paused = false;
    this.#wake?.();
  }

  /** Calls the move off, unless the owner is being changed already; what was moved goes back. */
  cancel(reason: string): void {
    if (this.#record.direction === 'back') return;
    this.#calledOff ??= reason;
    this.resume();
  }

  /** Ends at the next safe place, the slot left as it is. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  /** Runs to an end phase; the record has it. Rejects with a StoppedError when it was stopped before. */
  async run(): Promise<void> {
    this.#started = true;
    await this.#set({ startedAt: this.#record.startedAt ?? this.#host.link.world.now(), endedAt: null, error: null });
    for (let [failures, moved] = [0, this.#record.keysMoved]; !this.ended; ) {
      try {
        await this.#advance();
      } catch (error) {
        if (error instanceof StoppedError) throw error;
        const reason = (error as Error).message;
        if (this.#record.keysMoved !== moved) failures = 0;
        moved = this.#record.keysMoved;
        if (failures >= this.#host.settings.retries) await this.#end('failed', reason);
        else {
          await this.#set({ attempts: this.#record.attempts + 1, error: reason });
          await this.#sleep(Math.min(this.#host.settings.retryMs * 2 ** failures++, longestRetryMs));
        }
      }
    }
  }

  /** From wherever the slot stands to the end of the move, or to the first failure. */
  async #advance(): Promise<void> {
    const { slot } = this.#record;
    if (this.#calledOff !== undefined && this.#record.phase === 'waiting') {
      await this.#end('cancelled', this.#calledOff);
      return;
    }
    if (this.#record.direction === 'forward') await this.#isCalledOffNow();
    if (this.#seenClosed) {
      // If that has changed since, the ends refuse to open it, and the next attempt looks for itself.
      this.#seenClosed = false;
      if (this.#record.direction === 'forward') {
        await this.#forward({ slot, from: this.#record.source, to: this.#record.target }, false);
        return;
      }
    }
    const { source, target, step, stale, peer } = await this.#stand();
    const route: SlotRoute = { slot, from: source, to: target };
    const wayBack: SlotRoute = { slot, from: target, to: source };
    switch (step) {
      case 'open':
        await this.#forward(route, stale);
        break;
      case 'decide':
        await this.#decide(route, true);
        break;
      case 'turn':
        await this.#back(route, wayBack);
        break;
      case 'close':
        await this.#close(wayBack, true);
        break;
      case 'finished':
        if (this.#record.direction === 'forward') await this.#end('done', null);
        else await this.#end('cancelled', this.#record.error);
        break;
      case 'foreign':
        await this.#end('failed', `slot ${slot} is open towards ${peer}: somebody else moves it, or left it so`);
        break;
      case 'lost':
        await this.#end('failed', `slot ${slot} belongs to neither end of its move any more`);
    }
  }

  async #forward(route: SlotRoute, stale: boolean): Promise<void> {
    const { link, pacer } = this.#host;
    await this.#phase('opening');
    const { total, next } = await openSlot(link, route, pacer.keys, stale);
    await this.#set({ phase: 'moving', keysTotal: this.#record.keysMoved + total });
    if (await this.#drain(route, next)) await this.#decide(route);
  }

  async #decide(route: SlotRoute, claimed = false): Promise<void> {
    await this.#phase('deciding');
    await this.#host.decisions.decide(route, claimed);
    await this.#end('done', null);
  }

  async #back(route: SlotRoute, wayBack: SlotRoute): Promise<void> {
    const { link, pacer } = this.#host;
    await this.#phase('turning');
    await reverse(link, route);
    await this.#phase('returning');
    await this.#drain(wayBack, await keysIn(link, route.to, route.slot, pacer.keys));
    await this.#close(wayBack);
  }

  async #close(wayBack: SlotRoute, claimed = false): Promise<void> {
    const { link, pacer } = this.#host;
    await this.#phase('closing');
    await this.#drain(wayBack, await keysIn(link, wayBack.from, wayBack.slot, pacer.keys));
    await this.#host.decisions.decide(wayBack, claimed);
    await this.#end('cancelled', this.#record.error);
  }

  /** Hands keys over until there are none; false when the move was called off on the way forward. */
  async #drain(route: SlotRoute, first: KeyBatch): Promise<boolean> {
    const { link, pacer, settings } = this.#host;
    const forward = this.#record.direction === 'forward';
    let keys = first;
    while (keys.keys.length > 0) {
      let ms: number;
      do {
        ms = pacer.waitMs({ keys: keys.keys.length });
        await this.#gate(ms);
      } while (ms > 0);
      if (forward && (await this.#isCalledOffNow())) return false;
      const batch = await handOver(link, route, keys, pacer.keys, settings.exchangeMs);
      pacer.charge(batch.keys, batch.bytes);
      keys = batch.next;
      const keysMoved = Math.max(0, this.#record.keysMoved + (forward ? batch.keys : -batch.keys));
      const bytesMoved = Math.max(0, this.#record.bytesMoved + (forward ? batch.bytes : -batch.bytes));
      // Clients go on writing: there may be more keys than were counted when the slot was opened.
      const keysTotal = Math.max(this.#record.keysTotal, keysMoved + (forward ? batch.next.keys.length : 0));
      await this.#set({ keysMoved, bytesMoved, keysTotal });
    }
    await this.#gate(0);
    return !(forward && (await this.#isCalledOffNow()));
  }

  /** Whether it is to be called off; if so it goes back from now on, and that is safe before anything is turned. */
  async #isCalledOffNow(): Promise<boolean> {
    const { startedAt } = this.#record;
    const { limitMs } = this.#host.settings;
    if (limitMs > 0 && startedAt !== null && this.#host.link.world.now() - startedAt > limitMs) {
      this.#calledOff ??= `not over within ${limitMs} ms`;
    }
    if (this.#calledOff === undefined) return false;
    await this.#set({ direction: 'back', error: this.#calledOff }, true);
    return true;
  }

  /** Waits while it is paused, and `ms` in any case. */
  async #gate(ms: number): Promise<void> {
    if (ms > 0) await this.#sleep(ms);
    while (this.#paused && !this.#stopped) await new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.#stopped) throw new StoppedError('the mover was closed');
  }

  async #sleep(ms: number): Promise<void> {
    if (!this.#stopped) {
      await new Promise<void>((resolve) => {
        const timer = this.#host.link.world.after(ms, resolve, true);
        this.#wake = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    if (this.#stopped) throw new StoppedError('the mover was closed');
  }

  /** Both ends as they are now, and what to do next. */
  async #stand(): Promise<{
    source: MoveEnd;
    target: MoveEnd;
    step: NextStep;
    stale: boolean;
    /** With `foreign`: whom it is open towards. */
    peer?: string | undefined;
  }> {
    const { link } = this.#host;
    const view = await link.view();
    const target = present(view, this.#record.target, 'target');
    const { slot, direction } = this.#record;
    // A master that gave its last slot away is a replica of the target, or gone.
    if (
      direction === 'forward' &&
      ownerIn(await link.viewOf(target), slot) === target.id &&
      !serves(view, this.#record.source)
    ) {
      return { source: this.#record.source, target, step: 'finished', stale: false };
    }
    const source = present(view, this.#record.source, 'source');
    if (source !== this.#record.source || target !== this.#record.target) await this.#set({ source, target });
    const [atSource, atTarget] = await Promise.all([link.viewOf(source), link.viewOf(target)]);
    const [one, other] = [atSource, atTarget].map((lines) => slotView(lines, slot, source, target));
    const peer = one!.foreign ?? other!.foreign;
    // The source itself, not whoever it took over from.
    const stale = ownerIn(atTarget!, slot) !== source.id;
    return { source, target, step: nextStep(direction, one!, other!), stale, peer };
  }

  #phase(phase: MovePhase): Promise<void> {
    return this.#set({ phase });
  }

  #end(phase: 'done' | 'cancelled' | 'failed', error: string | null): Promise<void> {
    return this.#set({ phase, error, endedAt: this.#host.link.world.now() });
  }

  async #set(change: Partial<MoveRecord>, durable = false): Promise<void> {
    Object.assign(this.#record, change);
    await this.#host.changed(this, durable);
  }
}

/** The end itself while it is a master that can be reached, else the heir that took its place. */
function present(view: readonly NodeLine[], end: MoveEnd, name: string): MoveEnd {
  const found = serves(view, end);
  if (found === undefined) throw new Error(`the ${name} ${end.host}:${end.port} cannot be reached, nor an heir of it`);
  if (found.id === end.id && found.host === end.host && found.port === end.port) return end;
  const heirs = [...new Set([end.id, ...end.heirs])].filter((id) => id !== found.id);
  return { id: found.id, host: found.host, port: found.port, heirs };
}

function serves(view: readonly NodeLine[], end: MoveEnd): NodeLine | undefined {
  const lines = [end.id, ...end.heirs].flatMap((id) => view.filter((line) => line.id === id));
  const masters = lines.filter((line) => isMaster(line) && isReachable(line));
  // A master that was replaced may call itself master for a moment when it comes back: its slots show it.
  return masters.find(({ ranges }) => ranges.length > 0) ?? masters[0];
}

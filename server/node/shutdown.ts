// How one node stops when it is asked to: replicas get a chance to catch up, then a last snapshot, then the end.
// Knows nothing of sockets and files: the node does what it decides.
// Invariant: nothing is stopped while a snapshot that was asked for could not be written, unless by force.

import { note, type World } from '../../lib/base/world.ts';
import { ReplyError } from '../../lib/wire/reply.ts';
import type { ShutdownHow } from '../engine/engine.ts';

export interface ShutdownHost {
  readonly world: World;
  /** Milliseconds that replicas have to catch up. */
  readonly waitMs: number;
  /** Asks the replicas how far they are. */
  askReplicas(): void;
  /** Whether one of them has not acknowledged what was written then. */
  readonly lagging: boolean;
  /** Holds back writes of clients while replicas catch up. */
  pauseWrites(paused: boolean): void;
  /** Writes a snapshot: always, or only when there are save points. False: it failed. */
  save(always: boolean): boolean;
  stop(): void;
}

export type ShutdownEnd = (refusal: ReplyError | undefined) => void;

const pollMs = 10;
const noShutdown = new ReplyError('ERR No shutdown in progress.');
const failed = new ReplyError('ERR Errors trying to SHUTDOWN. Check logs.');

export class Shutdown {
  readonly #host: ShutdownHost;
  #waiting: { how: ShutdownHow; ends: number; done: ShutdownEnd[] } | undefined;

  constructor(host: ShutdownHost) {
    this.#host = host;
  }

  /** `done` is called once: with undefined when the node stops now, else with why it does not. */
  begin(how: ShutdownHow, done: ShutdownEnd): void {
    if (this.#waiting !== undefined) {
      this.#waiting.done.push(done);
      return;
    }
    const { world, waitMs } = this.#host;
    this.#host.askReplicas();
    this.#waiting = { how, ends: world.now() + waitMs, done: [done] };
    if (how.now || waitMs <= 0 || !this.#host.lagging) {
      this.#finish();
      return;
    }
    note(world, 'Waiting for replicas before shutting down.');
    this.#host.pauseWrites(true);
    this.#poll();
  }

  /** SHUTDOWN ABORT: the refusal when there is nothing to abort. */
  abort(): ReplyError | undefined {
    if (this.#waiting === undefined) return noShutdown;
    note(this.#host.world, 'Shutdown was aborted.');
    this.#giveUp();
    return undefined;
  }

  #poll(): void {
    const { world } = this.#host;
    world.after(pollMs, () => {
      if (this.#waiting === undefined) return;
      if (this.#host.lagging && world.now() < this.#waiting.ends) this.#poll();
      else this.#finish();
    });
  }

  #finish(): void {
    const { how, done } = this.#waiting!;
    if (this.#host.lagging) this.#host.world.log('Some replicas have not received all writes.');
    if (how.save !== 'no' && !this.#host.save(how.save === 'yes')) {
      this.#host.world.log('The last snapshot could not be written.');
      if (!how.force) {
        this.#giveUp();
        return;
      }
    }
    this.#waiting = undefined;
    for (const each of done) each(undefined);
    this.#host.stop();
  }

  #giveUp(): void {
    const done = this.#waiting?.done ?? [];
    this.#waiting = undefined;
    this.#host.pauseWrites(false);
    for (const each of done) each(failed);
  }
}

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
  /** The replicas at the end, each with the bytes that it is behind; default none. */
  standing?(): readonly { name: string; behind: number; lagSeconds: number; state: string }[];
  /** False: what the node holds is on no disk yet, and would be lost. Ends background work otherwise. */
  mayStop?(force: boolean): boolean;
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
    note(world, 'User requested shutdown...');
    this.#waiting = { how, ends: world.now() + waitMs, done: [done] };
    if (how.now || waitMs <= 0 || !this.#host.lagging) {
      this.#finish();
      return;
    }
    this.#host.askReplicas();
    note(world, 'Waiting for replicas before shutting down.');
    this.#host.pauseWrites(true);
    this.#poll();
  }

  /** Milliseconds until the replicas' time is over; undefined: nothing is to stop. */
  get remainingMs(): number | undefined {
    return this.#waiting && Math.max(1, Math.ceil(this.#waiting.ends - this.#host.world.now()));
  }

  /** SHUTDOWN ABORT: the refusal when there is nothing to abort. */
  abort(): ReplyError | undefined {
    if (this.#waiting === undefined) return noShutdown;
    note(this.#host.world, 'Shutdown manually aborted.');
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
    this.#report();
    if (this.#host.mayStop?.(how.force) === false || !this.#save(how)) {
      this.#host.world.log('Errors trying to shut down the server. Check the logs for more information.');
      this.#giveUp();
      return;
    }
    this.#waiting = undefined;
    for (const each of done) each(undefined);
    this.#host.stop();
  }

  #save({ save, force }: ShutdownHow): boolean {
    if (save === 'no' || this.#host.save(save === 'yes')) return true;
    this.#host.world.log(
      force ? 'Error trying to save the DB. Exit anyway.' : "Error trying to save the DB, can't exit.",
    );
    return force;
  }

  #report(): void {
    const replicas = this.#host.standing?.() ?? [];
    if (replicas.length === 0) return;
    const lagging = replicas.filter(({ behind }) => behind > 0);
    for (const { name, behind, lagSeconds, state } of lagging) {
      this.#host.world.log(
        `Lagging replica ${name} reported offset ${behind} behind master, lag=${lagSeconds}, state=${state}.`,
      );
    }
    const synced = replicas.length - lagging.length;
    note(this.#host.world, `${synced} of ${replicas.length} replicas are in sync when shutting down.`);
  }

  #giveUp(): void {
    const done = this.#waiting?.done ?? [];
    this.#waiting = undefined;
    this.#host.pauseWrites(false);
    for (const each of done) each(failed);
  }
}

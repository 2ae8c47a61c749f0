// How one node stops when it is asked to: replicas get a chance to catch up, then a last snapshot, then the end.
// Owns: the shutdown under way. Does not know sockets and files: it decides, the parts of the node do.
// Invariant: nothing is stopped while a snapshot that was asked for could not be written, unless by force.

import { note, type World } from '../../lib/base/world.ts';
import { ReplyError } from '../../lib/wire/reply.ts';
import type { Config } from '../config/config.ts';
import type { Pauses } from '../engine/pauses.ts';
import type { ShutdownHow } from '../engine/ports.ts';
import type { PersistenceManager } from '../persistence/persistence.ts';
import type { NodeReplication } from '../replication/replication.ts';

export interface ShutdownOptions {
  readonly world: World;
  readonly config: Pick<Config, 'number'>;
  readonly pauses: Pauses;
  readonly replication: Pick<NodeReplication, 'askReplicas' | 'forgetAsked' | 'lagging' | 'standing' | 'following'>;
  /** Undefined: nothing is kept on the disk. */
  readonly persistence: Pick<PersistenceManager, 'mayStop' | 'saveLast'> | undefined;
  /** What the node does by itself from time to time waits (DEBUG PAUSE-CRON), and what signals ask of it, too. */
  readonly cronPaused?: () => boolean;
  /** Stops the node. */
  readonly stop: () => void;
}

export type ShutdownEnd = (refusal: ReplyError | undefined) => void;

const pollMs = 10;
/** Of shutdown-timeout; the rest is for the snapshot: who sends SIGTERM often sends SIGKILL when that time is over. */
const waitShare = 0.8;
const noShutdown = new ReplyError('ERR No shutdown in progress.');
const failed = new ReplyError('ERR Errors trying to SHUTDOWN. Check logs.');

export class Shutdown {
  readonly #node: ShutdownOptions;
  #waiting: { how: ShutdownHow; ends: number; done: ShutdownEnd[] } | undefined;
  /** A signal asked for it, and it has not begun. */
  #asked: { how: ShutdownHow; done: ShutdownEnd } | undefined;

  constructor(node: ShutdownOptions) {
    this.#node = node;
  }

  /** As begin(), for a signal: what it asks for is done when the node looks after itself the next time. */
  ask(how: ShutdownHow, done: ShutdownEnd): void {
    if (this.#node.cronPaused?.() !== true) {
      this.begin(how, done);
      return;
    }
    const asked = { how, done };
    this.#asked = asked;
    this.#node.world.after(pollMs, () => {
      if (this.#asked !== asked) return;
      this.#asked = undefined;
      this.ask(how, done);
    });
  }

  /** `done` is called once: with undefined when the node stops now, else with why it does not. */
  begin(how: ShutdownHow, done: ShutdownEnd): void {
    if (this.#waiting !== undefined) {
      this.#waiting.done.push(done);
      return;
    }
    const { world, config, replication, pauses } = this.#node;
    const waitMs = config.number('shutdown-timeout') * waitShare * 1000;
    note(world, 'User requested shutdown...');
    this.#waiting = { how, ends: world.now() + waitMs, done: [done] };
    if (how.now || waitMs <= 0 || !replication.lagging) {
      this.#finish();
      return;
    }
    replication.askReplicas();
    note(world, 'Waiting for replicas before shutting down.');
    pauses.pause('shutdown', 'writes');
    this.#poll();
  }

  /** Milliseconds until the replicas' time is over; undefined: nothing is to stop. */
  get remainingMs(): number | undefined {
    return this.#waiting && Math.max(1, Math.ceil(this.#waiting.ends - this.#node.world.now()));
  }

  /** SHUTDOWN ABORT: the refusal when there is nothing to abort. */
  abort(): ReplyError | undefined {
    const asked = this.#asked;
    if (this.#waiting === undefined && asked === undefined) return noShutdown;
    this.#asked = undefined;
    asked?.done(failed);
    note(this.#node.world, 'Shutdown manually aborted.');
    this.#giveUp();
    return undefined;
  }

  #poll(): void {
    const { world } = this.#node;
    world.after(pollMs, () => {
      if (this.#waiting === undefined) return;
      if (this.#node.replication.lagging && world.now() < this.#waiting.ends) this.#poll();
      else this.#finish();
    });
  }

  #finish(): void {
    const waiting = this.#waiting!;
    const { how } = waiting;
    this.#report();
    if (this.#node.persistence?.mayStop(how.force) === false) {
      this.#fail();
      return;
    }
    const saved = how.save === 'no' ? true : (this.#node.persistence?.saveLast(how.save === 'yes') ?? true);
    if (typeof saved === 'boolean') {
      this.#conclude(saved);
      return;
    }
    // What is done meanwhile would not be in it.
    this.#node.pauses.pause('shutdown', 'all');
    void saved.then((good) => {
      if (this.#waiting === waiting) this.#conclude(good);
    });
  }

  #conclude(saved: boolean): void {
    const { how, done } = this.#waiting!;
    if (!saved) {
      this.#node.world.log(
        how.force ? 'Error trying to save the DB. Exit anyway.' : "Error trying to save the DB, can't exit.",
      );
    }
    if (!saved && !how.force) {
      this.#fail();
      return;
    }
    this.#waiting = undefined;
    for (const each of done) each(undefined);
    this.#node.stop();
  }

  #fail(): void {
    this.#node.world.log('Errors trying to shut down the server. Check the logs for more information.');
    this.#giveUp();
  }

  #report(): void {
    const { replication } = this.#node;
    const replicas = replication.following ? [] : replication.standing();
    if (replicas.length === 0) return;
    const lagging = replicas.filter(({ behind }) => behind > 0);
    for (const { name, behind, lagSeconds, state } of lagging) {
      this.#node.world.log(
        `Lagging replica ${name} reported offset ${behind} behind master, lag=${lagSeconds}, state=${state}.`,
      );
    }
    const synced = replicas.length - lagging.length;
    note(this.#node.world, `${synced} of ${replicas.length} replicas are in sync when shutting down.`);
  }

  #giveUp(): void {
    const done = this.#waiting?.done ?? [];
    this.#waiting = undefined;
    this.#node.pauses.resume('shutdown');
    this.#node.replication.forgetAsked();
    for (const each of done) each(failed);
  }
}

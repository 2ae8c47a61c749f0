// Looks after a connection that mostly listens: without calls of its own it would not notice that its peer is gone.
// A PING when nothing is in flight, and the connection's own silence rule on what is not answered.

import type { Timer, World } from '../base/world.ts';
import { ownCall } from '../connection/call.ts';
import type { ReconnectingConnection } from '../connection/reconnecting-connection.ts';
import type { SilenceLimits } from '../connection/watch.ts';

/** Milliseconds between looks when the silence watchdog is off. */
const idlePeriod = 1000;

export class Heartbeat {
  readonly #world: World;
  readonly #limit: number;
  readonly #look: () => boolean;
  #timer: Timer | undefined;

  /** `limit`: ms of silence that are too many, 0 = any silence is fine. `look` runs each period until it gives false. */
  constructor(world: World, limit: number, look: () => boolean) {
    this.#world = world;
    this.#limit = limit;
    this.#look = look;
  }

  start(): void {
    this.#timer ??= this.#world.after(this.#limit > 0 ? this.#limit : idlePeriod, () => {
      this.#timer = undefined;
      if (this.#look()) this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** One look at one connection. */
  check(connection: ReconnectingConnection): void {
    if (connection.state !== 'up' || this.#limit === 0) return;
    if (connection.load === 0) {
      const { call, answer } = ownCall(['ping']);
      answer.catch(() => undefined);
      connection.send(call);
    }
    connection.peer.look(listenerLimits(this.#limit));
  }
}

/** Of a connection that only listens, `silence` ms being too many. */
function listenerLimits(silence: number): SilenceLimits {
  return { silence, deadline: Number.POSITIVE_INFINITY, hasty: true };
}

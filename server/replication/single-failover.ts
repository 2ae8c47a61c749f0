// FAILOVER of servers without a cluster: a master holds its writes back until one of its replicas has everything, then
// follows it and lets it take over (PSYNC FAILOVER). Owns: the failover under way.
// Invariant: writes are held back exactly while a failover is under way, and at most one is.

import type { Timer, World } from '../../lib/base/world.ts';
import { progress } from '../../lib/base/world.ts';
import type { Pauses } from '../engine/pauses.ts';
import type { Primary } from './primary.ts';
import type { StreamAddress } from './stream.ts';

/** Changes the role of this node as an operator's command does. */
export interface RoleSwitch {
  followByCommand(address: StreamAddress): void;
  unfollowByCommand(): void;
}

export interface FailoverRequest {
  /** Undefined: whichever replica has everything first. */
  readonly target: StreamAddress | undefined;
  /** Milliseconds until it is given up, or forced; 0: never. */
  readonly timeoutMs: number;
  /** When the time is up the target takes over all the same. */
  readonly force: boolean;
}

/** As INFO's `master_failover_state` has it. */
export type FailoverState = 'no-failover' | 'waiting-for-sync' | 'failover-in-progress';

const pollMs = 10;

export class SingleFailover {
  state: FailoverState = 'no-failover';
  readonly #world: World;
  readonly #pauses: Pauses;
  readonly #primary: Primary;
  readonly #roles: RoleSwitch;
  #request: FailoverRequest | undefined;
  #ends = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;

  constructor(world: World, pauses: Pauses, primary: Primary, roles: RoleSwitch) {
    this.#world = world;
    this.#pauses = pauses;
    this.#primary = primary;
    this.#roles = roles;
  }

  start(request: FailoverRequest): void {
    progress(this.#world, `FAILOVER requested to ${nameOf(request.target)}.`);
    this.#request = request;
    this.#ends = request.timeoutMs > 0 ? this.#world.now() + request.timeoutMs : Number.POSITIVE_INFINITY;
    this.state = 'waiting-for-sync';
    this.#pauses.pause('failover', 'writes');
    this.#poll();
  }

  /** Gives it up: this node is a master as before. */
  abort(why: string): void {
    if (this.state === 'no-failover') return;
    progress(this.#world, `FAILOVER to ${nameOf(this.#request?.target)} aborted: ${why}`);
    const following = this.state === 'failover-in-progress';
    this.state = 'no-failover';
    if (following) this.#roles.unfollowByCommand();
    this.#end();
  }

  /** The node that this one follows now has taken over, or refuses to. */
  onAnswer(takesOver: boolean): void {
    if (this.state !== 'failover-in-progress') return;
    if (takesOver) this.#end();
    else this.abort('Failover target rejected psync request');
  }

  close(): void {
    this.#timer?.cancel();
  }

  #end(): void {
    this.state = 'no-failover';
    this.#timer?.cancel();
    this.#request = undefined;
    this.#pauses.resume('failover');
  }

  #poll(): void {
    this.#timer = this.#world.after(pollMs, () => {
      this.#review();
      if (this.state === 'waiting-for-sync') this.#poll();
    });
  }

  #review(): void {
    const { replicas, offset } = this.#primary;
    const request = this.#request!;
    if (this.#world.now() >= this.#ends) {
      if (!request.force) this.abort('Replica never caught up before timeout');
      else this.#handOver(request.target!, 'time out exceeded, failing over');
      return;
    }
    const ready = replicas.find(
      ({ facts, acked }) => acked === offset && (request.target === undefined || isAt(facts, request.target)),
    );
    if (ready === undefined) return;
    const { host, port } = ready.facts;
    this.#handOver({ host, port }, 'is synced, failing over', 'Failover target');
  }

  #handOver(target: StreamAddress, why: string, what = 'FAILOVER to'): void {
    progress(this.#world, `${what} ${nameOf(target)} ${why}.`);
    this.#request = { ...this.#request!, target };
    this.state = 'failover-in-progress';
    this.#roles.followByCommand(target);
  }
}

/** Whether a replica is reached at `address`. */
export function isAt(facts: StreamAddress, { host, port }: StreamAddress): boolean {
  return facts.port === port && facts.host.toLowerCase() === host.toLowerCase();
}

function nameOf(target: StreamAddress | undefined): string {
  return target === undefined ? 'any replica' : `${target.host}:${target.port}`;
}

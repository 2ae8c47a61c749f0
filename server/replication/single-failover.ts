// FAILOVER of servers without a cluster: a master holds its writes back until one of its replicas has everything, then
// follows it and tells it to take over. Knows offsets and addresses; pausing and following are its host's.
// Invariant: writes are held back exactly while a failover is under way, and at most one is.

import type { Timer, World } from '../../lib/base/world.ts';
import { progress } from '../../lib/base/world.ts';
import type { AttachedReplica } from './attached-replica.ts';
import type { StreamAddress } from './stream.ts';

export interface SingleFailoverHost {
  readonly world: World;
  readonly replicas: readonly AttachedReplica[];
  /** Bytes of the stream. */
  readonly offset: number;
  pauseWrites(paused: boolean): void;
  follow(address: StreamAddress): void;
  unfollow(): void;
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
  readonly #host: SingleFailoverHost;
  #request: FailoverRequest | undefined;
  #ends = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;

  constructor(host: SingleFailoverHost) {
    this.#host = host;
  }

  start(request: FailoverRequest): void {
    const { world } = this.#host;
    progress(world, `FAILOVER requested to ${nameOf(request.target)}.`);
    this.#request = request;
    this.#ends = request.timeoutMs > 0 ? world.now() + request.timeoutMs : Number.POSITIVE_INFINITY;
    this.state = 'waiting-for-sync';
    this.#host.pauseWrites(true);
    this.#poll();
  }

  /** Gives it up: this node is a master as before. */
  abort(why: string): void {
    if (this.state === 'no-failover') return;
    progress(this.#host.world, `FAILOVER to ${nameOf(this.#request?.target)} aborted: ${why}`);
    const following = this.state === 'failover-in-progress';
    this.state = 'no-failover';
    if (following) this.#host.unfollow();
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
    this.#host.pauseWrites(false);
  }

  #poll(): void {
    this.#timer = this.#host.world.after(pollMs, () => {
      this.#review();
      if (this.state === 'waiting-for-sync') this.#poll();
    });
  }

  #review(): void {
    const { world, replicas, offset } = this.#host;
    const request = this.#request!;
    if (world.now() >= this.#ends) {
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
    progress(this.#host.world, `${what} ${nameOf(target)} ${why}.`);
    this.#request = { ...this.#request!, target };
    this.state = 'failover-in-progress';
    this.#host.follow(target);
  }
}

/** Whether a replica is reached at `address`. */
export function isAt(facts: StreamAddress, { host, port }: StreamAddress): boolean {
  return facts.port === port && facts.host.toLowerCase() === host.toLowerCase();
}

function nameOf(target: StreamAddress | undefined): string {
  return target === undefined ? 'any replica' : `${target.host}:${target.port}`;
}

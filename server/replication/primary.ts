// A master's side of replication: the stream's offset, the replicas attached and what each has acknowledged.
// Knows effects as words, not what they do. Invariant: every replica gets a copy at one offset and every effect
// after it, in order; while nobody ever attached, nothing is counted and nothing is kept.

import type { Timer, World } from '../../lib/base/world.ts';
import type { Copy, PrimaryDoor, PrimarySession, ReplicaIdentity, ReplicaSink, Words } from './transport.ts';

export interface PrimaryHost {
  readonly world: World;
  /** All live keys, copied. */
  copyKeys(): Copy['keys'];
  /** False while this node is itself a replica: it then takes no replicas of its own. */
  readonly serving: boolean;
}

export interface AttachedReplica {
  readonly identity: ReplicaIdentity;
  readonly acked: number;
}

interface Replica {
  readonly identity: ReplicaIdentity;
  readonly sink: ReplicaSink;
  acked: number;
  sent: number;
}

interface Waiter {
  readonly offset: number;
  readonly count: number;
  readonly done: (count: number) => void;
  timer: Timer | undefined;
}

const pingEveryMs = 10_000;
const ping: Words = ['ping'];

/** Bytes of a command in the stream. */
export function streamLength(words: Words): number {
  let length = 3 + String(words.length).length;
  for (const word of words) length += 5 + String(word.length).length + word.length;
  return length;
}

export class Primary implements PrimaryDoor {
  readonly #host: PrimaryHost;
  readonly #replicas = new Set<Replica>();
  readonly #waiters = new Set<Waiter>();
  #offset = 0;
  #streaming = false;
  #pending: Words[] = [];
  #flushing = false;
  #ping: Timer | undefined;

  constructor(host: PrimaryHost) {
    this.#host = host;
  }

  /** Bytes of the stream so far; 0 until the first replica attaches. */
  get offset(): number {
    return this.#offset;
  }

  get replicas(): readonly AttachedReplica[] {
    return [...this.#replicas];
  }

  /** Takes over a stream where a replica's reading of it stopped, after a promotion. */
  resumeAt(offset: number): void {
    this.#offset = offset;
    this.#streaming = offset > 0;
  }

  attach(identity: ReplicaIdentity, sink: ReplicaSink): PrimarySession {
    if (!this.#host.serving) {
      sink.closed();
      return { ack: () => undefined, close: () => undefined };
    }
    this.#flush();
    this.#streaming = true;
    const replica: Replica = { identity, sink, acked: 0, sent: this.#offset };
    this.#replicas.add(replica);
    sink.full({ offset: this.#offset, keys: this.#host.copyKeys() });
    // A replica at offset 0 is taken for one that is loading still: give it something to acknowledge.
    this.feed([ping]);
    this.#keepAlive();
    return {
      ack: (offset) => this.#onAck(replica, offset),
      close: () => {
        this.#replicas.delete(replica);
      },
    };
  }

  /** Adds effects to the stream. They leave together at the end of this turn of the loop. */
  feed(effects: readonly Words[]): void {
    if (!this.#streaming) return;
    for (const words of effects) {
      this.#offset += streamLength(words);
      this.#pending.push(words);
    }
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  /** How many replicas have acknowledged `offset`. */
  acked(offset: number): number {
    let count = 0;
    for (const replica of this.#replicas) if (replica.acked >= offset) count++;
    return count;
  }

  /** Calls `done` once, when `count` replicas have what the stream holds now or after `ms` (0: never); gives up on cancel. */
  wait(count: number, ms: number, done: (count: number) => void): () => void {
    const waiter: Waiter = { offset: this.#offset, count, done, timer: undefined };
    const end = (): void => {
      waiter.timer?.cancel();
      this.#waiters.delete(waiter);
    };
    if (ms > 0) {
      waiter.timer = this.#host.world.after(ms, () => {
        end();
        done(this.acked(waiter.offset));
      });
    }
    this.#waiters.add(waiter);
    return end;
  }

  /** Sends every replica away, who will dial again, and answers who waited for them. */
  stepDown(): void {
    this.#flush();
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) {
      waiter.timer?.cancel();
      waiter.done(this.acked(waiter.offset));
    }
    for (const replica of [...this.#replicas]) replica.sink.closed();
    this.#replicas.clear();
  }

  close(): void {
    this.#ping?.cancel();
    for (const waiter of this.#waiters) waiter.timer?.cancel();
    this.#waiters.clear();
    this.stepDown();
  }

  #flush(): void {
    this.#flushing = false;
    const batch = this.#pending;
    if (batch.length === 0) return;
    this.#pending = [];
    for (const replica of this.#replicas) replica.sink.effects(batch, this.#offset);
  }

  #onAck(replica: Replica, offset: number): void {
    replica.acked = Math.max(replica.acked, offset);
    for (const waiter of [...this.#waiters]) {
      const count = this.acked(waiter.offset);
      if (count < waiter.count) continue;
      waiter.timer?.cancel();
      this.#waiters.delete(waiter);
      waiter.done(count);
    }
  }

  #keepAlive(): void {
    this.#ping ??= this.#host.world.after(pingEveryMs, () => {
      this.#ping = undefined;
      if (this.#replicas.size === 0) return;
      this.feed([ping]);
      this.#keepAlive();
    });
  }
}

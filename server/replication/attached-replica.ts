// One replica as its master sees it: a socket that was a client's, how far the replica has come, what waits for it.
// Knows bytes, and of what the replica says only how far it is.
// Invariants: the bytes of the stream reach the socket in order, none before the copy has; what waits is bounded, and
// a replica over the bound is let go.

import type { Socket } from 'node:net';
import type { World } from '../../lib/base/world.ts';
import { RequestDecoder } from '../../lib/wire/request-decoder.ts';

/** What a replica said of itself before it asked for the stream. */
export interface ReplicaFacts {
  /** Where clients reach it. */
  readonly host: string;
  readonly port: number;
  /** `capa eof`: it recognizes the end of a copy whose length is not known beforehand. */
  readonly eof: boolean;
  /** It knows offsets and acknowledges them. */
  readonly psync: boolean;
  /** It knows that a stream may go on under another name. */
  readonly psync2: boolean;
  /** It wants a copy and nothing after it. */
  readonly copyOnly: boolean;
  /** Of the copy, it wants the functions alone. */
  readonly functionsOnly: boolean;
}

/** Where it stands: waits for a copy to be begun, then made, gets it, has yet to acknowledge it, follows the stream. */
export type ReplicaStage = 'waiting' | 'preparing' | 'copying' | 'awaiting-ack' | 'online';

/** Bytes that may wait for a replica; 0: any number. */
export interface WaitLimit {
  readonly hard: number;
  readonly soft: number;
  readonly softSeconds: number;
}

/** The master it is attached to. */
export interface ReplicaOwner {
  readonly world: World;
  readonly limit: WaitLimit;
  /** The bytes of the stream from an offset on; undefined when they are no longer kept. */
  streamFrom(next: number): Buffer | undefined;
  onAck(): void;
  /** It sent a command that has a reply, for which there is no room on its connection. */
  onStray(replica: AttachedReplica, words: readonly string[]): void;
  onClosed(replica: AttachedReplica): void;
}

const inputLimits = { maxBulkLength: 1024, maxArguments: 64, maxLineLength: 1024, maxRequestBytes: 64 * 1024 };

export class AttachedReplica {
  readonly facts: ReplicaFacts;
  stage: ReplicaStage = 'waiting';
  /** The offset it has acknowledged. */
  acked = 0;
  /** Its copy is sent as it is made. */
  streamed = false;
  /** When it was last heard, or last took in what was sent. */
  heardAt: number;
  readonly #owner: ReplicaOwner;
  readonly #socket: Socket;
  readonly #decoder = new RequestDecoder(inputLimits);
  /** Where its stream begins, once its copy is begun and until it takes the stream; the bytes lie in the backlog. */
  #next: number | undefined;
  #keptBytes = 0;
  #checking = false;
  #softSince: number | undefined;
  #closed = false;
  readonly #whenClosed: (() => void)[] = [];

  constructor(facts: ReplicaFacts, socket: Socket, owner: ReplicaOwner) {
    this.facts = facts;
    this.#socket = socket;
    this.#owner = owner;
    this.heardAt = owner.world.now();
    socket.on('close', () => this.#onClosed());
    socket.on('drain', () => {
      this.heardAt = owner.world.now();
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Of those that wait, the bytes that its socket holds: the others lie in the backlog. */
  get unsent(): number {
    return this.#socket.writableLength;
  }

  /** Bytes that have not left. */
  get waiting(): number {
    return this.#keptBytes + this.#socket.writableLength;
  }

  /** Takes what the replica says. */
  hear(bytes: Buffer): void {
    this.heardAt = this.#owner.world.now();
    try {
      this.#decoder.feed(bytes);
      for (let words = this.#decoder.read(); words !== undefined; words = this.#decoder.read()) this.#onWords(words);
    } catch {
      // No replica speaks so.
      this.close();
    }
  }

  /** Bytes of the stream: sent now, or kept until the replica is ready for them. */
  feed(bytes: Buffer): void {
    // A copy that was not begun will hold it.
    if (this.#closed || this.facts.copyOnly || this.stage === 'waiting') return;
    if (this.stage === 'online') this.#socket.write(bytes);
    else this.#keptBytes += bytes.length;
    // What the socket takes at once is not waiting.
    if (this.#checking) return;
    this.#checking = true;
    setImmediate(() => {
      this.#checking = false;
      if (!this.#closed) this.checkLimit();
    });
  }

  /** Its copy is made of the data at `offset`: the stream from there on, which is at `now`, waits for it. */
  prepare(offset: number, now: number): void {
    this.stage = 'preparing';
    if (this.facts.copyOnly) return;
    this.#next = offset + 1;
    this.#keptBytes = now - offset;
  }

  /** The first byte of the stream that waits for it in the backlog; undefined: none does. */
  get needs(): number | undefined {
    return this.#closed ? undefined : this.#next;
  }

  /** Bytes that are not of the stream: the copy, or a sign of life. False: wait for writable(). */
  send(bytes: Buffer | string): boolean {
    return this.#closed || this.#socket.write(bytes);
  }

  /** Resolves once the socket takes more, or is gone. */
  async writable(): Promise<void> {
    if (this.#closed || !this.#socket.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#socket.off('drain', done);
        this.#socket.off('close', done);
        resolve();
      };
      this.#socket.on('drain', done);
      this.#socket.on('close', done);
    });
  }

  /** The stream may flow. */
  goOnline(): void {
    if (this.#closed) return;
    this.stage = 'online';
    const next = this.#next;
    this.#next = undefined;
    this.#keptBytes = 0;
    if (next === undefined) return;
    const bytes = this.#owner.streamFrom(next);
    if (bytes === undefined) this.close();
    else if (bytes.length > 0) this.#socket.write(bytes);
  }

  /** Lets it go when too much waits for it. */
  checkLimit(): void {
    const { limit, world } = this.#owner;
    const { waiting } = this;
    if (limit.hard > 0 && waiting > limit.hard) {
      this.close();
      return;
    }
    if (limit.soft === 0 || waiting <= limit.soft) {
      this.#softSince = undefined;
      return;
    }
    this.#softSince ??= world.now();
    if (world.now() - this.#softSince >= limit.softSeconds * 1000) this.close();
  }

  /** `run` is called once it is gone. */
  whenClosed(run: () => void): void {
    if (this.#closed) run();
    else this.#whenClosed.push(run);
  }

  /** Lets it go with a last word. */
  dismiss(text: string): void {
    if (!this.#closed) this.#socket.end(text);
    this.#onClosed();
  }

  close(): void {
    this.#socket.destroy();
    this.#onClosed();
  }

  #onClosed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#next = undefined;
    this.#keptBytes = 0;
    this.#owner.onClosed(this);
    for (const run of this.#whenClosed.splice(0)) run();
  }

  #onWords(words: readonly string[]): void {
    const word = words[0]?.toLowerCase();
    const what = word === 'replconf' ? words[1]?.toLowerCase() : undefined;
    if (word === undefined || what === 'getack') return;
    if (what !== 'ack') {
      this.#owner.onStray(this, words);
      this.close();
      return;
    }
    const offset = Number(words[2]);
    if (!Number.isSafeInteger(offset) || offset < 0) return;
    this.acked = Math.max(this.acked, offset);
    if (this.stage === 'awaiting-ack') this.goOnline();
    this.#owner.onAck();
  }
}

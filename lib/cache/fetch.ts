// One read on its way to a server for the cache: the command, with PTTL of each of its keys before it on the same
// connection, and everybody who waits for the answer. It travels the router's one redirect loop as a request.
// Invariants: answered() or failed() is called exactly once; every answer counted belongs to the last try.

import type { CachedTime } from '../base/ticker.ts';
import {
  Call,
  CallFlag,
  type CallSink,
  type CommandSender,
  type Dispatcher,
  type ReplySource,
  type RoutableRequest,
} from '../connection/call.ts';
import type { Argument } from '../wire/encoder.ts';
import { ReplyError } from '../wire/reply.ts';
import type { Dependant } from './key-index.ts';

export interface FetchEvents {
  readonly dispatcher: Dispatcher;
  now(): number;
  /** A node said that the slot is elsewhere, or on its way there. */
  redirected(slot: number): void;
  answered(fetch: Fetch, reply: unknown, from: ReplySource): void;
  failed(fetch: Fetch, error: Error): void;
}

export class Fetch implements RoutableRequest, CallSink, Dependant {
  /** What the answer is kept under. */
  readonly id: string;
  readonly argv: readonly Argument[];
  readonly keys: readonly string[];
  readonly slot: number;
  readonly flags: number = CallFlag.readOnly;
  /** Who owned the slot when it set out. */
  readonly owner: string;
  moment: CachedTime;
  readonly bytes: number;
  readonly waiting: Call[];
  settled = false;
  attempts = 0;
  redirects = 0;
  writes = 0;
  losses = 0;
  lastError: Error | undefined;
  /** A key changed, or its slot did, while this was under way: the answer is given out but not kept. */
  tainted = false;
  /** World time before which the server cannot have answered the last try. */
  sentAt = 0;
  /** Milliseconds until the first of the keys expires. */
  lifetime: number = Number.POSITIVE_INFINITY;
  readonly #events: FetchEvents;
  #generation = 0;
  #lifetimesDue = 0;

  constructor(id: string, keys: readonly string[], owner: string, first: Call, events: FetchEvents) {
    this.id = id;
    this.argv = first.argv;
    this.keys = keys;
    this.slot = first.slot;
    this.owner = owner;
    this.moment = first.moment;
    this.bytes = first.bytes;
    this.waiting = [first];
    this.#events = events;
  }

  /** The command's name, for a user's own choice of node. */
  get name(): string {
    return this.waiting[0]!.name;
  }

  /** Every PTTL of the last try came back with a number. */
  get lifetimeKnown(): boolean {
    return this.#lifetimesDue === 0;
  }

  sendOn(sender: CommandSender, asking: boolean): boolean {
    this.#generation++;
    this.sentAt = this.#events.now();
    this.lifetime = Number.POSITIVE_INFINITY;
    this.#lifetimesDue = this.keys.length;
    const read = this.#inner(this.argv, this.waiting[0]!.encoding);
    // Settled by someone else than its server: its deadline, a full queue.
    read.reject = (error) => {
      if (read.index === this.#generation) this.fail(error);
    };
    if (asking) {
      // A node that serves by ASK does not own the slot, and sends no invalidation when the slot goes on from there.
      this.tainted = true;
      if (!sender.sendAsking(read)) return false;
    } else {
      const calls = this.keys.map((key) => this.#inner(['pttl', Buffer.from(key, 'latin1')], 'utf8'));
      calls.push(read);
      if (!sender.sendAll(calls, false)) return false;
    }
    this.attempts++;
    this.writes++;
    return true;
  }

  onReply(call: Call, reply: unknown, from: ReplySource): void {
    if (this.settled || call.index !== this.#generation) return;
    if (call.argv !== this.argv) this.#learnLifetime(reply);
    else if (!(reply instanceof ReplyError)) {
      this.settled = true;
      this.#events.answered(this, reply, from);
    } else {
      if (reply.code === 'MOVED' || reply.code === 'ASK') this.#events.redirected(this.slot);
      if (!this.#events.dispatcher.refused(this, reply, from)) this.fail(reply);
    }
  }

  onLost(call: Call, reason: Error): void {
    if (this.settled || call.index !== this.#generation || call.argv !== this.argv) return;
    this.#generation++;
    if (!call.written) this.writes--;
    this.#events.dispatcher.lost(this, call.written, reason);
  }

  fail(error: Error): void {
    if (this.settled) return;
    this.settled = true;
    this.#events.failed(this, error);
  }

  #inner(argv: readonly Argument[], encoding: Call['encoding']): Call {
    const call = new Call(argv, this.slot, CallFlag.readOnly, encoding, undefined, this);
    call.moment = this.moment;
    call.index = this.#generation;
    return call;
  }

  // -1: lives on; -2: there is no such key. Text when the client asks for numbers as text.
  #learnLifetime(reply: unknown): void {
    const left = typeof reply === 'number' || typeof reply === 'string' ? Number(reply) : Number.NaN;
    if (Number.isNaN(left)) return;
    this.#lifetimesDue--;
    if (left >= 0 && left < this.lifetime) this.lifetime = left;
  }
}

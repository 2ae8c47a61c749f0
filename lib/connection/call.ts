// One command on its way: the record that travels from the surface to a socket and back. Retrying is data on the
// record (redirects, attempts, written), never a closure. Contracts of the floors above are defined here.
// Invariant: a call settles exactly once, whoever tries.

import { nameCommand } from '../base/secrets.ts';
import { type CachedTime, longAgo } from '../base/ticker.ts';
import type { Encoding } from '../wire/decoder.ts';
import type { Argument } from '../wire/encoder.ts';
import type { ReplyError } from '../wire/reply.ts';

/** What a call is, beyond its arguments. Bits of `Call.flags`. */
export const CallFlag = {
  /** Changes nothing on the server; may be asked of a replica and safely repeated. */
  readOnly: 1,
  /** May hold its connection until data arrives (BLPOP, XREAD BLOCK, WAIT, ...). */
  blocking: 2,
  /** Its answer comes as push frames (SUBSCRIBE and its kin). */
  subscribing: 4,
  /** May rightly be without an answer for long while its server is well (scripts, functions, WAIT, modules' commands). */
  slow: 8,
  /**
   * Its place among the calls of its connection is part of what it means (a call of a batch, WAIT): a blocking one gets
   * no connection of its own, and holds the one it shares.
   */
  inOrder: 16,
  /** A question of the client's own that means the same before a handshake is through: it may leave with it. */
  early: 32,
} as const;

/** Whether a call is to have a connection of its own, so that it holds up nobody. */
export function wantsOwnConnection({ flags }: { readonly flags: number }): boolean {
  return (flags & (CallFlag.blocking | CallFlag.inOrder)) === CallFlag.blocking;
}

/** connection -> router: where an answer or its loss goes. `from` is the `host:port` it was sent to. */
export interface CallSink {
  onReply(call: Call, reply: unknown, from: ReplySource): void;
  onLost(call: Call, reason: Error): void;
}

/** What a sink may know of where a reply came from. */
export interface ReplySource {
  readonly address: string;
}

/** router -> batch: a call that belongs to a batch settles there instead of through a promise of its own. */
export interface CallGroup {
  /** Some of its calls have been answered. */
  readonly begun?: boolean;
  settled(call: Call, error: Error | null, value: unknown): void;
}

/** What the floors above the router send through: the router of a cluster, or that of a single node. */
export interface Dispatcher extends CallSink {
  /**
   * What is left of a batch that was answered in part when its connection was lost is given up, as ioredis does for a
   * single node: sent again it would run apart from what it belongs to.
   */
  readonly keepsBatchesWhole: boolean;
  /** One reading of the clock a tick. */
  readonly moment: CachedTime;
  send(request: RoutableRequest): void;
  /** True when the refusal sends the request round again; false when it is final. */
  refused(request: RoutableRequest, error: ReplyError, from: ReplySource): boolean;
  /** The request's connection was lost: sends it again or fails it. */
  lost(request: RoutableRequest, written: boolean, reason: Error): void;
}

/** Folds a reply into the shape users expect (HGETALL to an object). */
export type ReplyShape = (reply: unknown, argv: readonly Argument[], buffers: boolean) => unknown;

const State = { written: 1, settled: 2, asking: 4 } as const;
/** Bits of the state from here on count push frames. */
const pushesFrom = 3;
/** Four counts share one number, a byte each; they stop counting at the most that fits. */
const maxTrips = 255;
const Trip = { redirects: 0, attempts: 8, writes: 16, losses: 24 } as const;

export class Call implements RoutableRequest {
  /** argv[0] is the command's name. */
  argv: readonly Argument[];
  /** What may help when its server refuses it. */
  remedy: Remedy | undefined = undefined;
  /** 0-16383, or -1 for a command without keys. */
  readonly slot: number;
  flags: number;
  readonly encoding: Encoding;
  readonly shape: ReplyShape | undefined;
  sink: CallSink;
  group: CallGroup | null = null;
  /** Place in its group's results. */
  index = 0;
  /** When the user made it; the deadline counts from here. */
  moment: CachedTime = longAgo;
  // A pending call is to stay small: what is small itself shares two fields.
  #state = 1 << pushesFrom;
  #trips = 0;
  lastError: Error | undefined = undefined;
  resolve: (value: unknown) => void = nothing;
  reject: (error: Error) => void = nothing;
  #listeners: SettledListener[] | undefined = undefined;

  constructor(
    argv: readonly Argument[],
    slot: number,
    flags: number,
    encoding: Encoding,
    shape: ReplyShape | undefined,
    sink: CallSink,
  ) {
    this.argv = argv;
    this.slot = slot;
    this.flags = flags;
    this.encoding = encoding;
    this.shape = shape;
    this.sink = sink;
  }

  /** MOVED and ASK followed so far. */
  get redirects(): number {
    return this.#count(Trip.redirects);
  }

  set redirects(count: number) {
    this.#setCount(Trip.redirects, count);
  }

  /** How often it was put on a connection. */
  get attempts(): number {
    return this.#count(Trip.attempts);
  }

  set attempts(count: number) {
    this.#setCount(Trip.attempts, count);
  }

  /** How often its bytes left for a server. */
  get writes(): number {
    return this.#count(Trip.writes);
  }

  set writes(count: number) {
    this.#setCount(Trip.writes, count);
  }

  get losses(): number {
    return this.#count(Trip.losses);
  }

  set losses(count: number) {
    this.#setCount(Trip.losses, count);
  }

  /** Put on a connection: its bytes leave for a server, unless it is taken back. */
  put(): void {
    this.#state |= State.written;
    if (this.attempts < maxTrips && this.writes < maxTrips) this.#trips += (1 << Trip.attempts) + (1 << Trip.writes);
  }

  /** The connection was lost before the call's bytes left. */
  takeBack(): void {
    this.written = false;
    this.writes = Math.max(0, this.writes - 1);
  }

  #count(from: number): number {
    return (this.#trips >>> from) & maxTrips;
  }

  #setCount(from: number, count: number): void {
    this.#trips = (this.#trips & ~(maxTrips << from)) | (Math.min(count, maxTrips) << from);
  }

  /** True once its bytes may have reached a server: its outcome is unknown when the connection is lost. */
  get written(): boolean {
    return (this.#state & State.written) !== 0;
  }

  set written(yes: boolean) {
    this.#state = yes ? this.#state | State.written : this.#state & ~State.written;
  }

  get settled(): boolean {
    return (this.#state & State.settled) !== 0;
  }

  /** Waiting for a connection, to be sent behind ASKING. */
  get asking(): boolean {
    return (this.#state & State.asking) !== 0;
  }

  set asking(yes: boolean) {
    this.#state = yes ? this.#state | State.asking : this.#state & ~State.asking;
  }

  /** How many push frames answer it (SUBSCRIBE and its kin: one a channel). */
  get pushes(): number {
    return this.#state >> pushesFrom;
  }

  set pushes(count: number) {
    this.#state = (this.#state & ((1 << pushesFrom) - 1)) | (count << pushesFrom);
  }

  get name(): string {
    const name = this.argv[0]!;
    return typeof name === 'string' ? name : Buffer.from(name).toString('latin1');
  }

  get bytes(): number {
    return argvLength(this.argv);
  }

  sendOn(sender: CommandSender, asking: boolean): boolean {
    return asking ? sender.sendAsking(this) : sender.send(this);
  }

  /** `listener` is called with how the call has ended, before its caller and its batch do, in the order of being added. */
  onSettled(listener: SettledListener): void {
    if (this.#listeners === undefined) this.#listeners = [listener];
    else this.#listeners.push(listener);
  }

  #notify(listeners: readonly SettledListener[], error: Error | null, value: unknown): void {
    this.#listeners = undefined;
    for (const listener of listeners) listener(this, error, value);
  }

  settle(reply: unknown): void {
    if (this.settled) return;
    if (this.shape === undefined) {
      this.finish(null, reply);
      return;
    }
    let value: unknown;
    try {
      value = this.shape(reply, this.argv, this.encoding === 'buffer');
    } catch (error) {
      this.fail(error as Error);
      return;
    }
    this.finish(null, value);
  }

  fail(error: Error): void {
    if (this.settled) return;
    nameCommand(error, this.argv);
    explain(this, error);
    this.finish(error, undefined);
  }

  /** Settles with what is final as it is: no shape, no description. */
  finish(error: Error | null, value: unknown): void {
    if (this.settled) return;
    this.#state |= State.settled;
    if (this.#listeners !== undefined) this.#notify(this.#listeners, error, value);
    const { group } = this;
    if (group !== null) {
      this.group = null;
      group.settled(this, error, value);
    } else if (error === null) this.resolve(value);
    else this.reject(error);
    // A settled call lets go of who waited. One that has grown old in flight is garbage only the next full collection
    // finds, and through its batch or promise it kept the replies alive until then: every large value was copied into the
    // old generation (batches of 100 values of 64 KiB: 103 us of CPU a value instead of 50, 200 MiB instead of 100).
    this.resolve = nothing;
    this.reject = nothing;
  }
}

/** What may help a call that its server refuses, tried once for each call: routers apply it before they judge the refusal. */
export interface Remedy {
  /**
   * An argv that does the same and is never refused for this reason (EVAL for EVALSHA): what the first such call of a
   * connection sends, and what a transaction sends, whose commands are not sent again one by one.
   */
  readonly argv?: readonly Argument[];
  /** True: the refusal is dealt with, and `sendAgain` is given the call once it may be tried again. */
  apply(call: Call, refusal: ReplyError, sendAgain: (call: Call) => void): boolean;
}

/** Hears how a call has ended, before its caller does. */
export type SettledListener = (call: Call, error: Error | null, value: unknown) => void;

/** What a floor below can send on: one address, whatever connection it has just now. */
export interface CommandSender {
  readonly address: string;
  send(call: Call): boolean;
  sendAsking(call: Call): boolean;
  sendAll(calls: readonly Call[], asking: boolean): boolean;
}

/** What travels through the redirect loop as one: a single call, or a whole transaction. */
export interface RoutableRequest {
  readonly slot: number;
  readonly flags: number;
  /** When the user made it; the client stamps it. */
  moment: CachedTime;
  readonly settled: boolean;
  /** Length of its arguments, roughly: what it takes to hold it in a queue. */
  readonly bytes: number;
  attempts: number;
  redirects: number;
  /** How often its bytes left for a server. */
  writes: number;
  /** How often a connection was lost under it after it was written: its outcome is unknown as often. */
  losses: number;
  /** The refusal or loss that sent it round again. */
  lastError: Error | undefined;
  /** False when the connection is down; nothing was sent then. */
  sendOn(sender: CommandSender, asking: boolean): boolean;
  fail(error: Error): void;
}

/** Sum of the arguments' lengths; chars count as bytes. */
export function argvLength(argv: readonly Argument[]): number {
  let length = 0;
  for (const argument of argv) length += argument.length;
  return length;
}

function nothing(): void {}

let explain: (call: Call, error: Error) => void = nothing;

/** `add` gives the error of a call its hint; set once by the facade, which knows commands, keys and clients. */
export function explainWith(add: (call: Call, error: Error) => void): void {
  explain = add;
}

/** Settles a call with whatever came, for calls that nobody redirects (handshakes, probes, CLUSTER SLOTS). */
export const directSink: CallSink = {
  onReply(call, reply) {
    if (reply instanceof Error) call.fail(reply);
    else call.settle(reply);
  },
  onLost(call, reason) {
    call.fail(reason);
  },
};

/** A call of the client's own, outside any batch, with its promise. `flags`: of CallFlag, beside readOnly. */
export function ownCall(
  argv: readonly Argument[],
  encoding: Encoding = 'utf8',
  flags = 0,
): { call: Call; answer: Promise<unknown> } {
  const call = new Call(argv, -1, CallFlag.readOnly | flags, encoding, undefined, directSink);
  const answer = new Promise((resolve, reject) => {
    call.resolve = resolve;
    call.reject = reject;
  });
  return { call, answer };
}

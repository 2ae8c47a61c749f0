// The chain behind pipeline() and multi(): collects commands, sends them as one batch, gives results in call order. Keys
// may live in any slots. Command methods are put on the prototype by the facade.
// Owns: the calls that it collects, and their callbacks. Does not know: nodes, redirects, any command but `multi` and `exec`.
// Invariant: a MULTI..EXEC stretch travels as one unit, in a cluster on one slot, or nothing of it is sent.

import { AbortGroup } from '../base/abort-group.ts';
import { RedisError } from '../base/errors.ts';
import type { CachedTime } from '../base/ticker.ts';
import { nextTick, queueMicrotask } from '../base/turns.ts';
import { Call, CallFlag, type CallGroup, type Dispatcher, type RoutableRequest } from '../connection/call.ts';
import { type BatchResult, BatchResults } from './batch-results.ts';
import { crossSlotRefusal, Transaction, type TransactionOutcome, wasNeverSent } from './transaction.ts';

export type Callback<T> = (error?: Error | null, result?: T) => void;

/** What a pipeline needs of the client that made it. */
export interface BatchHost {
  readonly dispatcher: Dispatcher;
  /** Sends a request, or holds it until the client is ready. */
  submit(request: RoutableRequest): void;
  /** One node takes everything: the keys of a transaction may be in any slots. Default false. */
  readonly oneNode?: boolean;
  /** A call that travels inside a transaction, which `exec` ends: announced before it is sent. */
  watch?(call: Call, exec: Call): void;
  /** A call that blocks is about to be sent, and may be given up: called before it is sent. */
  mayRelease?(call: Call): void;
  /** It was given up. */
  release?(call: Call): void;
}

const reused = 'Pipeline cannot be used to send any commands when the `exec()` has been called on it.';

const noSlots: ReadonlySet<number> = new Set();

/** Calls that are collected and sent together, each to its node; results come in call order. */
export class Pipeline {
  /** Distinguishes a pipeline from a client, as with ioredis. */
  readonly isPipeline = true;
  readonly #host: BatchHost;
  readonly #calls: Call[] = [];
  readonly #callbacks = new Map<number, Callback<unknown>>();
  /** multi() on a client: exec() yields EXEC's results alone. */
  readonly #unwrap: boolean;
  #inTransaction = false;
  #executed = false;
  readonly #units: Transaction[] = [];
  #cancel: { readonly signal: AbortSignal; readonly reason: () => Error } | undefined;

  constructor(host: BatchHost, transaction = false) {
    this.#host = host;
    this.#unwrap = transaction;
    if (transaction) this.multi();
  }

  /** Commands collected so far, MULTI and EXEC included. */
  get length(): number {
    return this.#calls.length;
  }

  /** exec() would end a MULTI stretch of a pipeline, and send nothing yet. */
  protected get nested(): boolean {
    return this.#inTransaction && !this.#unwrap;
  }

  /** Adds a call; used by every command method of the surface. */
  add(call: Call, callback?: Callback<unknown>): this {
    if (this.#executed) throw new RedisError(reused, { code: 'ERR_PIPELINE_REUSED' });
    if (callback !== undefined) this.#callbacks.set(this.#calls.length, callback);
    call.index = this.#calls.length;
    // ioredis: a call that blocks keeps its place, before what was added after it.
    call.flags |= CallFlag.inOrder;
    this.#calls.push(call);
    return this;
  }

  multi(): this {
    if (this.#inTransaction) throw new RedisError('ERR MULTI calls can not be nested', { code: 'ERR' });
    this.#inTransaction = true;
    return this.add(this.#bare('multi'));
  }

  /** Rejects every call of the batch that has no answer yet with what `reason` gives, when `signal` fires. */
  protected cancelOn(signal: AbortSignal, reason: () => Error): void {
    this.#cancel = { signal, reason };
  }

  #abort(reason: () => Error): void {
    for (const unit of this.#units) unit.settled = true;
    for (const call of this.#calls) {
      const armed = (call.flags & CallFlag.blocking) !== 0 && !call.settled;
      call.fail(reason());
      if (armed) this.#host.release?.(call);
    }
  }

  /** Ends an open MULTI stretch of a pipeline (then returns the chain), or sends the batch. */
  exec(callback?: Callback<BatchResult[] | null>): Promise<BatchResult[] | null> {
    if (this.#inTransaction) {
      this.#inTransaction = false;
      this.add(this.#bare('exec'));
      // ioredis: within a pipeline it is one more command, and chains like one.
      if (!this.#unwrap) return this as unknown as Promise<BatchResult[]>;
    }
    const promise = this.#run();
    if (typeof callback === 'function') nodeify(promise, callback);
    return promise;
  }

  /** ioredis's deprecated name. */
  execBuffer(callback?: Callback<BatchResult[] | null>): Promise<BatchResult[] | null> {
    return this.exec(callback);
  }

  #bare(name: string): Call {
    return new Call([name], -1, 0, 'utf8', undefined, this.#host.dispatcher);
  }

  async #run(): Promise<BatchResult[] | null> {
    if (this.#executed) throw new RedisError(reused, { code: 'ERR_PIPELINE_REUSED' });
    this.#executed = true;
    const cancel = this.#cancel;
    if (cancel === undefined) return this.#resultsOf(await this.#send());
    if (cancel.signal.aborted) throw cancel.reason();
    const group = AbortGroup.of(cancel.signal);
    const member = { cancel: () => this.#abort(cancel.reason) };
    group.add(member);
    const results = await this.#send();
    group.delete(member);
    return this.#resultsOf(results);
  }

  #resultsOf(results: BatchResult[]): BatchResult[] | null {
    return this.#unwrap ? unwrap(results) : results;
  }

  #send(): Promise<BatchResult[]> {
    return new Promise((resolve) => {
      const calls = this.#calls;
      const results: CallGroup = withCallbacks(new BatchResults(calls.length, resolve), this.#callbacks);
      const { moment } = this.#host.dispatcher;
      for (let at = 0; at < calls.length; at++) {
        const call = calls[at]!;
        call.group = results;
        call.moment = moment;
        if (call.name !== 'multi') {
          if (this.#cancel !== undefined && (call.flags & CallFlag.blocking) !== 0) this.#host.mayRelease?.(call);
          this.#host.submit(call);
          continue;
        }
        const end = this.#endOfUnit(at);
        for (let inner = at; inner <= end; inner++) calls[inner]!.group = results;
        this.#sendUnit(calls.slice(at, end + 1), moment, results);
        at = end;
      }
    });
  }

  #endOfUnit(start: number): number {
    for (let at = start + 1; at < this.#calls.length; at++) if (this.#calls[at]!.name === 'exec') return at;
    return this.#calls.length - 1;
  }

  #sendUnit(unit: readonly Call[], moment: CachedTime, whole: CallGroup): void {
    const commands = unit.slice(1, -1);
    const slots = this.#host.oneNode ? noSlots : new Set(commands.map((call) => call.slot).filter((slot) => slot >= 0));
    if (slots.size > 1) {
      for (const call of unit) call.fail(crossSlotRefusal());
      return;
    }
    const exec = unit.at(-1)!;
    if (this.#host.watch !== undefined) for (const call of commands) this.#host.watch(call, exec);
    const [slot = -1] = slots;
    const buffers = commands.some((call) => call.encoding === 'buffer');
    const transaction = new Transaction(
      commands.map((call) => call.remedy?.argv ?? call.argv),
      slot,
      buffers ? 'buffer' : 'utf8',
      this.#host.dispatcher,
      (outcome) => settleUnit(unit, outcome, buffers),
    );
    transaction.moment = moment;
    transaction.whole = whole;
    this.#units.push(transaction);
    this.#host.submit(transaction);
  }
}

/** Calls back as the answers come, in the turn in which a promise of the call would have been settled. */
function withCallbacks(group: CallGroup, callbacks: ReadonlyMap<number, Callback<unknown>>): CallGroup {
  if (callbacks.size === 0) return group;
  return {
    get begun() {
      return group.begun ?? false;
    },
    settled: (call, error, value) => {
      const callback = callbacks.get(call.index);
      if (callback !== undefined) queueMicrotask(() => callBack(callback, error, value));
      group.settled(call, error, value);
    },
  };
}

function settleUnit(unit: readonly Call[], outcome: TransactionOutcome, buffers: boolean): void {
  const [multi, ...commands] = unit;
  const exec = commands.pop()!;
  if (outcome.begun instanceof Error) multi!.fail(outcome.begun);
  else multi!.settle(outcome.begun);
  commands.forEach((call, index) => {
    const answer = outcome.queued[index]!;
    // QUEUED is no answer of the command: its shape waits for EXEC's.
    if (answer instanceof Error) call.fail(answer);
    else call.finish(null, answer);
  });
  const { result } = outcome;
  if (result instanceof Error) exec.fail(result);
  else exec.settle(result === null ? null : result.map((reply, index) => shaped(commands[index], reply, buffers)));
}

function shaped(call: Call | undefined, reply: unknown, buffers: boolean): unknown {
  if (call === undefined || reply instanceof Error) return reply;
  const value = buffers && call.encoding !== 'buffer' ? textOf(reply) : reply;
  return call.shape === undefined ? value : call.shape(value, call.argv, call.encoding === 'buffer');
}

function textOf(reply: unknown): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString();
  if (Array.isArray(reply)) return reply.map(textOf);
  if (typeof reply !== 'object' || reply === null || Object.getPrototypeOf(reply) !== Object.prototype) return reply;
  return Object.fromEntries(Object.entries(reply).map(([key, item]) => [key, textOf(item)]));
}

function unwrap(results: readonly BatchResult[]): BatchResult[] | null {
  const [error, values] = results.at(-1)!;
  if (error !== null) {
    // Refused before anything was sent, its commands have no errors of their own.
    if (wasNeverSent(error)) throw error;
    const others = results.slice(0, -1).map(([other]) => other);
    (error as { previousErrors?: unknown }).previousErrors ??= others.filter((other) => other && other !== error);
    throw error;
  }
  if (values === null) return null;
  return (values as unknown[]).map((value) => (value instanceof Error ? [value] : [null, value]) as BatchResult);
}

/** Calls back in the promise's turn, so that callbacks and promises of neighbouring calls keep the order of replies. */
export function nodeify<T>(promise: Promise<T>, callback: Callback<T>): void {
  promise.then(
    (value) => callBack(callback, null, value),
    (error: Error) => callBack(callback, error),
  );
}

/** A callback that throws is the process's error, not ours. */
function callBack<T>(callback: Callback<T>, error: Error | null, value?: T): void {
  try {
    // As with ioredis, there is no second argument without a value.
    if (value === undefined) callback(error);
    else callback(error, value);
  } catch (thrown) {
    nextTick(() => {
      throw thrown;
    });
  }
}

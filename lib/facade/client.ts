// What Cluster and Redis do alike: take commands, scripts, Commands made by hand, pipelines and transactions, and end.
// Where a call goes is told by the hands that each client lends; this file knows neither slots nor connections.

import { EventEmitter } from 'node:events';
import { cancelledBy } from '../base/errors.ts';
import { type BatchHost, type Callback, nodeify } from '../batch/pipeline.ts';
import type { Script } from '../command/script.ts';
import { type Call, CallFlag, type Dispatcher, type Parcel } from '../connection/call.ts';
import type { Encoding } from '../wire/decoder.ts';
import { type CancelHost, Cancellable } from './abortable.ts';
import type { CallMaker, Word } from './commands/call-maker.ts';
import { addScript, type CommandAdder, installCommands, scriptOf } from './commands/install.ts';
import { answer, takeCallback } from './commands/promise.ts';
import type { Command } from './compat/command.ts';
import { Chain, type CommandWords } from './pipeline.ts';
import '../core/debug-log.ts';
import '../core/hints.ts';
import { commandTracing, type Destination, traceCommand, tracedSubmit, traceInUnit } from '../core/diagnostics.ts';
import type { Status } from '../core/lifecycle.ts';
import type { ReplyMappingMode, ScriptDefinition } from '../options/options.ts';
import { installScanStreams, type KeyScanStreams } from '../scan/scan-stream.ts';
import type { ChainableCommander, RedisCommander } from './surface.generated/index.ts';
import type { ReplyShapes } from './types.ts';

/** What a client lends to what it has in common with the other. */
export interface ClientHands {
  readonly maker: CallMaker;
  readonly dispatcher: Dispatcher;
  /** Rejections carry the stack of the line that made the call. */
  readonly friendly: boolean;
  /** Keys live on several nodes, and subscriptions have a connection of their own. */
  readonly cluster: boolean;
  status(): Status;
  /** Why a call cannot be carried out by this client, whatever the server says; asked for calls of batches. */
  readonly refuse: (call: Call) => Error | undefined;
  /** Sends a call made just now, or holds it until the client is ready. */
  readonly submit: (call: Call) => void;
  /** As submit, for (un)subscribing calls. */
  readonly subscribe: (call: Call) => void;
  /** As submit, for what a batch is made of. */
  readonly submitBatch: (parcel: Parcel) => void;
  /** `host:port` of the node that is to answer; undefined while nobody knows. */
  addressFor(call: Call): string | undefined;
  /** The database that calls go to. */
  readonly database: () => number;
  /** A call that travels inside a transaction, which `exec` ends: announced before it is sent. */
  watch(call: Call, exec: Call): void;
  /** A blocking call is about to be submitted whose caller may leave it. */
  mayRelease?(call: Call): void;
  /** Ends a blocking call on the server whose caller has left. */
  release(call: Call): void;
  /** MULTI without a pipeline. */
  openTransaction(): Promise<'OK'>;
  quit(): Promise<'OK'>;
  /** QUIT has been answered, and a callback is about to hear of it: closes what it has not closed itself. */
  depart?(): void;
}

// The command methods are put beneath the prototype by installCommands; this gives them their types.
export interface Client<Mapping extends ReplyMappingMode = 'legacy'>
  extends RedisCommander<{ type: 'default'; mapping: ReplyShapes<Mapping> }>,
    KeyScanStreams {}

/** What Cluster and Redis have in common: every command as a method, pipelines, transactions, scripts, quit(). */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the methods come from installCommands, users may merge their own
export abstract class Client<Mapping extends ReplyMappingMode = 'legacy'> extends EventEmitter {
  readonly #scripts = new Map<string, Script>();
  #hands!: ClientHands;
  /** Made with the first signal, for all of them. */
  #cancelHost: CancelHost | undefined;
  #batches!: BatchHost;

  /** Second half of construction: the hands need the client, and the client its hands. */
  protected static equip(
    self: EventEmitter,
    hands: ClientHands,
    scripts: Readonly<Record<string, ScriptDefinition>> = {},
  ): void {
    const client = self as Client;
    client.#hands = hands;
    const destinationOf = (call: Call): Destination => ({
      address: hands.addressFor(call),
      database: hands.database(),
    });
    client.#batches = {
      dispatcher: hands.dispatcher,
      submit: tracedSubmit(hands.submitBatch, destinationOf),
      oneNode: !hands.cluster,
      mayRelease: (call) => hands.mayRelease?.(call),
      release: (call) => hands.release(call),
      watch: (call, exec) => {
        hands.watch(call, exec);
        if (commandTracing.hasSubscribers) traceInUnit(call, destinationOf(call));
      },
    };
    for (const [name, script] of Object.entries(scripts)) client.defineCommand(name, script);
  }

  get status(): Status {
    return this.#hands.status();
  }

  /** ioredis's is a plain property, and consumers set it after quit(); the client knows better, so it is not changed. */
  set status(_told: Status) {}

  /** ioredis's gauge of its own auto-pipelining; here commands of a tick are never queued apart. Always 0. */
  get autoPipelineQueueSize(): number {
    return 0;
  }

  /**
   * Closes every connection without waiting for it: what was issued before leaves and is answered, as far as the
   * server does so within `disconnectTimeout` (default 2000 ms); the rest, and what waits for a connection, is
   * rejected with "Connection is closed.". With `reconnect` the client connects again afterwards.
   */
  abstract disconnect(reconnect?: boolean): void;

  /** QUIT: what was sent before is answered first. Resolves with "OK"; later commands are rejected. */
  quit(callback?: Callback<'OK'>): Promise<'OK'> {
    const quitting = this.#hands.quit();
    if (callback !== undefined) nodeify(quitting, callback);
    // The callback before the events, and both statuses before whoever awaits goes on.
    quitting.then(
      () => this.#hands.depart?.(),
      () => undefined,
    );
    return quitting;
  }

  /** Collects commands and sends them as one batch; `exec()` gives `[error, result][]` in call order. */
  pipeline(commands?: readonly CommandWords[]): ChainableCommander<ReplyShapes<Mapping>> {
    return this.#chain(false).addBatch(commands ?? []) as ChainableCommander<ReplyShapes<Mapping>>;
  }

  /**
   * A transaction; in a cluster on one slot, following MOVED and ASK whole. On a single node `{ pipeline: false }` sends
   * MULTI at once instead, and exec() ends it.
   */
  multi(options: { pipeline: false }): Promise<'OK'>;
  multi(options: { pipeline: true }): ChainableCommander<ReplyShapes<Mapping>>;
  multi(commands?: readonly CommandWords[], options?: { pipeline?: boolean }): ChainableCommander<ReplyShapes<Mapping>>;
  multi(commands?: readonly CommandWords[] | { pipeline?: boolean }, options?: { pipeline?: boolean }): unknown {
    const batch = Array.isArray(commands) ? (commands as readonly CommandWords[]) : undefined;
    const settings = batch ? options : ((commands as { pipeline?: boolean } | undefined) ?? options);
    return settings?.pipeline === false ? this.#hands.openTransaction() : this.#chain(true).addBatch(batch ?? []);
  }

  /** The same commands, cancelled together when `signal` fires: `client.withAbortSignal(signal).get('k')`. */
  withAbortSignal(signal: AbortSignal): Cancellable {
    this.#cancelHost ??= this.#makeCancelHost();
    return new Cancellable(this.#cancelHost, signal);
  }

  /** Adds `name` and `nameBuffer`: EVALSHA of the script, with EVAL where a server does not know it. */
  defineCommand(name: string, definition: ScriptDefinition): void {
    const script = scriptOf(definition);
    this.#scripts.set(name, script);
    addScript(this, name, script);
  }

  /** Sends a Command made by hand and returns its promise. */
  sendCommand(command: Command): Promise<unknown> {
    const { maker, submit, subscribe } = this.#hands;
    const call = command.toCall(maker);
    if ((call.flags & CallFlag.subscribing) === 0) submit(call);
    else subscribe(call);
    return command.promise;
  }

  execute(word: Word, words: unknown[], encoding: Encoding): unknown {
    const callback = takeCallback(words);
    const { maker, submit, subscribe } = this.#hands;
    const call = maker.make(word, words, encoding);
    return this.#answer(call, callback, (word.flags & CallFlag.subscribing) === 0 ? submit : subscribe);
  }

  executeScript(script: Script, args: unknown[], encoding: Encoding): unknown {
    const callback = takeCallback(args);
    return this.#answer(this.#hands.maker.makeScript(script, args, encoding), callback, this.#hands.submit);
  }

  /** `await using client = new Cluster(...)`: quits at the end of the block. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.status !== 'end') await this.quit().catch(() => this.disconnect());
  }

  /** `using`: disconnects at the end of the block. */
  [Symbol.dispose](): void {
    this.disconnect();
  }

  #answer(call: Call, callback: Callback<unknown> | undefined, submit: (call: Call) => void): Promise<unknown> {
    const { friendly } = this.#hands;
    if (!commandTracing.hasSubscribers) return answer(call, callback, friendly, submit);
    const to = { address: this.#hands.addressFor(call), database: this.#hands.database() };
    return traceAnswer(call, to, callback, friendly, submit);
  }

  #makeCancelHost(): CancelHost {
    return {
      maker: this.#hands.maker,
      scripts: this.#scripts,
      submit: (call) => {
        if ((call.flags & CallFlag.blocking) !== 0) this.#hands.mayRelease?.(call);
        this.#hands.submit(call);
      },
      release: (call, signal) => {
        if ((call.flags & CallFlag.blocking) === 0) return;
        // Settled first, so that its loss does not send it again.
        call.fail(cancelledBy(signal));
        this.#hands.release(call);
      },
      chain: (transaction) => this.#chain(transaction),
    };
  }

  #chain(transaction: boolean): Chain {
    return new Chain(this.#batches, this.#hands, this.#scripts, transaction, (this as CommandAdder).addedBuiltinSet);
  }
}

// Apart from #answer, which would take memory for the closure at every call, traced or not.
function traceAnswer(
  call: Call,
  to: Destination,
  callback: Callback<unknown> | undefined,
  friendly: boolean,
  submit: (call: Call) => void,
): Promise<unknown> {
  return traceCommand(call, to, () => answer(call, callback, friendly, submit));
}

installCommands(Client.prototype);
installScanStreams(Client.prototype);

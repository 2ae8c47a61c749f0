// What Cluster and Redis do alike: take commands, scripts, Commands made by hand, pipelines and transactions, and end.
// What becomes of a call is the backend's business; this file knows neither slots nor connections.

import { EventEmitter } from 'node:events';
import { cancelledBy, OptionError } from '../base/errors.ts';
import { type BatchHost, type Callback, nodeify } from '../batch/pipeline.ts';
import type { Script } from '../command/script.ts';
import { type Call, CallFlag } from '../connection/call.ts';
import type { Encoding } from '../wire/decoder.ts';
import { type CancelHost, Cancellable } from './abortable.ts';
import { type CommandBuilder, type CommandSpec, specOf } from './commands/command-builder.ts';
import { addScript, type CommandAdder, installCommands, scriptOf } from './commands/install.ts';
import { promiseOf, takeCallback } from './commands/promise.ts';
import { CallCommand } from './compat/call-command.ts';
import type { Command } from './compat/command.ts';
import { type BatchCommand, PipelineBuilder } from './pipeline.ts';
import '../core/debug-log.ts';
import '../core/hints.ts';
import type { ClientBackend } from '../core/client-backend.ts';
import { commandTracing, type Destination, traceCommand, tracedSubmit, traceInUnit } from '../core/diagnostics.ts';
import type { Status } from '../core/lifecycle.ts';
import type { ReplyMappingMode, ScriptDefinition } from '../options/options.ts';
import { installScanStreams, type KeyScanStreams } from '../scan/scan-stream.ts';
import type { ChainableCommander, RedisCommander } from './surface.generated/index.ts';
import type { ReplyShapes } from './types.ts';

// The command methods are put beneath the prototype by installCommands; this gives them their types.
export interface Client<Mapping extends ReplyMappingMode = 'legacy'>
  extends RedisCommander<{ type: 'default'; mapping: ReplyShapes<Mapping> }>,
    KeyScanStreams {
  /** Names of the commands that there are methods for. */
  getBuiltinCommands(): string[];
  /** The two methods of a command by its name: `string` gives text, `buffer` Buffers. */
  // biome-ignore lint/suspicious/noExplicitAny: as ioredis types it
  createBuiltinCommand(commandName: string): { string: any; buffer: any };
  /** Makes methods, here and in pipelines, of a command that there is none for. */
  addBuiltinCommand(commandName: string): void;
}

/** What Cluster and Redis have in common: every command as a method, pipelines, transactions, scripts, quit(). */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the methods come from installCommands, users may merge their own
export abstract class Client<Mapping extends ReplyMappingMode = 'legacy'> extends EventEmitter {
  readonly #scripts = new Map<string, Script>();
  #backend!: ClientBackend;
  #builder!: CommandBuilder;
  /** Made with the first signal, for all of them. */
  #cancelHost: CancelHost | undefined;
  /** Made with the first pipeline. */
  #batchHost: BatchHost | undefined;

  /** Second half of construction: the backend needs the client to emit its events on, and the client its backend. */
  protected static attach(
    self: EventEmitter,
    backend: ClientBackend,
    builder: CommandBuilder,
    scripts: Readonly<Record<string, ScriptDefinition>> = {},
  ): void {
    const client = self as Client;
    client.#backend = backend;
    client.#builder = builder;
    for (const [name, script] of Object.entries(scripts)) client.defineCommand(name, script);
  }

  get status(): Status {
    return this.#backend.status;
  }

  /** ioredis's is a plain property, and consumers set it after quit(); the client knows better, so it is not changed. */
  set status(_status: Status) {}

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
    const quitting = this.#backend.quit();
    if (callback !== undefined) nodeify(quitting, callback);
    // The callback before the events, and both statuses before whoever awaits goes on.
    quitting.then(
      () => this.#backend.depart(),
      () => undefined,
    );
    return quitting;
  }

  /** Collects commands and sends them as one batch; `exec()` gives `[error, result][]` in call order. */
  pipeline(commands?: readonly BatchCommand[]): ChainableCommander<ReplyShapes<Mapping>> {
    return this.#chain(false).addBatch(commands ?? []) as ChainableCommander<ReplyShapes<Mapping>>;
  }

  /**
   * A transaction; in a cluster on one slot, following MOVED and ASK whole. On a single node `{ pipeline: false }` sends
   * MULTI at once instead, and exec() ends it.
   */
  multi(options: { pipeline: false }): Promise<'OK'>;
  multi(options: { pipeline: true }): ChainableCommander<ReplyShapes<Mapping>>;
  multi(commands?: readonly BatchCommand[], options?: { pipeline?: boolean }): ChainableCommander<ReplyShapes<Mapping>>;
  multi(commands?: readonly BatchCommand[] | { pipeline?: boolean }, options?: { pipeline?: boolean }): unknown {
    const batch = Array.isArray(commands) ? (commands as readonly BatchCommand[]) : undefined;
    const settings = batch ? options : ((commands as { pipeline?: boolean } | undefined) ?? options);
    return settings?.pipeline === false ? this.#openTransaction() : this.#chain(true).addBatch(batch ?? []);
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
    this.#backend.submit(command.toCall(this.#builder));
    return command.promise;
  }

  execute(spec: CommandSpec, argv: unknown[], encoding: Encoding): unknown {
    const callback = takeCallback(argv);
    const call = this.#builder.make(spec, argv, encoding);
    return this.sendCommand === ownSendCommand
      ? this.#start(call, callback)
      : this.#viaSendCommand(spec.name, call, callback);
  }

  executeScript(script: Script, args: unknown[], encoding: Encoding): unknown {
    const callback = takeCallback(args);
    const call = this.#builder.makeScript(script, args, encoding);
    return this.sendCommand === ownSendCommand
      ? this.#start(call, callback)
      : this.#viaSendCommand('evalsha', call, callback);
  }

  /** `await using client = new Cluster(...)`: quits at the end of the block. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.status !== 'end') await this.quit().catch(() => this.disconnect());
  }

  /** `using`: disconnects at the end of the block. */
  [Symbol.dispose](): void {
    this.disconnect();
  }

  /** Where sendCommand is not ours any more (a tracer's, a test's, a subclass's), each command goes through it, as in ioredis. */
  #viaSendCommand(name: string, call: Call, callback: Callback<unknown> | undefined): Promise<unknown> {
    const command = new CallCommand(name, call, this.#backend.friendlyErrors);
    if (callback !== undefined) nodeify(command.promise, callback);
    return this.sendCommand(command);
  }

  #start(call: Call, callback: Callback<unknown> | undefined): Promise<unknown> {
    if (commandTracing.hasSubscribers) return this.#startTraced(call, callback);
    const promise = promiseOf(call, this.#backend.friendlyErrors);
    this.#backend.submit(call);
    if (callback !== undefined) nodeify(promise, callback);
    return promise;
  }

  // Apart from #start, which would take memory for the closure at every call, traced or not.
  #startTraced(call: Call, callback: Callback<unknown> | undefined): Promise<unknown> {
    return traceCommand(call, this.#destinationOf(call), () => {
      const promise = promiseOf(call, this.#backend.friendlyErrors);
      this.#backend.submit(call);
      if (callback !== undefined) nodeify(promise, callback);
      return promise;
    });
  }

  #destinationOf(call: Call): Destination {
    return { address: this.#backend.addressOf(call), database: this.#backend.database };
  }

  #openTransaction(): Promise<'OK'> {
    if (!this.#backend.oneNode) {
      throw new OptionError('pipeline', 'multi({ pipeline: false }) needs one connection; use it on one of nodes()');
    }
    return this.execute(specOf('multi'), ['multi'], 'utf8') as Promise<'OK'>;
  }

  #makeCancelHost(): CancelHost {
    const backend = this.#backend;
    return {
      builder: this.#builder,
      scripts: this.#scripts,
      submit: (call) => {
        if ((call.flags & CallFlag.blocking) !== 0) backend.mayRelease(call);
        backend.submit(call);
      },
      release: (call, signal) => {
        if ((call.flags & CallFlag.blocking) === 0) return;
        // Settled first, so that its loss does not send it again.
        call.fail(cancelledBy(signal));
        backend.release(call);
      },
      chain: (transaction) => this.#chain(transaction),
    };
  }

  #makeBatchHost(): BatchHost {
    const backend = this.#backend;
    const destinationOf = (call: Call): Destination => this.#destinationOf(call);
    return {
      dispatcher: backend.dispatcher,
      submit: tracedSubmit((request) => backend.submit(request), destinationOf),
      oneNode: backend.oneNode,
      mayRelease: (call) => backend.mayRelease(call),
      release: (call) => backend.release(call),
      watch: (call, exec) => {
        backend.watch(call, exec);
        if (commandTracing.hasSubscribers) traceInUnit(call, destinationOf(call));
      },
    };
  }

  #chain(transaction: boolean): PipelineBuilder {
    this.#batchHost ??= this.#makeBatchHost();
    const added = (this as CommandAdder).addedBuiltinSet;
    return new PipelineBuilder(this.#batchHost, this.#backend, this.#builder, this.#scripts, transaction, added);
  }
}

installCommands(Client.prototype);
installScanStreams(Client.prototype);

const ownSendCommand = Client.prototype.sendCommand;

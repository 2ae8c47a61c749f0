// pipeline() and multi() as users chain them: the batch with every command as a method.

import { cancelledBy, RedisError } from '../base/errors.ts';
import type { BatchResult } from '../batch/batch-results.ts';
import { type BatchHost, type Callback, Pipeline } from '../batch/pipeline.ts';
import type { Script } from '../command/script.ts';
import { type Call, CallFlag } from '../connection/call.ts';
import type { ClientBackend } from '../core/client-backend.ts';
import { traceBatch } from '../core/diagnostics.ts';
import type { Encoding } from '../wire/decoder.ts';
import { type CommandBuilder, type CommandSpec, specOf } from './commands/command-builder.ts';
import { addCommand, addScript, installCommands } from './commands/install.ts';
import { takeCallback } from './commands/promise.ts';
import type { Command } from './compat/command.ts';
import type { ChainableCommander, RedisCommander } from './surface.generated/index.ts';

/** A command as `[name, ...arguments]`. */
export type BatchCommand = readonly [name: string, ...args: unknown[]];

export interface PipelineBuilder extends RedisCommander<{ type: 'pipeline'; chain: ChainableCommander }> {}

/**
 * What `pipeline()` and `multi()` give, exported as `Pipeline`: command methods collect, `exec()` sends all at once and
 * gives `[error, value]` for each, in call order. It can be used once.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the methods come from installCommands, users may merge their own
export class PipelineBuilder extends Pipeline {
  readonly #builder: CommandBuilder;
  readonly #backend: ClientBackend;
  readonly #transaction: boolean;

  /** `added`: commands of addBuiltinCommand() on the client. */
  constructor(
    host: BatchHost,
    backend: ClientBackend,
    builder: CommandBuilder,
    scripts: ReadonlyMap<string, Script>,
    transaction: boolean,
    added: Iterable<string> | undefined,
  ) {
    super(host, transaction);
    this.#builder = builder;
    this.#backend = backend;
    this.#transaction = transaction;
    for (const [name, script] of scripts) addScript(this, name, script);
    if (added !== undefined) for (const name of added) addCommand(this, name);
  }

  override exec(callback?: Callback<BatchResult[] | null>): Promise<BatchResult[] | null> {
    if (this.nested) return super.exec(callback);
    // ioredis counts the commands between MULTI and EXEC.
    const [mode, size] = this.#transaction
      ? (['MULTI', this.length - 1] as const)
      : (['PIPELINE', this.length] as const);
    return traceBatch(
      mode,
      size,
      () => this.#backend.database,
      () => super.exec(callback),
    );
  }

  /** `[['set', 'a', 1], ['get', 'a']]`, as given to pipeline(commands). */
  addBatch(commands: readonly BatchCommand[]): this {
    for (const [name, ...args] of commands) {
      const method = (this as unknown as Record<string, unknown>)[name];
      if (typeof method === 'function') method.apply(this, args);
      else this.execute(specOf(name), [name, ...args], 'utf8');
    }
    return this;
  }

  /** Ties the batch to a signal; used by `withAbortSignal(signal).pipeline()`. */
  cancelWith(signal: AbortSignal): this {
    this.cancelOn(signal, () => cancelledBy(signal));
    return this;
  }

  execute(spec: CommandSpec, argv: unknown[], encoding: Encoding): this {
    if (!this.#backend.oneNode && (spec.flags & CallFlag.subscribing) !== 0) {
      const why = 'cannot be part of a pipeline on a cluster: subscriptions have a connection of their own';
      throw new RedisError(`${spec.name} ${why}`, { code: 'ERR_INVALID_ARG' });
    }
    const callback = takeCallback(argv);
    return this.#take(this.#builder.make(spec, argv, encoding), callback);
  }

  // In a pipeline a refused call fails by itself when its turn comes; in a transaction that would be too late.
  #take(call: Call, callback: Callback<unknown> | undefined): this {
    const subscribing = (call.flags & CallFlag.subscribing) !== 0;
    if (subscribing || (call.slot < 0 && (this.#transaction || this.nested))) {
      const refusal = this.#backend.refusalOf(call);
      if (refusal !== undefined) throw refusal;
    }
    return this.add(call, callback);
  }

  /** Adds a Command made by hand; its promise settles with the batch. */
  sendCommand(command: Command): this {
    command.promise.catch(() => undefined);
    return this.#take(command.toGroupCall(this.#builder), command.settled);
  }

  executeScript(script: Script, args: unknown[], encoding: Encoding): this {
    const callback = takeCallback(args);
    return this.add(this.#builder.makeScript(script, args, encoding), callback);
  }
}

installCommands(PipelineBuilder.prototype);

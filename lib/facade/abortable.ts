// A client's commands under an AbortSignal: what has not been sent when the signal fires is dropped, what has been is
// let go of (its reply is read and thrown away), and a blocking call gives its connection up, so that the server
// hands it nothing any more.

import { AbortGroup, type Cancelled } from '../base/abort-group.ts';
import { cancelledBy } from '../base/errors.ts';
import { type Callback, nodeify } from '../batch/pipeline.ts';
import type { Script } from '../command/script.ts';
import type { Call } from '../connection/call.ts';
import type { Encoding } from '../wire/decoder.ts';
import type { CommandBuilder, CommandSpec } from './commands/command-builder.ts';
import { addScript, installCommands } from './commands/install.ts';
import { promiseOf, takeCallback } from './commands/promise.ts';
import type { BatchCommand, PipelineBuilder } from './pipeline.ts';
import type { ChainableCommander, RedisCommander } from './surface.generated/index.ts';

/** What the view needs of the client it belongs to. */
export interface CancelHost {
  readonly builder: CommandBuilder;
  readonly scripts: ReadonlyMap<string, Script>;
  submit(call: Call): void;
  /** Takes the connection away from a blocking call that is under way. */
  release(call: Call, signal: AbortSignal): void;
  chain(transaction: boolean): PipelineBuilder;
}

export interface Cancellable extends RedisCommander<{ type: 'default' }> {}

/** The commands of a client, cancelled together by one signal. Made by `client.withAbortSignal(signal)`. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the methods come from installCommands
export class Cancellable {
  readonly #host: CancelHost;
  readonly #signal: AbortSignal;

  constructor(host: CancelHost, signal: AbortSignal) {
    this.#host = host;
    this.#signal = signal;
    for (const [name, script] of host.scripts) addScript(this, name, script);
  }

  execute(spec: CommandSpec, argv: unknown[], encoding: Encoding): Promise<unknown> {
    const callback = takeCallback(argv);
    return this.#run(this.#host.builder.make(spec, argv, encoding), callback);
  }

  executeScript(script: Script, args: unknown[], encoding: Encoding): Promise<unknown> {
    const callback = takeCallback(args);
    return this.#run(this.#host.builder.makeScript(script, args, encoding), callback);
  }

  /** A batch that is cancelled as a whole: every call without an answer is rejected in its results. */
  pipeline(commands?: readonly BatchCommand[]): ChainableCommander {
    return this.#host
      .chain(false)
      .cancelWith(this.#signal)
      .addBatch(commands ?? []);
  }

  /** A transaction. Once its EXEC was sent it may be carried out although its promise was rejected. */
  multi(commands?: readonly BatchCommand[]): ChainableCommander {
    return this.#host
      .chain(true)
      .cancelWith(this.#signal)
      .addBatch(commands ?? []);
  }

  #run(call: Call, callback: Callback<unknown> | undefined): Promise<unknown> {
    const promise = promiseOf(call, false);
    if (this.#signal.aborted) call.fail(cancelledBy(this.#signal));
    else {
      const group = AbortGroup.of(this.#signal);
      const member = new Cancelling(this.#host, call, this.#signal);
      group.add(member);
      const forget = (): void => group.delete(member);
      promise.then(forget, forget);
      this.#host.submit(call);
    }
    if (callback !== undefined) nodeify(promise, callback);
    return promise;
  }
}

/** A call that its signal may take back. */
class Cancelling implements Cancelled {
  readonly #host: CancelHost;
  readonly #call: Call;
  readonly #signal: AbortSignal;

  constructor(host: CancelHost, call: Call, signal: AbortSignal) {
    this.#host = host;
    this.#call = call;
    this.#signal = signal;
  }

  cancel(): void {
    this.#host.release(this.#call, this.#signal);
    this.#call.fail(cancelledBy(this.#signal));
  }
}

installCommands(Cancellable.prototype);

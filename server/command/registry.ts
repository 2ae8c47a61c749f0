// The contract between a session and the commands: what a command may see (Context), what it answers (Reply)
// and how it is found. A command knows the keyspace and its session's view, never sockets or slots.
// Invariant: a command runs to completion synchronously; waiting is a value (`Blocked`), not a pause.

import type { World } from '../../lib/base/world.ts';
import type { Reply } from '../../lib/wire/reply.ts';
import type { Store } from '../keyspace/store.ts';

/** A command that found nothing to answer yet. The session parks it until one of `keys` is signalled ready. */
export class Blocked {
  readonly keys: readonly string[];
  /** Milliseconds to wait, 0 = for ever. */
  readonly timeoutMs: number;
  /** Called after a key became ready: the reply, or undefined to go on waiting. */
  readonly retry: () => Reply | undefined;
  /** What to answer when the time is up. */
  readonly onTimeout: Reply;

  constructor(keys: readonly string[], timeoutMs: number, retry: () => Reply | undefined, onTimeout: Reply) {
    this.keys = keys;
    this.timeoutMs = timeoutMs;
    this.retry = retry;
    this.onTimeout = onTimeout;
  }
}

export interface Context {
  readonly store: Store;
  readonly world: World;
  readonly protocol: 2 | 3;
  /** True inside EXEC or a script: a blocking command must answer at once. */
  readonly denyBlocking: boolean;
  /** Replaces the argv that is replicated for this command (effects instead of the original words). */
  propagate(...effects: (readonly string[])[]): void;
}

/** `undefined`: nothing is sent (the command pushed its own replies). argv[0] is the name as the client wrote it. */
export type Handler<C extends Context = Context> = (ctx: C, argv: readonly string[]) => Reply | Blocked | undefined;

/** name (lower case) -> handler. Arity, flags and key positions come from lib/command/table.generated.ts. */
export type CommandGroup<C extends Context = Context> = Readonly<Record<string, Handler<C>>>;

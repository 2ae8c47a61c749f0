// The contract between a session and the commands: what a command may see (Context), what it answers (Outcome)
// and how it is found. A command knows the keyspace and its session's view, never sockets or slots.
// Invariant: a command runs to completion synchronously; waiting is a value (`Blocked`, `AsyncReply`), not a pause.

import type { World } from '../../lib/base/world.ts';
import { type CommandRow, commandOf } from '../../lib/command/table.ts';
import { type Reply, ReplyError } from '../../lib/wire/reply.ts';
import type { Store } from '../keyspace/store.ts';
import { CommandNames } from './command-names.ts';
import type { LatencyHistogram } from './latency.ts';

/** A command that found nothing to answer yet. The client is blocked until one of `keys` is signalled ready. */
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

/** A command whose answer comes from outside the keyspace: a peer, a timer. Its session is blocked until then. */
export class AsyncReply {
  /** Starts the work; `settle` answers, once. Gives back what to call when the client goes away or is unblocked. */
  readonly start: (settle: (reply: Reply) => void) => () => void;
  /** What CLIENT UNBLOCK answers; undefined when it may not end the waiting. */
  readonly onTimeout: Reply | undefined;

  constructor(start: (settle: (reply: Reply) => void) => () => void, onTimeout?: Reply) {
    this.start = start;
    this.onTimeout = onTimeout;
  }
}

export interface Context {
  readonly store: Store;
  readonly world: World;
  readonly protocol: 2 | 3;
  /** True inside EXEC or a script: a blocking command must answer at once. */
  readonly denyBlocking: boolean;
  /** True for the commands of a script. */
  readonly inScript?: boolean;
  /** Whether the client may run this call and, by the same rules, read every key there may be. */
  mayReadAnyKey(row: CommandRow, argv: readonly string[]): boolean;
  /** Replaces the argv that is replicated for this command (effects instead of the original command). */
  propagate(...effects: (readonly string[])[]): void;
}

/** `undefined`: nothing is sent (the command pushed its own replies). */
export type Outcome = Reply | Blocked | AsyncReply | undefined;

/** argv[0] is the name as the client wrote it. A thrown ReplyError is answered. */
export type Handler<C extends Context = Context> = (ctx: C, argv: readonly string[]) => Outcome;

/** name (lower case) -> handler. Arity, flags and key positions come from lib/command/table.generated.ts. */
export type CommandGroup<C extends Context = Context> = Readonly<Record<string, Handler<C>>>;

/** A command that can be run. */
export interface Command<C extends Context = Context> {
  readonly row: CommandRow;
  readonly handler: Handler<C>;
  /** Calls that ran, calls refused before they ran, calls that answered an error. */
  calls: number;
  rejected: number;
  failed: number;
  /** Time spent, in ms. */
  spent: number;
  /** How long the calls took, once one was made while `latency-tracking` is on. */
  histogram: LatencyHistogram | undefined;
  /** What it answers or does depends on what other clients have sent. */
  readonly looksAtClients: boolean;
  /** The row of one call where its flags depend on the arguments: scripts declare them. */
  rowOf?: (argv: readonly string[]) => CommandRow;
}

/** An error that was counted where it arose: a script passes on what a command of it answered. */
export class CountedError extends ReplyError {}

/** Spellings other than lower case that are remembered, so that a look-up of GET need not lower it each time. */
const maxSpellings = 4096;

const aboutClients: ReadonlySet<string> = new Set(['client|list', 'client|kill']);

export class Registry<C extends Context> {
  readonly #byName = new Map<string, Command<C>>();
  readonly #spellings = new Map<string, Command<C>>();
  readonly #containers = new Set<string>();
  readonly #names = new CommandNames();

  /** Adds the commands of a group; a name may be `container|sub`. Throws for names that the table does not know. */
  add(group: CommandGroup<C>): void {
    for (const [name, handler] of Object.entries(group)) {
      const row = commandOf(name);
      if (row === undefined) throw new RangeError(`no such command in the table: ${name}`);
      const looksAtClients = aboutClients.has(name);
      const counters = { calls: 0, rejected: 0, failed: 0, spent: 0, histogram: undefined };
      const command: Command<C> = { row, handler, ...counters, looksAtClients };
      // Who wraps a handler does not change what the command declares.
      const { rowOf } = this.#byName.get(name) ?? {};
      if (rowOf !== undefined) command.rowOf = rowOf;
      this.#byName.set(name, command);
      const bar = name.indexOf('|');
      if (bar > 0) this.#containers.add(name.slice(0, bar));
    }
    this.#spellings.clear();
  }

  /** The command that an argv calls, or the error that says why there is none. */
  find(argv: readonly string[]): Command<C> | ReplyError {
    const name = argv[0]!;
    const known = this.#spellings.get(name);
    if (known !== undefined) return known;
    const lower = this.#names.originalOf(name.toLowerCase());
    if (lower === undefined) return unknownCommand(argv);
    if (this.#containers.has(lower)) return this.#findSub(lower, argv);
    const command = this.#byName.get(lower);
    // A subcommand has no name of its own that a client may call.
    if (command === undefined || lower.includes('|')) return unknownCommand(argv);
    if (this.#spellings.size < maxSpellings) this.#spellings.set(name, command);
    return command;
  }

  /** As `find()`, by the names that commands have without renaming too: for what this node or its master says. */
  findTrusted(argv: readonly string[]): Command<C> | ReplyError {
    const found = this.find(argv);
    if (!(found instanceof ReplyError) || this.#names.untouched) return found;
    const lower = argv[0]!.toLowerCase();
    if (this.#containers.has(lower)) return this.#findSub(lower, argv);
    return this.#byName.get(lower) ?? found;
  }

  /** `rename-command`: calls need the new name from now on; `''`: there are none. Throws an Error. */
  rename(name: string, to: string): void {
    this.#names.rename(name.toLowerCase(), to.toLowerCase());
    this.#spellings.clear();
  }

  /** The name in the table of the command that goes by `name` (lower case); undefined when there is none. */
  originalOf(name: string): string | undefined {
    const original = this.#names.originalOf(name);
    return original !== undefined && this.has(original) ? original : undefined;
  }

  /** By full lower-case name (`config|get`). */
  get(name: string): Command<C> | undefined {
    return this.#byName.get(name);
  }

  /** Whether calls of this top-level command exist, as a command or as a container of some, whatever its name is now. */
  has(name: string): boolean {
    if (this.#names.isGone(name)) return false;
    return this.#byName.has(name) || this.#containers.has(name);
  }

  all(): Iterable<Command<C>> {
    return this.#byName.values();
  }

  #findSub(container: string, argv: readonly string[]): Command<C> | ReplyError {
    const sub = argv[1];
    if (sub === undefined) return this.#byName.get(container) ?? arityRefusal(container);
    const command = this.#byName.get(`${container}|${sub.toLowerCase()}`);
    if (command !== undefined) return command;
    return new ReplyError(`ERR unknown subcommand '${printable(sub, 128)}'. Try ${argv[0]!.toUpperCase()} HELP.`);
  }
}

/** Whether a call has too many arguments for its command, or too few. */
export function wrongArity({ arity }: CommandRow, argv: readonly string[]): boolean {
  return arity > 0 ? argv.length !== arity : argv.length < -arity;
}

export function arityRefusal(name: string): ReplyError {
  return new ReplyError(`ERR wrong number of arguments for '${name}' command`);
}

function unknownCommand(argv: readonly string[]): ReplyError {
  let shown = '';
  for (let at = 1; at < argv.length && shown.length < 128; at++) {
    shown += `'${printable(argv[at]!, 128 - shown.length)}' `;
  }
  return new ReplyError(`ERR unknown command '${printable(argv[0]!, 128)}', with args beginning with: ${shown}`);
}

/** As C prints a string: up to its first zero byte. */
function printable(text: string, limit: number): string {
  const end = text.indexOf('\0');
  return text.slice(0, end < 0 ? limit : Math.min(end, limit));
}

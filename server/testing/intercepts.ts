// What nodes in this process do with chosen requests instead of running them, and which requests they had.
// Owns the intercepts and the history. Does not know nodes: it stands around what runs the requests of each.
// Invariant: while there is neither an intercept nor a history, a request costs one look at a flag more.

import type { Socket } from 'node:net';
import { commandOfArgv } from '../../lib/command/table.ts';
import { type Reply, ReplyError } from '../../lib/wire/reply.ts';
import { ReplyWriter } from '../../lib/wire/reply-writer.ts';
import { keysOf } from '../engine/call-traits.ts';
import type { Client } from '../engine/client.ts';
import { type Execute, execute } from '../engine/dispatch.ts';
import type { Engine } from '../engine/engine.ts';
import { formatDouble } from '../engine/replies.ts';
import { globMatcher } from '../keyspace/glob.ts';
import { binary, readable, type Scalar } from './values.ts';

/** Which requests are meant: those that fit everything that is given. */
export interface CallFilter {
  /** A command (`get`, `config get`), in any case; or a pattern for it, in lower case. */
  readonly command?: string | RegExp;
  /** A key of the call: exact, a glob as of KEYS, or a pattern. */
  readonly key?: string | RegExp;
  /** Ids of nodes. Default: all. */
  readonly nodes?: readonly string[];
}

/** A reply: text, numbers, bytes, null, booleans (RESP3; 1 and 0 before), arrays, Maps and Sets of them. */
export type ReplyValue =
  | Scalar
  | null
  | boolean
  | readonly ReplyValue[]
  | ReadonlyMap<Scalar, ReplyValue>
  | ReadonlySet<ReplyValue>;

/** Where the connection is cut: instead of running it, after it without a reply, inside the reply, after the reply. */
export type Cut = 'before' | 'unanswered' | 'inside' | 'after';

/** What is done with a request. A delay comes first; without reply, error or cut the request runs after it. */
export interface InterceptAction {
  /** Answered instead of running it. */
  readonly reply?: ReplyValue;
  /** An error with its code, with or without the `-`: `TRYAGAIN Multiple keys request during rehashing of slot`. */
  readonly error?: string;
  /** Milliseconds. The requests behind it on that connection wait too, as with a real server. */
  readonly delayMs?: number;
  readonly cut?: Cut;
  /** How many requests; `Infinity`: all from now on. Default 1. */
  readonly times?: number;
  /** How many that fit are let through first. Default 0. */
  readonly skip?: number;
}

/** One request that a node had. */
export interface Call {
  /** Id of the node. */
  readonly node: string;
  /** Milliseconds of the nodes' clock. */
  readonly at: number;
  /** In lower case, with its subcommand: `config get`. */
  readonly command: string;
  readonly args: readonly (string | Buffer)[];
  readonly client: { readonly id: number; readonly name: string; readonly address: string };
  /** What an intercept did with it; undefined: it ran. */
  readonly intercepted: string | undefined;
}

interface Recorded {
  readonly node: string;
  readonly at: number;
  readonly argv: readonly string[];
  readonly client: Client;
  intercepted: string | undefined;
}

const cuts: readonly string[] = ['before', 'unanswered', 'inside', 'after'] satisfies Cut[];

/** An intercept that was set; `remove()` ends it. */
export class Intercept {
  readonly #fits: (argv: readonly string[], keys: () => readonly string[]) => boolean;
  readonly #filter: CallFilter;
  readonly action: InterceptAction;
  #left: number;
  #skip: number;
  #used = 0;
  #removed = false;

  /** Throws a RangeError that names the option that is wrong. */
  constructor(filter: CallFilter, action: InterceptAction) {
    this.#left = countOf('times', action.times ?? 1, 1);
    this.#skip = countOf('skip', action.skip ?? 0, 0);
    check(action);
    this.#filter = filter;
    this.action = action;
    this.#fits = matcher(filter);
  }

  /** Requests it has been applied to. */
  get used(): number {
    return this.#used;
  }

  /** Requests it still waits for; Infinity for one without an end, 0 once removed. */
  get left(): number {
    return this.#removed ? 0 : this.#left;
  }

  remove(): void {
    this.#removed = true;
  }

  /** Takes the request if it fits. */
  take(node: string, argv: readonly string[], keys: () => readonly string[]): boolean {
    const { nodes } = this.#filter;
    if (this.left === 0 || (nodes !== undefined && !nodes.includes(node)) || !this.#fits(argv, keys)) return false;
    if (this.#skip > 0) {
      this.#skip--;
      return false;
    }
    this.#left--;
    this.#used++;
    return true;
  }

  toString(): string {
    const { command, key } = this.#filter;
    const what = [command === undefined ? '' : String(command), key === undefined ? '' : `of ${String(key)}`];
    return `${what.filter((word) => word !== '').join(' ') || 'any command'}: ${describe(this.action)}`;
  }
}

export class Interceptor {
  readonly #intercepts: Intercept[] = [];
  readonly #history: number;
  readonly #calls = new Map<string, Recorded[]>();
  readonly #ids = new WeakMap<Engine, string>();
  #idle: boolean;

  /** `history`: calls that are remembered, for each node. */
  constructor(history: number) {
    this.#history = history;
    this.#idle = history === 0;
  }

  /** Runs the requests of every node: in the place of the engine's execute(). */
  readonly execute: Execute = (engine, client, argv) =>
    this.#idle ? execute(engine, client, argv) : this.#run(engine, client, argv);

  /** The node whose engine this is has this id. */
  name(engine: Engine, id: string): void {
    this.#ids.set(engine, id);
  }

  add(intercept: Intercept): void {
    this.#intercepts.push(intercept);
    this.#idle = false;
  }

  /** Those that still wait for requests, but for those without an end. */
  pending(): Intercept[] {
    return this.#intercepts.filter(({ left }) => left > 0 && Number.isFinite(left));
  }

  /** Ends all intercepts and forgets the history. */
  clear(): void {
    for (const intercept of this.#intercepts) intercept.remove();
    this.#intercepts.length = 0;
    this.#calls.clear();
    this.#idle = this.#history === 0;
  }

  /** Calls in the order in which they came, the newest last. */
  calls(filter: CallFilter): Call[] {
    const fits = matcher(filter);
    const found: Recorded[] = [];
    for (const [node, calls] of this.#calls) {
      if (filter.nodes !== undefined && !filter.nodes.includes(node)) continue;
      for (const call of calls) if (fits(call.argv, () => keysIn(call.argv))) found.push(call);
    }
    return found.sort((one, other) => one.at - other.at).map(callOf);
  }

  #run(engine: Engine, client: Client, argv: readonly string[]): Reply | undefined {
    // Of a node that is just being put together: nobody means it yet.
    const node = this.#ids.get(engine) ?? '';
    const recorded = this.#record(node, engine, client, argv);
    if (this.#intercepts.length === 0) return execute(engine, client, argv);
    let keys: readonly string[] | undefined;
    const keysOnce = (): readonly string[] => {
      keys ??= keysIn(argv);
      return keys;
    };
    const intercept = this.#intercepts.find((each) => each.take(node, argv, keysOnce));
    if (intercept === undefined) return execute(engine, client, argv);
    if (recorded !== undefined) recorded.intercepted = describe(intercept.action);
    if (intercept.left === 0) this.#intercepts.splice(this.#intercepts.indexOf(intercept), 1);
    if (this.#intercepts.length === 0 && this.#history === 0) this.#idle = true;
    return act(intercept.action, engine, client, argv);
  }

  #callsOf(node: string): Recorded[] {
    const known = this.#calls.get(node);
    if (known !== undefined) return known;
    const calls: Recorded[] = [];
    this.#calls.set(node, calls);
    return calls;
  }

  #record(node: string, engine: Engine, client: Client, argv: readonly string[]): Recorded | undefined {
    if (this.#history === 0) return undefined;
    const calls = this.#callsOf(node);
    // Half at a time: to drop one for each call would move all the others.
    if (calls.length >= 2 * this.#history) calls.splice(0, this.#history);
    const recorded = { node, at: engine.world.now(), argv, client, intercepted: undefined };
    calls.push(recorded);
    return recorded;
  }
}

function countOf(name: string, value: number, least: number): number {
  if (value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && value >= least)) return value;
  throw new RangeError(`${name}: ${value} is not an integer from ${least} on, or Infinity`);
}

function check({ reply, error, delayMs, cut }: InterceptAction): void {
  if (reply === undefined && error === undefined && delayMs === undefined && cut === undefined) {
    throw new RangeError('intercept: give a reply, an error, a delayMs or a cut');
  }
  if (reply !== undefined && error !== undefined) throw new RangeError('error: there is a reply already');
  if (error !== undefined && !/^-?[A-Z][A-Z0-9]*(?: [^\r\n]*)?$/.test(error)) {
    throw new RangeError(`error: '${error}' does not begin with a code, as 'ERR out of order' does`);
  }
  if (delayMs !== undefined && !(delayMs >= 0 && delayMs < 2 ** 31)) {
    throw new RangeError(`delayMs: ${delayMs} is not within 0..${2 ** 31 - 1}`);
  }
  if (cut !== undefined && !cuts.includes(cut)) throw new RangeError(`cut: '${cut}' is none of ${cuts.join(', ')}`);
}

function describe({ reply, error, delayMs, cut }: InterceptAction): string {
  const parts = [
    delayMs === undefined ? undefined : `${delayMs} ms late`,
    error === undefined ? undefined : `error ${error}`,
    reply === undefined ? undefined : 'a reply',
    cut === undefined ? undefined : `cut ${cut}`,
  ];
  return parts.filter((part) => part !== undefined).join(', ');
}

function matcher({ command, key }: CallFilter): (argv: readonly string[], keys: () => readonly string[]) => boolean {
  const fitsCommand = commandMatcher(command);
  const fitsKey = keyMatcher(key);
  return (argv, keys) => fitsCommand(argv) && (fitsKey === undefined || keys().some(fitsKey));
}

function commandMatcher(command: string | RegExp | undefined): (argv: readonly string[]) => boolean {
  if (command === undefined) return () => true;
  if (typeof command !== 'string') {
    return (argv) => fresh(command).test(argv[0]!.toLowerCase()) || fresh(command).test(nameOf(argv));
  }
  const names = command
    .toLowerCase()
    .trim()
    .split(/[\s|]+/);
  if (names[0] === '') throw new RangeError(`command: '${command}' is no name`);
  return (argv) => names.every((name, at) => argv[at]?.toLowerCase() === name);
}

function keyMatcher(key: string | RegExp | undefined): ((name: string) => boolean) | undefined {
  if (key === undefined) return undefined;
  if (typeof key !== 'string') return (name) => fresh(key).test(String(readable(name)));
  return globMatcher(binary(key));
}

/** A pattern with the flag g goes on where it ended. */
function fresh(pattern: RegExp): RegExp {
  pattern.lastIndex = 0;
  return pattern;
}

function keysIn(argv: readonly string[]): readonly string[] {
  const row = commandOfArgv(argv);
  try {
    return row === undefined ? [] : keysOf(row, argv);
  } catch {
    // Too few arguments: the command will complain.
    return [];
  }
}

/** With its subcommand. */
function nameOf(argv: readonly string[]): string {
  return commandOfArgv(argv)?.name.replace('|', ' ') ?? argv[0]!.toLowerCase();
}

function callOf({ node, at, argv, client, intercepted }: Recorded): Call {
  const command = nameOf(argv);
  const args = argv.slice(command.includes(' ') ? 2 : 1).map(readable);
  return {
    node,
    at,
    command,
    args,
    client: { id: client.id, name: client.name, address: client.sink.address },
    intercepted,
  };
}

// ---- what is done

function act(action: InterceptAction, engine: Engine, client: Client, argv: readonly string[]): Reply | undefined {
  const { delayMs } = action;
  if (delayMs === undefined) return answer(action, engine, client, argv);
  const timer = engine.world.after(delayMs, () => {
    if (client.blocked !== blocked) return;
    client.blocked = undefined;
    const reply = answer(action, engine, client, argv);
    if (client.blocked === undefined && !client.closed) client.sink.settle(reply);
  });
  const blocked = {
    argv,
    kind: 'later' as const,
    onTimeout: undefined,
    cancel: () => {
      timer.cancel();
      if (client.blocked === blocked) client.blocked = undefined;
    },
  };
  client.blocked = blocked;
  return undefined;
}

function answer(action: InterceptAction, engine: Engine, client: Client, argv: readonly string[]): Reply | undefined {
  const { cut } = action;
  if (cut === 'before') return cutOff(client, '');
  const reply = replyFor(action, engine, client, argv);
  if (cut === 'unanswered') return cutOff(client, '');
  if (cut === 'inside') return cutOff(client, reply === undefined ? '' : firstHalf(client, reply));
  if (cut === 'after') client.sink.close(true);
  return reply;
}

function replyFor(action: InterceptAction, engine: Engine, client: Client, argv: readonly string[]): Reply | undefined {
  const { reply, error } = action;
  if (error !== undefined) {
    // As any command that is refused while it is queued.
    if (client.transaction !== undefined) client.transaction.aborted = true;
    return new ReplyError(error.replace(/^-/, ''));
  }
  return reply === undefined ? execute(engine, client, argv) : replyOf(reply);
}

function replyOf(value: ReplyValue): Reply {
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'bigint') {
    return typeof value === 'number' && !Number.isInteger(value) ? binary(value) : value;
  }
  if (typeof value === 'string' || value instanceof Uint8Array) return binary(value);
  if (value instanceof Map) return new Map([...value].map(([name, each]) => [replyOf(name), replyOf(each)]));
  if (value instanceof Set) return new Set([...value].map(replyOf));
  return (value as readonly ReplyValue[]).map(replyOf);
}

/** A sink that has a socket to give: a session. */
interface Giving {
  takeOver(onBytes: (bytes: Buffer) => void): Socket;
}

/** Sends these bytes, and what was to be sent before, and closes the connection. */
function cutOff(client: Client, bytes: string): undefined {
  const { sink } = client;
  if (!('takeOver' in sink)) sink.close(false);
  else {
    const socket = (sink as unknown as Giving).takeOver(() => undefined);
    if (bytes !== '') socket.write(bytes, 'latin1');
    socket.destroySoon();
  }
  return undefined;
}

function firstHalf(client: Client, reply: Reply): string {
  const writer = new ReplyWriter(formatDouble);
  writer.protocol = client.protocol;
  writer.write(reply);
  const bytes = writer.take().join('');
  return bytes.slice(0, Math.max(1, Math.floor(bytes.length / 2)));
}

// The client's own errors (a server's refusal is a ReplyError, lib/wire/reply). Texts follow ioredis where it has
// one; every error says which node, slot and how many attempts, and carries what caused it.

import { hintOf, withHint } from './hint.ts';

/** What an error is made with. */
export interface ErrorDetail {
  /** Stable, for programs. */
  readonly code?: string;
  /** `host:port` of the node concerned. */
  readonly node?: string | undefined;
  /** Of the call's keys. */
  readonly slot?: number | undefined;
  /** How often the call was given to a connection. */
  readonly attempts?: number | undefined;
  /** How often its bytes left for a server: each of these may have been executed, unless it was refused. */
  readonly writes?: number | undefined;
  /** The error behind this one. */
  readonly cause?: unknown;
}

/** Anything the client itself reports. `code` is stable; the text is for people. */
export class RedisError extends Error {
  /** Stable, for programs: ERR_... of this client, or that of the system or the server. */
  readonly code: string;
  /** `host:port` of the node concerned, where one is. */
  declare readonly node?: string;
  /** The slot of the call's keys, where it has any. */
  declare readonly slot?: number;
  /** How often the call was given to a connection. */
  declare readonly attempts?: number;
  /** How often its bytes left for a server: each of these may have been executed, unless it was refused. */
  declare readonly writes?: number;
  /** What may help: not part of the message, shown in `stack`. */
  declare readonly hint?: string;
  /** Of a socket or a look-up that failed, as in Node's own errors: the system's number of the error. */
  declare readonly errno?: number;
  /** Of a socket or a look-up that failed: what was asked of the system, `connect` or `getaddrinfo`. */
  declare readonly syscall?: string;
  /** Of a connection that failed: the address that was dialed. */
  declare readonly address?: string;
  /** Of a connection that failed: the port that was dialed. */
  declare readonly port?: number;
  /** Of a look-up that failed: the name that was asked for. */
  declare readonly hostname?: string;
  /** The command that failed, when there is one. */
  declare command?: { name: string; args: unknown[] };

  constructor(message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = detail.code ?? 'ERR_REDIS';
    if (detail.node !== undefined) this.node = detail.node;
    if (detail.slot !== undefined && detail.slot >= 0) this.slot = detail.slot;
    if (detail.attempts !== undefined) this.attempts = detail.attempts;
    if (detail.writes !== undefined) this.writes = detail.writes;
  }

  override get name(): string {
    return this.constructor.name;
  }
}

/** The call was dropped before an answer came: connection closed, `quit()`, queue off, or given up by its owner. */
export class AbortError extends RedisError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super(message, { code: 'ERR_ABORTED', ...detail });
  }
}

/** What belongs to a transaction or batch whose connection was lost half-way is not sent on another. The text is ioredis's. */
export function abortedByClose(detail: ErrorDetail = {}): AbortError {
  return new AbortError('Command aborted due to connection close', { ...detail, code: 'ERR_CLOSED' });
}

/** The error of a call whose AbortSignal fired; `cause` is the signal's reason. */
export function cancelledBy(signal: AbortSignal): AbortError {
  return new AbortError('The command was cancelled by its AbortSignal.', { code: 'ABORT_ERR', cause: signal.reason });
}

/** `commandTimeout` ran out; the command may or may not have been executed. */
export class TimeoutError extends RedisError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super(message, { code: 'ETIMEDOUT', ...detail });
  }
}

/** A single node could not be reached within `maxRetriesPerRequest` reconnections. */
export class MaxRetriesPerRequestError extends AbortError {
  constructor(limit: number, detail: ErrorDetail = {}) {
    super(
      `Reached the max retries per request limit (which is ${limit}). Refer to "maxRetriesPerRequest" option for details.`,
      { code: 'ERR_MAX_RETRIES', ...detail },
    );
  }
}

/**
 * A connection was given up because its bytes could not be read any more (`cause` says why). What was on it has been
 * answered, perhaps: that is not known.
 */
export class BrokenStreamError extends RedisError {
  constructor(node: string, cause: Error) {
    super(`The connection was closed behind a reply that could not be read: ${cause.message}`, {
      code: 'ERR_BROKEN_STREAM',
      node,
      cause,
    });
  }
}

/** A node said nothing for so long that its answers are no longer waited for. Whether it executed them is not known. */
export class SilentNodeError extends RedisError {
  constructor(node: string, ms: number) {
    super(`No answer from ${node} within ${ms}ms; what was sent may have been executed.`, { code: 'ERR_SILENT', node });
  }
}

/** A queue with a limit is full; nothing of the refused command was sent. */
export class QueueFullError extends RedisError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super(message, { code: 'ERR_QUEUE_FULL', ...detail });
  }
}

/**
 * No node gave a usable slot map. `errors` holds one entry per node asked (its `node` names it), `lastNodeError` the
 * last of them, and `hint` is what they say in one line; the message is ioredis's own.
 */
export class ClusterAllFailedError extends RedisError {
  /** One a node, in the order in which they were asked. */
  readonly errors: readonly Error[];
  /** The last of them, as ioredis has it. */
  readonly lastNodeError: Error | undefined;
  /** What the nodes said, in one line, and what may help. */
  declare readonly hint: string;

  constructor(message: string, errors: readonly Error[], detail: ErrorDetail = {}) {
    const last = errors.at(-1);
    super(message, { code: 'ERR_CLUSTER_ALL_FAILED', cause: last, ...detail });
    this.errors = errors;
    this.lastNodeError = last;
    // What the nodes said, and what may help against it.
    const help = errors.map(hintOf).find((text) => text !== undefined);
    withHint(this, [reasonsOf(errors) || 'no node to ask', ...(help === undefined ? [] : [help])].join('; hint: '));
  }
}

const lookupFailures = new WeakSet<Error>();

/** Notes that an error is that of a name that could not be looked up. */
export function lookupFailure<Failure extends Error>(error: Failure): Failure {
  lookupFailures.add(error);
  return error;
}

/** The look-up's own error among the causes of what the nodes said, if a name was the trouble. */
export function lookupFailureIn(reasons: readonly Error[]): Error | undefined {
  for (const reason of reasons) {
    for (let error: unknown = reason; error instanceof Error; error = error.cause) {
      if ((error as { syscall?: unknown }).syscall === 'getaddrinfo' || lookupFailures.has(error)) return error;
    }
  }
  return undefined;
}

/** What every node said, in one line. */
export function reasonsOf(errors: readonly Error[]): string {
  return errors.map((error) => `${(error as { node?: string }).node ?? 'node'}: ${error.message}`).join('; ');
}

const identityCodes: ReadonlySet<unknown> = new Set(['WRONGPASS', 'NOAUTH', 'ERR_CREDENTIALS']);

/** The code to give the error of a call that waited in vain, where what kept it is who this client says it is; else undefined. */
export function identityRefusal(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return identityCodes.has(code) ? (code as string) : undefined;
}

/** How one part of a split command ended. */
export interface PartOutcome {
  /** The keys of the part (or its shard's slot, of a command sent to every shard). */
  readonly subject: readonly (string | Uint8Array)[];
  /** null: the part was carried out. */
  readonly error: Error | null;
  /** Its reply; undefined beside an error. */
  readonly value: unknown;
}

/** A command that was split over slots or shards: some parts were carried out, some were not. */
export class PartialFailureError extends RedisError {
  /** One entry a part: what it was about, and its error or its value. */
  readonly parts: readonly PartOutcome[];
  /** The errors of those that failed. */
  readonly errors: readonly Error[];

  constructor(name: string, parts: readonly PartOutcome[]) {
    const errors = parts.map(({ error }) => error).filter((error) => error !== null);
    super(`${errors.length} of ${parts.length} parts of ${name.toUpperCase()} failed: ${errors[0]!.message}`, {
      code: 'ERR_PARTIAL_FAILURE',
      cause: errors[0],
    });
    this.parts = parts;
    this.errors = errors;
  }
}

/** An option that cannot be used; thrown at construction. */
export class OptionError extends TypeError {
  /** The same for all of them. */
  readonly code = 'ERR_INVALID_OPTION';
  /** The option's name as written by the user. */
  readonly option: string;

  constructor(option: string, message: string) {
    super(message);
    this.option = option;
  }

  override get name(): string {
    return 'OptionError';
  }
}

/** The same error with the node it came from, for lists of what every node said. */
export function errorOfNode(node: string, cause: unknown): RedisError {
  const code = (cause as { code?: unknown } | null)?.code;
  const message = cause instanceof Error ? cause.message || String(code ?? cause.name) : String(cause);
  const error = new RedisError(message, { node, cause, ...(typeof code === 'string' ? { code } : {}) });
  copySystemFields(cause, error);
  const hint = hintOf(cause);
  return hint === undefined ? error : withHint(error, hint);
}

const systemFields = ['errno', 'syscall', 'address', 'port', 'hostname'] as const;

// As Node's own errors of sockets and look-ups have them: users log and test them.
function copySystemFields(from: unknown, to: Error): void {
  if (!(from instanceof Error) || !('syscall' in from)) return;
  for (const name of systemFields) {
    const value = (from as unknown as Record<string, unknown>)[name];
    if (value !== undefined) Object.assign(to, { [name]: value });
  }
}

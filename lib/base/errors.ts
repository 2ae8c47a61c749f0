// The client's own errors (a server's refusal is a ReplyError, lib/wire/reply). Texts follow ioredis where it has
// one; every error says which node, slot and how many attempts, and carries what caused it.

export interface ErrorDetail {
  readonly code?: string;
  /** `host:port` of the node concerned. */
  readonly node?: string | undefined;
  readonly slot?: number | undefined;
  /** How often the call was sent. */
  readonly attempts?: number | undefined;
  readonly cause?: unknown;
}

/** Anything the client itself reports. `code` is stable; the text is for people. */
export class RedisError extends Error {
  readonly code: string;
  declare readonly node?: string;
  declare readonly slot?: number;
  declare readonly attempts?: number;
  /** The command that failed, when there is one. */
  declare command?: { name: string; args: unknown[] };

  constructor(message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = detail.code ?? 'ERR_REDIS';
    if (detail.node !== undefined) this.node = detail.node;
    if (detail.slot !== undefined && detail.slot >= 0) this.slot = detail.slot;
    if (detail.attempts !== undefined) this.attempts = detail.attempts;
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
export function abortedByClose(): AbortError {
  return new AbortError('Command aborted due to connection close', { code: 'ERR_CLOSED' });
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

/** A queue with a limit is full; nothing of the refused command was sent. */
export class QueueFullError extends RedisError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super(message, { code: 'ERR_QUEUE_FULL', ...detail });
  }
}

/**
 * No node gave a usable slot map. `errors` holds one entry per node asked (its `node` names it), `lastNodeError`
 * the last of them, and the message lists them all.
 */
export class ClusterAllFailedError extends RedisError {
  readonly errors: readonly Error[];
  readonly lastNodeError: Error | undefined;
  /** The message without the reasons. */
  readonly headline: string;

  constructor(message: string, errors: readonly Error[]) {
    const reasons = errors.map((error) => `${(error as { node?: string }).node ?? 'node'}: ${error.message}`);
    const last = errors.at(-1);
    super(reasons.length === 0 ? message : `${message} ${reasons.join('; ')}`, {
      code: 'ERR_CLUSTER_ALL_FAILED',
      cause: last,
    });
    this.headline = message;
    this.errors = errors;
    this.lastNodeError = last;
  }
}

export interface PartOutcome {
  /** The keys of the part (or its shard's slot, of a command sent to every shard). */
  readonly subject: readonly (string | Uint8Array)[];
  readonly error: Error | null;
  readonly value: unknown;
}

/** A command that was split over slots or shards: some parts were carried out, some were not. */
export class PartialFailureError extends RedisError {
  /** One entry a part: what it was about, and its error or its value. */
  readonly parts: readonly PartOutcome[];
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
  return new RedisError(message, { node, cause, ...(typeof code === 'string' ? { code } : {}) });
}

// The public words of the command surface: what arguments, callbacks and results are made of. Types only.
// Names and meanings follow ioredis, so that code written against its typings compiles unchanged.

/** A key: text, or bytes as they are. */
export type RedisKey = string | Buffer;

/** An argument that is no key. */
export type RedisValue = string | Buffer | number;

// biome-ignore lint/suspicious/noExplicitAny: ioredis's default; callbacks written without a type must go on compiling
export type Callback<T = any> = (err?: Error | null, result?: T) => void;

/**
 * What a command method gives back, by the kind of client it is called on. `Context` names the kind;
 * that of a pipeline also carries the chain its methods return.
 */
export interface ResultTypes<Result, Context> {
  default: Promise<Result>;
  pipeline: Context extends { chain: infer Chain } ? Chain : never;
}

export type ClientContext = { type: keyof ResultTypes<unknown, unknown> };

export type Result<T, Context extends ClientContext> = ResultTypes<T, Context>[Context['type']];

export interface ScanStreamOptions {
  /** Glob pattern that elements must match. */
  match?: string;
  /** Keys of this type only (SCAN). */
  type?: string;
  /** How much work one SCAN does; a hint. */
  count?: number;
  /** Fields without their values (HSCAN; servers from 7.4). */
  noValues?: boolean;
}

// The public types of the command surface: what arguments, callbacks and results are made of. Types only.
// Names and meanings follow ioredis, so that code written against its typings compiles unchanged.

import type { ReplyMappingMode } from '../options/options.ts';

/** A key: text, or bytes as they are. */
export type RedisKey = string | Buffer;

/** An argument that is no key. */
export type RedisValue = string | Buffer | number;

/** Called once, with an error or the reply. */
// biome-ignore lint/suspicious/noExplicitAny: ioredis's default; callbacks written without a type must go on compiling
export type Callback<T = any> = (err?: Error | null, result?: T) => void;

/**
 * What a command method gives back, by the kind of client it is called on. `Context` names the kind;
 * that of a pipeline also carries the chain its methods return.
 */
export interface ResultTypes<Result, Context> {
  /** Of a client. */
  default: Promise<Result>;
  /** Of a pipeline or transaction: the chain itself. */
  pipeline: Context extends { chain: infer Chain } ? Chain : never;
}

/** The shapes that replies have with a mapping, as typings name them. */
export type ReplyShapes<Mapping extends ReplyMappingMode> = Mapping extends 'resp3' ? 'resp3' : 'resp2';

/** The kind of client that a method is called on, and its reply mapping. */
export type ClientContext = { type: keyof ResultTypes<unknown, unknown>; mapping?: 'resp2' | 'resp3' };

/** A reply whose type depends on the mapping of its client. */
export type Shaped<Resp2, Resp3, Context extends ClientContext> = Context extends { mapping: 'resp3' } ? Resp3 : Resp2;

/** What a command method gives in its context: a promise, or the chain. */
export type Result<T, Context extends ClientContext> = ResultTypes<T, Context>[Context['type']];

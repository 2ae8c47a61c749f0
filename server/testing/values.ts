// JavaScript values as what a server holds, both ways: the commands that make them, and those that read them back.
// Knows no nodes: texts are binary strings, as engine and links take them.

/** Text, a number, or bytes. */
export type Scalar = string | number | bigint | Uint8Array;

/**
 * What can stand at a key: a scalar is a string, an array a list, a Set a set, a Map from members to scores a sorted
 * set, a plain object a hash; stream() and expiring() make the rest.
 */
export type SeedValue =
  | Scalar
  | readonly Scalar[]
  | ReadonlySet<Scalar>
  | ReadonlyMap<Scalar, number>
  | StreamValue
  | ExpiringValue
  | { readonly [field: string]: Scalar };

/** What is read back: numbers are text, as in every Redis; bytes that are no UTF-8 are a Buffer. */
export type DumpValue =
  | string
  | Buffer
  | (string | Buffer)[]
  | Set<string | Buffer>
  | Map<string | Buffer, number>
  | StreamValue
  | ExpiringValue
  | Record<string, string | Buffer>;

export interface StreamEntry {
  /** `1-0`, or `*`. Default `*`: the server's clock. */
  readonly id?: string;
  readonly fields: Readonly<Record<string, Scalar>>;
}

export class StreamValue {
  readonly entries: readonly StreamEntry[];

  constructor(entries: readonly StreamEntry[]) {
    this.entries = entries;
  }
}

export class ExpiringValue {
  readonly value: SeedValue;
  /** Milliseconds to live. */
  readonly ms: number;

  constructor(value: SeedValue, ms: number) {
    this.value = value;
    this.ms = ms;
  }
}

/** A stream of these entries, in the order of their ids. */
export function stream(entries: readonly StreamEntry[]): StreamValue {
  return new StreamValue(entries);
}

/** `value` with a time to live in milliseconds. Throws a RangeError when `ms` is no positive integer. */
export function expiring(value: SeedValue, ms: number): ExpiringValue {
  if (!Number.isSafeInteger(ms) || ms <= 0) throw new RangeError(`ms: ${ms} is not an integer above 0`);
  return new ExpiringValue(value, ms);
}

const perCommand = 1000;
const strict = new TextDecoder('utf-8', { fatal: true });

/** As bytes, one char each. */
export function binary(value: Scalar): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  return Buffer.from(String(value), 'utf8').toString('latin1');
}

/** Text where the bytes are UTF-8, else the bytes. */
export function readable(text: string): string | Buffer {
  const bytes = Buffer.from(text, 'latin1');
  try {
    return strict.decode(bytes);
  } catch {
    return bytes;
  }
}

/** What puts `value` at `key` in place of what is there. Throws a RangeError for what no key can hold. */
export function commandsFor(key: string, value: SeedValue): string[][] {
  const name = binary(key);
  return [['DEL', name], ...creation(key, name, value)];
}

function creation(key: string, name: string, value: SeedValue): string[][] {
  if (isScalar(value)) return [['SET', name, binary(value)]];
  if (value instanceof ExpiringValue) {
    return [...creation(key, name, value.value), ['PEXPIRE', name, String(value.ms)]];
  }
  if (value instanceof StreamValue) return streamOf(key, name, value);
  if (Array.isArray(value)) return inParts(['RPUSH', name], 1, scalars(key, value));
  if (value instanceof Set) return inParts(['SADD', name], 1, scalars(key, [...value]));
  if (value instanceof Map) return inParts(['ZADD', name], 2, scores(key, value));
  if (typeof value === 'object' && value !== null && isPlain(value)) {
    return inParts(['HSET', name], 2, scalars(key, Object.entries(value).flat()));
  }
  throw new RangeError(`${key}: ${String(value)} is no value that a key can hold`);
}

function isScalar(value: unknown): value is Scalar {
  return ['string', 'number', 'bigint'].includes(typeof value) || value instanceof Uint8Array;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // Also of another realm: test runners evaluate tests in contexts of their own.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function scalars(key: string, values: readonly unknown[]): string[] {
  if (values.length === 0)
    throw new RangeError(`${key}: there is no empty list, set, hash or sorted set: leave it out`);
  return values.map((value) => {
    if (!isScalar(value)) throw new RangeError(`${key}: ${String(value)} is not text, a number or bytes`);
    return binary(value);
  });
}

function scores(key: string, value: ReadonlyMap<Scalar, number>): string[] {
  const members = scalars(key, [...value.keys()]);
  return [...value.values()].flatMap((score, at) => {
    if (typeof score !== 'number' || Number.isNaN(score)) throw new RangeError(`${key}: ${String(score)} is no score`);
    return [Number.isFinite(score) ? String(score) : score > 0 ? 'inf' : '-inf', members[at]!];
  });
}

function streamOf(key: string, name: string, { entries }: StreamValue): string[][] {
  if (entries.length === 0) throw new RangeError(`${key}: a stream needs an entry`);
  return entries.map(({ id = '*', fields }) => ['XADD', name, id, ...scalars(key, Object.entries(fields).flat())]);
}

function inParts(head: readonly string[], width: number, items: readonly string[]): string[][] {
  const parts: string[][] = [];
  const size = perCommand * width;
  for (let at = 0; at < items.length; at += size) parts.push([...head, ...items.slice(at, at + size)]);
  return parts;
}

/** What reads a key of that type, as TYPE names it; undefined: nothing can. */
export function readerOf(type: string, name: string): string[] | undefined {
  if (type === 'string') return ['GET', name];
  if (type === 'list') return ['LRANGE', name, '0', '-1'];
  if (type === 'set') return ['SMEMBERS', name];
  if (type === 'zset') return ['ZRANGE', name, '0', '-1', 'WITHSCORES'];
  if (type === 'hash') return ['HGETALL', name];
  if (type === 'stream') return ['XRANGE', name, '-', '+'];
  return undefined;
}

/** The reply to readerOf()'s command as a value. */
export function valueFrom(type: string, reply: unknown): DumpValue {
  if (type === 'string') return readable(reply as string);
  if (type === 'stream') {
    const entries = reply as readonly [id: string, fields: readonly string[]][];
    return new StreamValue(entries.map(([id, fields]) => ({ id, fields: recordOf(fields) })));
  }
  const items = reply as readonly string[];
  if (type === 'list') return items.map(readable);
  if (type === 'set') return new Set([...items].sort().map(readable));
  if (type === 'zset') {
    return new Map(pairs(items).map(([member, score]) => [readable(member), scoreOf(score)]));
  }
  return recordOf(items);
}

function scoreOf(text: string): number {
  return text === 'inf' ? Number.POSITIVE_INFINITY : text === '-inf' ? Number.NEGATIVE_INFINITY : Number(text);
}

function recordOf(items: readonly string[]): Record<string, string | Buffer> {
  const sorted = pairs(items).map(([field, value]) => [String(readable(field)), readable(value)] as const);
  return Object.fromEntries(sorted);
}

function pairs(items: readonly string[]): [string, string][] {
  const found: [string, string][] = [];
  for (let at = 0; at + 1 < items.length; at += 2) found.push([items[at]!, items[at + 1]!]);
  return found;
}

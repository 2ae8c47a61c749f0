// What packages import from ioredis's `built/utils` (BullMQ until version 5, ioredis-mock, ...), with the same outcomes.
// Pure. Nothing of lingcache uses it.

/** Text of the error of a command whose connection was closed. */
export const CONNECTION_CLOSED_ERROR_MSG = 'Connection is closed.';

type Callback<T> = (error?: Error | null, result?: T) => void;

export function noop(): void {}

/** True for a whole number of 32 bits, or its text. */
export function isInt(value: unknown): boolean {
  const number = Number.parseFloat(String(value));
  return (
    (typeof value === 'number' || typeof value === 'string') && Number(value) === number && (number | 0) === number
  );
}

/** `['a', 1, 'b', 2]` -> `{ a: 1, b: 2 }`; a name without a value is left out. */
export function packObject<T>(array: readonly T[]): Record<string, T> {
  const result: Record<string, T> = {};
  for (let at = 0; at + 1 < array.length; at += 2) result[String(array[at])] = array[at + 1]!;
  return result;
}

/** `{ a: 1, b: 2 }` -> `['a', 1, 'b', 2]`. */
export function convertObjectToArray<T>(object: Readonly<Record<string, T>>): (string | T)[] {
  return convertMapToArray(new Map(Object.entries(object)));
}

/** As convertObjectToArray(), of a Map. */
export function convertMapToArray<Key, Value>(map: ReadonlyMap<Key, Value>): (Key | Value)[] {
  const result: (Key | Value)[] = [];
  for (const [key, value] of map) result.push(key, value);
  return result;
}

export function zipMap<Key, Value>(keys: readonly Key[], values: readonly Value[]): Map<Key, Value> {
  return new Map(keys.map((key, at) => [key, values[at]!]));
}

/** Buffers as text, in arrays of any depth; everything else as it is. */
export function convertBufferToString(value: unknown, encoding?: BufferEncoding): unknown {
  if (value instanceof Buffer) return value.toString(encoding);
  return Array.isArray(value) ? value.map((item) => convertBufferToString(item, encoding)) : value;
}

/** Replies of a transaction as `[error]` or `[null, value]` each; null for one that was discarded. */
export function wrapMultiResult(replies: readonly unknown[] | null): unknown[][] | null {
  return replies?.map((reply) => (reply instanceof Error ? [reply] : [null, reply])) ?? null;
}

/** An argument as text; nothing as ''. */
export function toArg(argument: unknown): string {
  return argument === null || argument === undefined ? '' : String(argument);
}

/** Calls back with an error after `limit` ms, unless what it gives is called before; once. */
export function timeout<T>(callback: Callback<T>, limit: number): Callback<T> {
  let timer: NodeJS.Timeout | undefined;
  const once: Callback<T> = (...outcome) => {
    if (timer === undefined) return;
    clearTimeout(timer);
    timer = undefined;
    callback(...outcome);
  };
  timer = setTimeout(once, limit, new Error('timeout'));
  return once;
}

/** An item at random, of those from `from` on; null where there is none. */
export function sample<T>(array: readonly T[], from = 0): T | null {
  return from >= array.length ? null : array[from + Math.floor(Math.random() * (array.length - from))]!;
}

/** Puts the items of `array` in a random order. */
export function shuffle<T>(array: T[]): T[] {
  for (let last = array.length - 1; last > 0; last--) {
    const at = Math.floor(Math.random() * (last + 1));
    [array[last], array[at]] = [array[at]!, array[last]!];
  }
  return array;
}

/** Fills what `object` leaves undefined, from the sources in their order. */
export function defaults<T extends object>(object: T, ...sources: readonly (object | null | undefined)[]): T {
  const target = object as Record<string, unknown>;
  for (const source of sources) {
    for (const [name, value] of Object.entries(source ?? {})) if (target[name] === undefined) target[name] = value;
  }
  return object;
}

/** The parts of a URL, of `host:port`, or of a path, as ioredis names them: all of them text. Throws for no URL. */
export function parseURL(url: string): Record<string, unknown> {
  if (isInt(url)) return { port: url };
  const relative = url.startsWith('//');
  const mark = url.indexOf('?');
  const query = mark < 0 ? {} : queryOf(url.slice(mark + 1));
  if (url.startsWith('/') && !relative) return defaults({ path: mark < 0 ? url : url.slice(0, mark) }, query);
  const named = /^rediss?:\/\//i.test(url);
  const { username, password, hostname, port, pathname } = new URL(named ? url : `redis:${relative ? '' : '//'}${url}`);
  const parts: Record<string, unknown> = {};
  if (username !== '' || password !== '') {
    parts['username'] = decodeURIComponent(username);
    parts['password'] = decodeURIComponent(password);
  }
  if (pathname.length > 1) {
    if (named || relative) parts['db'] = pathname.slice(1);
    else parts['path'] = pathname;
  }
  if (hostname !== '') parts['host'] = hostname.replace(/^\[|\]$/g, '');
  if (port !== '') parts['port'] = port;
  return defaults(parts, query);
}

function queryOf(text: string): Record<string, unknown> {
  const query: Record<string, unknown> = {};
  for (const [name, value] of new URLSearchParams(text)) {
    const family = name === 'family' ? Number.parseInt(value, 10) : Number.NaN;
    query[name] = Number.isNaN(family) ? value : family;
  }
  return query;
}

// Method arguments into argv, with the semantics users of ioredis rely on. Pure and hot: every command passes here.
// Invariant: what comes out is text or bytes; arrays are spread one level, no deeper.

export type Argument = string | Uint8Array;

/** Commands whose fields may come as one object or Map, and how many plain arguments go before it. */
const fieldsAfter: ReadonlyMap<string, number> = new Map([
  ['mset', 0],
  ['msetnx', 0],
  ['hset', 1],
  ['hmset', 1],
]);

/**
 * Makes `given` (the name, then the arguments as the user gave them) what travels; the array itself is used where no
 * argument becomes several, so it must be the caller's own. Arrays are spread one level; null and undefined become empty;
 * numbers, bigints, booleans and whatever else go by String(), integers beyond 2^53 without exponent; bytes are kept by
 * reference. Throws TypeError for an object without toString().
 * `mset msetnx hset hmset` (in lower case) also take a Map or an object of fields as their last argument.
 */
export function argvOf(given: unknown[]): Argument[] {
  for (let at = 1; at < given.length; at++) {
    const argument = given[at];
    if (typeof argument === 'string') continue;
    if (typeof argument !== 'object' || argument === null) given[at] = textOf(argument);
    else if (!(argument instanceof Uint8Array)) return spreadFrom(given, at);
  }
  return given as Argument[];
}

/** As argvOf(), from a name and arguments that stay as they are. */
export function toArgv(name: string, args: readonly unknown[]): Argument[] {
  return argvOf([name, ...args]);
}

// Everything before `start` is text or bytes already.
function spreadFrom(given: readonly unknown[], start: number): Argument[] {
  const argv = given.slice(0, start) as Argument[];
  const name = given[0] as string;
  for (let at = start; at < given.length; at++) {
    const argument = given[at];
    if (typeof argument === 'string') argv.push(argument);
    else if (typeof argument !== 'object' || argument === null) argv.push(textOf(argument));
    else if (argument instanceof Uint8Array) argv.push(argument);
    else if (Array.isArray(argument)) pushAll(argv, argument, name);
    else pushObject(argv, argument, name, isLast(given, at));
  }
  return argv;
}

function pushAll(argv: Argument[], items: readonly unknown[], name: string): void {
  for (let at = 0; at < items.length; at++) {
    const item = items[at];
    if (typeof item === 'string') argv.push(item);
    else if (item instanceof Uint8Array) argv.push(item);
    else if (typeof item === 'object' && item !== null) pushObject(argv, item, name, isLast(items, at));
    // A hole is no argument; an undefined that was put there is an empty one.
    else if (item !== undefined || at in items) argv.push(textOf(item));
  }
}

function isLast(items: readonly unknown[], at: number): boolean {
  return at === items.length - 1;
}

function pushObject(argv: Argument[], value: object, name: string, last: boolean): void {
  const before = last && !Array.isArray(value) ? fieldsAfter.get(name) : undefined;
  if (before !== argv.length - 1) {
    argv.push(textOfObject(value, name));
    return;
  }
  if (value instanceof Map) {
    for (const [field, content] of value) argv.push(argumentOf(field), argumentOf(content));
    return;
  }
  for (const [field, content] of Object.entries(value)) argv.push(field, argumentOf(content));
}

function argumentOf(value: unknown): Argument {
  return typeof value === 'string' || value instanceof Uint8Array ? value : textOf(value);
}

function textOf(value: unknown): string {
  if (typeof value === 'number') {
    return Number.isInteger(value) && !Number.isSafeInteger(value) ? BigInt(value).toString() : String(value);
  }
  return value === null || value === undefined ? '' : String(value);
}

function textOfObject(value: object, name: string): string {
  try {
    return String(value);
  } catch {
    throw new TypeError(`${name}: an argument cannot be made text: it has no toString()`);
  }
}

// Integers out of the numbers of scripts, as C makes them on a machine of 64 bits (x86-64): an `int`, a `long`, and how
// printf writes one. The library that runs the scripts is compiled for 32 bits and makes others of them: what passes
// through it has to be of 32 bits. Pure.

const minInt = -0x8000_0000;
const maxInt = 0x7fff_ffff;
const minLong = -(2n ** 63n);

/** Whether a number is the same integer on both machines, but for its fraction. */
export function isShort(value: number): boolean {
  return value >= minInt && value <= maxInt;
}

/** (long)value; what no long can hold is the least one. */
export function toLong(value: number): bigint {
  return value >= -(2 ** 63) && value < 2 ** 63 ? BigInt(Math.trunc(value)) : minLong;
}

/** (unsigned long)value; 0 for what is too large. */
export function toUnsignedLong(value: number): bigint {
  if (value >= 2 ** 64) return 0n;
  return value >= 2 ** 63 ? BigInt(value) : BigInt.asUintN(64, toLong(value));
}

/** (int)(long)value: the lower 32 bits. */
export function toInt(value: number): number {
  return isShort(value) ? Math.trunc(value) : Number(BigInt.asIntN(32, toLong(value)));
}

/** A place in a string, counted from either end: beyond 32 bits all are outside of it. */
export function toPosition(value: number): number {
  if (isShort(value)) return Math.trunc(value);
  return toLong(value) < 0n ? minInt : maxInt;
}

/** A conversion of printf between its `%` and its letter. */
export interface Conversion {
  /** Of `-+ #0`, in any order. */
  readonly flags: string;
  /** Least length. */
  readonly width: number;
  /** Least digits; undefined: none given. */
  readonly precision: number | undefined;
  readonly letter: string;
}

/** A number as `%ld` and the like write it: a signed integer for d and i, an unsigned one for o, u, x, X. */
export function printInteger(value: number, { flags, width, precision, letter }: Conversion): string {
  const signed = letter === 'd' || letter === 'i';
  const integer = signed ? toLong(value) : toUnsignedLong(value);
  const radix = letter === 'o' ? 8 : /x/i.test(letter) ? 16 : 10;
  let digits = (integer < 0n ? -integer : integer).toString(radix);
  if (precision === 0 && integer === 0n) digits = '';
  digits = digits.padStart(precision ?? 0, '0');
  let prefix = integer < 0n ? '-' : '';
  if (signed && integer >= 0n) prefix = flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
  if (flags.includes('#')) {
    if (radix === 8 && !digits.startsWith('0')) digits = `0${digits}`;
    if (radix === 16 && integer !== 0n) prefix = '0x';
  }
  if (flags.includes('0') && !flags.includes('-') && precision === undefined) {
    digits = digits.padStart(width - prefix.length, '0');
  }
  const text = letter === 'X' ? (prefix + digits).toUpperCase() : prefix + digits;
  return flags.includes('-') ? text.padEnd(width) : text.padStart(width);
}

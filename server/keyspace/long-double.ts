// The 80-bit floats that HINCRBYFLOAT and INCRBYFLOAT count in on x86-64: 64-bit mantissa, ties to even.
// Only what those commands need: text in, sum, `%.17Lf` text out. Invariant: |mantissa| < 2^64.

/** mantissa x 2^exponent, or an infinity. */
export interface LongDouble {
  readonly mantissa: bigint;
  readonly exponent: number;
  readonly infinite: -1 | 0 | 1;
}

import { parseLooseDouble } from './number.ts';

const decimalPattern = /^([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))(?:[eE]([+-]?\d{1,9}))?$/;
const infinityPattern = /^([+-]?)inf(?:inity)?$/i;
const MAX_DECIMAL_EXPONENT = 4932;
const MAX_TEXT = 5 * 1024 - 1;

const bitLength = (value: bigint): number => value.toString(2).length;

function roundTo64(negative: boolean, magnitude: bigint, exponent: number, sticky = false): LongDouble {
  const extra = bitLength(magnitude) - 64;
  if (extra > 0) {
    const shift = BigInt(extra);
    const rest = magnitude & ((1n << shift) - 1n);
    const half = 1n << (shift - 1n);
    magnitude >>= shift;
    exponent += extra;
    const up = rest > half || (rest === half && (sticky || (magnitude & 1n) === 1n));
    if (up) magnitude += 1n;
    if (magnitude === 1n << 64n) {
      magnitude >>= 1n;
      exponent += 1;
    }
  }
  if (magnitude > 0n && bitLength(magnitude) + exponent > 16384) return infinity(negative);
  return { mantissa: negative ? -magnitude : magnitude, exponent, infinite: 0 };
}

const infinity = (negative: boolean): LongDouble => ({ mantissa: 0n, exponent: 0, infinite: negative ? -1 : 1 });

/** Undefined when the text is no float, or a finite one that overflows or underflows to zero. */
export function parseLongDouble(text: string): LongDouble | undefined {
  if (text.length === 0 || text.length > MAX_TEXT) return undefined;
  const inf = infinityPattern.exec(text);
  if (inf !== null) return infinity(inf[1] === '-');
  const match = decimalPattern.exec(text);
  if (match === null) {
    const hex = parseLooseDouble(text);
    return hex === undefined ? undefined : longDoubleOf(hex);
  }
  const fraction = match[3] ?? match[4] ?? '';
  const digits = BigInt((match[2] ?? '') + fraction);
  const negative = match[1] === '-';
  if (digits === 0n) return { mantissa: 0n, exponent: 0, infinite: 0 };
  const power = Number(match[5] ?? 0) - fraction.length;
  const size = digits.toString().length + power;
  if (size > MAX_DECIMAL_EXPONENT + 1 || size < -4951) return undefined;
  if (power >= 0) {
    const value = roundTo64(negative, digits * 10n ** BigInt(power), 0);
    return value.infinite === 0 ? value : undefined;
  }
  const divisor = 10n ** BigInt(-power);
  const shift = Math.max(0, 66 + bitLength(divisor) - bitLength(digits));
  const scaled = digits << BigInt(shift);
  const quotient = scaled / divisor;
  return roundTo64(negative, quotient, -shift, quotient * divisor !== scaled);
}

/** Undefined when the sum is NaN or infinite. */
export function addLongDouble(a: LongDouble, b: LongDouble): LongDouble | undefined {
  if (a.infinite !== 0 || b.infinite !== 0) return undefined;
  const exponent = Math.min(a.exponent, b.exponent);
  const sum = (a.mantissa << BigInt(a.exponent - exponent)) + (b.mantissa << BigInt(b.exponent - exponent));
  const rounded = roundTo64(sum < 0n, sum < 0n ? -sum : sum, exponent);
  return rounded.infinite === 0 ? rounded : undefined;
}

/** The exact value of a double. */
export function longDoubleOf(value: number): LongDouble {
  if (!Number.isFinite(value)) return infinity(value < 0);
  let exponent = 0;
  while (!Number.isInteger(value)) {
    value *= 2;
    exponent -= 1;
  }
  return { mantissa: BigInt(value), exponent, infinite: 0 };
}

/** As `%.17Lf` prints it, without trailing zeros. */
export function formatLongDouble(value: LongDouble): string {
  if (value.infinite !== 0) return value.infinite > 0 ? 'inf' : '-inf';
  const negative = value.mantissa < 0n;
  const magnitude = negative ? -value.mantissa : value.mantissa;
  const scaled = scaleBy17Decimals(magnitude, value.exponent);
  const digits = scaled.toString().padStart(18, '0');
  const fraction = digits.slice(-17).replace(/0+$/, '');
  const text = digits.slice(0, -17) + (fraction === '' ? '' : `.${fraction}`);
  return negative && text !== '0' ? `-${text}` : text;
}

function scaleBy17Decimals(magnitude: bigint, exponent: number): bigint {
  const scaled = magnitude * 10n ** 17n;
  if (exponent >= 0) return scaled << BigInt(exponent);
  const shift = BigInt(-exponent);
  const quotient = scaled >> shift;
  const rest = scaled - (quotient << shift);
  const half = 1n << (shift - 1n);
  return rest > half || (rest === half && (quotient & 1n) === 1n) ? quotient + 1n : quotient;
}

// Numbers as the protocol writes them: which texts are integers or doubles, and how doubles are printed.
// Knows nothing of keys or commands. Invariant: print(parse(text)) never changes the value.

const integerPattern = /^(?:0|-?[1-9]\d{0,18})$/;
const decimalPattern = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const infinityPattern = /^[+-]?inf(?:inity)?$/i;
const hexPattern = /^([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?(?:[pP]([+-]?\d+))?$/;

export const INT64_MAX: bigint = 2n ** 63n - 1n;
export const INT64_MIN: bigint = -(2n ** 63n);

/** A canonical signed 64-bit decimal (no plus, no leading zero, no space), else undefined. */
export function parseInt64(text: string): bigint | undefined {
  if (text.length > 20 || !integerPattern.test(text)) return undefined;
  const value = BigInt(text);
  return value > INT64_MAX || value < INT64_MIN ? undefined : value;
}

/** Like parseInt64, as a number: exact up to 2^53, else the nearest double (good enough for counts and indexes). */
export function parseLong(text: string): number | undefined {
  const length = text.length;
  if (length > 0 && length < 16) return integerPattern.test(text) ? Number(text) : undefined;
  const value = parseInt64(text);
  return value === undefined ? undefined : Number(value);
}

/** Whether `text` is the canonical text of a signed 64-bit integer. */
export function isInt64Text(text: string): boolean {
  const length = text.length;
  if (length === 0 || length > 20) return false;
  const first = text.charCodeAt(0);
  if (first !== 0x2d && (first < 0x30 || first > 0x39)) return false;
  return length < 19 ? integerPattern.test(text) : parseInt64(text) !== undefined;
}

function parseHexDouble(text: string): number | undefined {
  const match = hexPattern.exec(text);
  if (match === null) return undefined;
  const whole = match[2] ?? '';
  const fraction = match[3] ?? '';
  if (whole.length + fraction.length === 0 || whole.length + fraction.length > 256) return undefined;
  const mantissa = Number(BigInt(`0x${whole}${fraction}`));
  const value = mantissa * 2 ** (Number(match[4] ?? 0) - 4 * fraction.length);
  return match[1] === '-' ? -value : value;
}

/** What C's strtod makes of a whole text, except that NaN is refused. `1e400` is Infinity. */
export function parseLooseDouble(text: string): number | undefined {
  if (decimalPattern.test(text)) return Number(text);
  if (infinityPattern.test(text)) return text.charCodeAt(0) === 0x2d ? -Infinity : Infinity;
  return parseHexDouble(text);
}

/** A double argument: like parseLooseDouble, but a finite text must not overflow nor underflow to zero. */
export function parseDouble(text: string): number | undefined {
  const value = parseLooseDouble(text);
  if (value === undefined) return undefined;
  if (!Number.isFinite(value)) return infinityPattern.test(text) ? value : undefined;
  if (value === 0 && /[1-9]/.test(text.split(/[eEpP]/, 1)[0] ?? '')) return undefined;
  return value;
}

/** 17 significant digits, ties to even as C rounds (JavaScript rounds ties up). */
function significant17(value: number): string {
  const text = value.toExponential(16);
  const probe = value.toExponential(20);
  const e = probe.indexOf('e');
  if (probe.slice(e - 4, e) !== '5000') return text;
  const exact = value.toExponential(60);
  const end = exact.indexOf('e');
  const digits = exact.slice(0, end);
  const point = digits.indexOf('.');
  if (!/^50*$/.test(digits.slice(point + 17))) return text;
  const kept = digits.slice(0, point + 17);
  return (kept.charCodeAt(kept.length - 1) & 1) === 0 ? kept + exact.slice(end) : text;
}

/** A double as C's `%.17g` prints it; infinities as `inf` and `-inf`. */
export function formatDouble(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e17) return Object.is(value, -0) ? '-0' : String(value);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  const text = significant17(Math.abs(value));
  const e = text.indexOf('e');
  const digits = text.slice(0, e).replace('.', '');
  const exponent = Number(text.slice(e + 1));
  const sign = value < 0 ? '-' : '';
  const trimmed = digits.replace(/0+$/, '') || '0';
  if (exponent < -4 || exponent >= 17) {
    const fraction = trimmed.length > 1 ? `.${trimmed.slice(1)}` : '';
    const power = String(Math.abs(exponent)).padStart(2, '0');
    return `${sign}${trimmed[0]}${fraction}e${exponent < 0 ? '-' : '+'}${power}`;
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${trimmed}`;
  if (trimmed.length <= exponent + 1) return sign + trimmed.padEnd(exponent + 1, '0');
  return `${sign}${trimmed.slice(0, exponent + 1)}.${trimmed.slice(exponent + 1)}`;
}

// Numbers as C prints them with `%.<precision>g`. Pure.

/** Digits beyond the precision that are looked at to find out whether a value lies right in the middle. */
const tieDigits = 60;

/** `precision`: significant digits, 1 to 17. */
export function formatGeneral(value: number, precision: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  if (Number.isInteger(value) && Math.abs(value) < 10 ** Math.min(precision, 15)) return String(value);
  const rounded = roundEven(value, precision);
  const at = rounded.indexOf('e');
  const exponent = Number(rounded.slice(at + 1));
  if (exponent < -4 || exponent >= precision) {
    const size = String(Math.abs(exponent)).padStart(2, '0');
    return `${trimZeros(rounded.slice(0, at))}e${exponent < 0 ? '-' : '+'}${size}`;
  }
  return trimZeros(plain(rounded.slice(0, at), exponent));
}

/** The digits of a mantissa with the point moved by `exponent`. */
function plain(mantissa: string, exponent: number): string {
  const sign = mantissa.startsWith('-') ? '-' : '';
  const digits = mantissa.replace(/[-.]/g, '');
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  return `${sign}${whole}.${digits.slice(exponent + 1)}`;
}

function trimZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** Exponential notation, ties to even as C rounds (JavaScript rounds them up). */
function roundEven(value: number, precision: number): string {
  const text = value.toExponential(precision - 1);
  const exact = value.toExponential(tieDigits);
  const at = exact.indexOf('e');
  const digits = exact.slice(0, at).replace(/[-.]/g, '');
  if (!/^50*$/.test(digits.slice(precision))) return text;
  if ((digits.charCodeAt(precision - 1) & 1) !== 0) return text;
  const sign = value < 0 ? '-' : '';
  return `${sign}${digits[0]}.${digits.slice(1, precision)}${exact.slice(at)}`;
}

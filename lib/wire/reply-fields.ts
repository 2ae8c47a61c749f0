// Reads a decoded reply of unknown shape one field at a time: text may be a string or bytes, a map may be a Map,
// an object or a flat array. What does not fit is an Error that begins with the field's name.

export function textAt(value: unknown, where: string): string {
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  throw new Error(`${where}: expected text, got ${nameOf(value)}`);
}

/** A host, or null where the reply means "the host you asked" (null or empty). */
export function hostAt(value: unknown, where: string): string | null {
  if (value === null) return null;
  const text = textAt(value, where);
  if (/[\s\0]/.test(text)) throw new Error(`${where}: '${text}' is no host`);
  return text === '' ? null : text;
}

/** An integer within `min`..`max`; digits in text count, because some proxies answer so. */
export function integerAt(value: unknown, where: string, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  let number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number === 'string' || number instanceof Uint8Array) {
    const text = textAt(number, where);
    if (!/^-?\d{1,16}$/.test(text)) throw new Error(`${where}: '${text}' is no integer`);
    number = Number(text);
  }
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) {
    throw new Error(`${where}: expected an integer, got ${nameOf(value)}`);
  }
  if (number < min || number > max) throw new Error(`${where}: ${number} is not within ${min}..${max}`);
  return number;
}

export function listAt(value: unknown, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new Error(`${where}: expected an array, got ${nameOf(value)}`);
}

/** The fields of a map in any of the shapes a decoder may give it. */
export function fieldsOf(value: unknown, where: string): Map<string, unknown> {
  const fields = new Map<string, unknown>();
  if (Array.isArray(value)) {
    if (value.length % 2 !== 0) throw new Error(`${where}: odd number of fields`);
    for (let at = 0; at < value.length; at += 2) fields.set(textAt(value[at], where), value[at + 1]);
    return fields;
  }
  if (value instanceof Map) {
    for (const [key, field] of value) fields.set(textAt(key, where), field);
    return fields;
  }
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || value instanceof Error) {
    throw new Error(`${where}: expected a map, got ${nameOf(value)}`);
  }
  return new Map(Object.entries(value));
}

function nameOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (value instanceof Error) return `the error '${value.message}'`;
  return Array.isArray(value)
    ? 'an array'
    : typeof value === 'object'
      ? (value.constructor?.name ?? 'an object')
      : `${typeof value}`;
}

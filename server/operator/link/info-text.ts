// INFO as fields, and the lists of fields that some of its lines carry. Pure.
// Invariant: a line that does not fit is left out; nothing here throws on what a server sends.

/** Fields of an INFO text by name, sections dropped. */
export type InfoFields = ReadonlyMap<string, string>;

const maxFields = 20_000;

export function parseInfo(text: string): InfoFields {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 1 || line.startsWith('#')) continue;
    fields.set(line.slice(0, colon), line.slice(colon + 1).trimEnd());
    if (fields.size >= maxFields) break;
  }
  return fields;
}

/** A figure; null where the server does not give it, or gives no number. */
export function numberOf(info: InfoFields, name: string): number | null {
  return toNumber(info.get(name));
}

/** Fields `prefix_name:a=1,b=2` as `name` -> their numbers. */
export function numbersByName(info: InfoFields, prefix: string): Map<string, ReadonlyMap<string, number>> {
  const found = new Map<string, ReadonlyMap<string, number>>();
  for (const [name, value] of info) {
    if (name.startsWith(prefix)) found.set(name.slice(prefix.length), numbersIn(value));
  }
  return found;
}

/** `a=1,b=2` as numbers; what is no number is left out. */
function numbersIn(text: string): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const [name, value] of pairsIn(text)) {
    const number = toNumber(value);
    if (number !== null) numbers.set(name, number);
  }
  return numbers;
}

function pairsIn(text: string): [name: string, value: string][] {
  return text.split(',').flatMap((pair) => {
    const equals = pair.indexOf('=');
    return equals < 1 ? [] : [[pair.slice(0, equals), pair.slice(equals + 1)] as [string, string]];
  });
}

function toNumber(text: string | undefined): number | null {
  return text !== undefined && /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?%?$/i.test(text) ? Number.parseFloat(text) : null;
}

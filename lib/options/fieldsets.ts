// HIMPORT fieldsets as users name them in `himportFieldsets`: checked and copied.

import { OptionError } from '../base/errors.ts';

/** Field names under a name: `HIMPORT SET key name value ...` pairs them with its values. */
export interface HimportFieldset {
  readonly name: string | Buffer;
  readonly fields: readonly (string | Buffer)[];
}

/** Whether something may be a name or a field. */
export const isText = (value: unknown): value is string | Buffer => typeof value === 'string' || Buffer.isBuffer(value);
const copied = (value: string | Buffer): string | Buffer => (typeof value === 'string' ? value : Buffer.from(value));
/** The same for a text and its bytes. */
export const idOf = (name: unknown): string => Buffer.from(name as string).toString('latin1');

/** Copies of the fieldsets an option names; throws OptionError when it is none. The texts are ioredis's. */
export function fieldsetsOf(given: unknown): readonly HimportFieldset[] | undefined {
  if (given === undefined) return undefined;
  const check = (holds: boolean, text: string): void => {
    if (!holds) throw new OptionError('himportFieldsets', text);
  };
  check(Array.isArray(given), 'himportFieldsets must be an array');
  const names = new Set<string>();
  const fieldsets = (given as unknown[]).map((one) => {
    check(typeof one === 'object' && one !== null, 'Each HIMPORT fieldset must be an object');
    const { name, fields } = one as HimportFieldset;
    check(isText(name), 'Each HIMPORT fieldset name must be a string or Buffer');
    check(Array.isArray(fields), 'Each HIMPORT fieldset fields value must be an array');
    check(!names.has(idOf(name)), 'Duplicate HIMPORT fieldset name');
    names.add(idOf(name));
    check(fields.every(isText), 'Each HIMPORT field must be a string or Buffer');
    return Object.freeze({ name: copied(name), fields: Object.freeze(fields.map(copied)) });
  });
  return Object.freeze(fieldsets);
}

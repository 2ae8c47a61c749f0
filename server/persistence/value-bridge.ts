// Between the keyspace's values and portable ones: the only file of this room that knows their classes.

import type { Stored } from '../keyspace/entry.ts';
import { HashValue } from '../keyspace/types/hash.ts';
import { ListValue } from '../keyspace/types/list.ts';
import { SetValue } from '../keyspace/types/set.ts';
import { ZsetValue } from '../keyspace/types/zset.ts';
import type { PortableValue } from './portable.ts';

/** Throws a RangeError for a class that this bridge does not know. */
export function toPortable(value: Stored): PortableValue {
  if (typeof value === 'string') return { type: 'string', text: value };
  if (value instanceof ListValue) return { type: 'list', items: [...value] };
  if (value instanceof SetValue) {
    return { type: 'set', members: [...value], packed: value.encoding === 'intset' };
  }
  if (value instanceof HashValue) {
    return { type: 'hash', fields: [...value.entries()], packed: value.encoding === 'listpack' };
  }
  if (value instanceof ZsetValue) {
    return { type: 'zset', entries: [...value.entries()], packed: value.encoding === 'listpack' };
  }
  throw new RangeError(`values of type ${value.type} cannot be written yet`);
}

/** The encodings follow from the keyspace's own limits, as when a real server loads a value. */
export function fromPortable(value: PortableValue): Stored {
  switch (value.type) {
    case 'string':
      return value.text;
    case 'list':
      return ListValue.from(value.items);
    case 'set':
      return SetValue.from(value.members);
    case 'hash': {
      const hash = new HashValue();
      for (const [field, text] of value.fields) hash.set(field, text);
      return hash;
    }
    case 'zset':
      return ZsetValue.from(value.entries);
    case 'stream':
      throw new RangeError('values of type stream cannot be read yet');
  }
}

// Between the keyspace's values and portable ones: the only file of this folder that knows their classes.

import type { EncodingLimits } from '../../keyspace/encoding.ts';
import type { Stored } from '../../keyspace/entry.ts';
import { HashValue } from '../../keyspace/types/hash.ts';
import { ListValue } from '../../keyspace/types/list.ts';
import { SetValue } from '../../keyspace/types/set.ts';
import { StreamValue } from '../../keyspace/types/stream.ts';
import { Group } from '../../keyspace/types/stream-group.ts';
import { MAX_ID, makeId, msOf, type StreamId, seqOf, ZERO_ID } from '../../keyspace/types/stream-id.ts';
import { ZsetValue } from '../../keyspace/types/zset.ts';
import type { PortableGroup, PortableId, PortableStream, PortableValue } from './portable.ts';

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
  if (value instanceof StreamValue) return streamToPortable(value);
  throw new RangeError(`values of type ${value.type} cannot be written yet`);
}

/** The encodings follow from the given limits (default: redis-server's own), as when a real server loads a value. */
export function fromPortable(value: PortableValue, limits?: EncodingLimits): Stored {
  switch (value.type) {
    case 'string':
      return value.text;
    case 'list':
      return ListValue.from(value.items);
    case 'set':
      return SetValue.from(value.members, limits);
    case 'hash': {
      const hash = new HashValue(limits);
      for (const [field, text] of value.fields) hash.set(field, text);
      return hash;
    }
    case 'zset':
      return ZsetValue.from(value.entries, limits);
    case 'stream':
      return streamFromPortable(value, limits);
  }
}

function streamToPortable(stream: StreamValue): PortableStream {
  return {
    type: 'stream',
    entries: [...stream.range(ZERO_ID, MAX_ID)].map(({ id, fields }) => ({ id: pairOf(id), fields })),
    lastId: pairOf(stream.lastId),
    maxDeletedId: pairOf(stream.maxDeletedId),
    entriesAdded: BigInt(stream.entriesAdded),
    groups: [...stream.groups.values()].map(groupToPortable),
  };
}

function groupToPortable(group: Group): PortableGroup {
  const pending = [...group.pending].map(({ id, deliveredAt, deliveries, consumer }) => ({
    id: pairOf(id),
    deliveredAt,
    deliveries,
    consumer: consumer.name,
  }));
  const consumers = group.consumers().map(({ name, seenAt }) => ({ name, seenAt }));
  return { name: group.name, lastId: pairOf(group.lastId), entriesRead: BigInt(group.entriesRead), pending, consumers };
}

function streamFromPortable(value: PortableStream, limits: EncodingLimits | undefined): StreamValue {
  const stream = new StreamValue(limits);
  for (const { id, fields } of value.entries) stream.append(idOf(id), fields);
  stream.lastId = idOf(value.lastId);
  stream.maxDeletedId = idOf(value.maxDeletedId);
  stream.entriesAdded = count(value.entriesAdded);
  for (const { name, lastId, entriesRead, pending, consumers } of value.groups) {
    const group = new Group(name, idOf(lastId), count(entriesRead));
    for (const consumer of consumers) group.addConsumer(consumer.name, count(consumer.seenAt));
    for (const { id, consumer, deliveredAt, deliveries } of pending) {
      group.assign(idOf(id), group.consumer(consumer)!, count(deliveredAt), count(deliveries));
    }
    stream.groups.set(name, group);
  }
  return stream;
}

/** As a number that stays exact, and that a reply has room for: nothing that was counted comes near its bounds. */
function count(value: bigint | number): number {
  const { MAX_SAFE_INTEGER: most } = Number;
  return Math.min(most, Math.max(-most, Number(value)));
}

function pairOf(id: StreamId): PortableId {
  return [msOf(id), seqOf(id)];
}

function idOf([ms, seq]: PortableId): StreamId {
  return makeId(ms, seq);
}

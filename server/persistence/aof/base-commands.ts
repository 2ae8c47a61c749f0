// The contents of a server as commands that bring them back: a base without an RDB preamble (`aof-use-rdb-preamble no`).
// Pure. Invariant: no command has more than 64 elements, so that loading never holds more than a few of them.

import type { RdbContent, RdbKey } from '../rdb/file.ts';
import type { PortableGroup, PortableId, PortableStream, PortableValue } from '../rdb/portable.ts';
import { printPieces } from './commands.ts';

type Words = readonly string[];

const elements = 64;

/** The bytes of the file, about `chunkBytes` at a time; 0: as soon as there are any. */
export function* writeCommands(content: RdbContent, chunkBytes = 65_536): Generator<Buffer, void, undefined> {
  let texts: string[] = [];
  let length = 0;
  for (const words of commandsOf(content)) {
    for (const text of printPieces(words)) {
      texts.push(text);
      length += text.length;
      if (length < chunkBytes) continue;
      for (const piece of texts) yield Buffer.from(piece, 'latin1');
      texts = [];
      length = 0;
    }
  }
  yield Buffer.from(texts.join(''), 'latin1');
}

function* commandsOf(content: RdbContent): Generator<Words> {
  for (const source of content.functions) yield ['FUNCTION', 'LOAD', source];
  for (const { index, keys } of content.databases) {
    let first = true;
    for (const key of keys) {
      if (first) yield ['SELECT', String(index)];
      first = false;
      yield* keyCommands(key);
    }
  }
}

function* keyCommands({ key, value, expireAt }: RdbKey): Generator<Words> {
  yield* valueCommands(key, value);
  if (expireAt >= 0) yield ['PEXPIREAT', key, String(Math.floor(expireAt))];
}

function* valueCommands(key: string, value: PortableValue): Generator<Words> {
  switch (value.type) {
    case 'string':
      yield ['SET', key, value.text];
      break;
    case 'list':
      yield* inParts(['RPUSH', key], value.items);
      break;
    case 'set':
      yield* inParts(['SADD', key], value.members);
      break;
    case 'hash':
      yield* inParts(['HMSET', key], value.fields.flat());
      break;
    case 'zset':
      yield* inParts(
        ['ZADD', key],
        value.entries.flatMap(([member, score]) => [scoreText(score), member]),
      );
      break;
    case 'stream':
      yield* streamCommands(key, value);
  }
}

function* inParts(start: Words, words: Words): Generator<Words> {
  for (let at = 0; at < words.length; at += 2 * elements) yield [...start, ...words.slice(at, at + 2 * elements)];
}

/** The shortest text that reads back as the same number. */
function scoreText(score: number): string {
  if (Object.is(score, -0)) return '-0';
  return Number.isFinite(score) ? String(score) : score > 0 ? 'inf' : '-inf';
}

function* streamCommands(key: string, stream: PortableStream): Generator<Words> {
  const last = idText(stream.lastId);
  for (const { id, fields } of stream.entries) yield ['XADD', key, idText(id), ...fields];
  if (stream.entries.length === 0) {
    // Only a stream with an entry can be made, and only one beyond 0-0.
    const made = last === '0-0' ? '0-1' : last;
    yield ['XADD', key, 'MAXLEN', '0', made, 'x', 'y'];
  }
  const counts = ['ENTRIESADDED', String(stream.entriesAdded), 'MAXDELETEDID', idText(stream.maxDeletedId)];
  yield ['XSETID', key, last, ...counts];
  for (const group of stream.groups) yield* groupCommands(key, group);
}

function* groupCommands(key: string, group: PortableGroup): Generator<Words> {
  const { name, lastId, entriesRead, consumers, pending } = group;
  yield ['XGROUP', 'CREATE', key, name, idText(lastId), 'ENTRIESREAD', String(entriesRead)];
  for (const consumer of consumers) yield ['XGROUP', 'CREATECONSUMER', key, name, consumer.name];
  for (const { id, consumer, deliveredAt, deliveries } of pending) {
    const times = ['TIME', String(deliveredAt), 'RETRYCOUNT', String(deliveries)];
    yield ['XCLAIM', key, name, consumer, '0', idText(id), ...times, 'JUSTID', 'FORCE'];
  }
}

function idText([ms, seq]: PortableId): string {
  return `${ms}-${seq}`;
}

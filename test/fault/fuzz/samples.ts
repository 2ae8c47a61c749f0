// Sound data to spoil: every type in every encoding, as our node and redis-server write it, and as servers of long ago
// did.

import { readFileSync } from 'node:fs';
import { RealWorld } from '../../../lib/base/world.ts';
import { type BundledNode, startNode } from '../../../server/index.ts';
import { writeRdb } from '../../../server/persistence/rdb/file-writer.ts';
import { capturedContent } from '../../../server/persistence/rdb/snapshot.ts';
import { missingRedisServer } from '../../kit/real-cluster.ts';
import { type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { findServer } from '../../kit/servers.ts';

export const world: RealWorld = new RealWorld();

const many = (count: number, word: (at: number) => readonly string[]): string[] =>
  Array.from({ length: count }, (_, at) => word(at)).flat();

/** Words that fill a node with something of everything. */
const words: readonly string[][] = [
  ['SET', 's:int8', '100'],
  ['SET', 's:int16', '-30000'],
  ['SET', 's:int32', '70000'],
  ['SET', 's:int64', '9223372036854775807'],
  ['SET', 's:packed', 'abc'.repeat(60)],
  ['SET', 's:bytes', '\xff\x00\r\n\x80'],
  ['SET', 's:empty', ''],
  ['SETBIT', 's:bits', '300', '1'],
  ['PFADD', 's:hll', 'a', 'b', 'c'],
  ['RPUSH', 'l:small', 'a', '1', '-5000', '70000', '5000000000', '100000', 'x'.repeat(70)],
  ['RPUSH', 'l:nodes', ...many(40, (at) => [`item ${at}`])],
  ['RPUSH', 'l:plain', 'y'.repeat(300), 'tail'],
  ['SADD', 'e:int16', '1', '-5', '300'],
  ['SADD', 'e:int32', '1', '70000'],
  ['SADD', 'e:int64', '1', '5000000000'],
  ['SADD', 'e:table', 'apple', '10', 'z'.repeat(70)],
  ['HSET', 'h:small', 'f', 'v', 'n', '-1000000'],
  ['HSET', 'h:table', 'f', 'x'.repeat(70), 'g', '1'],
  ['ZADD', 'z:small', '-inf', 'neg', '1', 'one', '2.5', 'half', '1e20', 'big', 'inf', 'pos'],
  ['ZADD', 'z:table', '1', 'x'.repeat(70), '2.5', 'y'],
  ['XADD', 'x:plain', '1-1', 'a', '1', 'b', '2'],
  ['XADD', 'x:plain', '2-1', 'a', '3', 'b', '4'],
  ['XADD', 'x:plain', '2-2', 'o', 'x'],
  ...many(8, (at) => [`${at + 1}-0`]).map((id) => ['XADD', 'x:gaps', id, 'f', id]),
  ['XDEL', 'x:gaps', '3-0', '8-0'],
  ['XGROUP', 'CREATE', 'x:gaps', 'g', '0'],
  ['XGROUP', 'CREATE', 'x:gaps', 'idle', '$'],
  ['XREADGROUP', 'GROUP', 'g', 'alice', 'COUNT', '2', 'STREAMS', 'x:gaps', '>'],
  ['XREADGROUP', 'GROUP', 'g', 'bob', 'COUNT', '1', 'STREAMS', 'x:gaps', '>'],
  ['XACK', 'x:gaps', 'g', '1-0'],
  ['SET', 't:ms', 'v', 'PX', '100000000'],
  ['EXPIREAT', 'l:small', '4102444800'],
];

/** Settings under which the same words make other encodings. */
const plainSettings = ['rdbcompression', 'no', 'list-max-listpack-size', '4'];

export interface Samples {
  /** Payloads of DUMP without version and checksum. */
  readonly bodies: readonly Buffer[];
  readonly files: readonly Buffer[];
}

async function fill(port: number): Promise<RespClient> {
  const client = await RespClient.connect(port);
  for (const row of words) {
    const reply = await client.call(...row);
    if (reply instanceof Error) throw new Error(`${row[0]}: ${reply.message}`);
  }
  return client;
}

async function bodiesOf(client: RespClient): Promise<Buffer[]> {
  const keys = (await client.call('KEYS', '*')) as string[];
  const payloads = (await Promise.all(keys.map((key) => client.call('DUMP', key)))) as string[];
  return payloads.map((payload) => Buffer.from(payload, 'latin1').subarray(0, -10));
}

async function ofOurs(node: BundledNode): Promise<Samples> {
  const client = await fill(node.port);
  const bodies = await bodiesOf(client);
  client.close();
  const { databases } = node.server.engine;
  return { bodies, files: [Buffer.concat([...writeRdb(capturedContent(databases, { version: '7.0.15' }))])] };
}

async function ofReal(node: RealNode): Promise<Samples> {
  const bodies: Buffer[] = [];
  const files: Buffer[] = [];
  for (const settings of [[], plainSettings]) {
    const client = await RespClient.connect(node.port);
    for (let at = 0; at < settings.length; at += 2)
      await client.call('CONFIG', 'SET', settings[at]!, settings[at + 1]!);
    await client.call('FLUSHALL');
    const filled = await fill(node.port);
    bodies.push(...(await bodiesOf(filled)));
    const [, dir] = (await client.call('CONFIG', 'GET', 'dir')) as [string, string];
    await client.call('SAVE');
    files.push(readFileSync(`${dir}/dump.rdb`));
    filled.close();
    client.close();
  }
  return { bodies, files };
}

// ---- values as servers before 7.0 wrote them

function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')]);
}

function ziplist(entries: readonly Buffer[]): Buffer {
  let previous = 0;
  const parts = entries.map((entry) => {
    const whole = Buffer.concat([Buffer.from([previous]), entry]);
    previous = whole.length;
    return whole;
  });
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(10);
  head.writeUInt32LE(10 + body.length + 1, 0);
  head.writeUInt32LE(10 + body.length - previous, 4);
  head.writeUInt16LE(entries.length, 8);
  const whole = Buffer.concat([head, body, Buffer.from([255])]);
  return Buffer.concat([Buffer.from([whole.length]), whole]);
}

const small = (value: number): Buffer => Buffer.from([0xf1 + value]);
const int16 = (value: number): Buffer => Buffer.from([0xc0, value & 0xff, value >> 8]);

const old: readonly Buffer[] = [
  Buffer.concat([Buffer.from([1, 2]), text('first'), text('second')]),
  Buffer.concat([Buffer.from([2, 2]), text('m'), text('n')]),
  Buffer.concat([
    Buffer.from([3, 3]),
    text('a'),
    Buffer.from([254]),
    text('b'),
    text('1.5'),
    text('c'),
    Buffer.from([255]),
  ]),
  Buffer.concat([Buffer.from([4, 1]), text('f'), text('v')]),
  Buffer.concat([Buffer.from([9]), text('\x01\x01f\x02\x00vw\xff')]),
  Buffer.concat([Buffer.from([10]), ziplist([text('abc'), small(5), int16(3000)])]),
  Buffer.concat([Buffer.from([12]), ziplist([text('a'), small(1), text('b'), text('2.5')])]),
  Buffer.concat([Buffer.from([13]), ziplist([text('f'), text('v'), text('g'), int16(300)])]),
  Buffer.concat([Buffer.from([14, 2]), ziplist([text('abc')]), ziplist([small(3), text('d')])]),
];

const captured = (
  JSON.parse(readFileSync('test/fixtures/dump-vectors.json', 'utf8')) as { vectors: { hex: string }[] }
).vectors
  .map(({ hex }) => Buffer.from(hex, 'hex').subarray(0, -10))
  .filter(({ length }) => length < 4000);

/** A file of one database with all of `bodies` under short names, not checksummed. */
function fileOf(bodies: readonly Buffer[], version: string): Buffer {
  const keys = bodies.map((body, at) => Buffer.concat([body.subarray(0, 1), text(`k${at}`), body.subarray(1)]));
  const head = Buffer.from(`REDIS${version}\xfe\x00\xfb`, 'latin1');
  const end = Buffer.concat([Buffer.from([255]), Buffer.alloc(8)]);
  return Buffer.concat([head, Buffer.from([bodies.length, 0]), ...keys, end]);
}

/** All samples there can be on this machine: without redis-server, those of our node and the captured ones. */
export async function allSamples(): Promise<Samples> {
  const node = await startNode();
  const parts = [await ofOurs(node).finally(() => node.kill())];
  if (missingRedisServer() === undefined) {
    const real = await startRealNode();
    parts.push(await ofReal(real).finally(() => real.stop()));
  }
  for (const name of ['valkey-9', 'valkey-8', 'redis-8'] as const) {
    const server = findServer(name);
    if (server === undefined) continue;
    const real = await startRealNode([], server);
    parts.push(await ofReal(real).finally(() => real.stop()));
  }
  const minimal = Buffer.from('524544495330303039fe00fb01000003666f6f03626172ff0000000000000000', 'hex');
  return {
    bodies: [...parts.flatMap(({ bodies }) => bodies), ...captured, ...old],
    files: [
      ...parts.flatMap(({ files }) => files),
      fileOf(old, '0006'),
      fileOf(captured.slice(0, 20), '0010'),
      minimal,
    ],
  };
}

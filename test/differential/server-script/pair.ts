// A whole node of ours, which keeps its data in a directory, and a redis-server, for the tests of one suite.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BundledNode, startNode } from '../../../server/index.ts';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { plain } from './plain.ts';

/** Each is there once the suite has begun. */
export interface ScriptPair {
  readonly real: RealNode;
  readonly ours: BundledNode;
  /** Where they keep their data. */
  readonly realDir: string;
  readonly oursDir: string;
}

/** Starts both with these parameters before the tests of the suite that it is called in. */
export function scriptPair(config: Readonly<Record<string, string>> = {}): ScriptPair {
  const made = (name: string): string => mkdtempSync(join(tmpdir(), `lingcache-script-${name}-`));
  const pair = { realDir: made('real'), oursDir: made('ours') } as {
    -readonly [Key in keyof ScriptPair]: ScriptPair[Key];
  };
  before(async function () {
    needRedisServer(this);
    const args = Object.entries({ dir: pair.realDir, ...config }).flatMap(([name, value]) => [`--${name}`, value]);
    pair.real = await startRealNode(args);
    pair.ours = await startNode({ config: { dir: pair.oursDir, save: '', ...config } });
  });
  after(async () => {
    await pair.ours?.kill();
    await pair.real?.stop();
    for (const dir of [pair.realDir, pair.oursDir]) rmSync(dir, { recursive: true, force: true });
  });
  return pair;
}

export type Calls = readonly (readonly string[])[];

/** What each call gives on one server, one after the other, from empty databases on. */
async function play(port: number, protocol: 2 | 3, calls: Calls): Promise<string[]> {
  const client = await RespClient.connect(port);
  try {
    await client.call('FLUSHALL');
    await client.call('FUNCTION', 'FLUSH');
    await client.call('HELLO', protocol);
    const lines: string[] = [];
    for (const argv of calls) {
      const reply = await client.call(...argv.map((word) => Buffer.from(word, 'latin1')));
      lines.push(`${JSON.stringify(argv)} => ${JSON.stringify(plain(reply))}`);
    }
    return lines;
  } finally {
    client.close();
  }
}

/** Plays the calls on both; asserts that every reply is the same. */
export function compareCalls(pair: ScriptPair, protocol: 2 | 3, calls: Calls): Promise<void> {
  return compareOn(pair.real.port, pair.ours.port, protocol, calls);
}

export async function compareOn(real: number, ours: number, protocol: 2 | 3, calls: Calls): Promise<void> {
  const [expected, found] = await Promise.all([play(real, protocol, calls), play(ours, protocol, calls)]);
  assert.equal(found.length, calls.length);
  const wrong = found.flatMap((line, at) => (line === expected[at] ? [] : [`ours ${line}\nreal ${expected[at]}`]));
  assert.equal(wrong.length, 0, `${wrong.length} of ${calls.length} differ:\n${wrong.join('\n')}`);
}

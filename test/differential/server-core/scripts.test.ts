// The same scripts on the bundled server and on redis-server, in RESP2 and RESP3: equal values, equal error texts.

import assert from 'node:assert/strict';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { splitArguments } from '../../../lib/wire/request-decoder.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { pairForSuite } from './pair.ts';
import { scripts } from './scripts.ts';

interface Line {
  readonly connection: number;
  readonly argv: readonly string[];
  readonly text: string;
}

function parse(lines: string): Line[] {
  return lines
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((text) => {
      const match = /^@(\d) (.*)$/.exec(text);
      const argv = splitArguments(match?.[2] ?? text);
      assert.ok(argv !== undefined, `bad line: ${text}`);
      return { connection: Number(match?.[1] ?? 0), argv, text };
    });
}

/** A form that compares: errors by their text, sets and maps in one order, keys of no order sorted. */
function plain(reply: unknown): unknown {
  if (reply instanceof ReplyError) return { error: reply.message };
  if (Array.isArray(reply)) return reply.map(plain);
  if (reply instanceof Map) return { map: [...reply].map(([key, value]) => [plain(key), plain(value)]) };
  if (reply instanceof Set) return { set: [...reply].map(plain) };
  return reply;
}

async function play(port: number, protocol: 2 | 3, lines: readonly Line[]): Promise<string[]> {
  const clients: RespClient[] = [];
  try {
    for (let at = 0; at < 2; at++) clients.push(await RespClient.connect(port));
    await clients[0]!.call('FLUSHALL');
    for (const client of clients) await client.call('HELLO', protocol);
    const transcript: string[] = [];
    for (const { connection, argv, text } of lines) {
      const reply = await clients[connection]!.call(...argv);
      transcript.push(`${text} => ${JSON.stringify(plain(reply))}`);
    }
    return transcript;
  } finally {
    for (const client of clients) client.close();
  }
}

describe('core commands, ours against redis-server', () => {
  const pair = pairForSuite();

  for (const script of scripts) {
    for (const protocol of [2, 3] as const) {
      it(`${script.name}, RESP${protocol}`, async () => {
        const lines = parse(script.lines);
        const expected = await play(pair.real!.port, protocol, lines);
        const actual = await play(pair.ours!.port, protocol, lines);
        // Line by line: a transcript of long replies would hide the difference.
        for (const [at, line] of expected.entries()) assert.equal(actual[at], line);
      });
    }
  }
});

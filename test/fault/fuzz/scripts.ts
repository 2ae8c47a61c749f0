// Spoiled scripts, library codes, FUNCTION RESTORE payloads and arguments: each is answered, by a value or an error that
// somebody wrote; none stops the server, reaches what scripts may not reach, or leaves something for the next one.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { startNode } from '../../../server/index.ts';
import { snippets } from '../../differential/server-script/snippets.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { type Chance, type InputReport, newReport, refuse, sealed, spoiled, watched } from './kit.ts';

const batch = 100;
/** A script that never ends costs this much: ms. */
const busyThresholdMs = '30';
const answerMs = 120_000;

/** What runs of others may not change: the globals as a script sees them, and what is computed with them. */
const control = `
  local names = {}
  local function visit(prefix, t, depth)
    for k, v in pairs(t) do
      names[#names + 1] = prefix .. tostring(k) .. ':' .. type(v)
      if type(v) == 'table' and depth > 0 and v ~= _G then visit(prefix .. tostring(k) .. '.', v, depth - 1) end
    end
  end
  visit('', _G, 1)
  table.sort(names)
  names[#names + 1] = tostring(rawget(_G, 'x')) .. #KEYS .. #ARGV .. tostring(getmetatable(redis))
  names[#names + 1] = cjson.encode(cjson.decode('{"a":[1,2,{"b":null}]}')) .. ('x'):rep(3) .. tostring(1e15)
  names[#names + 1] = struct.pack('>I2', 258) .. bit.tohex(255) .. cmsgpack.pack({1, 'a'}) .. redis.sha1hex('')
  local ok, err = pcall(redis.call, 'get')
  names[#names + 1] = tostring(ok) .. tostring(err)
  return names`;

// biome-ignore format: one list
const words = [
  'redis', 'call', 'pcall', 'KEYS', 'ARGV', '_G', 'getmetatable', 'setmetatable', 'rawset', 'rawget', 'next', 'pairs',
  'loadstring', 'load', 'string', 'dump', 'rep', 'format', 'gsub', 'table', 'insert', 'remove', 'sort', 'concat',
  'coroutine', 'wrap', 'yield', 'resume', 'create', 'error', 'pcall', 'xpcall', 'select', 'unpack', 'math', 'huge',
  'cjson', 'encode', 'decode', 'cmsgpack', 'struct', 'bit', 'collectgarbage', 'tostring', 'type', 'setresp', '__index',
  'function()', 'end', 'return', 'local', 'a', 'b', '=', '(', ')', '{', '}', '[', ']', '.', ':', ',', '..', '#', '"x"',
  '1', '0', '-1', '1e308', '2^53', 'nil', 'true', 'for i=1,3 do', 'while true do', 'if', 'then', 'else', 'repeat',
  'until', '...', 'not', 'and', 'or', '==', '<', '\n', '\0', '\x1b', '--[[', ']]', '\\', "'",
];
const commands = ['EVAL_RO', 'EVAL', 'FUNCTION LOAD', 'FUNCTION RESTORE', 'SCRIPT LOAD', 'arguments'] as const;

const samples = Object.values(snippets)
  .flat()
  .map((script) => Buffer.from(script, 'latin1'));
const libraries = [
  '#!lua name=lib\nredis.register_function("f", function(k, a) return a end)',
  '#!lua name=lib\nredis.register_function{function_name="f", callback=function() return 1 end, flags={"no-writes"}}',
  '#!lua name=other\nlocal n = 0\nredis.register_function("g", function() n = n + 1 return n end)',
].map((code) => Buffer.from(code, 'latin1'));

function randomWords(chance: Chance): Buffer {
  const text = Array.from({ length: 1 + chance(20) }, () => words[chance(words.length)]!).join(
    chance(2) === 0 ? ' ' : '',
  );
  return Buffer.from(text, 'latin1');
}

/** Words of one script in the place of words of another: more of these compile. */
function blended(chance: Chance): Buffer {
  const tokens = (): string[] => samples[chance(samples.length)]!.toString('latin1').split(/(\W)/);
  const script = tokens();
  const others = tokens();
  for (let left = 1 + chance(3); left > 0; left--) {
    script[chance(script.length)] = chance(4) === 0 ? words[chance(words.length)]! : others[chance(others.length)]!;
  }
  return Buffer.from(script.join(''), 'latin1');
}

/** The body of a payload of functions: opcode, length in 32 bits, text. */
function functionBody(code: Buffer): Buffer {
  const head = Buffer.from([245, 0x80, 0, 0, 0, 0]);
  head.writeUInt32BE(code.length, 2);
  return Buffer.concat([head, code]);
}

function input(chance: Chance): (string | Buffer)[] {
  const script = [randomWords, blended, blended, (by: Chance) => spoiled(samples, by)][chance(4)]!(chance);
  switch (commands[chance(commands.length)]!) {
    case 'EVAL_RO':
      return ['EVAL_RO', script, '1', 'k', 'a'];
    case 'EVAL':
      // In a transaction, so that it cannot be left in the middle: one that never ends is ended. One that writes and
      // never ends is not, so loops are for those that may not write.
      return /while|repeat|for|goto|gsub|sort/.test(script.toString('latin1'))
        ? ['EVAL_RO', script, '0']
        : ['EVAL', script, '1', 'k', 'a', 'b'];
    case 'FUNCTION LOAD':
      return ['FUNCTION', 'LOAD', 'REPLACE', spoiled(libraries, chance)];
    case 'FUNCTION RESTORE': {
      const body =
        chance(2) === 0 ? spoiled(libraries.map(functionBody), chance) : functionBody(spoiled(libraries, chance));
      return ['FUNCTION', 'RESTORE', sealed(body), ['FLUSH', 'APPEND', 'REPLACE'][chance(3)]!];
    }
    case 'SCRIPT LOAD':
      return ['SCRIPT', 'LOAD', script];
    case 'arguments':
      return [['EVAL', 'EVALSHA', 'FCALL', 'FCALL_RO'][chance(4)]!, 'return 1', String(chance(9) - 4), 'a', 'b'].slice(
        0,
        2 + chance(4),
      );
  }
}

export async function fuzzScripts(runs: number, chance: Chance): Promise<InputReport> {
  const report = newReport('scripts', runs);
  const node = await startNode({ config: { 'busy-reply-threshold': busyThresholdMs } });
  const client = await RespClient.connect(node.port);
  try {
    const expected = await client.call('EVAL', control, 0);
    assert.ok(Array.isArray(expected), String(expected));
    await watched(report, async () => {
      for (let done = 0; done < runs; done += batch) {
        const inputs = Array.from({ length: Math.min(batch, runs - done) }, () => input(chance));
        await playBatch(report, client, inputs);
        if (done % (10 * batch) === 0) await client.call('SCRIPT', 'FLUSH');
        assert.deepEqual(await client.call('EVAL', control, 0), expected, `after ${done} inputs`);
      }
    });
  } finally {
    client.close();
    await node.kill();
  }
  return report;
}

async function playBatch(
  report: InputReport,
  client: RespClient,
  inputs: readonly (string | Buffer)[][],
): Promise<void> {
  await client.call('MULTI');
  for (const argv of inputs) {
    const start = performance.now();
    const queued = await client.call(...argv);
    // Refused before it ran: the transaction would be as well.
    if (queued instanceof ReplyError) {
      refuse(report, queued.message);
      await client.call('DISCARD');
      await client.call('MULTI');
      continue;
    }
    const exec = client.call('EXEC');
    const replies = await Promise.race([exec, pause(answerMs, undefined, { ref: false })]);
    report.slowest = Math.max(report.slowest, performance.now() - start);
    if (!Array.isArray(replies)) throw new Error(`no answer to ${argv.map(String).join(' ')}: ${String(replies)}`);
    if (replies[0] instanceof ReplyError) refuseScript(report, replies[0].message, argv);
    else report.accepted++;
    await client.call('MULTI');
  }
  await client.call('DISCARD');
}

/** Texts of scripts are in errors, so that an accident is known by what the server writes itself. */
function refuseScript(report: InputReport, why: string, argv: readonly (string | Buffer)[]): void {
  if (/internal error/.test(why))
    throw new Error(`${why}: ${argv.map((word) => JSON.stringify(String(word))).join(' ')}`);
  report.refused++;
  const kind = why
    .replaceAll(/['"[].*/gs, '...')
    .replaceAll(/\d+/g, '#')
    .slice(0, 80);
  if (report.reasons.size < 1000) report.reasons.set(kind, (report.reasons.get(kind) ?? 0) + 1);
}

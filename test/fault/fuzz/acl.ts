// Random and spoiled definitions of ACL users: each is accepted, and then prints as rules that make the same user again
// and allows just what redis-server allows with it, or is refused and changes nothing. A definition that never allows
// anything lets nothing in.

import { commandOf } from '../../../lib/command/table.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { Acl } from '../../../server/acl/acl.ts';
import { aclCheck } from '../../../server/engine/acl-check.ts';
import { isReadOtherwise, randomCall, randomRules } from '../../kit/acl-rules.ts';
import { startRealNode } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { type Chance, type InputReport, newReport, refuse, spoiled, timed, watched } from './kit.ts';

const quiet = { onChange: () => undefined, onDelete: () => undefined };
const callsEach = 4;
/** Inputs whose answers redis-server gives at a time. */
const batch = 200;
/** Words that may allow something. */
const allowing = /[+~%&]|all/i;

interface Tried {
  readonly words: readonly string[];
  readonly why: string | undefined;
  readonly calls: readonly (readonly string[])[];
  readonly denials: readonly (string | undefined)[];
}

export async function fuzzAcl(runs: number, chance: Chance, against: boolean): Promise<InputReport> {
  const report = newReport('acl', runs);
  const real = against ? await startRealNode() : undefined;
  const client = real && (await RespClient.connect(real.port));
  const users = new Acl(() => false, quiet);
  let compared = 0;
  try {
    await watched(report, async () => {
      let waiting: Tried[] = [];
      for (let run = 0; run < runs; run++) {
        const tried = timed(report, () => tryOne(users, chance));
        if (tried.why === undefined) report.accepted++;
        else refuse(report, tried.why.replaceAll(/'.*'/gs, "'...'"));
        if (client === undefined || isReadOtherwise(tried.words)) continue;
        waiting.push(tried);
        compared++;
        if (waiting.length < batch) continue;
        await compare(client, waiting);
        waiting = [];
      }
      if (client !== undefined) await compare(client, waiting);
    });
  } finally {
    client?.close();
    await real?.stop();
  }
  report.notes.push(
    against
      ? `${compared} definitions and ${compared * callsEach} calls under them were answered as redis-server does`
      : 'nothing was compared with redis-server',
  );
  return report;
}

function tryOne(users: Acl, chance: Chance): Tried {
  const luck = { random: () => chance(1 << 30) / (1 << 30) };
  const words = randomRules(luck).map((word) => (chance(4) === 0 ? spoil(word, chance) : word));
  users.set('u', ['reset']);
  const before = users.definitions().join();
  const why = users.set('u', words);
  if (why !== undefined && users.definitions().join() !== before)
    throw new Error(`refused, but not all of it: ${words}`);
  const calls = Array.from({ length: callsEach }, () => randomCall(luck));
  if (why === undefined) check(users, words);
  return { words, why, calls, denials: calls.map((call) => denialOf(users, call)) };
}

function spoil(word: string, chance: Chance): string {
  if (word === '') return word;
  return spoiled([Buffer.from(word, 'latin1')], chance).toString('latin1');
}

function check(users: Acl, words: readonly string[]): void {
  const user = users.get('u')!;
  const printed = user.rules.print();
  const again = new Acl(() => false, quiet);
  const mistake = again.load(`user u ${printed}\n`, 'f');
  if (mistake !== undefined || again.get('u')!.rules.print() !== printed) {
    throw new Error(`${JSON.stringify(words)} prints as ${printed}: ${mistake}`);
  }
  if (words.some((word) => allowing.test(word))) return;
  for (const call of [
    ['GET', 'key'],
    ['PING'],
    ['ACL', 'SETUSER', 'x'],
    ['PUBLISH', 'a', 'b'],
    ['CONFIG', 'SET', 'a', 'b'],
  ]) {
    if (denialOf(users, call) === undefined) throw new Error(`${JSON.stringify(words)} lets ${call} in`);
  }
}

/** The answer of ACL DRYRUN; undefined: it is allowed. Null for a call that cannot be tried. */
function denialOf(users: Acl, call: readonly string[]): string | undefined {
  const row = commandOf(`${call[0]}|${call[1]}`) ?? commandOf(call[0]!);
  if (row === undefined || row.subcommands.length > 0) return 'not tried';
  if (row.arity > 0 ? call.length !== row.arity : call.length < -row.arity) return 'not tried';
  const denial = aclCheck(users.get('u')!, row, call);
  if (denial === undefined) return undefined;
  return denial.reason === 'command'
    ? `This user has no permissions to run the '${row.name}' command`
    : `This user has no permissions to access the '${call[denial.at]}' ${denial.reason}`;
}

/** All are asked for at once; each answer is waited for, so that a difference is what is reported. */
async function compare(client: RespClient, tried: readonly Tried[]): Promise<void> {
  const answers = tried.map(({ words, calls }) => [
    client.call('ACL', 'SETUSER', 'u', 'reset'),
    client.call('ACL', 'SETUSER', 'u', ...words.map(bytes)),
    ...calls.map((call) => client.call('ACL', 'DRYRUN', 'u', ...call)),
  ]);
  const replies = await Promise.all(answers.map((each) => Promise.all(each)));
  for (const [at, each] of tried.entries()) compareOne(each, replies[at]!);
}

function compareOne({ words, why, calls, denials }: Tried, [, set, ...dry]: readonly unknown[]): void {
  const theirs = set instanceof ReplyError ? ascii(set.message) : undefined;
  const mine = why === undefined ? undefined : ascii(`ERR ${why}`);
  if (theirs !== mine) throw new Error(`${JSON.stringify(words)}: '${mine}', redis-server says '${theirs}'`);
  for (const [at, reply] of dry.entries()) {
    if (reply instanceof ReplyError || denials[at] === 'not tried') continue;
    const expected = denials[at] ?? 'OK';
    if (String(reply) === expected) continue;
    throw new Error(`${JSON.stringify(words)}, ${calls[at]}: '${expected}', redis-server says '${reply}'`);
  }
}

/** Texts of errors are read as UTF-8. */
function ascii(text: string): string {
  return text.replace(/[^ -~]+/g, '?').replace(/[? ]+/g, ' ');
}

function bytes(word: string): Buffer {
  return Buffer.from(word, 'latin1');
}

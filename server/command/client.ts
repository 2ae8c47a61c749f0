// The CLIENT commands: names, lists, killing, pausing, unblocking.

import { OK, type Reply, ReplyError, Verbatim } from '../../lib/wire/reply.ts';
import type { User } from '../acl/user.ts';
import { unblockedByHand } from '../engine/blocking.ts';
import type { Client } from '../engine/client.ts';
import { type ClientType, describeClient, typeOfClient } from '../engine/client-info.ts';
import type { Engine } from '../engine/engine.ts';
import type { CommandGroup } from '../engine/registry.ts';
import { fail, readAtLeast, readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';

export const badNameRefusal: ReplyError = new ReplyError(
  'ERR Client names cannot contain spaces, newlines or special characters.',
);

/** Printable ASCII without spaces: what a client's name may hold. */
export function isPlainText(text: string): boolean {
  return /^[!-~]*$/.test(text);
}

function wrongArguments(word: string): ReplyError {
  return new ReplyError(`ERR unknown subcommand or wrong number of arguments for '${word}'. Try CLIENT HELP.`);
}

function readType(text: string): ClientType {
  const word = text.toLowerCase();
  if (word === 'slave') return 'replica';
  if (word === 'normal' || word === 'master' || word === 'replica' || word === 'pubsub') return word;
  return fail(`Unknown client type '${text}'`);
}

function line(client: Client, self: Client, argv: readonly string[]): string {
  return `${describeClient(client, client === self ? argv : [])}\n`;
}

function list(engine: Engine, self: Client, argv: readonly string[]): Reply {
  let chosen = [...engine.clients.values()];
  if (argv.length === 4 && sameWord(argv[2], 'type')) {
    const type = readType(argv[3]!);
    chosen = chosen.filter((client) => typeOfClient(client) === type);
  } else if (argv.length > 3 && sameWord(argv[2], 'id')) {
    const ids = new Set(argv.slice(3).map((text) => readAtLeast(text, 1, 'Invalid client ID')));
    chosen = chosen.filter((client) => ids.has(client.id));
  } else if (argv.length !== 2) syntaxError();
  return new Verbatim(chosen.map((client) => line(client, self, argv)).join(''));
}

interface KillFilter {
  id?: number;
  type?: ClientType;
  address?: string;
  localAddress?: string;
  user?: User;
  skipMe: boolean;
}

function readKillFilter(engine: Engine, argv: readonly string[]): KillFilter {
  const filter: KillFilter = { skipMe: true };
  for (let at = 2; at < argv.length; at += 2) {
    const word = argv[at]!.toLowerCase();
    const value = argv[at + 1];
    if (value === undefined) syntaxError();
    if (word === 'id') filter.id = readAtLeast(value, 1, 'client-id should be greater than 0');
    else if (word === 'type') filter.type = readType(value);
    else if (word === 'addr') filter.address = value;
    else if (word === 'laddr') filter.localAddress = value;
    else if (word === 'user') {
      filter.user = engine.access.acl.get(value) ?? fail(`No such user '${value}'`);
    } else if (word === 'skipme' && (sameWord(value, 'yes') || sameWord(value, 'no'))) {
      filter.skipMe = sameWord(value, 'yes');
    } else syntaxError();
  }
  return filter;
}

function kill(engine: Engine, self: Client, argv: readonly string[]): Reply {
  const old = argv.length === 3;
  const filter: KillFilter = old ? { address: argv[2]!, skipMe: false } : readKillFilter(engine, argv);
  const chosen = [...engine.clients.values()].filter(
    (client) =>
      (filter.id === undefined || client.id === filter.id) &&
      (filter.type === undefined || typeOfClient(client) === filter.type) &&
      (filter.address === undefined || client.sink.address === filter.address) &&
      (filter.localAddress === undefined || client.sink.localAddress === filter.localAddress) &&
      (filter.user === undefined || client.user === filter.user) &&
      !(filter.skipMe && client === self),
  );
  for (const client of chosen) client.sink.close(client === self);
  if (!old) return chosen.length;
  return chosen.length > 0 ? OK : new ReplyError('ERR No such client');
}

function unblock(engine: Engine, argv: readonly string[]): Reply {
  if (argv.length > 4) return wrongArguments('unblock');
  const byError = argv[3] !== undefined && sameWord(argv[3], 'error');
  if (argv[3] !== undefined && !byError && !sameWord(argv[3], 'timeout')) {
    fail('CLIENT UNBLOCK reason should be TIMEOUT or ERROR');
  }
  const client = engine.clients.get(readLong(argv[2]!));
  const reply = client?.blocked?.onTimeout;
  if (client === undefined || reply === undefined) return 0;
  engine.blocked.answer(client, byError ? unblockedByHand : reply);
  return 1;
}

function pause(engine: Engine, argv: readonly string[]): Reply {
  const writesOnly = argv.length === 4 && sameWord(argv[3], 'write');
  if (argv.length > 4) return wrongArguments('pause');
  if (argv.length === 4 && !writesOnly && !sameWord(argv[3], 'all')) {
    fail('CLIENT PAUSE mode must be WRITE or ALL');
  }
  const ms = readLong(argv[2]!, 'timeout is not an integer or out of range');
  if (ms < 0) fail('timeout is negative');
  engine.pauses.pause('client command', writesOnly ? 'writes' : 'all', ms);
  return OK;
}

function setInfo(client: Client, argv: readonly string[]): Reply {
  const value = argv[3]!;
  const field = argv[2]!.toLowerCase();
  if (!isPlainText(value)) {
    return new ReplyError(`ERR ${field} cannot contain spaces, newlines or special characters.`);
  }
  if (field === 'lib-name') client.libName = value;
  else if (field === 'lib-ver') client.libVersion = value;
  else return new ReplyError(`ERR Unrecognized option '${argv[2]}'`);
  return OK;
}

function setReplies(client: Client, argv: readonly string[]): Reply | undefined {
  const word = argv[2]!.toLowerCase();
  if (word === 'on') {
    client.replies = 'on';
    return OK;
  }
  if (word === 'off') client.replies = 'off';
  else if (word === 'skip') {
    if (client.replies !== 'off') client.replies = 'skip-next';
  } else syntaxError();
  return undefined;
}

export function clientCommands(engine: Engine): CommandGroup<Client> {
  return {
    'client|id': (client) => client.id,
    'client|info': (client, argv) => new Verbatim(line(client, client, argv)),
    'client|list': (client, argv) => list(engine, client, argv),
    'client|kill': (client, argv) => kill(engine, client, argv),
    'client|getname': (client) => (client.name === '' ? null : client.name),
    'client|setname': (client, argv) => {
      if (!isPlainText(argv[2]!)) return badNameRefusal;
      client.name = argv[2]!;
      return OK;
    },
    'client|setinfo': setInfo,
    'client|no-evict': (client, argv) => {
      if (!sameWord(argv[2], 'on') && !sameWord(argv[2], 'off')) syntaxError();
      client.noEvict = sameWord(argv[2], 'on');
      return OK;
    },
    'client|reply': setReplies,
    'client|unblock': (_client, argv) => unblock(engine, argv),
    'client|pause': (_client, argv) => pause(engine, argv),
    'client|unpause': () => {
      engine.pauses.resume('client command');
      return OK;
    },
  };
}

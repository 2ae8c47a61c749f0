// Commands about the connection itself: HELLO, AUTH, PING, SELECT, RESET, QUIT.

import { OK, PONG, type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import { arityRefusal, type CommandGroup } from '../engine/registry.ts';
import { serverVersion } from '../engine/version.ts';
import { fail, readLong, sameWord } from '../keyspace/arguments.ts';
import { badNameRefusal, isPlainText } from './client.ts';
import { readIndex } from './db-index.ts';

const wrongPass = new ReplyError('WRONGPASS invalid username-password pair or user is disabled.');
const noPassword = new ReplyError(
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
);

function auth(engine: Engine, client: Client, argv: readonly string[]): Reply {
  if (argv.length > 3) return new ReplyError('ERR syntax error');
  if (argv.length === 2 && engine.access.acl.default.rules.noPassword) return noPassword;
  const user = argv.length === 3 ? argv[1]! : 'default';
  return engine.access.authenticate(client, user, argv[argv.length - 1]!, argv[0]!) ? OK : wrongPass;
}

function hello(engine: Engine, client: Client, argv: readonly string[]): Reply {
  let protocol = client.protocol;
  if (argv.length > 1) {
    const version = readLong(argv[1]!, 'Protocol version is not an integer or out of range');
    if (version !== 2 && version !== 3) return new ReplyError('NOPROTO unsupported protocol version');
    protocol = version;
  }
  for (let at = 2; at < argv.length; at++) {
    if (sameWord(argv[at], 'auth') && argv.length - at > 2) {
      if (!engine.access.authenticate(client, argv[at + 1]!, argv[at + 2]!, argv[0]!)) return wrongPass;
      at += 2;
    } else if (sameWord(argv[at], 'setname') && argv.length - at > 1) {
      if (!isPlainText(argv[++at]!)) return badNameRefusal;
      client.name = argv[at]!;
    } else fail(`Syntax error in HELLO option '${argv[at]}'`);
  }
  if (!client.authenticated) {
    return new ReplyError(
      'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
    );
  }
  client.protocol = protocol;
  client.sink.useProtocol(protocol);
  return helloReply(engine, client);
}

function helloReply(engine: Engine, client: Client): Reply {
  return new Map<Reply, Reply>([
    ['server', 'redis'],
    ['version', serverVersion],
    ['proto', client.protocol],
    ['id', client.id],
    ['mode', engine.clusterEnabled ? 'cluster' : 'standalone'],
    ['role', engine.databases.mode === 'primary' ? 'master' : 'replica'],
    ['modules', []],
  ]);
}

function ping(client: Client, argv: readonly string[]): Reply {
  if (argv.length > 2) return arityRefusal('ping');
  if (client.protocol === 2 && client.inPubSub) return ['pong', argv[1] ?? ''];
  return argv[1] ?? PONG;
}

function select(engine: Engine, client: Client, argv: readonly string[]): Reply {
  const index = readIndex(argv[1]!);
  if (engine.clusterEnabled && index !== 0) fail('SELECT is not allowed in cluster mode');
  client.store = engine.databases.stores[index] ?? fail('DB index is out of range');
  return OK;
}

function reset(engine: Engine, client: Client): Reply {
  client.discard();
  engine.pubsub.drop(client);
  engine.monitors.delete(client);
  engine.tracking.stop(client);
  client.monitor = false;
  client.store = engine.databases.stores[0]!;
  client.protocol = 2;
  client.sink.useProtocol(2);
  client.name = '';
  client.asking = false;
  client.readonly = false;
  client.replies = 'on';
  client.noEvict = false;
  engine.access.beDefault(client);
  return new Status('RESET');
}

export function connectionCommands(engine: Engine): CommandGroup<Client> {
  return {
    hello: (client, argv) => hello(engine, client, argv),
    auth: (client, argv) => auth(engine, client, argv),
    ping,
    echo: (_client, argv) => argv[1]!,
    select: (client, argv) => select(engine, client, argv),
    reset: (client) => reset(engine, client),
    quit: (client) => {
      client.sink.close(true);
      return OK;
    },
  };
}

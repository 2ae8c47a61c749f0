// The ACL commands: users made, shown and tried out, what was refused, the ACL file.

import { randomBytes } from 'node:crypto';
import { Double, OK, type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import { allEntries, categoryBit, categoryNames } from '../acl/catalog.ts';
import type { Denial } from '../acl/check.ts';
import { hasSpaces, type Selector, untilZero } from '../acl/selector.ts';
import { aclCheck } from '../engine/acl-check.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import { arityRefusal, type CommandGroup, wrongArity } from '../engine/registry.ts';
import { fail, readLong, sameWord } from '../keyspace/arguments.ts';

const maxPasswordBits = 4096;

const noAclFile = new ReplyError(
  'ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.',
);
const notSaved = new ReplyError(
  'ERR There was an error trying to save the ACLs. Please check the server logs for more information',
);

function setUser(engine: Engine, client: Client, argv: readonly string[]): Reply {
  const name = argv[2]!;
  if (hasSpaces(name)) fail("Usernames can't contain spaces or null characters");
  const why = engine.access.change(client, () => engine.access.acl.set(name, argv.slice(3)));
  return why === undefined ? OK : new ReplyError(`ERR ${why}`);
}

function deleteUsers(engine: Engine, client: Client, names: readonly string[]): Reply {
  if (names.includes('default')) fail("The 'default' user cannot be removed");
  return engine.access.change(client, () => names.filter((name) => engine.access.acl.delete(name)).length);
}

function selectorFields(selector: Selector): [Reply, Reply][] {
  return [
    ['commands', selector.printCommands()],
    ['keys', selector.printKeys()],
    ['channels', selector.printChannels()],
  ];
}

function getUser(engine: Engine, name: string): Reply {
  const rules = engine.access.acl.get(name)?.rules;
  if (rules === undefined) return null;
  const [own, ...others] = rules.selectors;
  return new Map<Reply, Reply>([
    ['flags', new Set<Reply>(rules.flags)],
    ['passwords', rules.passwords],
    ...selectorFields(own!),
    ['selectors', others.map((selector) => new Map(selectorFields(selector)))],
  ]);
}

function categories(argv: readonly string[]): Reply {
  if (argv.length > 3) fail(`unknown subcommand or wrong number of arguments for '${argv[1]}'. Try ACL HELP.`);
  if (argv.length === 2) return categoryNames;
  const bit = categoryBit(argv[2]!);
  if (bit === 0) fail(`Unknown category '${untilZero(argv[2]!).slice(0, 128)}'`);
  const found = [...allEntries()].filter((entry) => (entry.categories & bit) !== 0);
  return found.map((entry) => entry.name);
}

function dryRunText({ reason, at }: Denial, command: string, call: readonly string[]): string {
  return reason === 'command'
    ? `This user has no permissions to run the '${command}' command`
    : `This user has no permissions to access the '${untilZero(call[at]!)}' ${reason}`;
}

function dryRun(engine: Engine, argv: readonly string[]): Reply {
  const user = engine.access.acl.get(argv[2]!) ?? fail(`User '${untilZero(argv[2]!)}' not found`);
  const call = argv.slice(3);
  const found = engine.registry.find(call);
  if (found instanceof ReplyError) {
    const container = call.length === 1 ? engine.registry.originalOf(call[0]!.toLowerCase()) : undefined;
    return container === undefined ? fail(`Command '${untilZero(call[0]!)}' not found`) : arityRefusal(container);
  }
  const { row } = found;
  if (wrongArity(row, call)) return arityRefusal(row.name);
  const denial = aclCheck(user, row, call);
  return denial === undefined ? OK : dryRunText(denial, row.name, call);
}

function log(engine: Engine, argv: readonly string[]): Reply {
  if (argv.length > 3) fail(`unknown subcommand or wrong number of arguments for '${argv[1]}'. Try ACL HELP.`);
  if (sameWord(argv[2], 'reset')) {
    engine.access.acl.log.clear();
    return OK;
  }
  const count = argv[2] === undefined ? 10 : Math.max(0, readLong(argv[2]));
  const now = engine.world.wallClock();
  return engine.access.acl.log.entries.slice(0, count).map(
    (entry) =>
      new Map<Reply, Reply>([
        ['count', entry.count],
        ['reason', entry.reason],
        ['context', entry.context],
        ['object', entry.object],
        ['username', entry.username],
        ['age-seconds', new Double(Math.floor(now - entry.at) / 1000)],
        ['client-info', entry.client],
      ]),
  );
}

function generatePassword(argv: readonly string[]): Reply {
  if (argv.length > 3) fail(`unknown subcommand or wrong number of arguments for '${argv[1]}'. Try ACL HELP.`);
  const bits = argv[2] === undefined ? 256 : readLong(argv[2]);
  if (bits <= 0 || bits > maxPasswordBits) {
    fail(
      `ACL GENPASS argument must be the number of bits for the output password, a positive number up to ${maxPasswordBits}`,
    );
  }
  const digits = Math.ceil(bits / 4);
  return randomBytes(Math.ceil(digits / 2))
    .toString('hex')
    .slice(0, digits);
}

function load(engine: Engine, client: Client): Reply {
  const file = engine.node?.aclFile();
  if (file === undefined) return noAclFile;
  const why = engine.access.change(client, () => file.load());
  return why === undefined ? OK : new ReplyError(`ERR ${why}`);
}

function save(engine: Engine): Reply {
  const file = engine.node?.aclFile();
  if (file === undefined) return noAclFile;
  return file.save() ? OK : notSaved;
}

const helpText = `ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
CAT [<category>]
    List all commands that belong to <category>, or all command categories
    when no category is specified.
DELUSER <username> [<username> ...]
    Delete a list of users.
DRYRUN <username> <command> [<arg> ...]
    Returns whether the user can execute the given command without executing the command.
GETUSER <username>
    Get the user's details.
GENPASS [<bits>]
    Generate a secure 256-bit user password. The optional \`bits\` argument can
    be used to specify a different size.
LIST
    Show users details in config file format.
LOAD
    Reload users from the ACL file.
LOG [<count> | RESET]
    Show the ACL log entries.
SAVE
    Save the current config to the ACL file.
SETUSER <username> <attribute> [<attribute> ...]
    Create or modify a user with the specified attributes.
USERS
    List all the registered usernames.
WHOAMI
    Return the current connection username.
HELP
    Prints this help.`;

export function aclCommands(engine: Engine): CommandGroup<Client> {
  return {
    'acl|whoami': (client) => client.user.name,
    'acl|users': () => engine.access.acl.list().map((user) => user.name),
    'acl|list': () => engine.access.acl.definitions(),
    'acl|setuser': (client, argv) => setUser(engine, client, argv),
    'acl|getuser': (_client, argv) => getUser(engine, argv[2]!),
    'acl|deluser': (client, argv) => deleteUsers(engine, client, argv.slice(2)),
    'acl|cat': (_client, argv) => categories(argv),
    'acl|dryrun': (_client, argv) => dryRun(engine, argv),
    'acl|log': (_client, argv) => log(engine, argv),
    'acl|genpass': (_client, argv) => generatePassword(argv),
    'acl|load': (client) => load(engine, client),
    'acl|save': () => save(engine),
    'acl|help': () => helpText.split('\n').map((line) => new Status(line)),
  };
}

// EVAL and its kind, SCRIPT, FCALL and FUNCTION: arguments and replies; the work is done by script.ts and libraries.ts.

import { Flag } from '../../lib/command/flags.ts';
import type { CommandRow } from '../../lib/command/table.ts';
import { OK, type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import { feedScriptCall } from '../engine/monitor.ts';
import type { CommandGroup, Handler, Outcome } from '../engine/registry.ts';
import { sameWord } from '../keyspace/arguments.ts';
import { parseInt64 } from '../keyspace/number.ts';
import { functionHelp, scriptHelp } from './help.ts';
import type { Libraries, RestorePolicy } from './libraries.ts';
import type { Scripts } from './script.ts';
import { ScriptFlag, scriptFlagNames } from './shebang.ts';

const notInteger = new ReplyError('ERR value is not an integer or out of range');
const badKeyCount = new ReplyError('ERR Bad number of keys provided');
const tooManyKeys = new ReplyError("ERR Number of keys can't be greater than number of args");
const negativeKeys = new ReplyError("ERR Number of keys can't be negative");
const noScript = new ReplyError('NOSCRIPT No matching script. Please use EVAL.');
const evalOnly = new ReplyError('ERR Please use EVAL instead of EVALSHA for debugging');
const noFork = new ReplyError('ERR this server does not fork for sessions of the debugger: use SCRIPT DEBUG SYNC');
const policies: readonly RestorePolicy[] = ['flush', 'append', 'replace'];

interface Arguments {
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

function readArguments(argv: readonly string[], refusal: ReplyError): Arguments | ReplyError {
  const parsed = parseInt64(argv[2]!);
  if (parsed === undefined) return refusal;
  const count = Number(parsed);
  if (count > argv.length - 3) return tooManyKeys;
  if (count < 0) return negativeKeys;
  return { keys: argv.slice(3, 3 + count), args: argv.slice(3 + count) };
}

function subcommandRefusal(container: string, sub: string): ReplyError {
  return new ReplyError(`ERR unknown subcommand or wrong number of arguments for '${sub}'. Try ${container} HELP.`);
}

function flushMode(argv: readonly string[]): boolean {
  return argv.length === 2 || (argv.length === 3 && (sameWord(argv[2], 'sync') || sameWord(argv[2], 'async')));
}

/** EVAL, EVALSHA and SCRIPT. */
function evalCommands(engine: Engine, scripts: Scripts): CommandGroup<Client> {
  const evaluate = (bySum: boolean, readOnly: boolean): Handler<Client> => {
    return (client, argv) => {
      // Before its commands, which are shown on their own.
      if (engine.monitors.size > 0) feedScriptCall(engine.monitors, client, argv);
      if (bySum && argv[1]!.length !== 40) return noScript;
      const read = readArguments(argv, notInteger);
      if (read instanceof ReplyError) return read;
      if (bySum && scripts.debugging.isAsked(client)) return evalOnly;
      const sum = bySum ? argv[1]!.toLowerCase() : scripts.cache.load(argv[1]!);
      if (sum instanceof ReplyError) return sum;
      // A session shows the text that it was given.
      const session = bySum || readOnly ? undefined : scripts.debugging.sessionFor(client, argv[1]!);
      return scripts.evaluate(client, sum, { ...read, argv, readOnly }, session);
    };
  };
  return {
    eval: evaluate(false, false),
    eval_ro: evaluate(false, true),
    evalsha: evaluate(true, false),
    evalsha_ro: evaluate(true, true),
    'script|load': (_client, argv) => scripts.cache.load(argv[2]!),
    'script|exists': (_client, argv) => argv.slice(2).map((sum) => (scripts.cache.has(sum) ? 1 : 0)),
    'script|flush': (_client, argv) => {
      if (!flushMode(argv)) return new ReplyError('ERR SCRIPT FLUSH only support SYNC|ASYNC option');
      scripts.cache.flush();
      return OK;
    },
    'script|kill': () => scripts.kill(true) ?? OK,
    'script|debug': (client, argv) => {
      if (sameWord(argv[2], 'yes')) return noFork;
      const sync = sameWord(argv[2], 'sync');
      if (!sync && !sameWord(argv[2], 'no')) return new ReplyError('ERR Use SCRIPT DEBUG YES/SYNC/NO');
      if (client.denyBlocking) return new ReplyError('ERR SCRIPT DEBUG must be called outside a pipeline');
      scripts.debugging.ask(client, sync);
      return OK;
    },
    'script|help': () => scriptHelp.map((line) => new Status(line)),
  };
}

/** FCALL and FUNCTION. */
function functionCommands(engine: Engine, libraries: Libraries): CommandGroup<Client> {
  const call = (readOnly: boolean): Handler<Client> => {
    return (client, argv): Outcome => {
      if (engine.monitors.size > 0) feedScriptCall(engine.monitors, client, argv);
      if (!libraries.has(argv[1]!)) return new ReplyError('ERR Function not found');
      const read = readArguments(argv, badKeyCount);
      if (read instanceof ReplyError) return read;
      return libraries.call(client, argv[1]!, { ...read, argv, readOnly });
    };
  };
  /** An answer of a command that has changed the libraries: replicas and the log get it as it is. */
  const changed = (reply: Reply): Reply => {
    if (!(reply instanceof ReplyError)) engine.databases.dirty++;
    return reply;
  };
  return {
    fcall: call(false),
    fcall_ro: call(true),
    'function|load': (client, argv) => changed(loadLibrary(libraries, client, argv)),
    'function|delete': (_client, argv) => changed(libraries.delete(argv[2]!) ?? OK),
    'function|flush': (_client, argv) => {
      if (argv.length > 3) return subcommandRefusal('FUNCTION', argv[1]!);
      if (!flushMode(argv)) return new ReplyError('ERR FUNCTION FLUSH only supports SYNC|ASYNC option');
      libraries.flush();
      return changed(OK);
    },
    'function|dump': () => libraries.dump(),
    'function|restore': (_client, argv) => changed(restoreLibraries(libraries, argv)),
    'function|list': (_client, argv) => listLibraries(libraries, argv),
    'function|stats': () => libraries.stats(),
    'function|kill': () => libraries.kill() ?? OK,
    'function|help': () => functionHelp.map((line) => new Status(line)),
  };
}

function loadLibrary(libraries: Libraries, client: Client, argv: readonly string[]): Reply {
  for (const word of argv.slice(2, -1)) {
    if (!sameWord(word, 'replace')) return new ReplyError(`ERR Unknown option given: ${word}`);
  }
  const replace = argv.length > 3;
  const code = argv.at(-1)!;
  return libraries.load(code, replace, !client.primaryLink);
}

function restoreLibraries(libraries: Libraries, argv: readonly string[]): Reply {
  if (argv.length > 4) return subcommandRefusal('FUNCTION', argv[1]!);
  const policy = argv.length === 3 ? 'append' : policies.find((known) => sameWord(argv[3], known));
  if (policy === undefined) {
    return new ReplyError('ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.');
  }
  return libraries.restore(argv[2]!, policy) ?? OK;
}

function listLibraries(libraries: Libraries, argv: readonly string[]): Reply {
  let withCode = false;
  let pattern: string | undefined;
  for (let at = 2; at < argv.length; at++) {
    const word = argv[at]!;
    if (!withCode && sameWord(word, 'withcode')) withCode = true;
    else if (pattern === undefined && sameWord(word, 'libraryname')) {
      if (at + 1 >= argv.length) return new ReplyError('ERR library name argument was not given');
      pattern = argv[++at]!;
    } else return new ReplyError(`ERR Unknown argument ${word}`);
  }
  return libraries.list(pattern).map((library) => {
    const entry = new Map<Reply, Reply>([
      ['library_name', library.name],
      ['engine', 'LUA'],
      [
        'functions',
        [...library.functions.values()].map(
          (own) =>
            new Map<Reply, Reply>([
              ['name', own.name],
              ['description', own.description ?? null],
              ['flags', flagSet(own.flags)],
            ]),
        ),
      ],
    ]);
    if (withCode) entry.set('library_code', library.code);
    return entry;
  });
}

function flagSet(flags: number): Reply {
  return new Set<Reply>(scriptFlagNames.filter(([, flag]) => (flags & flag) !== 0).map(([name]) => new Status(name)));
}

/** A row with what a script has declared in the place of the command's own flags. */
function declaredRow(row: CommandRow, flags: number): CommandRow {
  let own = row.flags & ~(Flag.stale | Flag.denyoom | Flag.write);
  if ((flags & (ScriptFlag.allowOom | ScriptFlag.noWrites)) === 0) own |= Flag.denyoom;
  if ((flags & ScriptFlag.noWrites) === 0) own |= Flag.write;
  if ((flags & ScriptFlag.allowStale) !== 0) own |= Flag.stale;
  return { ...row, flags: own };
}

/** Lines of INFO memory. */
function memoryLines(scripts: Scripts, libraries: Libraries): string[] {
  const human = (bytes: number): string => {
    return bytes < 1024
      ? `${bytes}B`
      : bytes < 1024 ** 2
        ? `${(bytes / 1024).toFixed(2)}K`
        : `${(bytes / 1024 ** 2).toFixed(2)}M`;
  };
  const { scripts: cached, bytes } = scripts.cache.size;
  const evalState = scripts.cache.memoryUsed;
  const functionState = libraries.memoryUsed;
  const functionBytes = libraries.sources.reduce((sum, { length }) => sum + length, 0);
  return [
    `used_memory_lua:${evalState}`,
    `used_memory_vm_eval:${evalState}`,
    `used_memory_lua_human:${human(evalState)}`,
    `used_memory_scripts_eval:${bytes}`,
    `number_of_cached_scripts:${cached}`,
    `number_of_functions:${libraries.size.functions}`,
    `number_of_libraries:${libraries.size.libraries}`,
    `used_memory_vm_functions:${functionState}`,
    `used_memory_vm_total:${evalState + functionState}`,
    `used_memory_vm_total_human:${human(evalState + functionState)}`,
    `used_memory_functions:${functionBytes}`,
    `used_memory_scripts:${bytes + functionBytes}`,
    `used_memory_scripts_human:${human(bytes + functionBytes)}`,
  ];
}

/** Adds the commands to an engine. */
export function addScriptCommands(engine: Engine, scripts: Scripts, libraries: Libraries): void {
  engine.functions = libraries;
  engine.scriptInfo = () => memoryLines(scripts, libraries);
  engine.add(evalCommands(engine, scripts));
  engine.add(functionCommands(engine, libraries));
  const declare = (name: string, flagsOf: (argv: readonly string[]) => number | undefined): void => {
    const command = engine.registry.get(name)!;
    command.rowOf = (argv) => {
      const flags = flagsOf(argv);
      if (flags === undefined || (flags & ScriptFlag.compatible) !== 0) return command.row;
      return declaredRow(command.row, flags);
    };
  };
  for (const name of ['eval', 'eval_ro']) {
    declare(name, (argv) => {
      const text = argv[1];
      return text?.startsWith('#!') === true ? scripts.cache.flagsOf(scripts.cache.sumOf(text), text) : undefined;
    });
  }
  for (const name of ['evalsha', 'evalsha_ro']) declare(name, (argv) => scripts.cache.flagsOf(argv[1], undefined));
  for (const name of ['fcall', 'fcall_ro']) declare(name, (argv) => libraries.flagsOf(argv[1]));
}

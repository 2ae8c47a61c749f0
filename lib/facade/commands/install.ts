// Puts every command on a class as a method: one table of names makes Cluster, Redis and Pipeline alike; what differs is
// only what each does with a command.

import { EventEmitter } from 'node:events';
import { RedisError } from '../../base/errors.ts';
import { Script } from '../../command/script.ts';
import { builtinCommandNames } from '../../command/table.ts';
import type { ScriptDefinition } from '../../options/options.ts';
import type { Encoding } from '../../wire/decoder.ts';
import { type CommandSpec, specOf } from './command-builder.ts';

/** What the methods of a class do with a command. */
interface CommandTarget {
  /** `argv`: the command's name and its arguments, a callback among them; the array is the callee's. */
  execute(spec: CommandSpec, argv: unknown[], encoding: Encoding): unknown;
  executeScript(script: Script, args: unknown[], encoding: Encoding): unknown;
}

/**
 * Gives a class every command and its Buffer form: one object with all methods is put beneath the class, above what
 * it extends, so methods of its own stay and the 700 methods are made once for all classes.
 */
export function installCommands(prototype: object): void {
  let lowest = prototype;
  let base = Object.getPrototypeOf(lowest) as object;
  while (base !== Object.prototype && base !== EventEmitter.prototype) {
    lowest = base;
    base = Object.getPrototypeOf(lowest) as object;
    if (surfaces.has(lowest)) return;
  }
  Object.setPrototypeOf(lowest, surfaceOver(base));
}

/** Surfaces made so far. */
const surfaces = new WeakSet<object>();
const surfaceOf = new Map<object, object>();
let commandMethods: Record<string, unknown> | undefined;

function surfaceOver(base: object): object {
  let surface = surfaceOf.get(base);
  if (surface === undefined) {
    commandMethods ??= makeCommandMethods();
    surface = Object.assign(Object.create(base) as object, commandMethods);
    surfaceOf.set(base, surface);
    surfaces.add(surface);
  }
  return surface;
}

function makeCommandMethods(): Record<string, unknown> {
  const methods: Record<string, unknown> = {};
  for (const name of builtinCommandNames) {
    methods[name] = commandMethod(name, 'utf8');
    methods[`${name}Buffer`] = commandMethod(name, 'buffer');
  }
  methods['call'] = genericMethod('utf8');
  methods['callBuffer'] = genericMethod('buffer');
  methods['send_command'] = methods['call'];
  methods['getBuiltinCommands'] = () => [...builtinCommandNames];
  methods['createBuiltinCommand'] = (name: string) => ({
    string: commandMethod(name, 'utf8'),
    buffer: commandMethod(name, 'buffer'),
  });
  methods['addBuiltinCommand'] = function addBuiltinCommand(this: CommandAdder, name: string): void {
    // Its own, and not that of the class, whose instances may have none.
    if (!Object.hasOwn(this, 'addedBuiltinSet')) {
      Object.defineProperty(this, 'addedBuiltinSet', { value: new Set(this.addedBuiltinSet) });
    }
    this.addedBuiltinSet!.add(name);
    addCommand(this, name);
  };
  return methods;
}

// The command is looked up at the first call, so that installing 700 methods costs an import next to nothing. With
// `arguments` the argv is made at once, in an array of just their size: rest parameters would be one array more a call,
// and one that grows by push() takes room for 17.
function commandMethod(name: string, encoding: Encoding): unknown {
  let spec: CommandSpec | undefined;
  return function command(this: CommandTarget): unknown {
    spec ??= specOf(name);
    // biome-ignore-start lint/complexity/noArguments: see above
    const count = arguments.length;
    let argv: unknown[];
    if (count === 1) argv = [name, arguments[0]];
    else if (count === 2) argv = [name, arguments[0], arguments[1]];
    else {
      argv = [name];
      for (let at = 0; at < count; at++) argv.push(arguments[at]);
    }
    // biome-ignore-end lint/complexity/noArguments: see above
    return this.execute(spec, argv, encoding);
  };
}

function genericMethod(encoding: Encoding): unknown {
  return function call(this: CommandTarget, ...argv: unknown[]): unknown {
    const [name] = argv;
    if (typeof name !== 'string' || name === '') {
      throw new RedisError('The command name must be a non-empty string', { code: 'ERR_INVALID_ARG' });
    }
    return this.execute(specOf(name), argv, encoding);
  };
}

/** Something that addBuiltinCommand() is called on: a client, or a class's prototype. */
export interface CommandAdder {
  /** The names added; ioredis's own name for them. */
  addedBuiltinSet?: Set<string>;
}

/** Gives one client or chain the methods of a command. */
export function addCommand(target: object, name: string): void {
  const methods = target as Record<string, unknown>;
  methods[name] = commandMethod(name, 'utf8');
  methods[`${name}Buffer`] = commandMethod(name, 'buffer');
}

/** Adds `name` and `nameBuffer` to one client or chain. */
export function addScript(target: object, name: string, script: Script): void {
  const methods = target as Record<string, unknown>;
  methods[name] = scriptMethod(script, 'utf8');
  methods[`${name}Buffer`] = scriptMethod(script, 'buffer');
}

/** The method a Lua script becomes. */
function scriptMethod(script: Script, encoding: Encoding): unknown {
  return function scriptCommand(this: CommandTarget, ...args: unknown[]): unknown {
    return this.executeScript(script, args, encoding);
  };
}

export function scriptOf(definition: ScriptDefinition): Script {
  return new Script(definition.lua, definition.numberOfKeys, definition.readOnly ?? false);
}

// The first line of a script or library: `#!lua name=mylib flags=no-writes,allow-oom`. Pure.

import { ReplyError } from '../../lib/wire/reply.ts';
import { splitArguments } from '../../lib/wire/split-arguments.ts';

export interface ScriptFlags {
  readonly noWrites: number;
  readonly allowOom: number;
  readonly allowStale: number;
  readonly noCluster: number;
  readonly crossSlot: number;
  /** No flags were declared: the script may do what its commands may. */
  readonly compatible: number;
}

export const ScriptFlag: ScriptFlags = {
  noWrites: 1,
  allowOom: 2,
  allowStale: 4,
  noCluster: 8,
  crossSlot: 16,
  compatible: 32,
};

/** The flags that can be declared, in the order in which they are listed. */
export const scriptFlagNames: readonly (readonly [name: string, flag: number])[] = [
  ['no-writes', ScriptFlag.noWrites],
  ['allow-oom', ScriptFlag.allowOom],
  ['allow-stale', ScriptFlag.allowStale],
  ['no-cluster', ScriptFlag.noCluster],
  ['allow-cross-slot-keys', ScriptFlag.crossSlot],
];

export interface ScriptSource {
  readonly flags: number;
  /** What is compiled; the lines are counted as in the text that was sent. */
  readonly code: string;
}

/** Reads a script for EVAL. */
export function readScript(text: string): ScriptSource | ReplyError {
  if (!text.startsWith('#!')) return { flags: ScriptFlag.compatible, code: text };
  const end = text.indexOf('\n');
  if (end < 0) return new ReplyError('ERR Invalid script shebang');
  const parts = splitArguments(text.slice(0, end));
  if (parts === undefined || parts.length === 0) return new ReplyError('ERR Invalid engine in script shebang');
  if (parts[0] !== '#!lua') return new ReplyError(`ERR Unexpected engine in script shebang: ${parts[0]}`);
  let flags = 0;
  for (const part of parts.slice(1)) {
    if (!part.startsWith('flags=')) return new ReplyError(`ERR Unknown lua shebang option: ${part}`);
    const list = part.slice(6);
    for (const name of list === '' ? [] : list.split(',')) {
      const flag = scriptFlagNames.find(([known]) => known === name)?.[1];
      if (flag === undefined) return new ReplyError(`ERR Unexpected flag in script shebang: ${name}`);
      flags |= flag;
    }
  }
  return { flags, code: text.slice(end) };
}

export interface LibrarySource {
  readonly name: string;
  readonly engine: string;
  readonly code: string;
}

/** Reads a library for FUNCTION LOAD. */
export function readLibrary(text: string): LibrarySource | ReplyError {
  if (!text.startsWith('#!')) return new ReplyError('ERR Missing library metadata');
  const end = text.indexOf('\n');
  const parts = end < 0 ? undefined : splitArguments(text.slice(0, end));
  if (parts === undefined || parts.length === 0) return new ReplyError('ERR Invalid library metadata');
  let name: string | undefined;
  for (const part of parts.slice(1)) {
    if (!/^name=/i.test(part)) return new ReplyError(`ERR Invalid metadata value given: ${part}`);
    if (name !== undefined) {
      return new ReplyError('ERR Invalid metadata value, name argument was given multiple times');
    }
    name = part.slice(5);
  }
  if (name === undefined) return new ReplyError('ERR Library name was not given');
  return { name, engine: parts[0]!.slice(2), code: text.slice(end) };
}

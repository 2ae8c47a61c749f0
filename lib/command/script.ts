// A Lua source with its digest, as defineCommand keeps it. Pure; loading and the NOSCRIPT fallback are done above.
import { createHash } from 'node:crypto';

export interface ScriptDefinition {
  readonly lua: string;
  /** How many leading arguments are keys; left out, each call gives the number as its first argument. */
  readonly numberOfKeys?: number | undefined;
  /** True lets a replica run it. Default false. */
  readonly readOnly?: boolean | undefined;
}

export interface Script {
  readonly lua: string;
  /** SHA-1 of the source, 40 lower-case hex digits: the name EVALSHA knows it by. */
  readonly sha: string;
  readonly numberOfKeys: number | undefined;
  readonly readOnly: boolean;
}

export function sha1Of(lua: string): string {
  return createHash('sha1').update(lua).digest('hex');
}

/** Throws TypeError when the definition has no source or a number of keys that is no count. */
export function scriptOf(definition: ScriptDefinition): Script {
  const { lua, numberOfKeys } = definition;
  if (typeof lua !== 'string') throw new TypeError('script: "lua" must be the source text');
  if (numberOfKeys != null && (!Number.isSafeInteger(numberOfKeys) || numberOfKeys < 0)) {
    throw new TypeError('script: "numberOfKeys" must be a non-negative integer');
  }
  return { lua, sha: sha1Of(lua), numberOfKeys: numberOfKeys ?? undefined, readOnly: definition.readOnly === true };
}

/** The words after the command's name for EVAL or EVALSHA: sha or source, number of keys, then the call's own. */
export function scriptArguments<T>(script: Script, head: T, args: readonly T[], text: (count: number) => T): T[] {
  return script.numberOfKeys === undefined ? [head, ...args] : [head, text(script.numberOfKeys), ...args];
}

// The scripts that clients have sent: their texts, by their sums, and what Lua has made of them.
// Owns: the scripts, the sums of long texts, and the Lua state that scripts are compiled in (made when the first comes).
// Does not know: how a script runs, nor whether one does.
// Invariant: a script that is known has been compiled once in the state that interpreter() gives, and never again there.

import { ReplyError } from '../../lib/wire/reply.ts';
import type { Interpreter } from './interpreter.ts';
import { sha1 } from './redis-api.ts';
import { readScript } from './shebang.ts';

interface Script {
  readonly text: string;
  readonly flags: number;
  /** In the state that it was compiled in. */
  ref: number;
}

/** Characters from which on the sum of a text is remembered, and how many are. */
const longText = 512;
const maxSums = 128;

const chunkName = '@user_script';

export class ScriptCache {
  readonly #makeInterpreter: () => Interpreter;
  readonly #scripts = new Map<string, Script>();
  /** Of the texts in the cache. */
  #bytes = 0;
  #interpreter: Interpreter | undefined;
  /** Sums of long texts by their length: comparing a text is quicker than summing it up again. */
  readonly #sums = new Map<number, { readonly text: string; readonly sum: string }>();

  constructor(makeInterpreter: () => Interpreter) {
    this.#makeInterpreter = makeInterpreter;
  }

  /** Scripts in the cache, and the bytes of their texts. */
  get size(): { readonly scripts: number; readonly bytes: number } {
    return { scripts: this.#scripts.size, bytes: this.#bytes };
  }

  /** Bytes of the Lua state. */
  get memoryUsed(): number {
    return this.#interpreter?.vm.memoryUsed ?? 0;
  }

  has(sum: string): boolean {
    return this.#scripts.has(sum.toLowerCase());
  }

  /** The script with this sum, which is in lower case. Its `ref` is good after interpreter() was called. */
  get(sum: string): Readonly<Script> | undefined {
    return this.#scripts.get(sum);
  }

  /** The flags of a script that is known, or would be once it was sent; undefined: it cannot be said. */
  flagsOf(sum: string | undefined, text: string | undefined): number | undefined {
    const known = sum === undefined ? undefined : this.#scripts.get(sum.toLowerCase());
    if (known !== undefined) return known.flags;
    if (text === undefined || !text.startsWith('#!')) return undefined;
    const source = readScript(text);
    return source instanceof ReplyError ? undefined : source.flags;
  }

  /** The SHA1 sum of a script's text. */
  sumOf(text: string): string {
    if (text.length < longText) return sha1(text);
    const known = this.#sums.get(text.length);
    if (known?.text === text) return known.sum;
    const sum = sha1(text);
    if (this.#sums.size >= maxSums) this.#sums.clear();
    this.#sums.set(text.length, { text, sum });
    return sum;
  }

  /** Compiles a script unless it is known; gives its sum, or what is wrong with it. */
  load(text: string): string | ReplyError {
    const sum = this.sumOf(text);
    if (this.#scripts.has(sum)) return sum;
    const source = readScript(text);
    if (source instanceof ReplyError) return source;
    const compiled = this.interpreter().compile(source.code, chunkName);
    if ('error' in compiled) {
      return new ReplyError(`ERR Error compiling script (new function): ${compiled.error}`);
    }
    this.#scripts.set(sum, { text, flags: source.flags, ref: compiled.ref });
    this.#bytes += text.length;
    return sum;
  }

  /** Forgets every script, and what the state for them holds. */
  flush(): void {
    this.#scripts.clear();
    this.#sums.clear();
    this.#bytes = 0;
    this.#interpreter = undefined;
  }

  /** The state that the scripts are compiled in: another one than before where that was broken. */
  interpreter(): Interpreter {
    const old = this.#interpreter;
    if (old !== undefined && !old.broken) return old;
    const interpreter = this.#makeInterpreter();
    this.#interpreter = interpreter;
    // What the old state knew is compiled for the new one.
    for (const script of this.#scripts.values()) {
      const source = readScript(script.text);
      if (source instanceof ReplyError) continue;
      const compiled = interpreter.compile(source.code, chunkName);
      if ('ref' in compiled) script.ref = compiled.ref;
    }
    return interpreter;
  }
}

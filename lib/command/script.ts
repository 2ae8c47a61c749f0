// A Lua source with its digest, as defineCommand keeps it. Pure; loading and the NOSCRIPT fallback are done above.
import { createHash } from 'node:crypto';

export class Script {
  readonly lua: string;
  /** How many leading arguments are keys; undefined: each call gives the number as its first argument. */
  readonly numberOfKeys: number | undefined;
  /** True: a replica may run it. */
  readonly readOnly: boolean;
  #sha: string | undefined;

  /** Throws TypeError when the source is no text or the number of keys no count. */
  constructor(lua: string, numberOfKeys?: number | null, readOnly = false) {
    if (typeof lua !== 'string') throw new TypeError('script: "lua" must be the source text');
    if (numberOfKeys != null && (!Number.isSafeInteger(numberOfKeys) || numberOfKeys < 0)) {
      throw new TypeError('script: "numberOfKeys" must be a non-negative integer');
    }
    this.lua = lua;
    this.numberOfKeys = numberOfKeys ?? undefined;
    this.readOnly = readOnly;
  }

  /** SHA-1 of the source, 40 lower-case hex digits: the name EVALSHA knows it by. */
  get sha(): string {
    this.#sha ??= createHash('sha1').update(this.lua).digest('hex');
    return this.#sha;
  }
}

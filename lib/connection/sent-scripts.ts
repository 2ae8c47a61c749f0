// Which scripts a connection has sent in full, so that EVALSHA is enough from then on.
// Owns: their digests. Does not know: what the server has loaded: where it has not, the call's remedy sends EVAL again.
// Invariant: EVALSHA goes only behind an EVAL of the same script, while there are not too many of them.

import type { Argument } from '../wire/encoder.ts';

const maxScripts = 10_000;

export class SentScripts {
  readonly #digests = new Set<string>();

  /**
   * What to send for a script: EVAL for its first use on the connection, so that calls behind it keep their place, then
   * EVALSHA. `evalsha`: with the digest behind the name.
   */
  argvOf(evalsha: readonly Argument[], evalArgv: readonly Argument[]): readonly Argument[] {
    const digest = evalsha[1] as string;
    if (this.#digests.has(digest)) return evalsha;
    if (this.#digests.size < maxScripts) this.#digests.add(digest);
    return evalArgv;
  }
}

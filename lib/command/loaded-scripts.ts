// The scripts that SCRIPT LOAD has given to a cluster, by digest: servers keep scripts each for itself, so a node that
// joins later, or is promoted, does not know them. EVALSHA of one of these carries its source for such a node.

import { createHash } from 'node:crypto';
import type { Argument } from '../wire/encoder.ts';
import { wordOf } from './table.ts';

/** The oldest is forgotten beyond that many: programs that load a new script at each turn must not fill memory. */
const maxScripts = 1024;

export class LoadedScripts {
  readonly #sources = new Map<string, Argument>();

  /** Of a keyless call that is about to be sent: remembers what SCRIPT LOAD loads, forgets all at SCRIPT FLUSH. */
  note(argv: readonly Argument[]): void {
    if (argv.length < 2 || wordOf(argv[0]).toLowerCase() !== 'script') return;
    const subcommand = wordOf(argv[1]).toLowerCase();
    if (subcommand === 'flush') this.#sources.clear();
    if (subcommand !== 'load' || argv.length !== 3) return;
    const source = argv[2]!;
    this.#sources.set(createHash('sha1').update(source).digest('hex'), source);
    if (this.#sources.size > maxScripts) this.#sources.delete(this.#sources.keys().next().value!);
  }

  /** EVAL for an EVALSHA, EVAL_RO for an EVALSHA_RO; undefined when its script was not loaded through this client. */
  evalOf(argv: readonly Argument[]): readonly Argument[] | undefined {
    const sha = argv[1];
    if (typeof sha !== 'string') return undefined;
    const source = this.#sources.get(sha.toLowerCase());
    if (source === undefined) return undefined;
    const name = wordOf(argv[0]).length === 'evalsha'.length ? 'eval' : 'eval_ro';
    return [name, source, ...argv.slice(2)];
  }
}

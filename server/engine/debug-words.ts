// The words of DEBUG that this server knows, each from the room that can obey it.
// Owns: the table. Does not know: what a word does.
// Invariant: a word runs only with as many arguments as it takes.

import { type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import type { Client } from './client.ts';
import type { Outcome } from './registry.ts';

export interface DebugWord {
  /** Number of arguments behind the word: the least, and the most (default: the least). */
  readonly least: number;
  readonly most?: number;
  /** `argv` is the whole call: DEBUG, the word, its arguments. */
  run(client: Client, argv: readonly string[]): Outcome;
}

export class DebugWords {
  readonly #words = new Map<string, DebugWord>();

  /** Adds words by their lower-case names; a later one replaces an earlier one. */
  add(words: Readonly<Record<string, DebugWord>>): void {
    for (const [name, word] of Object.entries(words)) this.#words.set(name, word);
  }

  run(client: Client, argv: readonly string[]): Outcome {
    const given = argv[1]!;
    const word = this.#words.get(given.toLowerCase());
    const count = argv.length - 2;
    if (word === undefined || count < word.least || count > (word.most ?? word.least)) {
      return new ReplyError(
        `ERR unknown subcommand or wrong number of arguments for '${given.slice(0, 128)}'. Try DEBUG HELP.`,
      );
    }
    return word.run(client, argv);
  }
}

/** The reply of HELP: a headline, then each form with its explanation indented below, then HELP itself. */
export function helpReply(container: string, lines: readonly (readonly [form: string, ...text: string[]])[]): Reply {
  const head = `${container.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`;
  const own = ['HELP', 'Print this help.'] as const;
  const printed = [...lines, own].flatMap(([form, ...text]) => [form, ...text.map((line) => `    ${line}`)]);
  return [head, ...printed].map((line) => new Status(line));
}

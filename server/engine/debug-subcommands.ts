// The subcommands of DEBUG that this server knows, each from the room that can obey it.
// Owns: the table. Does not know: what a subcommand does.
// Invariant: a subcommand runs only with as many arguments as it takes.

import { type Reply, ReplyError, Status } from '../../lib/wire/reply.ts';
import type { Client } from './client.ts';
import type { Outcome } from './registry.ts';

export interface DebugSubcommand {
  /** Number of arguments behind it: the least, and the most (default: the least). */
  readonly least: number;
  readonly most?: number;
  /** `argv` is the whole call: DEBUG, the subcommand, its arguments. */
  run(client: Client, argv: readonly string[]): Outcome;
}

export class DebugSubcommands {
  readonly #subcommands = new Map<string, DebugSubcommand>();

  /** Adds subcommands by their lower-case names; a later one replaces an earlier one. */
  add(subcommands: Readonly<Record<string, DebugSubcommand>>): void {
    for (const [name, subcommand] of Object.entries(subcommands)) this.#subcommands.set(name, subcommand);
  }

  run(client: Client, argv: readonly string[]): Outcome {
    const given = argv[1]!;
    const subcommand = this.#subcommands.get(given.toLowerCase());
    const count = argv.length - 2;
    if (subcommand === undefined || count < subcommand.least || count > (subcommand.most ?? subcommand.least)) {
      return new ReplyError(
        `ERR unknown subcommand or wrong number of arguments for '${given.slice(0, 128)}'. Try DEBUG HELP.`,
      );
    }
    return subcommand.run(client, argv);
  }
}

/** The reply of HELP: a headline, then each form with its explanation indented below, then HELP itself. */
export function helpReply(container: string, lines: readonly (readonly [form: string, ...text: string[]])[]): Reply {
  const head = `${container.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`;
  const own = ['HELP', 'Prints this help.'] as const;
  const printed = [...lines, own].flatMap(([form, ...text]) => [form, ...text.map((line) => `    ${line}`)]);
  return [head, ...printed].map((line) => new Status(line));
}

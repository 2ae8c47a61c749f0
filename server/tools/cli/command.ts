// What a command of the command line declares about itself, and what it gets to run with.
// Types, and the one function that ties the declared options of a command to the values that it receives.

import type { World } from '../../../lib/base/world.ts';
import type { ClusterLink } from '../../operator/link/cluster-link.ts';
import type { ClusterOperator, OperatorOptions } from '../../operator/operator.ts';
import type { Output, Progress } from './output.ts';

/**
 * One option. `value` is how the help names its value; what has neither a default nor `flag` may be undefined.
 * - `list`: may be given several times, and each time several values with commas between.
 * - `duration`: `250ms`, `5s`, `2m`, `1h`; a bare number is seconds. The command gets milliseconds.
 * - `bytes`: `1024`, `64kb`, `10mb`, `1gb` (powers of 1024). The command gets bytes.
 */
export type OptionSpec =
  | { readonly kind: 'flag'; readonly help: string; readonly short?: string }
  | { readonly kind: 'text'; readonly value: string; readonly help: string; readonly default?: string }
  | { readonly kind: 'list'; readonly value: string; readonly help: string }
  | {
      readonly kind: 'integer' | 'number' | 'duration' | 'bytes';
      readonly value: string;
      readonly help: string;
      readonly least?: number;
      readonly most?: number;
      readonly default?: number;
    }
  | {
      readonly kind: 'choice';
      readonly choices: readonly string[];
      readonly help: string;
      readonly default?: string;
    };

export type OptionTable = Readonly<Record<string, OptionSpec>>;

type ValueOf<S extends OptionSpec> = S extends { kind: 'flag' }
  ? boolean
  : S extends { kind: 'list' }
    ? readonly string[]
    : S extends { kind: 'choice'; choices: readonly (infer C)[] }
      ? S extends { default: string }
        ? C
        : C | undefined
      : S extends { kind: 'text' }
        ? S extends { default: string }
          ? string
          : string | undefined
        : S extends { default: number }
          ? number
          : number | undefined;

export type OptionValues<O extends OptionTable> = { readonly [Name in keyof O]: ValueOf<O[Name]> };

/** A positional argument. `rest`: it takes all that are left, one at least unless it is `optional`. */
export interface ArgumentSpec {
  readonly name: string;
  readonly help?: string;
  readonly optional?: boolean;
  readonly rest?: boolean;
}

/** What will be changed, before it is. */
export interface Plan {
  /** One line a step, for people. None: there is nothing to do. */
  readonly lines: readonly string[];
  /** The same as data, for `--plan --json`. */
  readonly data: unknown;
  /** The command line names every step itself (`failover ID`): it is shown, and no agreement is asked for. */
  readonly named?: boolean;
}

export interface CommandContext<O extends OptionTable = OptionTable> {
  /** Positional arguments, their number checked against the declaration. */
  readonly args: readonly string[];
  readonly options: OptionValues<O>;
  readonly out: Output;
  /** Aborted by Ctrl-C and SIGTERM: end at the next safe point, say how to go on, return `exitCodes.interrupted`. */
  readonly signal: AbortSignal;
  readonly world: World;
  /**
   * Connections to the cluster that `address` is part of, closed when the command ends. Rejects with an UnreachableError
   * (exit code 2) when no node can be asked. Checks that it is a cluster, unless `anyServer`.
   */
  link(address: string, anyServer?: boolean): Promise<ClusterLink>;
  /** The same with all that an operator can do. */
  operator(address: string, options?: Omit<Partial<OperatorOptions>, 'seeds'>): Promise<ClusterOperator>;
  /**
   * Shows the plan and has it agreed to: by `--yes`, by a typed yes at a terminal, or by being `named`. False: nothing is to be done
   * (`--plan`, or an empty plan); return 0. Rejects with an ExitError when it was not agreed to.
   */
  approve(plan: Plan): Promise<boolean>;
  progress(label: string): Progress;
  /** Runs when the command is over, however it ended; last registered first. */
  onEnd(cleanup: () => unknown): void;
  /** Resolves after `ms`, or at once when the command was interrupted. */
  sleep(ms: number): Promise<void>;
}

/** 0: done, or healthy. 1: findings, or it failed. 2: wrong usage, or no node can be reached. 130: interrupted. */
export const exitCodes: { readonly ok: 0; readonly failed: 1; readonly usage: 2; readonly interrupted: 130 } = {
  ok: 0,
  failed: 1,
  usage: 2,
  interrupted: 130,
};

/** Ends a command with this exit code and one line on stderr. */
export class ExitError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }

  override get name(): string {
    return 'ExitError';
  }
}

export interface Command {
  readonly name: string;
  readonly arguments: readonly ArgumentSpec[];
  readonly options: OptionTable;
  /** Paragraphs under the usage line. */
  readonly details?: string;
  readonly examples?: readonly string[];
  /** Takes the options of a connection: TLS, user, password, address map. */
  readonly connects?: boolean;
  /** Changes the cluster: takes `--yes` and `--plan`. */
  readonly changes?: boolean;
  /** Arguments after the first `rawAfter` positional ones are taken as they are, dashes and all. */
  readonly rawAfter?: number;
  /** Reads its whole line itself, `--help` too: redis.conf's directives are no options of this grammar. */
  readonly raw?: (args: readonly string[]) => Promise<number>;
  /** Resolves to the exit code. */
  run(context: CommandContext): Promise<number>;
}

/** A command whose `run` knows the types of its own options. */
export function defineCommand<const O extends OptionTable>(
  command: Omit<Command, 'options' | 'run'> & { readonly options: O; run(context: CommandContext<O>): Promise<number> },
): Command {
  return command as unknown as Command;
}

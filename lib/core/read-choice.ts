// Who answers reads. scaleReads as a function has ioredis's meaning: it is given the shard's nodes (master first) as
// single-node clients and the command, and gives one of them, or several of which any will do. Anything else means the
// master.

import { RedisError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import { keyIndexesOf } from '../command/keys.ts';
import { commandOfArgv } from '../command/table.ts';
import type { Call, RoutableRequest } from '../connection/call.ts';
import type { ClusterOptions } from '../options/options.ts';
import type { ReadChoice } from '../router/node-selector.ts';
import { ReadPolicy } from '../router/read-policy.ts';
import type { Argument } from '../wire/encoder.ts';

/** What a scaleReads function is given of the command. */
export interface ReadCommand {
  readonly name: string;
  readonly args: readonly Argument[];
  readonly isReadOnly: true;
  getKeys(): Argument[];
  getSlot(): number;
}

/** The policy that the options ask for; undefined when masters answer everything. */
export function readPolicyOf(
  { scaleReads = 'master', availabilityZone: zone }: ClusterOptions,
  usable: (key: string) => boolean,
  world: World,
): ReadPolicy | undefined {
  if (scaleReads === 'master') return undefined;
  // A function chooses by itself, and the policy still knows who is in trouble.
  const scaling = typeof scaleReads === 'function' ? 'all' : scaleReads;
  return new ReadPolicy({ scaling, zone, usable }, world);
}

export function readChoiceOf<Node extends object>(
  choose: (nodes: Node[], command: ReadCommand) => Node | readonly Node[] | null | undefined,
  nodeOf: (key: string) => Node,
  random: () => number,
): ReadChoice {
  return (keys, request) => {
    // A call, or a read of the near cache, which has its argv too.
    if (!('argv' in request)) return undefined;
    const nodes = keys.map(nodeOf);
    let chosen: Node | readonly Node[] | null | undefined;
    try {
      chosen = choose(nodes, commandOf(request as RoutableRequest & Read));
    } catch (error) {
      // The user's mistake ends this read, at each of its tries alike, and nothing else.
      request.fail(error instanceof Error ? error : new RedisError(String(error)));
      return undefined;
    }
    const one = Array.isArray(chosen) ? chosen[Math.floor(random() * chosen.length)] : chosen;
    return keys[nodes.indexOf(one as Node)];
  };
}

type Read = Pick<Call, 'argv' | 'name' | 'slot'>;

function commandOf(call: Read): ReadCommand {
  const { argv } = call;
  return {
    name: call.name,
    args: argv.slice(1),
    isReadOnly: true,
    getKeys: () => {
      const row = commandOfArgv(argv);
      return row === undefined ? [] : keyIndexesOf(row, argv).map((at) => argv[at]!);
    },
    getSlot: () => call.slot,
  };
}

// scaleReads as a function, with ioredis's meaning: it is given the shard's nodes (master first) as single-node clients
// and the command, and gives one of them, or several of which any will do. Anything else means the master.

import { keyIndexesOf } from '../command/keys.ts';
import { commandOfArgv } from '../command/table.ts';
import type { Call, Parcel } from '../connection/call.ts';
import type { ReadChoice } from '../router/router.ts';
import type { Argument } from '../wire/encoder.ts';

/** What a scaleReads function is told of the command. */
export interface ReadCommand {
  readonly name: string;
  readonly args: readonly Argument[];
  readonly isReadOnly: true;
  getKeys(): Argument[];
  getSlot(): number;
}

export function readChoiceOf<Node extends object>(
  choose: (nodes: Node[], command: ReadCommand) => Node | readonly Node[] | null | undefined,
  nodeOf: (key: string) => Node,
  random: () => number,
): ReadChoice {
  return (keys, parcel) => {
    // A call, or a read of the near cache, which has its words too.
    if (!('argv' in parcel)) return undefined;
    const nodes = keys.map(nodeOf);
    const chosen = choose(nodes, commandOf(parcel as Parcel & Read));
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

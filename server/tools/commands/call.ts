// `lingcache call`: one command, said to every node.

import { usage } from '../cli/arguments.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import { sayToAll } from '../every-node.ts';

export const call: Command = defineCommand({
  name: 'call',
  arguments: [
    { name: 'ADDRESS', help: 'host:port of any node' },
    { name: 'COMMAND', rest: true, help: 'the command and its arguments, as they are' },
  ],
  rawAfter: 1,
  options: {
    masters: { kind: 'flag', help: 'masters only' },
    replicas: { kind: 'flag', help: 'replicas only' },
  },
  connects: true,
  details: 'Options stand before the address: what follows it belongs to the command, but for a --json at the end.',
  examples: [
    'lingcache call --masters 127.0.0.1:7000 DBSIZE',
    'lingcache call 127.0.0.1:7000 CONFIG SET maxmemory 1gb',
  ],
  run: async ({ args: [address, ...argv], options, link, out }) => {
    if (options.masters && options.replicas) throw usage('--masters and --replicas: leave both out for all nodes');
    const nodes = await link(address!);
    const wanted = options.masters ? 'master' : options.replicas ? 'slave' : undefined;
    const chosen = (await nodes.view()).filter(({ flags }) => wanted === undefined || flags.includes(wanted));
    const binary = argv.map((argument) => Buffer.from(argument).toString('latin1'));
    const results = await sayToAll(nodes, chosen, binary);
    out.answer(results);
    for (const { address, reply, error } of results) {
      const text = error ?? (typeof reply === 'string' ? reply.trimEnd() : JSON.stringify(reply));
      out.line(
        `${out.paint('bold', address)}: ${text.includes('\n') ? '\n' : ''}${error === null ? text : out.paint('red', text)}`,
      );
    }
    return results.every(({ error }) => error === null) ? exitCodes.ok : exitCodes.failed;
  },
});

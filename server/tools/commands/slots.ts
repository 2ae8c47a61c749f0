// `lingcache slots`: which node owns a slot or the slot of a key, and what stands there; or all ranges of the cluster.

import { slotOf } from '../../../lib/index.ts';
import { slotsOfCluster } from '../../operator/index.ts';
import { usage } from '../cli/arguments.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';

export const slots: Command = defineCommand({
  name: 'slots',
  arguments: [
    { name: 'ADDRESS', help: 'host:port of any node' },
    {
      name: 'SLOT',
      help: 'a number, a range (100-200), or key:NAME for the slot of a key',
      optional: true,
      rest: true,
    },
  ],
  options: {},
  connects: true,
  run: async ({ args: [address, ...wanted], link, out }) => {
    const chosen = wanted.length === 0 ? undefined : wanted.flatMap(readSlots);
    const found = await slotsOfCluster(await link(address!), chosen);
    out.answer(found);
    const cells = found.map(({ start, end, owner, address, keys, state }) => {
      const range = start === end ? String(start) : `${start}-${end}`;
      return [range, address ?? '-', owner ?? 'nobody', keys === null ? '' : String(keys), state];
    });
    out.table(['slots', 'master', 'id', 'keys', 'state'], cells);
    return exitCodes.ok;
  },
});

function readSlots(text: string): number[] {
  if (text.startsWith('key:')) return [slotOf(text.slice(4))];
  const [start, end = start] = (/^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []).slice(1).filter(Boolean).map(Number);
  if (start === undefined || end! > 16_383 || start > end!) {
    throw usage(`'${text}' is no slot: 0 to 16383, a range of them, or key:NAME`);
  }
  return Array.from({ length: end! - start + 1 }, (_, at) => start + at);
}

// `lingcache reshard`: moves slots with their keys from masters to a master.

import { findNode } from '../../operator/index.ts';
import { usage } from '../cli/arguments.ts';
import { type Command, defineCommand, exitCodes } from '../cli/command.ts';
import { finishEarlier, moveOptions, movePlan, openMover, pickSlots, readSlotList, runMoves } from '../moving.ts';

export const reshard: Command = defineCommand({
  name: 'reshard',
  arguments: [{ name: 'ADDRESS', help: 'host:port of any node' }],
  options: {
    from: {
      kind: 'list',
      value: 'ID,...',
      help: 'masters that give (ids or addresses); default: all others, in proportion',
    },
    to: { kind: 'text', value: 'ID', help: 'the master that gets the slots' },
    slots: { kind: 'integer', value: 'N', least: 1, most: 16_384, help: 'how many' },
    'slot-list': {
      kind: 'list',
      value: '1,5-9,...',
      help: 'these slots, wherever they are, instead of --from and --slots',
    },
    resume: { kind: 'flag', help: 'only finish what an earlier run has begun' },
    ...moveOptions,
  },
  connects: true,
  changes: true,
  details:
    'Clients go on all the time. Slots go by the servers\u2019 own migration where both ends have it and one database\n' +
    '(Valkey 9), key by key otherwise. What is moved is kept in a journal: after Ctrl-C or a crash, the same command or --resume goes on.',
  examples: ['lingcache reshard 127.0.0.1:7000 --from 127.0.0.1:7001 --to 127.0.0.1:7002 --slots 100 --yes'],
  run: async (context) => {
    const { args, options } = context;
    const address = args[0]!;
    const again = `lingcache reshard ${address} --resume`;
    const { operator, link } = await openMover(context, address, options);
    const earlier = await finishEarlier(context, operator, again);
    if (earlier === exitCodes.ok && options.resume) context.out.answer({ resumed: true });
    if (earlier !== exitCodes.ok || options.resume) return earlier;
    if (options.to === undefined) throw usage('--to: which master is to get the slots?');
    const view = await link.view();
    const to = findNode(view, options.to);
    const list = options['slot-list'];
    if (list.length > 0 === (options.slots !== undefined)) throw usage('--slots or --slot-list: one of the two');
    if (list.length > 0 && options.from.length > 0)
      throw usage('--slot-list names the slots: --from has no place beside it');
    const from = options.from.map((name) => findNode(view, name));
    const slots = list.length > 0 ? readSlotList(list) : pickSlots(view, from, to, options.slots!);
    const orders = slots.map((slot) => ({ slot, target: to.id }));
    const plan = movePlan(view, orders);
    if (plan.lines.length === 0) context.out.line(`nothing to move: ${to.host}:${to.port} has these slots already`);
    if (!(await context.approve(plan))) return exitCodes.ok;
    return runMoves(context, operator, orders, again);
  },
});

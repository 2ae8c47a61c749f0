// Keys of a cluster without a client: which node a command goes to, and what keys of any type hold.

import { type NodeLine, ownersIn } from '../../lib/wire/cluster-nodes.ts';
import { ReplyError } from '../../lib/wire/reply.ts';
import { type Backend, type BackendNode, must } from './backend.ts';
import { type DumpValue, ExpiringValue, readable, readerOf, type SeedValue, valueFrom } from './values.ts';

/** Commands by the id of the node that serves their slot. Throws an Error for a slot that nobody serves. */
export function shareOut(
  commands: readonly { readonly slot: number; readonly commands: string[][] }[],
  lines: readonly NodeLine[],
): Map<string, string[][][]> {
  const owners = ownersIn(lines);
  const shares = new Map<string, string[][][]>();
  for (const { slot, commands: argvs } of commands) {
    const id = owners[slot]?.id;
    if (id === undefined) throw new Error(`no node serves slot ${slot}`);
    const share = shares.get(id);
    if (share === undefined) shares.set(id, [argvs]);
    else share.push(argvs);
  }
  return shares;
}

/** Keys of one node, as binary strings, with what they hold; those that do not exist are left out. */
export async function readKeys(
  backend: Backend,
  node: BackendNode,
  keys: readonly string[],
  ttl: boolean,
): Promise<[string, DumpValue][]> {
  const types = await backend.exchange(
    node,
    keys.map((key) => ['TYPE', key]),
  );
  must(types, 'dump');
  const there = keys.flatMap((key, at) => {
    const type = String(types[at]);
    const argv = readerOf(type, key);
    if (argv === undefined && type !== 'none') throw new Error(`dump: ${readable(key)} is of type ${type}`);
    return argv === undefined ? [] : [{ key, type, argv }];
  });
  const commands = there.flatMap(({ key, argv }) => (ttl ? [argv, ['PTTL', key]] : [argv]));
  const replies = await backend.exchange(node, commands);
  const width = ttl ? 2 : 1;
  return there.flatMap(({ key, type }, at): [string, DumpValue][] => {
    const reply = replies[at * width];
    if (reply instanceof ReplyError) throw new Error(`dump: ${reply.message}`);
    // It ran out in between.
    if (reply === null || (Array.isArray(reply) && reply.length === 0 && type !== 'stream')) return [];
    const value = valueFrom(type, reply);
    const left = ttl ? Number(replies[at * width + 1]) : -1;
    const name = Buffer.from(key, 'latin1').toString('utf8');
    return [[name, left > 0 ? new ExpiringValue(value as SeedValue, left) : value]];
  });
}

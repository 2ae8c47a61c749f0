// MGET, MSET, DEL, UNLINK, EXISTS and TOUCH over keys of several slots: one command a slot, all in one round,
// stitched in order. Sources: their command pages; "hash tags" in the cluster specification for why a server will not.

import { Call } from '../connection/call.ts';
import type { Argument } from '../wire/encoder.ts';
import { slotOf } from '../wire/slot.ts';
import { listed, type Part, Split, sum } from './split.ts';

interface Splitter {
  /** Arguments to a key. */
  readonly step: 1 | 2;
  readonly join: (values: readonly unknown[], places: readonly (readonly number[])[]) => unknown;
}

const inOrder: Splitter['join'] = (values, places) => {
  const stitched: unknown[] = [];
  values.forEach((part, index) => {
    listed(part, places[index]!.length).forEach((value, at) => {
      stitched[places[index]![at]!] = value;
    });
  });
  return stitched;
};

const splitters: ReadonlyMap<string, Splitter> = new Map<string, Splitter>([
  ['mget', { step: 1, join: inOrder }],
  ['mset', { step: 2, join: (values) => values[0] }],
  ['del', { step: 1, join: sum }],
  ['unlink', { step: 1, join: sum }],
  ['exists', { step: 1, join: sum }],
  ['touch', { step: 1, join: sum }],
]);

/** The parts of a call whose keys lie in several slots, sent through `send`; false when it is an ordinary call. */
export function splitByKeys(call: Call, send: (part: Call) => void): boolean {
  const splitter = splitters.get(call.name.toLowerCase());
  if (splitter === undefined) return false;
  const groups = groupBySlot(call.argv, splitter.step);
  if (groups === undefined || groups.size < 2) return false;
  const places: number[][] = [];
  const parts: Part[] = [];
  for (const [slot, positions] of groups) {
    const argv: Argument[] = [call.argv[0]!];
    for (const at of positions) for (let step = 0; step < splitter.step; step++) argv.push(call.argv[at + step]!);
    places.push(positions.map((at) => (at - 1) / splitter.step));
    const part = new Call(argv, slot, call.flags, call.encoding, undefined, call.sink);
    parts.push({ call: part, subject: positions.map((at) => call.argv[at]!) });
  }
  new Split(call, parts, (values) => splitter.join(values, places));
  for (const part of parts) send(part.call);
  return true;
}

// slot -> positions of its keys; undefined when the arguments do not come out even (the server refuses those best).
function groupBySlot(argv: readonly Argument[], step: number): Map<number, number[]> | undefined {
  if ((argv.length - 1) % step !== 0) return undefined;
  const groups = new Map<number, number[]>();
  for (let at = 1; at < argv.length; at += step) {
    const slot = slotOf(argv[at]!);
    const positions = groups.get(slot);
    if (positions === undefined) groups.set(slot, [at]);
    else positions.push(at);
  }
  return groups;
}

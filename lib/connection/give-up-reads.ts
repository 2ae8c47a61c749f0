// Takes reads that wait for an answer out of a connection's queue, so that they can be sent to another node.
// Reads change nothing, so it does no harm that they may be executed twice.
// Invariant: every call taken out leaves a placeholder, so each reply still meets its own entry; a read behind a write of
// its slot that was issued with it stays: it is to see what that wrote.

import type { Fifo } from '../base/fifo.ts';
import type { CachedTime } from '../base/ticker.ts';
import { Call, CallFlag, type CallSink, directSink } from './call.ts';

/** The reads that were taken out. */
export function takeReads(queue: Fifo<Call>): Call[] {
  const reads: Call[] = [];
  const writes = new Map<CachedTime, Set<number>>();
  queue.replaceEach((call) => {
    if (call.sink === directSink || call.settled) return call;
    if ((call.flags & CallFlag.readOnly) === 0) {
      const slots = writes.get(call.moment);
      if (slots === undefined) writes.set(call.moment, new Set([call.slot]));
      else slots.add(call.slot);
      return call;
    }
    if (writes.get(call.moment)?.has(call.slot)) return call;
    reads.push(call);
    return placeholderOf(call);
  });
  return reads;
}

function placeholderOf(call: Call): Call {
  const placeholder = new Call(call.argv, call.slot, call.flags, call.encoding, undefined, ignoringSink);
  placeholder.pushes = call.pushes;
  placeholder.put();
  return placeholder;
}

const ignoringSink: CallSink = { onReply: () => {}, onLost: () => {} };

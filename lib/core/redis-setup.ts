// What a client of one server does on a connection between its handshake and `ready`: the database, MONITOR, and which
// subscriptions the calls that wait will make themselves. Functions only; when each runs is RedisCore's.

import { emitSafely } from '../base/emit.ts';
import type { World } from '../base/world.ts';
import { Call, CallFlag, ownCall } from '../connection/call.ts';
import { labelsOf } from '../pubsub/subscriptions.ts';
import type { Lifecycle } from './lifecycle.ts';
import { parseMonitorLine } from './monitor-line.ts';
import type { SessionState } from './session-state.ts';

type Send = (call: Call) => boolean;

/** The channels that calls which wait for the connection subscribe to. */
export function heldSubscriptions(lifecycle: Lifecycle): ReadonlySet<string> {
  const labels = new Set<string>();
  lifecycle.forEachHeld((request) => {
    if (!(request instanceof Call) || request.settled || (request.flags & CallFlag.subscribing) === 0) return;
    for (const label of labelsOf(request)) labels.add(label);
  });
  return labels;
}

/** The handshake has selected the database of the options; commands may have changed it on the connection before. */
export function reselect(send: Send, state: SessionState, lifecycle: Lifecycle): void {
  const { db, current } = state;
  if (db === current) return;
  const { call, answer: selected } = ownCall(['select', String(db)]);
  if (!send(call)) return;
  selected.catch((error: Error) => lifecycle.reportError(error));
  state.announce(db);
}

/** `late` is called when MONITOR has no reply within `limitMs` (0: never). */
export function startMonitoring(
  send: Send,
  lifecycle: Lifecycle,
  world: World,
  limitMs: number,
  late: () => void,
): void {
  const { call, answer: begun } = ownCall(['monitor']);
  if (!send(call)) return;
  const deadline = limitMs > 0 ? world.deadline(limitMs, late) : undefined;
  begun
    .then(
      () => lifecycle.become('monitoring'),
      (error: Error) => lifecycle.reportError(error),
    )
    .finally(() => deadline?.cancel());
}

/** Emits a line of MONITOR; false: it is none. */
export function emitMonitorLine(client: Parameters<typeof emitSafely>[0], line: Buffer): boolean {
  const seen = parseMonitorLine(line.toString());
  if (seen === undefined) return false;
  emitSafely(client, 'monitor', seen.time, seen.args, seen.source, seen.database);
  return true;
}

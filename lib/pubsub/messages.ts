// From a push frame to the message events of ioredis: names come as text, the payload as text or bytes by the event's
// name. Confirmations are not messages and are none of this file's business.

import type { EventEmitter } from 'node:events';
import { emitSafely } from '../base/emit.ts';
import type { Push } from '../wire/reply.ts';

/** Emits the events of a message; does nothing for any other push. */
export function emitMessage(emitter: EventEmitter, push: Push): void {
  const [kind, ...rest] = push.items;
  const event = String(kind);
  if (event !== 'message' && event !== 'smessage' && event !== 'pmessage') return;
  const parts = rest.filter(Buffer.isBuffer);
  const names = event === 'pmessage' ? 2 : 1;
  if (parts.length !== names + 1) return;
  if (emitter.listenerCount(event) > 0) emitSafely(emitter, event, ...parts.map(String));
  const payload = parts[names]!;
  if (event === 'pmessage') emitSafely(emitter, 'pmessageBuffer', String(parts[0]), parts[1], payload);
  else emitSafely(emitter, `${event}Buffer`, parts[0], payload);
}

// Events of the listeners that users add. What a listener throws is its own mistake: it comes to light as an uncaught
// exception, as from any event of node:net, and the client's work that goes on behind the event is not cut short.

import type { EventEmitter } from 'node:events';
import { nextTick } from './turns.ts';

/** Emits an event. Never throws: an error of a listener is thrown again on the next tick. */
export function emitSafely(emitter: EventEmitter, event: string, ...args: readonly unknown[]): void {
  try {
    emitter.emit(event, ...args);
  } catch (thrown) {
    nextTick(() => {
      throw thrown;
    });
  }
}

// What one connection is meant to be subscribed to, and the messages that come of it. Owns the wanted sets; the
// server's confirmations are told apart from messages here, so the router never sees either.

import type { EventEmitter } from 'node:events';
import { Call, CallFlag, directSink } from '../connection/call.ts';
import type { Push } from '../wire/reply.ts';
import { emitMessage } from './messages.ts';

type Kind = 'subscribe' | 'psubscribe' | 'ssubscribe';

const kinds: readonly Kind[] = ['subscribe', 'psubscribe', 'ssubscribe'];

export class Subscriptions {
  readonly #emitter: EventEmitter;
  readonly #wanted: Record<Kind, Set<string>> = { subscribe: new Set(), psubscribe: new Set(), ssubscribe: new Set() };

  constructor(emitter: EventEmitter) {
    this.#emitter = emitter;
  }

  /** Channels and patterns wanted, of all kinds. */
  get size(): number {
    return kinds.reduce((sum, kind) => sum + this.#wanted[kind].size, 0);
  }

  /** Notes what a (un)subscribe call asks for, and how many confirmations will answer it. */
  prepare(call: Call): void {
    const name = call.name.toLowerCase();
    const names = call.argv.slice(1).map((argument) => Buffer.from(argument as string).toString('latin1'));
    const leaving = name.includes('unsubscribe');
    const kind = (leaving ? name.replace('unsub', 'sub') : name) as Kind;
    const wanted = this.#wanted[kind];
    if (!leaving) for (const one of names) wanted.add(one);
    else if (names.length > 0) for (const one of names) wanted.delete(one);
    else {
      // Without names the server answers once for each channel it drops, or once when there is none.
      call.pushes = Math.max(1, wanted.size);
      wanted.clear();
    }
  }

  /** Subscribes a fresh connection to everything wanted. */
  restore(send: (call: Call) => boolean): void {
    for (const kind of kinds) {
      const names = [...this.#wanted[kind]].map((name) => Buffer.from(name, 'latin1'));
      // Shard channels of several slots may not share a command.
      const batches = kind === 'ssubscribe' ? names.map((name) => [name]) : names.length > 0 ? [names] : [];
      for (const batch of batches) {
        const call = new Call([kind, ...batch], -1, CallFlag.subscribing, 'utf8', undefined, directSink);
        call.pushes = batch.length;
        call.reject = (error) => this.#emitter.emit('subscriptionError', error);
        send(call);
      }
    }
  }

  receive(push: Push): void {
    emitMessage(this.#emitter, push);
  }
}

// What one connection is meant to be subscribed to, and the messages that come of it. Owns the wanted sets; the
// server's confirmations are told apart from messages here, so the router never sees either.

import type { EventEmitter } from 'node:events';
import { Call, CallFlag, directSink } from '../connection/call.ts';
import type { Push } from '../wire/reply.ts';
import { emitMessage } from './messages.ts';

type Kind = 'subscribe' | 'psubscribe' | 'ssubscribe';

const kinds: readonly Kind[] = ['subscribe', 'psubscribe', 'ssubscribe'];

/** Names a channel or pattern among those of all kinds. */
function idOf(kind: Kind, name: string): string {
  return `${kind} ${name}`;
}

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

  /** What a subscribing call asks for that nobody wants yet, as ids; nothing for one that unsubscribes. */
  newIn(call: Call): string[] {
    const kind = call.name.toLowerCase() as Kind;
    const wanted = this.#wanted[kind];
    if (wanted === undefined) return [];
    const names = call.argv.slice(1).map((argument) => Buffer.from(argument as string).toString('latin1'));
    return names.filter((name) => !wanted.has(name)).map((name) => idOf(kind, name));
  }

  /** Wants these no longer. */
  drop(ids: readonly string[]): void {
    for (const id of ids) {
      const space = id.indexOf(' ');
      this.#wanted[id.slice(0, space) as Kind].delete(id.slice(space + 1));
    }
  }

  /** Subscribes a fresh connection to everything wanted, but for what is asked for by others (`skip`, by id). */
  restore(send: (call: Call) => boolean, skip?: (id: string) => boolean): void {
    for (const kind of kinds) {
      const wanted = [...this.#wanted[kind]].filter((name) => skip === undefined || !skip(idOf(kind, name)));
      const names = wanted.map((name) => Buffer.from(name, 'latin1'));
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

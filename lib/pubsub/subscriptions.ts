// What one connection is meant to be subscribed to, and the messages that come of it. Owns the wanted sets; the
// server's confirmations are separated from messages here, so the router never sees either.
// A fresh connection is subscribed to everything in bounded commands, a few of them on their way at a time, so that
// neither side is busy with them for long and messages come in between.

import type { EventEmitter } from 'node:events';
import { emitSafely } from '../base/emit.ts';
import { Call, CallFlag, directSink } from '../connection/call.ts';
import type { Argument } from '../wire/encoder.ts';
import { type Push, ReplyError } from '../wire/reply.ts';
import { emitMessage } from './messages.ts';

type Kind = 'subscribe' | 'psubscribe' | 'ssubscribe';

const kinds: readonly Kind[] = ['subscribe', 'psubscribe', 'ssubscribe'];

/** Distinguishes a channel or pattern from those of other kinds. */
function labelOf(kind: Kind, id: string): string {
  return `${kind} ${id}`;
}

/** What a subscribing call asks for, as labels; of one that unsubscribes they name nothing that is ever subscribed. */
export function labelsOf(call: Call): string[] {
  const kind = call.name.toLowerCase() as Kind;
  return call.argv.slice(1).map((channel) => labelOf(kind, idOf(channel)));
}

/** Most names of one SUBSCRIBE or PSUBSCRIBE when a connection is subscribed again. */
const batchLimit = 1000;
/** Names asked for and not yet confirmed from which on no more are asked for. */
const windowLimit = 8000;

/** What a connection has still to be subscribed to, taken out in order as it is asked for. */
interface Restoring {
  readonly left: Record<Kind, Set<string>>;
  /** Walks `left`, of each kind in turn; what is taken out behind its back is left out. */
  readonly next: Record<Kind, Iterator<string>>;
  readonly send: (call: Call) => boolean;
  /** Names asked for and not yet confirmed. */
  open: number;
}

export class Subscriptions {
  readonly #emitter: EventEmitter;
  readonly #wanted: Record<Kind, Set<string>> = { subscribe: new Set(), psubscribe: new Set(), ssubscribe: new Set() };
  #restoring: Restoring | undefined;

  constructor(emitter: EventEmitter) {
    this.#emitter = emitter;
  }

  /** Channels and patterns wanted, of all kinds. */
  get size(): number {
    return this.#wanted.subscribe.size + this.#wanted.psubscribe.size + this.#wanted.ssubscribe.size;
  }

  /** Notes what a (un)subscribe call asks for, and how many confirmations will answer it. */
  prepare(call: Call): void {
    const name = call.name.toLowerCase();
    const leaving = name.includes('unsubscribe');
    const kind = (leaving ? name.replace('unsub', 'sub') : name) as Kind;
    const wanted = this.#wanted[kind];
    const left = this.#restoring?.left[kind];
    if (call.argv.length > 1) {
      for (let at = 1; at < call.argv.length; at++) {
        const one = idOf(call.argv[at]!);
        // The call itself subscribes: restoring need not.
        left?.delete(one);
        if (leaving) wanted.delete(one);
        else wanted.add(one);
      }
    } else if (leaving) {
      // Without names the server answers once for each channel it drops, or once when there is none. It does not
      // know yet of what has not been asked for.
      call.pushes = Math.max(1, wanted.size - (left?.size ?? 0));
      wanted.clear();
      left?.clear();
    }
  }

  /** What a subscribing call asks for that nobody wants yet, as labels; nothing for one that unsubscribes. */
  newIn(call: Call): string[] {
    const kind = call.name.toLowerCase() as Kind;
    const wanted = this.#wanted[kind];
    if (wanted === undefined) return [];
    const ids = call.argv.slice(1).map(idOf);
    return ids.filter((id) => !wanted.has(id)).map((id) => labelOf(kind, id));
  }

  /** Wants these no longer. */
  drop(labels: readonly string[]): void {
    for (const label of labels) {
      const space = label.indexOf(' ');
      const [kind, id] = [label.slice(0, space) as Kind, label.slice(space + 1)];
      this.#wanted[kind].delete(id);
      this.#restoring?.left[kind].delete(id);
    }
  }

  /**
   * Subscribes a fresh connection to everything wanted, but for what is asked for by others (`skip`, by label). What
   * was begun on another one is left.
   */
  restore(send: (call: Call) => boolean, skip?: (label: string) => boolean): void {
    const leftOf = (kind: Kind): Set<string> => {
      const wanted = this.#wanted[kind];
      return new Set(skip === undefined ? wanted : [...wanted].filter((id) => !skip(labelOf(kind, id))));
    };
    const left = { subscribe: leftOf('subscribe'), psubscribe: leftOf('psubscribe'), ssubscribe: leftOf('ssubscribe') };
    const next = {
      subscribe: left.subscribe.values(),
      psubscribe: left.psubscribe.values(),
      ssubscribe: left.ssubscribe.values(),
    };
    this.#restoring = { left, next, send, open: 0 };
    this.#restoreMore(this.#restoring);
  }

  receive(push: Push): void {
    emitMessage(this.#emitter, push);
  }

  #restoreMore(restoring: Restoring): void {
    while (restoring === this.#restoring && restoring.open < windowLimit) {
      const batch = nextBatch(restoring);
      if (batch === undefined) {
        if (restoring.open === 0) this.#restoring = undefined;
        return;
      }
      if (!this.#ask(restoring, batch.kind, batch.names)) return;
    }
  }

  #ask(restoring: Restoring, kind: Kind, names: readonly Argument[]): boolean {
    const call = new Call([kind, ...names], -1, CallFlag.subscribing, 'utf8', undefined, directSink);
    const done = (): void => {
      restoring.open -= names.length;
      this.#restoreMore(restoring);
    };
    call.resolve = done;
    call.reject = (error) => {
      // A lost connection is no refusal: the next one is subscribed anew.
      if (!(error instanceof ReplyError)) return;
      emitSafely(this.#emitter, 'subscriptionError', error);
      done();
    };
    restoring.open += names.length;
    return restoring.send(call);
  }
}

function nextBatch({ left, next }: Restoring): { kind: Kind; names: Argument[] } | undefined {
  for (const kind of kinds) {
    if (left[kind].size === 0) continue;
    // Shard channels of several slots may not share a command.
    const limit = kind === 'ssubscribe' ? 1 : batchLimit;
    const names: Argument[] = [];
    while (names.length < limit) {
      const { value, done } = next[kind].next();
      if (done) break;
      left[kind].delete(value);
      names.push(wordOf(value));
    }
    if (names.length > 0) return { kind, names };
  }
  return undefined;
}

const beyondAscii = /[^\0-\x7f]/;

/** A name under which it is known here: one char a byte. */
function idOf(channel: Argument): string {
  if (typeof channel === 'string' && !beyondAscii.test(channel)) return channel;
  return Buffer.from(channel as string).toString('latin1');
}

/** What names it to the server; text where it is the same. */
function wordOf(id: string): Argument {
  return beyondAscii.test(id) ? Buffer.from(id, 'latin1') : id;
}

// One connection to one node for shard channels: subscribes to what is wanted there, in as few commands as slots
// allow, and reports what the node confirms. It decides nothing: sharded.ts says which channels belong here.

import { RedisError } from '../base/errors.ts';
import { queueMicrotask } from '../base/turns.ts';
import type { Timer, World } from '../base/world.ts';
import { Call, CallFlag, type CallSink } from '../connection/call.ts';
import type { ReconnectingConnection, ReconnectingEvents } from '../connection/reconnecting-connection.ts';
import { type Push, ReplyError } from '../wire/reply.ts';

/** A call of the user's that waits for channels to be as it wants them. */
export interface Waiter {
  readonly call: Call;
  left: number;
  timer: Timer | undefined;
}

/** Invariant: `link` is the only connection whose messages about this channel count. */
export interface ShardChannel {
  readonly id: string;
  readonly name: Buffer;
  readonly slot: number;
  wanted: boolean;
  link: ShardSubscriber | undefined;
  /** The last command sent about it on `link` was SSUBSCRIBE. */
  asked: boolean;
  /** That command has been answered. */
  confirmed: boolean;
  /** It has been confirmed before. */
  stood: boolean;
  /** SSUBSCRIBE and SUNSUBSCRIBE sent and unanswered. */
  joining: number;
  leaving: number;
  readonly waiters: Set<Waiter>;
  failures: number;
  /** Why it does not stand: the node's last refusal. */
  refusal: Error | undefined;
  retry: Timer | undefined;
}

export interface ShardLinkEvents {
  onUp(link: ShardSubscriber): void;
  onDown(link: ShardSubscriber, ended: boolean): void;
  /** The node confirms that it has (or no longer has) us as a subscriber. */
  onConfirmed(link: ShardSubscriber, id: string, joined: boolean): void;
  onRefused(link: ShardSubscriber, channels: readonly ShardChannel[], joined: boolean, error: ReplyError): void;
  onMessage(push: Push): void;
}

/** Most channels of one command. */
const batchLimit = 512;

export class ShardSubscriber implements CallSink {
  readonly key: string;
  readonly connection: ReconnectingConnection;
  /** Channels that belong here. */
  readonly channels: Set<ShardChannel> = new Set();
  /** Channels that the node says we have there. */
  count = 0;
  /** How often in a row it was dropped because commands went unanswered. */
  drops = 0;
  /** World time since when it has had no channel. */
  emptySince = 0;
  readonly #world: World;
  readonly #events: ShardLinkEvents;
  readonly #dirty = new Set<ShardChannel>();
  readonly #pending = new Map<Call, { readonly channels: readonly ShardChannel[]; readonly joined: boolean }>();
  #scheduled = false;
  #progressAt = 0;

  constructor(
    key: string,
    make: (key: string, events: ReconnectingEvents) => ReconnectingConnection,
    world: World,
    events: ShardLinkEvents,
  ) {
    this.key = key;
    this.#world = world;
    this.#events = events;
    this.connection = make(key, {
      onState: (_connection, state) => {
        if (state === 'up') {
          events.onUp(this);
          this.#schedule();
        } else if (state === 'backoff' || state === 'ended') {
          this.#pending.clear();
          this.count = 0;
          events.onDown(this, state === 'ended');
        }
      },
      onSilence: (_connection, silent) => {
        if (!silent) this.#schedule();
      },
      onPush: (_connection, push) => this.#onPush(push),
    });
  }

  /** Brings the node's view of a channel in line with `wanted`, with whatever else changes in this tick. */
  update(channel: ShardChannel): void {
    this.#dirty.add(channel);
    this.#schedule();
  }

  /** Forgets a channel that moved elsewhere; its node is unsubscribed from when that is possible, and owes no answer. */
  abandon(channel: ShardChannel): void {
    this.#dirty.delete(channel);
    if (channel.asked && this.connection.state === 'up') this.#send([channel], false);
  }

  /** True when commands have waited for their answer longer than `limit` ms. */
  overdue(limit: number): boolean {
    return this.#pending.size > 0 && this.#world.now() - this.#progressAt > limit;
  }

  close(reason: Error): void {
    this.#dirty.clear();
    this.connection.close(reason);
  }

  onReply(call: Call, reply: unknown): void {
    const pending = this.#pending.get(call);
    this.#pending.delete(call);
    this.#progressAt = this.#world.now();
    this.drops = 0;
    call.finish(null, undefined);
    if (pending === undefined || !(reply instanceof Error)) return;
    const error = reply instanceof ReplyError ? reply : new ReplyError(`ERR ${reply.message}`);
    this.#events.onRefused(this, pending.channels, pending.joined, error);
  }

  // The loss of the connection itself says all there is to say.
  onLost(call: Call): void {
    this.#pending.delete(call);
  }

  #schedule(): void {
    if (this.#scheduled || this.#dirty.size === 0) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (this.connection.state === 'up' && !this.connection.peer.silent) this.#flush();
    });
  }

  #flush(): void {
    const groups = new Map<string, ShardChannel[]>();
    for (const channel of this.#dirty) {
      if (channel.link !== this || channel.wanted === channel.asked) continue;
      const group = `${channel.wanted ? '+' : '-'}${channel.slot}`;
      const members = groups.get(group);
      if (members === undefined) groups.set(group, [channel]);
      else members.push(channel);
    }
    this.#dirty.clear();
    for (const [group, channels] of groups) {
      const joined = group.startsWith('+');
      for (let at = 0; at < channels.length; at += batchLimit) {
        const batch = channels.slice(at, at + batchLimit);
        if (!this.#send(batch, joined)) {
          for (const channel of batch) this.#dirty.add(channel);
          continue;
        }
        for (const channel of batch) {
          channel.asked = joined;
          if (joined) channel.joining++;
          else channel.leaving++;
        }
      }
    }
  }

  #send(channels: readonly ShardChannel[], joined: boolean): boolean {
    const argv = [joined ? 'ssubscribe' : 'sunsubscribe', ...channels.map(({ name }) => name)];
    const call = new Call(argv, channels[0]!.slot, CallFlag.subscribing, 'utf8', undefined, this);
    call.pushes = channels.length;
    if (this.#pending.size === 0) this.#progressAt = this.#world.now();
    if (!this.connection.send(call)) return false;
    this.#pending.set(call, { channels, joined });
    // What is sent is our command: the callers' own say how often that was.
    const waiters = new Set(channels.flatMap((channel) => [...channel.waiters]));
    for (const { call: asked } of waiters) asked.put();
    return true;
  }

  #onPush(push: Push): void {
    const [kind, name, count] = push.items;
    const type = String(kind);
    if (type === 'ssubscribe' || type === 'sunsubscribe') {
      this.#progressAt = this.#world.now();
      this.drops = 0;
      this.count = Number(count);
      if (Buffer.isBuffer(name)) this.#events.onConfirmed(this, name.toString('latin1'), type === 'ssubscribe');
    } else this.#events.onMessage(push);
  }
}

/** Why a link is dropped whose node does not answer. */
export function overdueError(link: ShardSubscriber, limit: number): RedisError {
  return new RedisError(`A subscription was not acknowledged within ${limit}ms.`, {
    code: 'ETIMEDOUT',
    node: link.key,
  });
}

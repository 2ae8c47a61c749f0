// Shard channels (SSUBSCRIBE) of a cluster: what is wanted, and on which node each channel stands. Whatever happens
// (a new map, a lost socket, a slot that leaves, a refusal) ends in tend(), which compares wanted with real for one
// channel and takes the next step. Owns one connection for each master that has channels; knows no retry but its own.
// Invariant: a wanted channel is confirmed by the owner of its slot, or a step towards that is under way.

import type { EventEmitter } from 'node:events';
import { emitSafely } from '../base/emit.ts';
import { AbortError, RedisError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import type { Call } from '../connection/call.ts';
import type { ReconnectingConnection, ReconnectingEvents } from '../connection/reconnecting-connection.ts';
import { lossOf } from '../router/verdict.ts';
import type { RefreshReason } from '../topology/refresher.ts';
import { passingCauseOf } from '../wire/passing.ts';
import { parseRedirect, type ReplyError } from '../wire/reply.ts';
import { slotOf } from '../wire/slot.ts';
import { Heartbeat } from './heartbeat.ts';
import { emitMessage } from './messages.ts';
import { overdueError, type ShardChannel, ShardSubscriber, type Waiter } from './shard-subscriber.ts';

/** What the sharded subscriptions need of their cluster. */
export interface ShardHost {
  /** `host:port` of the slot's master, as the map in use has it. */
  ownerOf(slot: number): string | undefined;
  /** A connection of our own to a node. */
  connect(key: string, events: ReconnectingEvents): ReconnectingConnection;
  /** A MOVED came from `from`: patches the map, and asks for a new one. An error: it must not be followed. */
  learn(slot: number, host: string, port: number, from: string): Error | undefined;
  hint(reason: RefreshReason): void;
  /** Milliseconds until a (un)subscribe call is given up. */
  readonly deadline: number;
  /** Milliseconds without a byte after which a node is probed; 0 = never. */
  readonly silenceTimeout: number;
}

interface ChannelsOfSlot {
  readonly channels: Set<ShardChannel>;
  /** Owner of the slot when its channels were last gone through. */
  owner: string | undefined;
}

/** Milliseconds until a node must have acknowledged; then its connection is replaced. Doubles each time in a row. */
const acknowledgeLimit = 3000;
const mostDoublings = 4;
/** Most reasons that one error lists. */
const mostReasons = 5;
/** Milliseconds that a connection without channels is kept. */
const emptyLimit = 1000;
const crossSlot = 'Possible CROSSSLOT error: All channels must hash to the same slot';

export class ShardedSubscriptions {
  readonly #emitter: EventEmitter;
  readonly #host: ShardHost;
  readonly #world: World;
  readonly #heartbeat: Heartbeat;
  readonly #channels = new Map<string, ShardChannel>();
  readonly #links = new Map<string, ShardSubscriber>();
  readonly #slots = new Map<number, ChannelsOfSlot>();
  /** Wanted channels that are not confirmed. */
  #open = 0;
  #stopped = false;

  constructor(emitter: EventEmitter, host: ShardHost, world: World) {
    this.#emitter = emitter;
    this.#host = host;
    this.#world = world;
    this.#heartbeat = new Heartbeat(world, host.silenceTimeout, () => this.#look());
  }

  /** SSUBSCRIBE or SUNSUBSCRIBE; resolves with how many channels then stand on the node concerned. */
  send(call: Call): void {
    const wanted = call.name.toLowerCase() === 'ssubscribe';
    let names: Buffer[] = call.argv.slice(1).map((argument) => Buffer.from(argument as Buffer));
    if (!wanted && names.length === 0) {
      names = [...this.#channels.values()].filter((channel) => channel.wanted).map(({ name }) => name);
      if (names.length === 0) call.settle(0);
    } else if (names.some((name) => slotOf(name) !== call.slot)) {
      call.fail(new AbortError(crossSlot, { code: 'CROSSSLOT' }));
    } else if (names.length === 0)
      call.fail(new RedisError(`ERR wrong number of arguments for '${call.name}' command`));
    if (call.settled) return;
    const channels = new Set(names.map((name) => this.#channel(name)));
    const waiter: Waiter = { call, left: channels.size, timer: undefined };
    waiter.timer = this.#world.after(this.#host.deadline, () => this.#expire(waiter, channels), true);
    for (const channel of channels) {
      channel.waiters.add(waiter);
      this.#mark(channel, wanted, channel.confirmed);
      if (wanted && channel.confirmed && channel.asked) this.#release(channel, channel.link?.channels.size ?? 0);
      else this.#tend(channel);
    }
  }

  /** The map is another: every channel to the owner of its slot. Only slots with another owner are gone through. */
  mapChanged(): void {
    if (this.#stopped) return;
    for (const [slot, ofSlot] of [...this.#slots]) {
      const owner = this.#host.ownerOf(slot);
      if (owner !== undefined && owner === ofSlot.owner) continue;
      ofSlot.owner = owner;
      for (const channel of [...ofSlot.channels]) this.#tend(channel);
    }
  }

  /** Takes up what is wanted, at first and after stop(). */
  start(): void {
    this.#stopped = false;
    for (const ofSlot of this.#slots.values()) ofSlot.owner = undefined;
    this.mapChanged();
  }

  /** Closes every connection. What is wanted stays wanted, for start(). */
  stop(reconnecting: boolean): void {
    this.#stopped = true;
    this.#heartbeat.stop();
    const reason = new AbortError('Connection is closed.', { code: 'ERR_CLOSED' });
    for (const link of [...this.#links.values()]) this.#close(link, reason);
    for (const channel of this.#channels.values()) {
      channel.retry?.cancel();
      channel.retry = undefined;
      if (reconnecting) continue;
      for (const waiter of waitersOf(channel)) fail(waiter, lossOf(waiter.call, reason));
    }
  }

  #channel(name: Buffer): ShardChannel {
    const id = name.toString('latin1');
    let channel = this.#channels.get(id);
    if (channel !== undefined) return channel;
    channel = {
      id,
      name,
      slot: slotOf(name),
      wanted: false,
      link: undefined,
      asked: false,
      confirmed: false,
      stood: false,
      joining: 0,
      leaving: 0,
      waiters: new Set(),
      failures: 0,
      refusal: undefined,
      retry: undefined,
    };
    this.#channels.set(id, channel);
    const ofSlot = this.#slots.get(channel.slot);
    if (ofSlot === undefined) this.#slots.set(channel.slot, { channels: new Set([channel]), owner: undefined });
    else ofSlot.channels.add(channel);
    return channel;
  }

  // The next step for one channel. Doing nothing is right only where something else is sure to call again.
  #tend(channel: ShardChannel): void {
    if (!channel.wanted) {
      if (channel.link === undefined || (!channel.asked && channel.leaving === 0 && channel.joining === 0)) {
        this.#gone(channel);
      } else channel.link.update(channel);
      return;
    }
    if (this.#stopped || channel.retry !== undefined) return;
    const owner = this.#host.ownerOf(channel.slot);
    if (owner === undefined) {
      this.#host.hint('uncovered');
      this.#later(channel);
      return;
    }
    const link = this.#linkTo(owner);
    if (channel.link !== link) {
      channel.link?.abandon(channel);
      this.#attach(channel, link);
    }
    if (!channel.asked) link.update(channel);
  }

  #later(channel: ShardChannel): void {
    const base = Math.min(50 * 2 ** Math.min(channel.failures++, 10), 2000);
    channel.retry?.cancel();
    channel.retry = this.#world.after(base * (0.75 + this.#world.random() * 0.5), () => {
      channel.retry = undefined;
      this.#tend(channel);
    });
  }

  #linkTo(key: string): ShardSubscriber {
    let link = this.#links.get(key);
    if (link !== undefined) return link;
    link = new ShardSubscriber(key, (address, events) => this.#host.connect(address, events), this.#world, {
      onUp: (up) => this.#onUp(up),
      onDown: (down, ended) => this.#onDown(down, ended),
      onConfirmed: (from, id, joined) => this.#onConfirmed(from, id, joined),
      onRefused: (from, channels, joined, error) => this.#onRefused(from, channels, joined, error),
      onMessage: (push) => emitMessage(this.#emitter, push),
    });
    this.#links.set(key, link);
    link.connection.open();
    this.#heartbeat.start();
    return link;
  }

  #attach(channel: ShardChannel, link: ShardSubscriber | undefined): void {
    const { link: before } = channel;
    if (before?.channels.delete(channel) && before.channels.size === 0) before.emptySince = this.#world.now();
    channel.link = link;
    link?.channels.add(channel);
    channel.asked = false;
    channel.joining = 0;
    channel.leaving = 0;
    this.#mark(channel, channel.wanted, false);
  }

  #mark(channel: ShardChannel, wanted: boolean, confirmed: boolean): void {
    const before = this.#open;
    if (channel.wanted && !channel.confirmed) this.#open--;
    if (wanted && !confirmed) this.#open++;
    channel.wanted = wanted;
    channel.confirmed = confirmed;
    if (before > 0 && this.#open === 0 && this.#channels.size > 0) emitSafely(this.#emitter, 'subscribersReady');
  }

  #onUp(link: ShardSubscriber): void {
    emitSafely(this.#emitter, '+subscriber');
    for (const channel of link.channels) link.update(channel);
  }

  #onDown(link: ShardSubscriber, ended: boolean): void {
    if (this.#links.get(link.key) !== link) return;
    const concerned = [...link.channels];
    if (ended) this.#close(link, new AbortError('Connection is closed.', { node: link.key }));
    this.#host.hint('outage');
    for (const channel of concerned) {
      // The hint may have changed the map, and with it where the channel belongs.
      if (channel.link !== (ended ? undefined : link)) continue;
      this.#attach(channel, channel.link);
      if (ended && channel.wanted) this.#later(channel);
      else this.#tend(channel);
    }
  }

  #onConfirmed(link: ShardSubscriber, id: string, joined: boolean): void {
    const channel = this.#channels.get(id);
    if (channel === undefined || channel.link !== link) return;
    if (joined) {
      if (channel.joining > 0) channel.joining--;
      if (!channel.asked || channel.joining > 0 || channel.leaving > 0) return;
      channel.failures = 0;
      channel.stood = true;
      this.#mark(channel, channel.wanted, true);
      if (channel.wanted) this.#release(channel, link.count);
    } else if (channel.leaving > 0) {
      channel.leaving--;
      if (!channel.asked && channel.leaving === 0) this.#tend(channel);
    } else {
      // Nobody asked: the slot has left the node, and the map may not know yet.
      channel.asked = false;
      this.#mark(channel, channel.wanted, false);
      this.#host.hint('moved');
      this.#tend(channel);
    }
  }

  #onRefused(link: ShardSubscriber, channels: readonly ShardChannel[], joined: boolean, error: ReplyError): void {
    const redirect = error.code === 'MOVED' ? parseRedirect(error.message) : undefined;
    const mine = channels.filter((channel) => channel.link === link);
    for (const channel of mine) {
      if (joined) channel.joining = Math.max(0, channel.joining - 1);
      else channel.leaving = Math.max(0, channel.leaving - 1);
      if (joined) channel.asked = false;
      channel.refusal = error;
    }
    // One MOVED is followed at once; two nodes that name each other are not.
    if (redirect !== undefined || passes(error)) {
      for (const channel of mine) {
        if (!joined || !channel.wanted) continue;
        if (redirect !== undefined && channel.failures === 0) channel.failures++;
        else this.#later(channel);
      }
    }
    // May change the map, and so tend to all of them.
    let barred: Error | undefined;
    if (redirect !== undefined && mine.length > 0)
      barred = this.#host.learn(redirect.slot, redirect.host, redirect.port, link.key);
    else if (passes(error)) this.#host.hint('outage');
    for (const channel of mine) {
      const final = joined && (barred !== undefined || (redirect === undefined && !passes(error)));
      if (final && channel.wanted) this.#deny(channel, barred ?? error);
      else this.#tend(channel);
    }
  }

  // A refusal that trying again will not mend, at least not soon: whoever waits is rejected.
  #deny(channel: ShardChannel, error: Error): void {
    for (const waiter of waitersOf(channel)) fail(waiter, error);
    if (channel.stood) {
      emitSafely(this.#emitter, 'subscriptionError', error, channel.name.toString());
      this.#later(channel);
    } else {
      this.#mark(channel, false, false);
      this.#tend(channel);
    }
  }

  #release(channel: ShardChannel, count: number): void {
    for (const waiter of waitersOf(channel)) {
      if (--waiter.left > 0) continue;
      waiter.timer?.cancel();
      waiter.call.settle(count);
    }
  }

  #gone(channel: ShardChannel): void {
    const { link } = channel;
    channel.retry?.cancel();
    if (this.#channels.get(channel.id) !== channel) return;
    this.#channels.delete(channel.id);
    const ofSlot = this.#slots.get(channel.slot)!;
    ofSlot.channels.delete(channel);
    if (ofSlot.channels.size === 0) this.#slots.delete(channel.slot);
    this.#attach(channel, undefined);
    this.#release(channel, link?.count ?? 0);
  }

  #expire(waiter: Waiter, channels: ReadonlySet<ShardChannel>): void {
    const { name, slot, attempts, writes } = waiter.call;
    const message = `No answer to ${name} within ${this.#host.deadline}ms (retryDeadline). ${storyOf(channels)}`;
    const cause = [...channels].find(({ refusal }) => refusal)?.refusal;
    fail(waiter, new RedisError(message, { code: 'ERR_RETRY_DEADLINE', slot, attempts, writes, cause }));
    for (const channel of channels) {
      channel.waiters.delete(waiter);
      // Refused to its caller, so not wanted by it; what stood before goes on being wanted.
      if (!channel.wanted || channel.confirmed || channel.stood || channel.waiters.size > 0) continue;
      this.#mark(channel, false, false);
      this.#tend(channel);
    }
  }

  #close(link: ShardSubscriber, reason: Error): void {
    this.#links.delete(link.key);
    for (const channel of [...link.channels]) {
      this.#attach(channel, undefined);
      if (!channel.wanted) this.#gone(channel);
    }
    link.close(reason);
    emitSafely(this.#emitter, '-subscriber');
  }

  #look(): boolean {
    const now = this.#world.now();
    for (const link of [...this.#links.values()]) {
      if (link.channels.size === 0 && now - link.emptySince >= emptyLimit) {
        this.#close(link, new AbortError('Connection is closed.', { node: link.key }));
      } else {
        this.#heartbeat.check(link.connection);
        const limit = acknowledgeLimit * 2 ** Math.min(link.drops, mostDoublings);
        if (link.overdue(limit)) {
          link.drops++;
          link.connection.drop(overdueError(link, limit));
        }
      }
    }
    return this.#links.size > 0;
  }
}

/** Takes out everybody who waits for a channel. */
function waitersOf(channel: ShardChannel): Waiter[] {
  if (channel.waiters.size === 0) return [];
  const waiters = [...channel.waiters];
  channel.waiters.clear();
  return waiters;
}

/** What each channel waits for, in words. */
function storyOf(channels: ReadonlySet<ShardChannel>): string {
  const reasons = new Set<string>();
  for (const { link, slot, refusal } of channels) {
    if (reasons.size === mostReasons) break;
    if (link === undefined) reasons.add(`slot ${slot}: ${refusal?.message ?? 'no owner known'}`);
    else {
      const { state, lastError } = link.connection;
      const standing = state === 'up' ? 'no answer yet' : `being dialed (${state})`;
      reasons.add(`${link.key}: ${refusal?.message ?? lastError?.message ?? standing}`);
    }
  }
  return [...reasons].join('; ');
}

function fail(waiter: Waiter, error: Error): void {
  waiter.timer?.cancel();
  waiter.call.fail(error);
}

// An ASK is not followed: where the slot goes is known when it is there.
function passes(error: ReplyError): boolean {
  return error.code === 'ASK' || passingCauseOf(error) !== undefined;
}

// Who listens to which channel, pattern and shard channel. Knows clients by their outlets only.
// Invariant: client.channels (patterns, shardChannels) and the hub's tables say the same.

import { Push } from '../../lib/wire/reply.ts';
import { globMatcher } from '../keyspace/glob.ts';
import type { Client } from './client.ts';

interface Pattern {
  readonly matches: (text: string) => boolean;
  readonly clients: Set<Client>;
}

export class PubSubHub {
  readonly channels: Map<string, Set<Client>> = new Map();
  readonly patterns: Map<string, Pattern> = new Map();
  readonly shardChannels: Map<string, Set<Client>> = new Map();

  subscribe(client: Client, channel: string): void {
    note(client, client.channels, channel);
    join(this.channels, channel, client);
  }

  unsubscribe(client: Client, channel: string): void {
    forget(client, client.channels, channel);
    leave(this.channels, channel, client);
  }

  subscribeShard(client: Client, channel: string): void {
    note(client, client.shardChannels, channel);
    join(this.shardChannels, channel, client);
  }

  unsubscribeShard(client: Client, channel: string): void {
    forget(client, client.shardChannels, channel);
    leave(this.shardChannels, channel, client);
  }

  subscribePattern(client: Client, pattern: string): void {
    note(client, client.patterns, pattern);
    let held = this.patterns.get(pattern);
    if (held === undefined) {
      held = { matches: globMatcher(pattern), clients: new Set() };
      this.patterns.set(pattern, held);
    }
    held.clients.add(client);
  }

  unsubscribePattern(client: Client, pattern: string): void {
    forget(client, client.patterns, pattern);
    const held = this.patterns.get(pattern);
    if (held?.clients.delete(client) && held.clients.size === 0) this.patterns.delete(pattern);
  }

  /** Delivers to the listeners of this node; how many there were. */
  publish(channel: string, message: string): number {
    let count = 0;
    const listeners = this.channels.get(channel);
    if (listeners !== undefined) {
      const push = new Push(['message', channel, message]);
      for (const client of listeners) client.sink.send(push);
      count += listeners.size;
    }
    for (const [pattern, held] of this.patterns) {
      if (!held.matches(channel)) continue;
      const push = new Push(['pmessage', pattern, channel, message]);
      for (const client of held.clients) client.sink.send(push);
      count += held.clients.size;
    }
    return count;
  }

  publishShard(channel: string, message: string): number {
    const listeners = this.shardChannels.get(channel);
    if (listeners === undefined) return 0;
    const push = new Push(['smessage', channel, message]);
    for (const client of listeners) client.sink.send(push);
    return listeners.size;
  }

  /** Drops the shard channels that `gone` picks (their slot has left); subscribers get sunsubscribe. */
  dropShardChannels(gone: (channel: string) => boolean): void {
    for (const [channel, listeners] of [...this.shardChannels]) {
      if (!gone(channel)) continue;
      for (const client of [...listeners]) {
        this.unsubscribeShard(client, channel);
        client.sink.send(new Push(['sunsubscribe', channel, client.shardChannels.size]));
      }
    }
  }

  /** Forgets a client that has gone or was reset. */
  drop(client: Client): void {
    for (const channel of [...client.channels]) this.unsubscribe(client, channel);
    for (const pattern of [...client.patterns]) this.unsubscribePattern(client, pattern);
    for (const channel of [...client.shardChannels]) this.unsubscribeShard(client, channel);
  }
}

function join(table: Map<string, Set<Client>>, channel: string, client: Client): void {
  const listeners = table.get(channel);
  if (listeners === undefined) table.set(channel, new Set([client]));
  else listeners.add(client);
}

function leave(table: Map<string, Set<Client>>, channel: string, client: Client): void {
  const listeners = table.get(channel);
  if (listeners?.delete(client) && listeners.size === 0) table.delete(channel);
}

function note(client: Client, names: Set<string>, name: string): void {
  if (names.has(name)) return;
  names.add(name);
  client.namedBytes += name.length;
}

function forget(client: Client, names: Set<string>, name: string): void {
  if (names.delete(name)) client.namedBytes -= name.length;
}

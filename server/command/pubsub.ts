// SUBSCRIBE and its kin, PUBLISH, PUBSUB. Each channel gets a reply of its own, sent as it is joined or left.

import { Push, type Reply } from '../../lib/wire/reply.ts';
import type { Client } from '../engine/client.ts';
import type { Engine } from '../engine/engine.ts';
import type { CommandGroup, Handler } from '../engine/registry.ts';
import { globMatcher } from '../keyspace/glob.ts';

interface Kind {
  readonly join: (client: Client, channel: string) => void;
  readonly leave: (client: Client, channel: string) => void;
  readonly joined: (client: Client) => ReadonlySet<string>;
  readonly count: (client: Client) => number;
  /** subscribe, psubscribe, ssubscribe. */
  readonly word: string;
  readonly outWord: string;
}

function subscribe(kind: Kind): Handler<Client> {
  return (client, argv) => {
    for (const channel of argv.slice(1)) {
      if (!kind.joined(client).has(channel)) kind.join(client, channel);
      client.reply(new Push([kind.word, channel, kind.count(client)]));
    }
    return undefined;
  };
}

function unsubscribe(kind: Kind): Handler<Client> {
  return (client, argv) => {
    const channels = argv.length > 1 ? argv.slice(1) : [...kind.joined(client)];
    for (const channel of channels) {
      if (kind.joined(client).has(channel)) kind.leave(client, channel);
      client.reply(new Push([kind.outWord, channel, kind.count(client)]));
    }
    if (channels.length === 0) client.reply(new Push([kind.outWord, null, kind.count(client)]));
    return undefined;
  };
}

function names(table: ReadonlyMap<string, unknown>, pattern: string | undefined): Reply {
  const all = [...table.keys()];
  return pattern === undefined ? all : all.filter(globMatcher(pattern));
}

function counts(table: ReadonlyMap<string, ReadonlySet<unknown>>, channels: readonly string[]): Reply {
  return channels.flatMap((channel) => [channel, table.get(channel)?.size ?? 0]);
}

/** To the other nodes of the cluster, or to the replicas of a server without one. */
function publishToOthers(
  engine: Engine,
  client: Client,
  kind: 'publish' | 'publishshard',
  argv: readonly string[],
): void {
  const [, channel, message] = argv as [string, string, string];
  if (engine.cluster !== undefined) engine.cluster.publish(kind, channel, message);
  else engine.replication?.publish(channel, message, kind === 'publishshard', client.store.index);
}

export function pubsubCommands(engine: Engine): CommandGroup<Client> {
  const hub = engine.pubsub;
  const total = (client: Client): number => client.subscriptions;
  const channels: Kind = {
    join: (client, channel) => hub.subscribe(client, channel),
    leave: (client, channel) => hub.unsubscribe(client, channel),
    joined: (client) => client.channels,
    count: total,
    word: 'subscribe',
    outWord: 'unsubscribe',
  };
  const patterns: Kind = {
    join: (client, pattern) => hub.subscribePattern(client, pattern),
    leave: (client, pattern) => hub.unsubscribePattern(client, pattern),
    joined: (client) => client.patterns,
    count: total,
    word: 'psubscribe',
    outWord: 'punsubscribe',
  };
  const shards: Kind = {
    join: (client, channel) => hub.subscribeShard(client, channel),
    leave: (client, channel) => hub.unsubscribeShard(client, channel),
    joined: (client) => client.shardChannels,
    count: (client) => client.shardChannels.size,
    word: 'ssubscribe',
    outWord: 'sunsubscribe',
  };
  return {
    subscribe: subscribe(channels),
    unsubscribe: unsubscribe(channels),
    psubscribe: subscribe(patterns),
    punsubscribe: unsubscribe(patterns),
    ssubscribe: subscribe(shards),
    sunsubscribe: unsubscribe(shards),
    publish: (client, argv) => {
      publishToOthers(engine, client, 'publish', argv);
      return hub.publish(argv[1]!, argv[2]!);
    },
    spublish: (client, argv) => {
      publishToOthers(engine, client, 'publishshard', argv);
      return hub.publishShard(argv[1]!, argv[2]!);
    },
    'pubsub|channels': (_client, argv) => names(hub.channels, argv[2]),
    'pubsub|shardchannels': (_client, argv) => names(hub.shardChannels, argv[2]),
    'pubsub|numsub': (_client, argv) => counts(hub.channels, argv.slice(2)),
    'pubsub|shardnumsub': (_client, argv) => counts(hub.shardChannels, argv.slice(2)),
    'pubsub|numpat': () => hub.patterns.size,
  };
}

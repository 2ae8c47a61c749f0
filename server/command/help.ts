// The HELP of containers whose words are in this room. Forms are those of redis-server, explanations our own.

import type { Client } from '../engine/client.ts';
import { helpReply } from '../engine/debug-subcommands.ts';
import type { CommandGroup } from '../engine/registry.ts';

type Line = readonly [form: string, ...text: string[]];

const lines: Readonly<Record<string, readonly Line[]>> = {
  object: [
    ['ENCODING <key>', 'How the value of the key is held.'],
    ['FREQ <key>', 'How often the key was used, on a logarithmic scale; LFU policies only.'],
    ['IDLETIME <key>', 'Seconds since the key was used.'],
    ['REFCOUNT <key>', 'How many hold the value of the key.'],
  ],
  config: [
    ['GET <pattern>', 'Parameters that match the pattern, with their values.'],
    ['SET <directive> <value>', 'Set a parameter.'],
    ['RESETSTAT', 'Start the counters of INFO anew.'],
    ['REWRITE', 'Write the parameters into the configuration file.'],
  ],
  slowlog: [
    [
      'GET [<count>]',
      'The latest entries (10; -1: all): id, time, microseconds, words,',
      'address and name of the client.',
    ],
    ['LEN', 'How many entries there are.'],
    ['RESET', 'Forget them.'],
  ],
  latency: [
    ['DOCTOR', 'An analysis in words.'],
    ['GRAPH <event>', 'The spikes of an event as a graph.'],
    ['HISTORY <event>', 'The spikes of an event with their times.'],
    ['LATEST', 'The last spike of each event.'],
    ['RESET [<event> ...]', 'Forget the named events (default: all).'],
    ['HISTOGRAM [COMMAND ...]', 'How long the named commands took (default: all), cumulative.'],
  ],
  memory: [
    ['DOCTOR', 'Troubles with memory.'],
    ['MALLOC-STATS', 'What the allocator says.'],
    ['PURGE', 'Ask the allocator to give memory back.'],
    ['STATS', 'Where the bytes are.'],
    ['USAGE <key> [SAMPLES <count>]', 'Bytes that the key and its value take.'],
  ],
  module: [
    ['LIST', 'The modules that are loaded.'],
    ['LOAD <path> [<arg> ...]', 'Load a module.'],
    ['LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]', 'Load a module with parameters.'],
    ['UNLOAD <name>', 'Unload a module.'],
  ],
  pubsub: [
    ['CHANNELS [<pattern>]', 'Channels with subscribers (default: all).'],
    ['NUMPAT', 'How many patterns are subscribed to.'],
    ['NUMSUB [<channel> ...]', 'Subscribers of each channel, patterns left out.'],
    ['SHARDCHANNELS [<pattern>]', 'Shard channels with subscribers (default: all).'],
    ['SHARDNUMSUB [<shardchannel> ...]', 'Subscribers of each shard channel.'],
  ],
  xgroup: [
    [
      'CREATE <key> <groupname> <id|$> [option]',
      'Make a consumer group. Options:',
      '* MKSTREAM: make the stream when there is none.',
      '* ENTRIESREAD entries_read: how many entries the group has read.',
    ],
    ['CREATECONSUMER <key> <groupname> <consumer>', 'Make a consumer of a group.'],
    ['DELCONSUMER <key> <groupname> <consumer>', 'Remove a consumer.'],
    ['DESTROY <key> <groupname>', 'Remove a group.'],
    ['SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]', 'Set where the group is.'],
  ],
  xinfo: [
    ['CONSUMERS <key> <groupname>', 'The consumers of a group.'],
    ['GROUPS <key>', 'The groups of a stream.'],
    ['STREAM <key> [FULL [COUNT <count>]', 'The stream itself.'],
  ],
  command: [
    ['(no subcommand)', 'Everything about all commands.'],
    ['COUNT', 'How many commands there are.'],
    ['LIST', 'Their names.'],
    ['INFO [<command-name> ...]', 'Arity, flags and keys of the named commands (default: all).'],
    ['DOCS [<command-name> ...]', 'Their documentation.'],
    ['GETKEYS <full-command>', 'The keys of a full call.'],
    ['GETKEYSANDFLAGS <full-command>', 'The keys of a full call, and what is done with them.'],
  ],
  client: [
    ['CACHING (YES|NO)', 'Whether the keys of the next call are tracked; OPTIN and OPTOUT modes.'],
    ['GETREDIR', 'The client that invalidations are redirected to.'],
    ['GETNAME', 'The name of this connection.'],
    ['ID', 'The id of this connection.'],
    ['INFO', 'Everything about this connection.'],
    ['KILL <ip:port>', 'Close the connection from there.'],
    [
      'KILL <option> <value> [<option> <value> [...]]',
      'Close connections. Options:',
      '* ADDR (<ip:port>|<unixsocket>:0): those from there.',
      '* LADDR (<ip:port>|<unixsocket>:0): those to there.',
      '* TYPE (NORMAL|MASTER|REPLICA|PUBSUB): those of a type.',
      '* USER <username>: those of a user.',
      '* SKIPME (YES|NO): leave this connection open (default: yes).',
    ],
    ['LIST [options ...]', 'The connections. Options:', '* TYPE (NORMAL|MASTER|REPLICA|PUBSUB): those of a type.'],
    ['UNPAUSE', 'End a pause.'],
    ['PAUSE <timeout> [WRITE|ALL]', 'Hold back all clients, or all writes, for so many milliseconds.'],
    ['REPLY (ON|OFF|SKIP)', 'Whether this connection is answered.'],
    ['SETNAME <name>', 'Name this connection.'],
    ['UNBLOCK <clientid> [TIMEOUT|ERROR]', 'End the waiting of a client.'],
    [
      'TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]',
      '         [OPTIN] [OPTOUT] [NOLOOP]',
      'Announce changes of keys to the cache of this client.',
    ],
    ['TRACKINGINFO', 'How this connection is tracked.'],
    ['NO-EVICT (ON|OFF)', 'Whether this connection is kept when clients take too much memory.'],
  ],
};

export const helpCommands: CommandGroup<Client> = Object.fromEntries(
  Object.entries(lines).map(([name, text]) => [`${name}|help`, () => helpReply(name, text)]),
);

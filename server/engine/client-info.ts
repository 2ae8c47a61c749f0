// A client as CLIENT LIST and the log show it.

import type { Client } from './client.ts';
import { fixedOutputBytes, memoryOf, outputOf } from './client-memory.ts';

export type ClientType = 'normal' | 'master' | 'replica' | 'pubsub';

export function typeOfClient(client: Client): ClientType {
  if (client.primaryLink) return 'master';
  if (client.replicaLink) return 'replica';
  return client.inPubSub ? 'pubsub' : 'normal';
}

const flags: readonly (readonly [string, (client: Client) => boolean])[] = [
  ['O', (client) => client.monitor],
  ['S', (client) => client.replicaLink],
  ['M', (client) => client.primaryLink],
  ['P', (client) => client.inPubSub],
  ['x', (client) => client.transaction !== undefined],
  ['b', (client) => client.blocked !== undefined],
  ['t', (client) => client.tracking !== undefined],
  ['R', (client) => client.tracking?.brokenRedirect === true],
  ['B', (client) => client.tracking?.bcast === true],
  ['d', (client) => client.watcher.dirty],
  ['U', (client) => client.sink.unix === true],
  ['r', (client) => client.readonly],
  ['e', (client) => client.noEvict],
];

function flagsOf(client: Client): string {
  const letters = flags.filter(([, holds]) => holds(client)).map(([letter]) => letter);
  return letters.length === 0 ? 'N' : letters.join('');
}

function lengths(argv: readonly string[]): number {
  return argv.reduce((sum, { length }) => sum + length, 0);
}

/** Bytes of a request as it travels. */
function travelling(argv: readonly string[]): number {
  const bulks = argv.reduce((sum, { length }) => sum + `$${length}\r\n`.length + length + 2, 0);
  return `*${argv.length}\r\n`.length + bulks;
}

/** The line of one client, without its end. `running`: the argv that it is running now, which still counts. */
export function describeClient(client: Client, running: readonly string[] = []): string {
  const now = client.world.now();
  const seconds = (since: number): number => Math.max(0, Math.floor((now - since) / 1000));
  const { sink, transaction } = client;
  const input = sink.inputBytes();
  const parsed = sink.parsedBytes?.() ?? 0;
  const output = outputOf(client);
  const held = running.length > 0 ? running : (client.blocked?.argv ?? []);
  const query = input - parsed + (running.length > 0 ? travelling(running) : 0);
  const argvBytes = parsed + lengths(held);
  const fields: readonly (readonly [string, string | number])[] = [
    ['id', client.id],
    ['addr', sink.address],
    ['laddr', sink.localAddress],
    ['fd', sink.fd],
    ['name', client.name],
    ['age', seconds(client.created)],
    ['idle', seconds(client.lastActive)],
    ['flags', flagsOf(client)],
    ['db', client.store.index],
    ['sub', client.channels.size],
    ['psub', client.patterns.size],
    ['ssub', client.shardChannels.size],
    ['multi', transaction?.queue.length ?? -1],
    ['qbuf', query],
    ['qbuf-free', sink.awaitedBytes?.() ?? 0],
    ['argv-mem', argvBytes],
    ['multi-mem', transaction?.bytes ?? 0],
    ['rbs', fixedOutputBytes],
    ['rbp', 0],
    ['obl', sink.outputBytes() - output],
    ['oll', Math.ceil(output / fixedOutputBytes)],
    ['omem', output],
    ['tot-mem', memoryOf(client) + argvBytes - parsed + query - (input - parsed)],
    ['events', output > 0 ? 'rw' : 'r'],
    ['cmd', client.lastCommand],
    ['user', client.user.name],
    ['redir', client.tracking?.redirect ?? -1],
    ['resp', client.protocol],
  ];
  return fields.map(([name, value]) => `${name}=${value}`).join(' ');
}

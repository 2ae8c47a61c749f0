// Keyspace notifications are the one kind of message that a cluster does not pass on between its nodes: subscribed to on
// the Cluster, those of one node come and all others are missing, without a word. ioredis is no different.

import type { Call } from '../connection/call.ts';

const prefix = '__key';
let warned = false;

/** Warns, once a process, of a subscription that will hear of a part of the keys only. */
export function warnOfKeyspaceChannels({ argv, name }: Call): void {
  if (warned || /^[ps]?unsub/i.test(name)) return;
  for (let at = 1; at < argv.length; at++) {
    const channel = argv[at]!;
    if (typeof channel === 'string' ? !channel.startsWith(prefix) : !startsWithPrefix(channel)) continue;
    warned = true;
    process.emitWarning(
      "Keyspace notifications come from the node that holds the key: subscribe on each of cluster.nodes('master').",
      { type: 'LingcacheWarning', code: 'LINGCACHE_KEYSPACE' },
    );
    return;
  }
}

function startsWithPrefix(channel: Uint8Array): boolean {
  for (let at = 0; at < prefix.length; at++) if (channel[at] !== prefix.charCodeAt(at)) return false;
  return true;
}

// Where lingcache means to differ from ioredis, and why. A row that stops differing fails the tests: an entry lives
// only as long as it is true.

import type { ServerName } from '../../kit/servers.ts';

export interface Deviation {
  /** `group: row name` of the differential tests. */
  readonly row: string;
  /** Client variants with which the two agree all the same. */
  readonly except?: readonly string[];
  /** The one client variant with which they differ. */
  readonly only?: string;
  /** The one server on which they differ. */
  readonly server?: ServerName;
  readonly reason: string;
}

export const deviations: readonly Deviation[] = [
  {
    row: 'serverWords: select',
    server: 'valkey-9',
    reason:
      'a cluster client has one database for all its connections: it refuses in the words of a server in cluster mode',
  },
  {
    row: 'strings: set Uint8Array',
    reason: 'bytes are bytes: ioredis knows Buffer only and writes "65,66"',
  },
  {
    row: 'strings: no key at all',
    reason:
      "ioredis throws a TypeError about Buffers, or with a prefix asks for the key 'undefined'; here the server's own arity error rejects",
  },
  {
    row: 'hashes: call nested replies in upper case',
    except: ['RESP2', 'resp3 mapping'],
    reason: 'ioredis lets RESP3 shapes through when the name is not in lower case; here both protocols give one shape',
  },
  {
    row: 'keys: geo search',
    only: 'resp3 mapping',
    reason: 'ioredis reads doubles digit by digit and is off by a bit; here they are the number that the server wrote',
  },
  {
    row: 'keys: georadius',
    only: 'resp3 mapping',
    reason: 'ioredis reads doubles digit by digit and is off by a bit; here they are the number that the server wrote',
  },
  {
    row: 'sortedSets: scores',
    only: 'resp3 mapping',
    reason: 'ioredis reads doubles digit by digit and is off by a bit; here they are the number that the server wrote',
  },
  {
    row: 'sortedSets: scores in exponent',
    only: 'resp3 mapping',
    reason: 'ioredis reads doubles digit by digit and is off by a bit; here they are the number that the server wrote',
  },
  {
    row: 'pipelines: array with unknown command',
    reason: 'ioredis throws a TypeError about apply; here the command is sent and the server refuses it',
  },
  {
    row: 'pipelines: used again',
    reason: "a second exec() rejects with ioredis's own text, which ioredis never shows; it sends everything again",
  },
  {
    row: 'pipelines: command after exec',
    reason: 'as "used again": a chain that ran takes no more commands',
  },
  {
    row: 'transactions: used again',
    reason: 'as for pipelines; ioredis answers with the raw replies, QUEUED among them',
  },
  {
    row: 'pipelines: keys of two nodes',
    reason: 'a pipeline may span the cluster',
  },
  {
    row: 'pipelines: one command over two slots',
    reason: "only that command fails, with the server's CROSSSLOT; ioredis rejects the whole pipeline",
  },
  {
    row: 'pipelines: multi inside, refused',
    reason: 'previousErrors come with EXECABORT inside a pipeline too; ioredis has them for multi() alone',
  },
  {
    row: 'pipelines: multi inside, Buffer forms',
    reason: 'QUEUED is a status, not the reply of the command: it stays text in Buffer forms',
  },
  {
    row: 'scripts: eval with too few keys',
    reason: "the server's error; ioredis throws a TypeError or makes up keys named undefined",
  },
  {
    row: 'scripts: too few arguments',
    reason: 'as "eval with too few keys"',
  },
  {
    row: 'scripts: in a transaction after SCRIPT FLUSH',
    reason: 'a transaction carries the script itself, so a flushed script cache cannot break it',
  },
  {
    row: 'messages: subscribe in a pipeline',
    reason: 'ioredis turns a shared node connection into a subscriber; here it is refused',
  },
  {
    row: 'lifecycle: bad seed',
    reason: 'a bad startup node throws at construction and is named; ioredis recurses until the stack is full',
  },
  {
    row: 'lifecycle: retry strategy: calls',
    reason: 'clusterRetryStrategy gets the reason; ioredis leaves it out here',
  },
  {
    row: 'lifecycle: connect, then disconnect',
    reason: 'disconnect() has ended the client when it returns',
  },
  {
    row: 'lifecycle: disconnect and reconnect',
    reason: 'one close event; ioredis has one for every node',
  },
  {
    row: 'lifecycle: events of disconnect',
    reason: 'disconnecting, close, end, once each; ioredis repeats close for every node, after end too',
  },
  {
    row: 'lifecycle: disconnect while connecting',
    reason:
      'a closed client rejects; ioredis falls back from end to close when it has several nodes, and holds the call for ever',
  },
  {
    row: 'lifecycle: command after quit',
    reason:
      'a closed client rejects; ioredis falls back from end to close when it has several nodes, and holds the call for ever',
  },
  {
    row: 'lifecycle: command after disconnect',
    reason:
      'a closed client rejects; ioredis falls back from end to close when it has several nodes, and holds the call for ever',
  },
  {
    row: 'lifecycle: pipeline after disconnect',
    reason:
      'a closed client rejects; ioredis falls back from end to close when it has several nodes, and holds the call for ever',
  },
  {
    row: 'lifecycle: transaction after disconnect',
    reason:
      'a closed client rejects; ioredis falls back from end to close when it has several nodes, and holds the call for ever',
  },
  {
    row: 'documented: autoResendUnfulfilledCommands off',
    reason: 'a call that is lost and not sent again is rejected; ioredis leaves one that blocks pending for ever',
  },
  {
    row: 'alone: disconnect while reconnecting',
    reason: 'disconnect() rejects what a client has held; ioredis leaves it pending when it was about to reconnect',
  },
  {
    row: 'alone: wrong password',
    reason:
      'errors name the command they reject; ioredis rejects it with the error of HELLO or AUTH, whose arguments hold the password',
  },
  {
    row: 'alone: MULTI by itself, lost half-way',
    reason: 'what was meant for a transaction that is lost is rejected; ioredis executes it outside of any',
  },
  {
    row: 'sequences: disconnect in close',
    reason: 'a client that leaves while it waits to connect again ends; ioredis stays at reconnecting for ever',
  },
  {
    row: 'sequences: disconnect in reconnecting',
    reason: 'a client that leaves while it waits to connect again ends; ioredis stays at reconnecting for ever',
  },
  {
    row: 'sequences: quit in close',
    reason: 'a client that leaves while it waits to connect again ends; ioredis stays at reconnecting for ever',
  },
  {
    row: 'sequences: quit while reconnecting',
    reason: 'a client that leaves while it waits to connect again ends; ioredis stays at reconnecting for ever',
  },
  {
    row: 'sequences: disconnect(true) in the tick of its creation',
    reason: 'a client that is asked to reconnect connects; ioredis gives up for good',
  },
  {
    row: 'sequences: quit twice',
    reason: 'both ask for the end, and get it; ioredis rejects the second',
  },
  {
    row: 'sequences: select in connect, and commands held before',
    reason: 'what was held goes first; ioredis changes the database three times to the same end',
  },
];

// The reference's tables that are not made of declarations: parameters of the server, error codes, events.
// Owns: what codes and events mean; that there are no others is checked against the sources.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Parameter {
  readonly name: string;
  readonly kind: string;
  readonly initial: string;
  /** CONFIG SET may change it: yes, `at start`, or protected. */
  readonly change: string;
}

const kindWords: Readonly<Record<string, string>> = {
  b: 'yes, no',
  s: 'text',
  save: 'seconds and changes, in pairs',
  buffers: 'class, hard, soft, seconds',
  events: 'letters of events',
  bind: 'addresses',
  master: 'host and port',
  scores: 'three scores',
  percentiles: 'percentiles',
};

function kindOf(text: string): string {
  const [kind = '', ...rest] = text.split(':');
  if (kind === 'e') return rest.join(':').replaceAll(',', ', ');
  if (kind === 'flags') return `some of ${rest.join(':').replaceAll(',', ', ')}`;
  const range = rest.length === 2 ? ` ${rest[0]} to ${Number(rest[1]) >= 2 ** 53 ? 'no end' : rest[1]}` : '';
  const unit = kind.startsWith('m') ? 'bytes' : kind === 'p' ? 'bytes or per cent' : kind === 'o' ? 'octal' : 'integer';
  return kindWords[kind] ?? `${unit}${range}`;
}

/** The rows of server/config/parameters.ts. */
export function readParameters(text: string): Parameter[] {
  const [, body = ''] = /`\n([\s\S]*?)`/.exec(text) ?? [];
  return body
    .trimEnd()
    .split('\n')
    .map((line): Parameter => {
      const [, name = '', spec = '', initial = ''] = /^(\S+) (\S+) ?(.*)$/.exec(line) ?? [];
      if (spec.startsWith('=')) return { name, kind: `older name of \`${spec.slice(1)}\``, initial: '', change: '' };
      const marks = /[!#?]*$/.exec(spec)![0];
      const change = marks.includes('!') ? 'at start' : marks.includes('#') ? 'protected' : 'yes';
      return { name, kind: kindOf(spec.slice(0, spec.length - marks.length)), initial, change };
    });
}

/** Stable codes of the client's own errors, and what to do about each. */
export const errorCodes: Readonly<Record<string, readonly [meaning: string, todo: string]>> = {
  ABORT_ERR: ['an AbortSignal of `withAbortSignal` fired', '`cause` is its reason'],
  ERR_ABORTED: ['the call was dropped by its owner', ''],
  ERR_BROKEN_STREAM: [
    'a reply before it could not be read, so its connection was closed',
    'it may have been executed: see `writes`; a write is not sent again',
  ],
  ERR_CLOSED: ['the connection or the client was closed', 'after quit() or disconnect(): expected'],
  ERR_CLUSTER_ALL_FAILED: ['no node gave a slot map', 'read `errors` and `hint`: address, TLS, password, cluster mode'],
  ERR_CONNECTED: ['connect() was called twice', 'with `lazyConnect` call it once, or not at all'],
  ERR_CREDENTIALS: ['`credentialsProvider` threw, was late or gave something unusable', 'read `cause`'],
  ERR_DATABASE: [
    'the server has no such database',
    'a cluster has database 0, unless Valkey 9 with `cluster-databases`',
  ],
  ERR_INVALID_ARG: ['an argument of a method cannot be used', ''],
  ERR_INVALID_OPTION: ['an option cannot be used; `option` names it', 'mend the option'],
  ERR_LATE_ASK: ['a node that was asked by ASK took too long', 'it is tried again; seen as `cause` only'],
  ERR_LOADING: ['the server loads its data for longer than `maxLoadingRetryTime`', 'wait, or raise it'],
  ERR_MAX_RESENDS: [
    'the connection was lost under the call more than `maxResends` times',
    'it may have been executed `writes` times',
  ],
  ERR_MAX_RETRIES: [
    'a single node could not be reached within `maxRetriesPerRequest` reconnections',
    'raise it, or null',
  ],
  ERR_MONITOR_MODE: ['the connection is a MONITOR', 'use another client for commands'],
  ERR_OFFLINE: ['not connected, and `enableOfflineQueue` is false', 'wait for `ready`'],
  ERR_PARTIAL_FAILURE: ['some parts of a split command failed', '`parts` says which; repeat those'],
  ERR_PIPELINE_REUSED: ['exec() was called on this pipeline before', 'make a new one'],
  ERR_PROTOCOL: ['bytes that are no reply', 'is it a Redis server? TLS?'],
  ERR_QUEUE_FULL: [
    '`maxQueueLength` or `maxQueueBytes` is reached; nothing was sent',
    'slow down: `writableNeedDrain`, event `drain`',
  ],
  ERR_QUIT_TIMEOUT: ['quit() waited `quitTimeout` for the answer', 'it may have been executed'],
  ERR_REDIRECT_REFUSED: [
    'a redirect or the map leads to an address that `redirectAllow` does not name',
    'name it, or find out who sends it',
  ],
  ERR_REDIS: ['anything else that the client reports', 'read the message'],
  ERR_RETRY_DEADLINE: [
    'refused or unreachable until `retryDeadline`',
    '`cause` is the last reason, `attempts` the number of tries',
  ],
  ERR_SCAN_STALLED: ['a scan of the cluster could not go on', 'start it again'],
  ERR_SHARED_CONNECTION: [
    'SELECT, AUTH, MULTI or the like on a connection that all calls share',
    'an option, `multi()`, or a `duplicate()`',
  ],
  ERR_SILENT: ['a node said nothing for too long', 'it may have been executed: see `writes`'],
  ERR_SOCKET_TIMEOUT: ['`socketTimeout` without a byte while answers were owed', 'raise it, or find the slow command'],
  ERR_SUBSCRIBER_MODE: [
    'a RESP2 connection with subscriptions takes no other commands',
    'RESP3, a `duplicate()`, or a Cluster',
  ],
  ERR_TOO_MANY_REDIRECTIONS: ['`maxRedirections` of your own is reached', 'leave it out: `retryDeadline` bounds calls'],
  ETIMEDOUT: ['`commandTimeout` or `connectTimeout` ran out', 'it may have been executed: see `writes`'],
};

/** Codes that a file's own text names, of other programs. */
const foreignCodes = new Set(['ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_SOCKET_CLOSED']);

/** Codes of the sources that have no row, and rows that no source has. */
export function wrongCodes(root: string): string[] {
  const found = new Set<string>();
  for (const name of readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue;
    for (const [, code] of readFileSync(join(root, 'lib', name), 'utf8').matchAll(/'(ERR_[A-Z_]+)'/g)) found.add(code!);
  }
  const missing = [...found].filter((code) => !foreignCodes.has(code) && errorCodes[code] === undefined);
  const gone = Object.keys(errorCodes).filter((code) => code.startsWith('ERR_') && !found.has(code));
  return [...missing.map((code) => `${code} has no row`), ...gone.map((code) => `${code} is in no source`)];
}

/** Events: of whom, with what, when. */
export const events: readonly (readonly [name: string, of: string, listener: string, when: string])[] = [
  ['wait', 'Cluster, Redis', '', 'with `lazyConnect`: not connected yet'],
  ['connecting', 'Cluster, Redis', '', 'an attempt to connect begins'],
  ['connect', 'Cluster, Redis', '', 'a socket is open; a Cluster has reached a node'],
  ['ready', 'Cluster, Redis', '', 'commands are taken'],
  [
    'error',
    'Cluster, Redis',
    '(error)',
    'connecting failed, or a credential was refused; without a listener it is printed, never thrown',
  ],
  ['close', 'Cluster, Redis', '', 'the connection, or the last one of a Cluster, is gone'],
  ['reconnecting', 'Cluster, Redis', '(ms)', 'the next attempt comes after so many milliseconds'],
  ['end', 'Cluster, Redis', '', 'there will be no further attempt'],
  ['+node', 'Cluster', '(redis)', 'a node is new in the slot map'],
  ['-node', 'Cluster', '(redis, key)', 'a node has left it'],
  ['node error', 'Cluster', '(error, address)', 'one node cannot be reached or refused the connection'],
  ['refresh', 'Cluster', '', 'the slot map was replaced'],
  ['drain', 'Cluster, Redis', '', 'a queue that was full has room again'],
  ['message', 'Cluster, Redis', '(channel, text)', 'of SUBSCRIBE; `messageBuffer` has buffers'],
  ['pmessage', 'Cluster, Redis', '(pattern, channel, text)', 'of PSUBSCRIBE; `pmessageBuffer` has buffers'],
  ['smessage', 'Cluster, Redis', '(channel, text)', 'of SSUBSCRIBE; `smessageBuffer` has buffers'],
  ['+subscriber', 'Cluster', '', 'a connection for classic subscriptions was chosen'],
  ['-subscriber', 'Cluster', '', 'it was dropped'],
  ['select', 'Redis', '(db)', 'the database was changed by SELECT'],
  ['monitor', 'Redis', '(time, args, source, database)', 'of the client that `monitor()` gives: one command'],
];

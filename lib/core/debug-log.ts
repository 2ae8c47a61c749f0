// NODE_DEBUG=lingcache: what the client does with its connections, on stderr, in lines of node:util's debuglog. Made of
// the diagnostics channels, so it costs nothing where it is off. Never an argument, a value or a secret: of a server's
// refusal, whose text may repeat arguments, only the first word is shown.

import { subscribe, tracingChannel } from 'node:diagnostics_channel';
import { debuglog } from 'node:util';
import { ReplyError } from '../wire/reply.ts';
import type { ConnectContext, RedirectMessage, RefreshMessage } from './diagnostics.ts';

type Log = (line: string) => void;

/** An error in a few words that hold nothing of the user's. */
function briefly(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown reason';
  if (error instanceof ReplyError) return /^[A-Z]+/.exec(error.message)?.[0] ?? 'ERR';
  const { code } = error as Error & { code?: unknown };
  return typeof code === 'string' ? `${error.name} ${code}` : error.name;
}

function addressOf({ serverAddress, serverPort }: ConnectContext): string {
  return serverPort === undefined ? serverAddress : `${serverAddress}:${serverPort}`;
}

function connectLine(context: ConnectContext, ended: boolean, error: unknown): string {
  const attempt = `connection ${context.connectionEpoch} to ${addressOf(context)}`;
  if (!ended) return `${attempt}: connecting`;
  return `${attempt}: ${error === undefined ? 'up, handshake done' : `failed, ${briefly(error)}`}`;
}

function redirectLine({ kind, slot, from, to, error, attempts, writes }: RedirectMessage): string {
  const way = `${from === '' ? 'a lost connection' : from}${to === undefined ? '' : ` to ${to}`}`;
  return `${kind}: slot ${slot}, from ${way}, ${briefly(error)}, attempt ${attempts}, written ${writes} times`;
}

function refreshLine({ reason, changed, error, leftOut }: RefreshMessage): string {
  const outcome = error === undefined ? (changed ? 'changed' : 'unchanged') : `failed, ${briefly(error)}`;
  return `slot map asked for (${reason}): ${outcome}${leftOut === undefined ? '' : `, ${leftOut.length} entries left out`}`;
}

/** Listens to the channels for as long as the process lives. */
function logTo(log: Log): void {
  tracingChannel('ioredis:connect').subscribe({
    start: (context: unknown) => log(connectLine(context as ConnectContext, false, undefined)),
    asyncEnd: (context: unknown) =>
      log(connectLine(context as ConnectContext, true, (context as { error?: unknown }).error)),
  } as never);
  subscribe('lingcache:redirect', (message) => log(redirectLine(message as RedirectMessage)));
  subscribe('lingcache:refresh', (message) => log(refreshLine(message as RefreshMessage)));
}

const debug = debuglog('lingcache');
if (debug.enabled) logTo((line) => debug('%s', line));

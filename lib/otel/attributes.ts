// What the semantic conventions of databases call the things that the client publishes. Pure.

import type { Attributes } from '@opentelemetry/api';
import type { BatchContext, CommandContext, ConnectContext } from '../core/diagnostics.ts';

const system = { 'db.system.name': 'redis' };

function serverAttributes({ serverAddress, serverPort }: ConnectContext | CommandContext | BatchContext): Attributes {
  return {
    ...(serverAddress === '' ? {} : { 'server.address': serverAddress }),
    ...(serverPort === undefined ? {} : { 'server.port': serverPort }),
  };
}

export function commandAttributes(made: CommandContext): Attributes {
  const operation = { 'db.operation.name': made.command.toUpperCase(), 'db.namespace': String(made.database) };
  return { ...system, ...operation, ...serverAttributes(made) };
}

/** The command and its arguments, as far as they may be shown: keys yes, values as "?". */
export function queryText({ command, args }: CommandContext): Attributes {
  return { 'db.query.text': [command.toUpperCase(), ...args].join(' ') };
}

export function batchAttributes(made: BatchContext): Attributes {
  const operation = { 'db.operation.name': made.batchMode, 'db.namespace': String(made.database) };
  return { ...system, ...operation, ...serverAttributes(made) };
}

export function connectAttributes(made: ConnectContext): Attributes {
  return { ...system, ...serverAttributes(made) };
}

/** Its kind: the first word of a server's refusal, else the code, else the class. Never its text. */
export function errorAttributes(error: unknown): Attributes {
  if (!(error instanceof Error)) return { 'error.type': typeof error };
  const refusal = error.name === 'ReplyError' ? /^[A-Z]+(?= |$)/.exec(error.message)?.[0] : undefined;
  if (refusal !== undefined) return { 'error.type': refusal, 'db.response.status_code': refusal };
  const { code } = error as Error & { code?: unknown };
  return { 'error.type': typeof code === 'string' ? code : error.name };
}

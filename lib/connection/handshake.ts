// What a fresh connection says before the first user command, as data, and the exchange that judges the answers.
// Sources: HELLO, AUTH, CLIENT SETNAME, CLIENT SETINFO (7.2; refused by older servers and then ignored), READONLY, SELECT.

import { RedisError } from '../base/errors.ts';
import { ReplyError } from '../wire/reply.ts';
import { ownCall } from './call.ts';
import type { Connection } from './connection.ts';

export interface HandshakeOptions {
  /** 3 asks with HELLO and falls back to 2 when the server is too old. Default 3. */
  readonly protocol?: 2 | 3 | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly connectionName?: string | undefined;
  /** Database to select; only 0 exists in a cluster. */
  readonly db?: number | undefined;
  /** Ask a replica to answer reads. */
  readonly readOnly?: boolean | undefined;
  /**
   * With `readOnly`: refuse a replica that is not joined to its master. One that has just been started serves reads
   * from what it found on disk, which may be nothing, until its first copy has begun. Default false.
   */
  readonly inStep?: boolean | undefined;
  /** Announce the library's name with CLIENT SETINFO. Default true. */
  readonly clientInfo?: boolean | undefined;
  /** Learn the server's number for the connection where HELLO does not tell it. Default false. */
  readonly identify?: boolean | undefined;
  /** Goes with the name: `lingcache(tag)`. */
  readonly clientInfoTag?: string | undefined;
}

interface Step {
  readonly argv: readonly string[];
  /** A refusal of this step makes the connection useless. */
  readonly required: boolean;
  /** What is wrong with an answer that is no error. */
  readonly judge?: (answer: unknown) => Error | undefined;
  /** The answer tells the server's number for the connection. */
  readonly identifies?: boolean;
}

const libraryName = 'lingcache';

function authentication(options: HandshakeOptions): readonly string[] | undefined {
  if (options.password === undefined || options.password === '') return undefined;
  return options.username ? ['auth', options.username, options.password] : ['auth', options.password];
}

/** The steps for a protocol version, in order. They all leave in one write. */
function handshakeSteps(options: HandshakeOptions, protocol: 2 | 3): Step[] {
  const steps: Step[] = [];
  const auth = authentication(options);
  if (protocol === 3) {
    const hello = ['hello', '3'];
    if (auth !== undefined) hello.push('AUTH', options.username || 'default', options.password!);
    steps.push({ argv: hello, required: true, identifies: true });
  } else if (auth !== undefined) steps.push({ argv: auth, required: true });
  if (options.connectionName) steps.push({ argv: ['client', 'setname', options.connectionName], required: true });
  if (options.db) steps.push({ argv: ['select', String(options.db)], required: true });
  if (options.readOnly) steps.push({ argv: ['readonly'], required: false });
  if (options.readOnly && options.inStep) {
    steps.push({ argv: ['info', 'replication'], required: false, judge: judgeReplica });
  }
  if (options.identify && protocol === 2) steps.push({ argv: ['client', 'id'], required: false, identifies: true });
  if (options.clientInfo ?? true) {
    const name = options.clientInfoTag ? `${libraryName}(${options.clientInfoTag})` : libraryName;
    steps.push({ argv: ['client', 'setinfo', 'LIB-NAME', name], required: false });
  }
  return steps;
}

/** Runs the handshake; resolves with the protocol spoken, rejects with the first refusal that matters. */
export async function shakeHands(connection: Connection, options: HandshakeOptions): Promise<2 | 3> {
  const wanted = options.protocol ?? 3;
  const refusal = await exchange(connection, handshakeSteps(options, wanted));
  if (refusal === undefined) return wanted;
  if (wanted === 3 && knowsNoHello(refusal)) {
    const older = await exchange(connection, handshakeSteps(options, 2));
    if (older === undefined) return 2;
    throw older;
  }
  throw refusal;
}

async function exchange(connection: Connection, steps: readonly Step[]): Promise<Error | undefined> {
  const answers = steps.map((step) => {
    const { call, answer } = ownCall(step.argv);
    connection.write(call);
    return answer.then(
      (reply) => {
        if (step.identifies) connection.clientId = clientIdIn(reply);
        return step.judge?.(reply);
      },
      (error: Error) => {
        if (!(error instanceof ReplyError)) return error;
        return step.required && !asksForNoPassword(error) ? error : undefined;
      },
    );
  });
  const errors = await Promise.all(answers);
  return errors.find((error) => error !== undefined);
}

/** CLIENT ID answers a number; HELLO a map, in whatever form maps come. */
function clientIdIn(reply: unknown): number | undefined {
  let id: unknown = reply;
  if (Array.isArray(reply)) id = reply[reply.indexOf('id') + 1];
  else if (reply instanceof Map) id = reply.get('id');
  else if (typeof reply === 'object' && reply !== null) id = (reply as { id?: unknown }).id;
  const number = typeof id === 'number' || typeof id === 'string' ? Number(id) : Number.NaN;
  return Number.isSafeInteger(number) && number > 0 ? number : undefined;
}

// Source: INFO replication. A master has no such line.
function judgeReplica(info: unknown): Error | undefined {
  if (!/^master_link_status:(?!up)/m.test(String(info))) return undefined;
  return new RedisError('The replica is not joined to its master', { code: 'MASTERDOWN' });
}

function knowsNoHello(error: Error): boolean {
  return (
    error instanceof ReplyError &&
    (error.code === 'NOPROTO' || /unknown command|wrong number of arguments/i.test(error.message))
  );
}

// AUTH with a password alone, where the default user has none: everybody may come in, so this client may.
function asksForNoPassword(error: ReplyError): boolean {
  return /no password is set|without any password configured/.test(error.message);
}

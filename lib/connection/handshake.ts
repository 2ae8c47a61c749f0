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
  /** Goes with the name: `lingcache(tag)`. */
  readonly clientInfoTag?: string | undefined;
  /** Told of a password that the server did not need, or could not take. Default: nobody is. */
  readonly warn?: ((text: string) => void) | undefined;
}

interface Step {
  readonly argv: readonly string[];
  /** A refusal of this step makes the connection useless. */
  readonly required: boolean;
  /** What is wrong with an answer that is no error. */
  readonly judge?: (answer: unknown) => Error | undefined;
}

const libraryName = 'lingcache';

function authentication(options: HandshakeOptions): readonly string[] | undefined {
  const { username, password = '' } = options;
  // A name without a password is refused by the server, unless its user has none, and not by oversight ignored.
  if (username) return ['auth', username, password];
  return password === '' ? undefined : ['auth', password];
}

/** The steps for a protocol version, in order. They all leave in one write. */
function handshakeSteps(options: HandshakeOptions, protocol: 2 | 3): Step[] {
  const steps: Step[] = [];
  const auth = authentication(options);
  if (protocol === 3) {
    const hello = ['hello', '3'];
    if (auth !== undefined) hello.push('AUTH', options.username || 'default', options.password ?? '');
    steps.push({ argv: hello, required: true });
  } else if (auth !== undefined) steps.push({ argv: auth, required: true });
  if (options.connectionName) steps.push({ argv: ['client', 'setname', options.connectionName], required: true });
  if (options.db) steps.push({ argv: ['select', String(options.db)], required: true });
  if (options.readOnly) steps.push({ argv: ['readonly'], required: false });
  if (options.readOnly && options.inStep) {
    steps.push({ argv: ['info', 'replication'], required: false, judge: judgeReplica });
  }
  if (options.clientInfo ?? true) {
    const name = options.clientInfoTag ? `${libraryName}(${options.clientInfoTag})` : libraryName;
    steps.push({ argv: ['client', 'setinfo', 'LIB-NAME', name], required: false });
  }
  return steps;
}

/** Runs the handshake; resolves with the protocol spoken, rejects with the first refusal that matters. */
export async function shakeHands(connection: Connection, options: HandshakeOptions): Promise<2 | 3> {
  const wanted = options.protocol ?? 3;
  const refusal = await exchange(connection, options, wanted);
  if (refusal === undefined) return wanted;
  if (wanted === 3 && knowsNoHello(refusal)) {
    const older = await exchange(connection, options, 2);
    if (older === undefined) return 2;
    throw older;
  }
  throw refusal;
}

async function exchange(
  connection: Connection,
  options: HandshakeOptions,
  protocol: 2 | 3,
): Promise<Error | undefined> {
  const answers = handshakeSteps(options, protocol).map((step) => {
    const { call, answer } = ownCall(step.argv);
    connection.write(call);
    return answer.then(
      (reply) => step.judge?.(reply),
      (error: Error) => {
        if (!(error instanceof ReplyError)) return error;
        const idle = spareCredentials(error);
        if (idle !== undefined) options.warn?.(idle);
        return step.required && idle === undefined ? error : undefined;
      },
    );
  });
  const errors = await Promise.all(answers);
  return errors.find((error) => error !== undefined);
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

/**
 * What to say of a refusal by which the credentials are not needed, or not understood: where the default user has no
 * password everybody may come in, so this client may. Never the credentials themselves.
 */
function spareCredentials({ message }: ReplyError): string | undefined {
  if (/no password is set|without any password configured/.test(message)) {
    return '[WARN] lingcache: this Redis server does not require a password, but a password was supplied.';
  }
  if (/wrong number of arguments for 'auth' command/i.test(message)) {
    return '[WARN] lingcache: the server refused AUTH with a username and a password. Redis 5 and older take the password option only.';
  }
  return undefined;
}

// What a fresh connection says before the first user command, as data, and the exchange that judges the answers.
// AUTH and SELECT are required: without them commands would run as somebody else or elsewhere. Everything else is a
// courtesy whose refusal (an ACL, an older server, a name with blanks) is ignored, as ioredis does.
// Sources: HELLO, AUTH, CLIENT SETNAME, CLIENT SETINFO (7.2; refused by older servers and then ignored), READONLY, SELECT,
// CLIENT CAPA (Valkey 8).

import { AbortError, errorOfNode, RedisError } from '../base/errors.ts';
import { withHint } from '../base/hint.ts';
import { libraryVersion } from '../base/version.ts';
import { ReplyError } from '../wire/reply.ts';
import { fieldsOf } from '../wire/reply-fields.ts';
import { ownCall } from './call.ts';
import type { Connection } from './connection.ts';
import type { Credentials } from './credentials.ts';
import type { DialOptions } from './dial.ts';

export interface HandshakeOptions {
  /** 3 asks with HELLO and falls back to 2 when that is refused for another reason than the credentials. Default 3. */
  readonly protocol?: 2 | 3 | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly connectionName?: string | undefined;
  /** Database to select; a cluster has others than 0 only on Valkey 9 with `cluster-databases`. */
  readonly db?: number | undefined;
  /** Ask a replica to answer reads. */
  readonly readOnly?: boolean | undefined;
  /**
   * With `readOnly`: refuse a replica that is not joined to its master. One that has just been started serves reads
   * from what it found on disk, which may be nothing, until its first copy has begun. Default false.
   */
  readonly inStep?: boolean | undefined;
  /** Announce the library's name and version with CLIENT SETINFO. Default true. */
  readonly clientInfo?: boolean | undefined;
  /** Learn the server's number for the connection where HELLO does not reply it. Default false. */
  readonly identify?: boolean | undefined;
  /** Goes with the name: `lingcache(tag)`. */
  readonly clientInfoTag?: string | undefined;
  /** Called for a password that the server did not need, or could not take. Default: nobody is. */
  readonly warn?: ((text: string) => void) | undefined;
  /** Announce that a replica may name its primary (CLIENT CAPA redirect, Valkey 8) instead of serving. Default false. */
  readonly followsRedirects?: boolean | undefined;
  /** The connection is TLS. */
  readonly tls?: DialOptions['tls'];
}

interface Step {
  readonly argv: readonly string[];
  /** A refusal of this step makes the connection useless. */
  readonly required: boolean;
  /** What is wrong with an answer that is no error. */
  readonly judge?: (answer: unknown) => Error | undefined;
  /** The reply has the server's number for the connection. */
  readonly identifies?: boolean;
  /** Says more about a refusal. */
  readonly hint?: string;
}

const libraryName = 'lingcache';
const replicaAlone = 'MASTERDOWN';

function authentication(options: Pick<HandshakeOptions, 'username' | 'password'>): readonly string[] | undefined {
  const { username, password = '' } = options;
  // A name without a password is refused by the server, unless its user has none, and not by oversight ignored.
  if (username) return ['auth', username, password];
  return password === '' ? undefined : ['auth', password];
}

/**
 * AUTH on a connection in use. A connection that is lost meanwhile, that needs no password or is in RESP2's subscriber
 * mode, where AUTH is no command, is left as it is. Rejects with the server's refusal.
 */
export async function authenticate(connection: Connection, credentials: Credentials): Promise<void> {
  const { call, answer } = ownCall(authentication(credentials)!);
  if (!connection.write(call)) return;
  try {
    await answer;
  } catch (error) {
    if (!(error instanceof ReplyError) || spareCredentials(error) !== undefined) return;
    if (/^ERR Can't execute 'auth'/.test(error.message)) return;
    throw errorOfNode(connection.address, error);
  }
}

/** The steps for a protocol version, in order. They all leave in one write. */
function handshakeSteps(options: HandshakeOptions, protocol: 2 | 3): Step[] {
  const steps: Step[] = [];
  const auth = authentication(options);
  if (protocol === 3) {
    const hello = ['hello', '3'];
    if (auth !== undefined) hello.push('AUTH', options.username || 'default', options.password ?? '');
    steps.push({ argv: hello, required: true, judge: judgeHello, identifies: true });
  } else if (auth !== undefined) steps.push({ argv: auth, required: true });
  if (options.connectionName) steps.push({ argv: ['client', 'setname', options.connectionName], required: false });
  if (options.db) steps.push({ argv: ['select', String(options.db)], required: true, hint: selectHint(options.db) });
  if (options.readOnly) steps.push({ argv: ['readonly'], required: false });
  if (options.readOnly && options.inStep) {
    steps.push({ argv: ['info', 'replication'], required: false, judge: judgeReplica });
  }
  if (options.followsRedirects) steps.push({ argv: ['client', 'capa', 'redirect'], required: false });
  if (options.identify && protocol === 2) steps.push({ argv: ['client', 'id'], required: false, identifies: true });
  if (options.clientInfo ?? true) {
    const name = options.clientInfoTag ? `${libraryName}(${options.clientInfoTag})` : libraryName;
    steps.push({ argv: ['client', 'SETINFO', 'LIB-VER', libraryVersion], required: false });
    steps.push({ argv: ['client', 'SETINFO', 'LIB-NAME', name], required: false });
  }
  return steps;
}

/** Runs the handshake; resolves with the protocol spoken, rejects with the first refusal that matters. */
export async function shakeHands(connection: Connection, options: HandshakeOptions): Promise<2 | 3> {
  const wanted = options.protocol ?? 3;
  const outcomes = await exchange(connection, options, handshakeSteps(options, wanted));
  const refusal = firstError(outcomes);
  if (refusal === undefined) return wanted;
  const hello = outcomes[0]!.error;
  if (hello === refusal && !options.tls && speaksTls(refusal)) throw withHint(refusal, tlsHint);
  if (wanted === 2 || hello === undefined || !mayDoWithout(hello, authentication(options) !== undefined)) throw refusal;
  // What was done already is not asked for again: servers that stand in for Redis in tests count it.
  const done = new Set(
    outcomes.filter(({ refused, error }) => !refused && error === undefined).map(({ step }) => step.argv.join(' ')),
  );
  const left = handshakeSteps(options, 2).filter(({ argv }) => !done.has(argv.join(' ')));
  const older = firstError(await exchange(connection, options, left));
  if (older === undefined) return 2;
  // A server that hangs up on the second try has given its reason at the first; who has closed it himself knows why.
  const isSaid = older instanceof ReplyError || (older as { code?: unknown }).code === replicaAlone;
  throw isSaid || connection.ending ? older : refusal;
}

const tlsHint = 'the server did not answer as Redis does: if the port is for TLS, set tls: {} or use rediss://';

// A TLS server hangs up on plain words; some send an alert first (a record of type 21).
function speaksTls(error: Error): boolean {
  const hungUp = error.message === 'Connection is closed.' || (error as { code?: unknown }).code === 'ECONNRESET';
  return hungUp || /got "\\u0015|got "\x15/.test(error.message);
}

interface Outcome {
  readonly step: Step;
  /** What makes the connection useless. */
  readonly error: Error | undefined;
  /** The server has not done it, whether that matters or not. */
  readonly refused: boolean;
}

function firstError(outcomes: readonly Outcome[]): Error | undefined {
  return outcomes.find(({ error }) => error !== undefined)?.error;
}

function exchange(connection: Connection, options: HandshakeOptions, steps: readonly Step[]): Promise<Outcome[]> {
  const outcomes = steps.map((step): Promise<Outcome> => {
    const { call, answer } = ownCall(step.argv);
    // Asked to close since: the second exchange of a handshake finds it so.
    if (!connection.write(call)) call.fail(closedError(connection));
    return answer.then(
      (reply) => {
        if (step.identifies) connection.clientId = clientIdIn(reply);
        return { step, error: step.judge?.(reply), refused: false };
      },
      (error: Error) => ({ step, error: seriousError(step, error, options), refused: true }),
    );
  });
  return Promise.all(outcomes);
}

function seriousError(step: Step, error: Error, options: HandshakeOptions): Error | undefined {
  if (!(error instanceof ReplyError)) return error;
  const idle = step.argv[0] === 'auth' ? spareCredentials(error) : undefined;
  if (idle !== undefined) options.warn?.(idle);
  if (!step.required || idle !== undefined) return undefined;
  return step.hint === undefined || error.code === 'NOPERM' ? error : withHint(error, step.hint);
}

function closedError({ address }: Connection): AbortError {
  return new AbortError('Connection is closed.', { code: 'ERR_CLOSED', node: address });
}

function selectHint(db: number): string {
  const asked = `database ${db} was asked for (option db, or the path of a URL), and this server has none of that number`;
  return `${asked}. A cluster has one database, unless it is Valkey 9 with cluster-databases: leave db out there`;
}

// A proxy may answer anything to words it does not know, and +OK is no RESP3.
function judgeHello(answer: unknown): Error | undefined {
  try {
    if (Number(fieldsOf(answer, 'HELLO').get('proto')) === 3) return undefined;
  } catch {
    // No map: no answer to HELLO.
  }
  return new ReplyError('NOPROTO HELLO was answered with something else');
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
  return new RedisError('The replica is not joined to its master', { code: replicaAlone });
}

// Whatever HELLO is refused for may be HELLO itself (too old, a proxy, an ACL), and AUTH and the rest may do without;
// but not where the answer is about who asks. NOAUTH to a HELLO that brought a password is: it was not read.
function mayDoWithout(error: Error, withPassword: boolean): boolean {
  if (!(error instanceof ReplyError)) return false;
  if (error.code === 'NOAUTH') return withPassword;
  return !/^(WRONGPASS|DENIED|LOADING|BUSY|ERR invalid password|ERR max number of clients)/i.test(error.message);
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

// HIMPORT's fieldsets that a client manages: they are defined on every new connection before anything else is sent on it, and
// a HIMPORT SET that is refused for want of one is tried once more after they were defined again. Experimental, as the
// command is (Redis 8.10). Knows connections as places to send to, nothing else.

import { AbortError } from '../base/errors.ts';
import { type Call, ownCall, type Remedy } from '../connection/call.ts';
import { type HimportFieldset, idOf, isText } from '../options/fieldsets.ts';
import type { ReplyError } from '../wire/reply.ts';

/** Where a fieldset is defined. */
interface Connection {
  readonly address: string;
  send(call: Call): boolean;
}

export class Fieldsets {
  readonly #fieldsets: readonly HimportFieldset[];
  readonly #names: ReadonlySet<string>;

  constructor(fieldsets: readonly HimportFieldset[]) {
    this.#fieldsets = fieldsets;
    this.#names = new Set(fieldsets.map(({ name }) => idOf(name)));
  }

  /** Defines every fieldset on a connection; rejects with the first refusal. What is sent on it next comes after them. */
  async prepare(connection: Connection): Promise<void> {
    const defined = this.#fieldsets.map(({ name, fields }) => {
      const { call, answer } = ownCall(['himport', 'PREPARE', name, ...fields]);
      if (!connection.send(call)) call.fail(lost(connection));
      return answer;
    });
    await Promise.all(defined);
  }

  /**
   * Gives a HIMPORT SET of a managed fieldset its second try: the fieldsets are defined on `connections` anew first. A call of
   * a batch has one try.
   */
  attach(call: Call, connections: () => Iterable<Connection>): void {
    const [name, subcommand, , fieldset] = call.argv;
    if (call.group !== null || !/^himport$/i.test(String(name)) || !/^set$/i.test(String(subcommand))) return;
    if (isText(fieldset) && this.#names.has(idOf(fieldset))) call.remedy = new PrepareRemedy(this, connections);
  }
}

/** Defines the fieldsets on the connections again, for a server that does not know one. */
class PrepareRemedy implements Remedy {
  readonly #fieldsets: Fieldsets;
  readonly #connections: () => Iterable<Connection>;

  constructor(fieldsets: Fieldsets, connections: () => Iterable<Connection>) {
    this.#fieldsets = fieldsets;
    this.#connections = connections;
  }

  apply(call: Call, refusal: ReplyError, sendAgain: (call: Call) => void): boolean {
    if (!/no such fieldset/i.test(refusal.message)) return false;
    call.remedy = undefined;
    Promise.all([...this.#connections()].map((one) => this.#fieldsets.prepare(one))).then(
      () => sendAgain(call),
      (error: Error) => call.fail(error),
    );
    return true;
  }
}

function lost({ address }: Connection): Error {
  return new AbortError('Connection is closed.', { code: 'ERR_CLOSED', node: address });
}

/** Whether a keyless call is one of HIMPORT's that is meant for every master. */
export function isHimportControl({ argv }: Call): boolean {
  return /^himport$/i.test(String(argv[0])) && /^(prepare|discard|discardall)$/i.test(String(argv[1]));
}

/** Sends a call to every connection; it is settled by the first answer, or by any refusal. */
export function sendToAll(call: Call, connections: readonly Connection[]): void {
  const answers = connections.map((connection) => {
    const own = ownCall(call.argv, call.encoding);
    if (!connection.send(own.call)) own.call.fail(lost(connection));
    return own.answer;
  });
  Promise.all(answers).then(
    ([first]) => call.settle(first),
    (error: Error) => call.fail(error),
  );
}

// What access rules mean for the clients of a server: who may run what, who is let in, and who has to go when the rules
// change. The rules themselves are server/acl's.
// Invariant: every refusal to a client is counted and noted in the ACL log.

import type { World } from '../../lib/base/world.ts';
import { Flag } from '../../lib/command/flags.ts';
import type { CommandRow } from '../../lib/command/table.ts';
import { ReplyError } from '../../lib/wire/reply.ts';
import { Acl, allowsChannel, denialText, isOpen, losesChannels } from '../acl/acl.ts';
import type { Denial } from '../acl/check.ts';
import type { DenialContext } from '../acl/log.ts';
import { problems } from '../acl/selector.ts';
import type { User, UserRules } from '../acl/user.ts';
import type { Config } from '../config/config.ts';
import { aclCheck } from './acl-check.ts';
import type { Client } from './client.ts';
import { describeClient } from './client-info.ts';

const changedSinceQueued: Readonly<Record<Denial['reason'], string>> = {
  command: 'no permission to execute the command or subcommand',
  key: 'no permission to touch the specified keys',
  channel: 'no permission to access one of the channels used as arguments',
};

const bothSources =
  'Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. This setup is very likely to lead to configuration errors and security holes, please define either an ACL file or declare users directly in your redis.conf, but not both.';

/** The server, as this file sees it. */
export interface AccessHost {
  readonly world: World;
  readonly config: Config;
  readonly clients: ReadonlyMap<number, Client>;
  countError(error: ReplyError): void;
  disconnect(client: Client): void;
}

export class Access {
  readonly acl: Acl;
  readonly #host: AccessHost;
  /** Whose command changes users just now: it gets its answer before it is closed. */
  #actor: Client | undefined;

  constructor(host: AccessHost) {
    this.#host = host;
    const { config } = host;
    this.acl = new Acl(() => config.get('acl-pubsub-default') === 'allchannels', {
      onChange: (user, before) => this.#onChange(user, before),
      onDelete: (user) => this.#onDelete(user),
    });
    this.acl.setDefaultPassword(config.get('requirepass'));
    this.#defineUsers();
    config.onChange((name, value) => {
      if (name === 'requirepass') this.acl.setDefaultPassword(value);
    });
  }

  /** Whether the client has to authenticate before this command. */
  lacksAuth(client: Client, row: CommandRow): boolean {
    return !client.authenticated && (row.flags & Flag.noAuth) === 0 && this.acl.needsAuth;
  }

  /** Why the rules of the client's user forbid a call, or undefined. */
  forbidden(client: Client, row: CommandRow, argv: readonly string[]): ReplyError | undefined {
    const denial = aclCheck(client.user, row, argv);
    if (denial === undefined) return undefined;
    this.noteDenial(client, contextOf(client), denial, row, argv);
    return new ReplyError(denialText(denial, row.name));
  }

  /** As `forbidden()`, for a call that was allowed when it was queued. */
  forbiddenAtExec(client: Client, row: CommandRow, argv: readonly string[]): ReplyError | undefined {
    const denial = aclCheck(client.user, row, argv);
    if (denial === undefined) return undefined;
    this.noteDenial(client, 'multi', denial, row, argv);
    const refusal = new ReplyError(
      `NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: ${changedSinceQueued[denial.reason]}`,
    );
    this.#host.countError(refusal);
    return refusal;
  }

  /** Counts a refusal and puts it into the log. A script names `lua` as context, and its caller as the client. */
  noteDenial(client: Client, context: DenialContext, denial: Denial, row: CommandRow, argv: readonly string[]): void {
    const { reason, at } = denial;
    this.#note(client, context, reason, reason === 'command' ? row.name : argv[at]!, client.user.name);
  }

  /** Lets the client in as this user when the password is right; false, and noted, when not. `command`: AUTH or HELLO. */
  authenticate(client: Client, name: string, password: string, command: string): boolean {
    const user = this.acl.authenticate(name, password);
    if (user === undefined) {
      this.#note(client, contextOf(client), 'auth', command, name);
      return false;
    }
    client.user = user;
    client.authenticated = true;
    client.sink.restrict(false);
    return true;
  }

  /** As whom a connection starts, and starts again after RESET. */
  beDefault(client: Client): void {
    client.user = this.acl.default;
    client.authenticated = isOpen(client.user);
    client.sink.restrict(!client.authenticated);
  }

  /** Runs a change of users that `client` asks for. */
  change<T>(client: Client, run: () => T): T {
    this.#actor = client;
    try {
      return run();
    } finally {
      this.#actor = undefined;
    }
  }

  /** The users of the configuration. Throws an Error. */
  #defineUsers(): void {
    const definitions = this.#host.config.directives('user');
    if (definitions.length > 0 && this.#host.config.get('aclfile') !== '') throw new Error(bothSources);
    const names = new Set<string>();
    for (const definition of definitions) {
      if (names.has(definition[0]!))
        throw new Error(`Error in user declaration '${definition[0]}': ${problems.duplicateUser}`);
      names.add(definition[0]!);
      this.acl.define(definition);
    }
  }

  #note(
    client: Client,
    context: DenialContext,
    reason: Denial['reason'] | 'auth',
    object: string,
    username: string,
  ): void {
    const { config, world } = this.#host;
    this.acl.denied[reason]++;
    const event = { reason, context, object, username, client: describeClient(client) };
    this.acl.log.add(event, world.wallClock(), config.number('acllog-max-len'));
  }

  #onChange(user: User, before: UserRules): void {
    if (losesChannels(before, user.rules)) this.#dropSubscribers(user);
    // Requests of those who have not authenticated are kept small, as long as they have to.
    if (user === this.acl.default) {
      for (const client of this.#host.clients.values()) {
        if (!client.authenticated) client.sink.restrict(this.acl.needsAuth);
      }
    }
  }

  #onDelete(user: User): void {
    for (const client of [...this.#host.clients.values()]) {
      if (client.user !== user) continue;
      client.user = this.acl.default;
      client.authenticated = false;
      this.#drop(client);
    }
  }

  /** Closes subscribers that listen where their user may not any more. */
  #dropSubscribers(user: User): void {
    for (const client of [...this.#host.clients.values()]) {
      if (client.user !== user || !client.inPubSub) continue;
      const mayStay =
        [...client.patterns].every((pattern) => allowsChannel(user.rules, pattern, true)) &&
        [...client.channels, ...client.shardChannels].every((channel) => allowsChannel(user.rules, channel, false));
      if (!mayStay) this.#drop(client);
    }
  }

  #drop(client: Client): void {
    if (client === this.#actor) {
      client.sink.close(true);
      return;
    }
    client.sink.close(false);
    // The socket's close event comes later: until then nothing may reach the client, nor list it.
    this.#host.disconnect(client);
  }
}

function contextOf(client: Client): DenialContext {
  return client.transaction === undefined ? 'toplevel' : 'multi';
}

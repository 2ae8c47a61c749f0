// Commands that a server offers to nobody, or to this machine alone, unless its configuration says otherwise; and the
// requests of web browsers that were pointed at its port.
// Invariant: what is refused here is refused before passwords and users are looked at.

import type { World } from '../../lib/base/world.ts';
import type { CommandRow } from '../../lib/command/table.ts';
import { ReplyError } from '../../lib/wire/reply.ts';
import type { Config } from '../config/config.ts';
import type { Client } from './client.ts';

type Switch = 'enable-debug-command' | 'enable-module-command' | 'enable-protected-configs';

const guarded: ReadonlyMap<string, { readonly command: string; readonly by: Switch }> = new Map([
  ['debug', { command: 'DEBUG', by: 'enable-debug-command' }],
  ['module|load', { command: 'MODULE', by: 'enable-module-command' }],
  ['module|loadex', { command: 'MODULE', by: 'enable-module-command' }],
  ['module|unload', { command: 'MODULE', by: 'enable-module-command' }],
]);

/** Whether the configuration lets this client do what the switch is about. */
export function isEnabled(config: Config, client: Client, by: Switch): boolean {
  const value = config.get(by);
  return value === 'yes' || (value === 'local' && client.sink.local === true);
}

/** Why a command is not offered to this client, or undefined. */
export function notOffered(config: Config, client: Client, row: CommandRow): ReplyError | undefined {
  const found = guarded.get(row.name);
  if (found === undefined || client.primaryLink || isEnabled(config, client, found.by)) return undefined;
  return new ReplyError(
    `ERR ${found.command} command not allowed. If the ${found.by} option is set to "local", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.`,
  );
}

const logEveryMs = 60_000;

/** Ends connections that speak HTTP: a web page can make a browser send commands in the lines of a request. */
export class BrowserGuard {
  readonly #world: World;
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(world: World) {
    this.#world = world;
  }

  /** Closes the client and gives true when this is the beginning of an HTTP request. */
  catches(client: Client, argv: readonly string[]): boolean {
    const name = argv[0]!;
    if ((name.length !== 4 && name.length !== 5) || !/^(?:post|host:)$/i.test(name)) return false;
    const now = this.#world.now();
    if (now - this.#loggedAt > logEveryMs) {
      this.#loggedAt = now;
      this.#world.log(
        'Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. Connection aborted.',
      );
    }
    client.sink.close(false);
    return true;
  }
}

/** The error reply of a server without a password to a client from another machine. */
export const protectedModeText: string =
  "DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.";

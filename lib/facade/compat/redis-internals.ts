// What is internal to ioredis's Redis and read by others all the same (to unref() the socket, to count what is under way),
// as read-only views made of the client's backend. Nothing of lingcache uses them.

import type { Socket } from 'node:net';
import { Call, type RoutableRequest } from '../../connection/call.ts';
import type { NodeBackend } from '../../core/client-backend.ts';
import type { Status } from '../../core/lifecycle.ts';
import type { RedisOptions } from '../../options/options.ts';

interface Face {
  readonly status: Status;
  readonly options: RedisOptions;
}

/** A command as ioredis keeps it in its queues. */
interface QueuedCommand {
  readonly command: { readonly name: string; readonly args: readonly unknown[] };
}

/** The reading half of ioredis's queues. Each look walks through the calls. */
interface QueueView {
  readonly length: number;
  size(): number;
  isEmpty(): boolean;
  /** Undefined when there is none. */
  peekFront(): QueuedCommand | undefined;
  toArray(): QueuedCommand[];
}

/** Calls `visit` with the argv of each command, in order. */
type Walk = (visit: (argv: readonly unknown[]) => void) => void;

function queueView(walk: Walk): QueueView {
  const toArray = (): QueuedCommand[] => {
    const commands: QueuedCommand[] = [];
    walk(([name, ...args]) => commands.push({ command: { name: String(name), args } }));
    return commands;
  };
  const size = (): number => {
    let count = 0;
    walk(() => count++);
    return count;
  };
  return {
    get length() {
      return size();
    },
    size,
    isEmpty: () => size() === 0,
    peekFront: () => toArray()[0],
    toArray,
  };
}

// A transaction waits as one request.
function argvOf(request: RoutableRequest): readonly unknown[] {
  return request instanceof Call ? request.argv : ['multi'];
}

/** What ioredis knows of the connection: its database, what it logged in with, whether it is subscribed. */
function conditionOf(client: Face, backend: NodeBackend): object | null {
  if (client.status === 'wait') return null;
  const { username, password } = client.options;
  const auth = username ? [username, password] : password;
  return { select: backend.database, auth, subscriber: backend.subscribed };
}

interface RedisInternals {
  readonly connector: { readonly stream: Socket | undefined };
  readonly commandQueue: QueueView;
  readonly offlineQueue: QueueView;
  readonly condition: object | null;
}

/** Puts the views on the prototype of Redis. `backendOf` gives a client's own. */
export function installInternals<Client extends Face>(
  prototype: Client,
  backendOf: (client: Client) => NodeBackend,
): void {
  const views: { readonly [Name in keyof RedisInternals]: (client: Client) => RedisInternals[Name] } = {
    connector: (client) => ({
      get stream() {
        return backendOf(client).socket;
      },
    }),
    commandQueue: (client) => queueView((visit) => backendOf(client).forEachSent(({ argv }) => visit(argv))),
    offlineQueue: (client) => queueView((visit) => backendOf(client).forEachHeld((request) => visit(argvOf(request)))),
    condition: (client) => conditionOf(client, backendOf(client)),
  };
  for (const [name, view] of Object.entries(views)) {
    Object.defineProperty(prototype, name, {
      configurable: true,
      get(this: Client) {
        return view(this);
      },
    });
  }
}

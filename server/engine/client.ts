// One client as the commands see it: its database, its protocol, its transaction, its subscriptions.
// Knows no socket: what must reach the client goes through the outlet its session hands in.

import type { World } from '../../lib/base/world.ts';
import type { CommandRow } from '../../lib/command/table.ts';
import type { Reply } from '../../lib/wire/reply.ts';
import { superuser, type User } from '../acl/user.ts';
import type { Watcher } from '../keyspace/key-watchers.ts';
import type { Store } from '../keyspace/store.ts';
import type { TrackingMode } from '../tracking/mode.ts';
import { mayReadAnyKey } from './acl-check.ts';
import type { Command, Context } from './registry.ts';

/** The session's side of a client. */
export interface ReplySink {
  readonly address: string;
  readonly localAddress: string;
  readonly fd: number;
  /** The peer is on this machine. */
  readonly local?: boolean;
  /** The bytes travel under TLS. */
  readonly secure?: boolean;
  /** It came through a unix socket. */
  readonly unix?: boolean;
  /** Writes a reply now: a push, or one of several replies to a command. */
  send(reply: Reply): void;
  /** Writes the answer of a blocked command and goes on with the requests behind it. */
  settle(reply: Reply | undefined): void;
  /** Closes the socket, after what was written has left when `graceful`. */
  close(graceful: boolean): void;
  /** Speaks RESP2 or 3 from the next reply on. */
  useProtocol(protocol: 2 | 3): void;
  /** Whether requests are kept small until the client has authenticated. */
  restrict(restricted: boolean): void;
  /** Bytes written that have not left yet, and request bytes not yet run. */
  outputBytes(): number;
  inputBytes(): number;
  /** Bytes that the client has announced as part of a long argument and not sent yet. */
  awaitedBytes?(): number;
  /** Closes the client if a reply of so many bytes would be over its output limit. */
  refuseOutput?(bytes: number): void;
  /** Of the request bytes, those of arguments that were read already. */
  parsedBytes?(): number;
}

export interface Queued {
  readonly command: Command<Client>;
  readonly argv: readonly string[];
}

export interface Transaction {
  readonly queue: Queued[];
  /** A command was refused while queueing: EXEC will abort. */
  aborted: boolean;
  /** Flags that any queued command has, and those that all have. */
  anyFlags: number;
  allFlags: number;
  /** A queued command may say something to the replicas though it is no write. */
  replicates: boolean;
  /** Of all queued arguments. */
  bytes: number;
}

export function emptyTransaction(): Transaction {
  return { queue: [], aborted: false, anyFlags: 0, allFlags: ~0, replicates: false, bytes: 0 };
}

/** Why a client is waiting; whoever blocked it knows how to unblock it. */
export interface BlockedState {
  readonly argv: readonly string[];
  readonly kind: 'keys' | 'later' | 'paused';
  /** What CLIENT UNBLOCK TIMEOUT answers; undefined: it cannot be unblocked. */
  readonly onTimeout: Reply | undefined;
  /** Forgets the waiting without an answer. */
  cancel(): void;
}

export interface Captor {
  run(argv: readonly string[]): Reply;
  /** The client was disconnected. */
  gone(): void;
}

export class Client implements Context {
  readonly id: number;
  readonly world: World;
  readonly sink: ReplySink;
  readonly created: number;
  store: Store;
  protocol: 2 | 3 = 2;
  denyBlocking = false;
  /** The client that the commands of scripts run as. */
  readonly inScript: boolean;
  name = '';
  libName = '';
  libVersion = '';
  authenticated: boolean;
  /** Whose rules its commands obey; of connections that no client made, one that may do everything. */
  user: User = superuser;
  /** Its bytes do not travel under TLS. */
  readonly plain: boolean;
  /** READONLY session of a cluster replica. */
  readonly = false;
  /** ASKING was sent: good for one command. */
  asking = false;
  noEvict = false;
  monitor = false;
  /** CLIENT TRACKING; written by the engine's Tracking. */
  tracking: TrackingMode | undefined = undefined;
  /** CLIENT REPLY: `skip-next` turns into `skip` for the one command after it. */
  replies: 'on' | 'off' | 'skip' | 'skip-next' = 'on';
  transaction: Transaction | undefined = undefined;
  readonly watcher: Watcher = { dirty: false };
  readonly watched: { store: Store; key: string }[] = [];
  /** Bytes of watched keys and of the names of channels and patterns. */
  namedBytes = 0;
  readonly channels: Set<string> = new Set();
  readonly patterns: Set<string> = new Set();
  readonly shardChannels: Set<string> = new Set();
  blocked: BlockedState | undefined = undefined;
  /** Takes the client's requests in the place of the commands: a session of the script debugger. */
  captor: Captor | undefined = undefined;
  lastActive: number;
  lastCommand = 'NULL';
  closed = false;
  /** The stream of this node's primary: its writes pass where a client's would not. */
  primaryLink = false;
  /** A replica of this node: its connection carries the stream. */
  replicaLink = false;
  /** While EXEC runs: its replies so far. */
  gathered: Reply[] | undefined = undefined;
  /** Effects that replace the argv of the command that is running. */
  override: (readonly string[])[] | undefined = undefined;

  constructor(id: number, world: World, store: Store, sink: ReplySink, authenticated: boolean, inScript = false) {
    this.inScript = inScript;
    this.id = id;
    this.world = world;
    this.store = store;
    this.sink = sink;
    this.authenticated = authenticated;
    this.plain = sink.secure !== true;
    this.created = world.now();
    this.lastActive = this.created;
  }

  mayReadAnyKey(row: CommandRow, argv: readonly string[]): boolean {
    return mayReadAnyKey(this.user, row, argv);
  }

  propagate(...effects: (readonly string[])[]): void {
    if (this.override === undefined) this.override = effects;
    else this.override.push(...effects);
  }

  /** Sends one of several replies of the command that is running; inside EXEC it takes its place in EXEC's reply. */
  reply(reply: Reply): void {
    if (this.gathered === undefined) this.sink.send(reply);
    else this.gathered.push(reply);
  }

  /** Channels and patterns; shard channels count on their own. */
  get subscriptions(): number {
    return this.channels.size + this.patterns.size;
  }

  /** RESP2 clients with a subscription may only use the pub/sub commands. */
  get inPubSub(): boolean {
    return this.channels.size + this.patterns.size + this.shardChannels.size > 0;
  }

  /** Bytes of what is held for it: watched, queued, subscribed, prefixes of keys. */
  get heldBytes(): number {
    return this.namedBytes + (this.transaction?.bytes ?? 0) + (this.tracking?.prefixBytes ?? 0);
  }

  watch(key: string): void {
    const { store } = this;
    store.watchers.watch(key, this.watcher);
    this.watched.push({ store, key });
    this.namedBytes += key.length;
  }

  /** Lets go of every watched key. */
  unwatch(): void {
    for (const { store, key } of this.watched) {
      store.watchers.unwatch(key, this.watcher);
      this.namedBytes -= key.length;
    }
    this.watched.length = 0;
    this.watcher.dirty = false;
  }

  /** True when a watched key changed or ran out. */
  get watchBroken(): boolean {
    if (this.watcher.dirty) return true;
    return this.watched.some(({ store, key }) => store.watchers.expired(key, this.watcher));
  }

  discard(): void {
    this.transaction = undefined;
    this.unwatch();
  }
}

// Accepts clients on a port (plain or TLS) or a unix path, and closes them in order. Owns the sessions it made.
// Invariant: every accepted socket is either a session in the set or already destroyed.

import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { setImmediate } from '../../lib/base/turns.ts';
import type { Timer } from '../../lib/base/world.ts';
import { type Execute, execute } from '../engine/dispatch.ts';
import type { Engine } from '../engine/engine.ts';
import { protectedModeText } from '../engine/guarded.ts';
import { isLoopback, Session } from './session.ts';

export interface ListenOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 = any free port. */
  readonly port?: number;
  /** With an IPv6 address: IPv4 clients are left to another listener. Default false. */
  readonly ipv6Only?: boolean;
  /** A unix socket instead of host and port. */
  readonly path?: string;
  /** Key, certificate and so on: clients must speak TLS. */
  readonly tls?: TlsOptions;
  /** Runs the requests of its clients. Default: the engine alone. */
  readonly execute?: Execute | undefined;
}

const idleCheckMs = 1000;
const handshakeMs = 10_000;
const tooManyClients = '-ERR max number of clients reached\r\n';

export class Listener {
  readonly sessions: Set<Session> = new Set();
  /** The port that was bound; 0 for a unix path. */
  port = 0;
  readonly host: string;
  readonly #engine: Engine;
  readonly #execute: Execute;
  readonly #server: Server;
  readonly #path: string | undefined;
  readonly #secure: boolean;
  readonly #ipv6Only: boolean;
  readonly #sockets = new Set<Socket>();
  /** What lies below TLS. */
  readonly #raw = new Set<Socket>();
  #idleTimer: Timer | undefined;
  #nextFd = 8;
  #closed = false;

  constructor(engine: Engine, options: ListenOptions = {}) {
    this.#engine = engine;
    this.#execute = options.execute ?? execute;
    // Node reads all sockets that have something, then comes to this.
    engine.arrivals.onceRead = setImmediate;
    this.#path = options.path;
    this.#secure = options.tls !== undefined;
    this.host = options.host ?? '127.0.0.1';
    this.#ipv6Only = options.ipv6Only ?? false;
    const accept = (socket: Socket): void => this.#accept(socket);
    this.#server =
      options.tls === undefined
        ? createServer({ noDelay: true, allowHalfOpen: true }, accept)
        : createTlsServer({ ...options.tls, allowHalfOpen: true, handshakeTimeout: handshakeMs }, accept);
    // Of those in a handshake nothing else would be known.
    if (this.#secure) this.#server.on('connection', (raw: Socket) => this.#shaking(raw));
    // A bad TLS handshake concerns only the client that made it.
    this.#server.on('tlsClientError', (_error: Error, socket: Socket) => socket.destroy());
  }

  /** Binds. Rejects when the address cannot be bound. */
  listen(options: ListenOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      const onListening = (): void => {
        this.#server.off('error', reject);
        // Errors of accept (no more descriptors, say) cost one client, not the server.
        this.#server.on('error', (error) => this.#engine.world.log(`accept failed: ${error.message}`));
        const address = this.#server.address();
        this.port = typeof address === 'object' && address !== null ? address.port : 0;
        if (this.#path === undefined) this.#engine.config.put(this.#secure ? 'tls-port' : 'port', String(this.port));
        this.#watchIdle();
        resolve();
      };
      if (this.#path !== undefined) this.#server.listen(this.#path, onListening);
      else this.#server.listen({ host: this.host, port: options.port ?? 0, ipv6Only: this.#ipv6Only }, onListening);
    });
  }

  /** Stops accepting; clients stay. Resolves when the last one is gone. */
  retire(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => {
        this.#idleTimer?.cancel();
        resolve();
      });
    });
  }

  /** Stops accepting, closes every client, and resolves when all sockets are gone. */
  close(): Promise<void> {
    this.#closed = true;
    this.#idleTimer?.cancel();
    const done = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const gone = [...this.#sockets].map(
      (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
    );
    for (const session of this.sessions) session.close(false);
    for (const raw of this.#raw) raw.destroy();
    return Promise.all([done, ...gone]).then(() => undefined);
  }

  #shaking(raw: Socket): void {
    this.#raw.add(raw);
    raw.once('close', () => this.#raw.delete(raw));
  }

  #accept(socket: Socket): void {
    if (this.#closed) {
      socket.destroy();
      return;
    }
    if (this.#engine.clients.size >= this.#engine.config.number('maxclients')) {
      this.#engine.stats.rejectedConnections++;
      socket.on('error', () => undefined);
      socket.end(tooManyClients, () => socket.destroy());
      return;
    }
    if (this.#isProtected(socket)) {
      this.#engine.stats.rejectedConnections++;
      socket.on('error', () => undefined);
      socket.end(`-${protectedModeText}\r\n`, () => socket.destroy());
      return;
    }
    this.#engine.world.onSocket?.(socket);
    const session = new Session(this.#engine, this.#execute, socket, this.#path, this.#nextFd++);
    this.sessions.add(session);
    this.#sockets.add(socket);
    socket.on('close', () => {
      this.sessions.delete(session);
      this.#sockets.delete(socket);
    });
  }

  /** Protected mode: as long as there is no password, only this machine is let in. */
  #isProtected(socket: Socket): boolean {
    const { config, access } = this.#engine;
    if (!access.acl.default.rules.noPassword || !config.flag('protected-mode')) return false;
    return this.#path === undefined && !isLoopback(socket.remoteAddress);
  }

  /** CONFIG timeout: seconds after which a silent client is closed; subscribers and waiters may be silent. */
  #watchIdle(): void {
    this.#idleTimer = this.#engine.world.after(idleCheckMs, () => {
      const limitMs = this.#engine.config.number('timeout') * 1000;
      const now = this.#engine.world.now();
      if (limitMs > 0) {
        for (const session of this.sessions) {
          const client = session.client;
          if (client.inPubSub || client.monitor || client.replicaLink || client.blocked !== undefined) continue;
          if (now - client.lastActive > limitMs) session.close(false);
        }
      }
      this.#watchIdle();
    });
  }
}

// The addresses one node listens at: the client port on every host, a unix path, the bus port.
// Owns the listeners; knows the parameters that name addresses, nothing of what is said there.
// Invariant: open() opens all or rejects; what was opened by then is closed by close().

import { chmodSync, lstatSync, rmSync } from 'node:fs';
import type { TlsOptions } from 'node:tls';
import { type BusPort, bindTcpBus, type TcpBusSettings } from './bus/tcp-bus.ts';
import type { Config } from './command/config.ts';
import type { Engine } from './command/engine.ts';
import { Listener } from './session/listener.ts';
import type { Session } from './session/session.ts';
import { tlsOptions } from './tls-options.ts';

/** Bus ports are client ports plus this, as in redis, unless `cluster-port` says otherwise. */
export const busPortOffset = 10_000;
const highestPort = 65_535;
const anyPortTries = 64;

export interface DoorOptions {
  /** Names or addresses; one that starts with `-` may be missing on this machine. Each opens the same port. */
  readonly hosts: readonly string[];
  /** 0: any free port. Undefined: no TCP port for clients. */
  readonly port: number | undefined;
  readonly cluster: boolean;
  /** Undefined: no bus over TCP. */
  readonly bus: TcpBusSettings | undefined;
}

export class Doors {
  readonly #engine: Engine;
  readonly #options: DoorOptions;
  #listeners: Listener[] = [];
  #bus: BusPort | undefined;

  constructor(engine: Engine, options: DoorOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  /** The client port; what was asked for, until it is open. */
  get port(): number {
    return this.#listeners[0]?.port ?? this.#options.port ?? 0;
  }

  get cport(): number {
    return this.#bus?.cport ?? this.#busPortFor(this.port);
  }

  get bus(): BusPort | undefined {
    return this.#bus;
  }

  *sessions(): Generator<Session> {
    for (const listener of this.#listeners) yield* listener.sessions;
  }

  /** Rejects when an address cannot be bound. */
  async open(): Promise<void> {
    const { port, cluster, bus } = this.#options;
    if (port !== undefined) await this.#openPorts(port);
    const tlsPort = this.#engine.config.number('tls-port');
    if (tlsPort > 0) await this.#openSecure(tlsPort);
    const path = this.#engine.config.get('unixsocket');
    if (path !== '') await this.#openPath(path);
    if (!cluster || this.#bus !== undefined) return;
    if (this.port > 0 && (await this.#openBus(this.port))) return;
    if (bus !== undefined)
      throw new Error(`no bus port belongs to port ${this.port}: it would be above ${highestPort}`);
  }

  /** Resolves when every socket is gone and the ports are free again. */
  async close(): Promise<void> {
    await this.#bus?.close();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }

  async #openPorts(port: number): Promise<void> {
    const [first = '127.0.0.1', ...others] = this.#options.hosts;
    const unfit: Listener[] = [];
    let listener = await this.#listen(first, port);
    try {
      // The bus port must exist and be free too. The ports without are held until one with came up.
      while (this.#options.cluster && port === 0 && unfit.length < anyPortTries) {
        if (await this.#openBus(listener.port).catch(() => false)) break;
        unfit.push(listener);
        listener = await this.#listen(first, port);
      }
    } finally {
      for (const other of unfit) await other.close();
    }
    this.#listeners = [listener];
    for (const host of others) await this.#listenToo(host, { port: listener.port });
  }

  /** Clients that speak TLS; nodes among themselves do not. */
  async #openSecure(port: number): Promise<void> {
    const tls = tlsOptions(this.#engine.config);
    for (const host of this.#options.hosts) await this.#listenToo(host, { port, tls });
  }

  async #listenToo(host: string, { port, tls }: { port: number; tls?: TlsOptions }): Promise<void> {
    const listener = new Listener(this.#engine, { host: plainHost(host), ...(tls && { tls }) });
    try {
      await listener.listen({ port });
      this.#listeners.push(listener);
    } catch (error) {
      if (!host.startsWith('-')) throw error;
    }
  }

  async #listen(host: string, port: number): Promise<Listener> {
    const listener = new Listener(this.#engine, { host: plainHost(host) });
    await listener.listen({ port });
    return listener;
  }

  async #openPath(path: string): Promise<void> {
    removeStaleSocket(path);
    const listener = new Listener(this.#engine, { path });
    await listener.listen();
    this.#listeners.push(listener);
    const mode = Number.parseInt(this.#engine.config.get('unixsocketperm'), 8);
    if (mode > 0) chmodSync(path, mode);
  }

  /** False when there is no bus port for that client port; rejects when it is taken. */
  async #openBus(clientPort: number): Promise<boolean> {
    const cport = this.#busPortFor(clientPort);
    if (cport > highestPort) return false;
    const { bus, hosts } = this.#options;
    if (bus === undefined) return true;
    this.#bus = await bindTcpBus({ host: plainHost(hosts[0] ?? '127.0.0.1'), cport }, bus);
    return true;
  }

  #busPortFor(clientPort: number): number {
    return this.#engine.config.number('cluster-port') || clientPort + busPortOffset;
  }
}

/** The hosts of `bind`. */
export function boundHosts(config: Config): string[] {
  const hosts = config
    .get('bind')
    .split(' ')
    .filter((host) => host !== '');
  return hosts.length === 0 ? ['*'] : hosts;
}

function plainHost(host: string): string {
  const name = host.replace(/^-/, '');
  return name === '*' ? '0.0.0.0' : name === '::*' ? '::' : name;
}

/** A socket that a killed process left behind; anything else is left for bind to complain about. */
function removeStaleSocket(path: string): void {
  try {
    if (lstatSync(path).isSocket()) rmSync(path);
  } catch {
    // Nothing is there.
  }
}

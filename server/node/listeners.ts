// The addresses one node listens at: ports for clients with and without TLS on every host, a unix path, the bus port.
// Owns the listeners; knows the parameters that name addresses, nothing of what is said there.
// Invariant: open() opens all or rejects, and what was opened by then is closed by close(); rebind() changes all that
// it was asked to or nothing. Clients stay when the door they came in by is closed.

import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { type BusPort, bindTcpBus, type TcpBusSettings } from '../bus/tcp-bus.ts';
import type { Config } from '../config/config.ts';
import type { TlsConfig } from '../config/tls.ts';
import type { Execute } from '../engine/dispatch.ts';
import type { Engine } from '../engine/engine.ts';
import type { RefusedParameter } from '../engine/ports.ts';
import { Listener } from '../session/listener.ts';
import type { Session } from '../session/session.ts';

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
  readonly tls: TlsConfig;
  /** As of a Listener. */
  readonly execute?: Execute | undefined;
}

type Kind = 'port' | 'tls-port';

/** A listener that is open, and where that was asked for. */
interface Opened {
  readonly kind: Kind;
  readonly host: string;
  readonly listener: Listener;
}

export class Listeners {
  readonly #engine: Engine;
  readonly #options: DoorOptions;
  #hosts: readonly string[];
  #opened: Opened[] = [];
  #unix: Listener | undefined;
  /** Closed listeners whose clients are still connected. */
  readonly #left = new Set<Listener>();
  #bus: BusPort | undefined;
  #rebinding: Promise<void> = Promise.resolve();

  constructor(engine: Engine, options: DoorOptions) {
    this.#engine = engine;
    this.#options = options;
    this.#hosts = options.hosts;
  }

  /** The client port; what was asked for, until it is open. */
  get port(): number {
    return this.#portOf('port') || this.#portOf('tls-port') || (this.#options.port ?? 0);
  }

  /** As other nodes are to know them: `port` is that with TLS when the nodes talk TLS. */
  get ports(): { readonly port: number; readonly cport: number; readonly plainPort: number } {
    const { cport } = this;
    if (!this.#secureCluster) return { port: this.port, cport, plainPort: 0 };
    return { port: this.#portOf('tls-port'), cport, plainPort: this.#portOf('port') };
  }

  get cport(): number {
    return this.#bus?.cport ?? this.#busPortFor(this.port);
  }

  get bus(): BusPort | undefined {
    return this.#bus;
  }

  *sessions(): Generator<Session> {
    for (const listener of this.#all()) yield* listener.sessions;
  }

  /** Rejects when an address cannot be bound. */
  async open(): Promise<void> {
    const { port, cluster, bus } = this.#options;
    if (port !== undefined) await this.#openPorts(port);
    const tlsPort = this.#engine.config.number('tls-port');
    if (tlsPort > 0) this.#opened.push(...(await this.#openAll('tls-port', tlsPort, this.#hosts)));
    const path = this.#engine.config.get('unixsocket');
    if (path !== '') await this.#openPath(path);
    if (!cluster || this.#bus !== undefined) return;
    const clientPort = this.#secureCluster ? tlsPort : this.port;
    if (clientPort > 0 && (await this.#openBus(clientPort))) return;
    if (bus === undefined) return;
    if (clientPort === 0) throw new Error('tls-cluster: a tls-port is needed');
    throw new Error(`no bus port belongs to port ${clientPort}: it would be above ${highestPort}`);
  }

  /**
   * Listens where the parameters say by now. Resolves to the parameter that cannot be obeyed and why, with the
   * listeners as they were, or to undefined.
   */
  rebind(names: readonly string[]): Promise<RefusedParameter | undefined> {
    const mine = this.#rebinding.then(() => this.#rebind(names));
    this.#rebinding = mine.then(() => undefined);
    return mine;
  }

  async #rebind(names: readonly string[]): Promise<RefusedParameter | undefined> {
    const { config, world } = this.#engine;
    const before = { hosts: this.#hosts, opened: this.#opened };
    for (const name of names) {
      try {
        if (name === 'bind') await this.#moveTo(boundHosts(config));
        else if (name === 'port') await this.#reopen('port', config.number('port'));
        else await this.#renewSecure(config.number('tls-port'), name !== 'tls-port');
      } catch (error) {
        world.log(`${name} ${config.get(name)}: ${(error as Error).message}`);
        await this.#restore(before);
        return { name, why: error instanceof UnfitTls ? cannotUse : (whyNot[name] ?? cannotUse) };
      }
    }
    return undefined;
  }

  /** Resolves when every socket is gone and the ports are free again. */
  async close(): Promise<void> {
    await this.#rebinding;
    await this.#bus?.close();
    await Promise.all([...this.#all()].map((listener) => listener.close()));
  }

  get #secureCluster(): boolean {
    return this.#engine.config.flag('tls-cluster');
  }

  #portOf(kind: Kind): number {
    return this.#opened.find((door) => door.kind === kind)?.listener.port ?? 0;
  }

  *#all(): Generator<Listener> {
    for (const { listener } of this.#opened) yield listener;
    if (this.#unix !== undefined) yield this.#unix;
    yield* this.#left;
  }

  async #openPorts(port: number): Promise<void> {
    const [first = '127.0.0.1', ...others] = this.#hosts;
    const unfit: Listener[] = [];
    let listener = await this.#openOne('port', port, first);
    try {
      // The bus port must exist and be free too. The ports without are held until one with came up.
      while (this.#options.cluster && !this.#secureCluster && port === 0 && unfit.length < anyPortTries) {
        if (await this.#openBus(listener.port).catch(() => false)) break;
        unfit.push(listener);
        listener = await this.#openOne('port', port, first);
      }
    } finally {
      for (const other of unfit) await other.close();
    }
    this.#opened = [{ kind: 'port', host: first, listener }];
    this.#opened.push(...(await this.#openAll('port', listener.port, others)));
  }

  /** All or none. */
  async #openAll(kind: Kind, port: number, hosts: readonly string[]): Promise<Opened[]> {
    const opened: Opened[] = [];
    for (const host of hosts) {
      try {
        opened.push({ kind, host, listener: await this.#openOne(kind, port, host) });
      } catch (error) {
        if (host.startsWith('-')) continue;
        await Promise.all(opened.map(({ listener }) => listener.close()));
        throw error;
      }
    }
    return opened;
  }

  async #openOne(kind: Kind, port: number, host: string): Promise<Listener> {
    // Else the one for all of IPv6 would take the port from the one for all of IPv4.
    const ipv6Only = this.#hosts.length > 1 && host.includes(':');
    const tls = kind === 'tls-port' ? { tls: this.#options.tls.forClients() } : {};
    const { execute } = this.#options;
    const listener = new Listener(this.#engine, { host: plainHost(host), ipv6Only, execute, ...tls });
    await listener.listen({ port });
    return listener;
  }

  async #moveTo(hosts: readonly string[]): Promise<void> {
    const ports = { port: this.#portOf('port'), 'tls-port': this.#portOf('tls-port') };
    this.#hosts = hosts;
    for (const kind of ['port', 'tls-port'] as const) await this.#reopen(kind, ports[kind]);
  }

  /** `anew`: what is shown there is another one, also at the addresses that stay. */
  async #renewSecure(port: number, anew: boolean): Promise<void> {
    // It may be of no use: that must show before any door is closed.
    try {
      if (port > 0) this.#options.tls.forClients();
    } catch (error) {
      throw new UnfitTls((error as Error).message);
    }
    await this.#reopen('tls-port', port, anew);
  }

  /** Addresses that stay are not touched, unless all is to be `anew`. The others go first: what comes may overlap with them. */
  async #reopen(kind: Kind, port: number, anew = false): Promise<void> {
    const hosts = port > 0 ? this.#hosts : [];
    const stays = (door: Opened): boolean =>
      door.kind !== kind || (!anew && door.listener.port === port && hosts.includes(door.host));
    const staying = this.#opened.filter(stays);
    for (const door of this.#opened) if (!stays(door)) this.#shut(door.listener);
    this.#opened = staying;
    const known = new Set(staying.filter((door) => door.kind === kind).map(({ host }) => host));
    const fresh = await this.#openAll(
      kind,
      port,
      hosts.filter((host) => !known.has(host)),
    );
    this.#opened = [...staying, ...fresh];
  }

  async #restore(before: { readonly hosts: readonly string[]; readonly opened: readonly Opened[] }): Promise<void> {
    this.#hosts = before.hosts;
    for (const door of this.#opened) if (!before.opened.includes(door)) this.#shut(door.listener);
    const restored: Opened[] = [];
    for (const door of before.opened) {
      const { kind, host, listener } = door;
      try {
        if (this.#opened.includes(door)) restored.push(door);
        else restored.push(...(await this.#openAll(kind, listener.port, [host])));
      } catch (error) {
        this.#engine.world.log(`${kind} ${listener.port} at ${host} is lost: ${(error as Error).message}`);
      }
    }
    this.#opened = restored;
  }

  #shut(listener: Listener): void {
    this.#left.add(listener);
    void listener.retire().then(() => this.#left.delete(listener));
  }

  async #openPath(path: string): Promise<void> {
    removeStaleSocket(path);
    const listener = new Listener(this.#engine, { path, execute: this.#options.execute });
    await listener.listen();
    this.#unix = listener;
    const mode = Number.parseInt(this.#engine.config.get('unixsocketperm'), 8);
    if (mode > 0) chmodSync(path, mode);
  }

  /** False when there is no bus port for that client port; rejects when it is taken. */
  async #openBus(clientPort: number): Promise<boolean> {
    const cport = this.#busPortFor(clientPort);
    if (cport > highestPort) return false;
    const { bus } = this.#options;
    if (bus === undefined) return true;
    const hosts = this.#hosts.map((host) => ({ host: plainHost(host), optional: host.startsWith('-') }));
    const [first = { host: '127.0.0.1' }, ...others] = hosts;
    this.#bus = await bindTcpBus({ host: first.host, cport }, bus, others);
    return true;
  }

  #busPortFor(clientPort: number): number {
    return this.#engine.config.number('cluster-port') || clientPort + busPortOffset;
  }
}

class UnfitTls extends Error {}

const cannotListen = 'Unable to listen on this port. Check server logs.';
const cannotUse = 'Unable to update TLS configuration. Check server logs.';
const whyNot: Readonly<Record<string, string>> = {
  bind: 'Failed to bind to specified addresses.',
  port: cannotListen,
  'tls-port': cannotListen,
};

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

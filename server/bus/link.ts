// One socket of the bus, dialled or accepted, and the listener they come in by. The only file of the bus with node:net.
// Knows packets as bytes, nothing of what they say. Invariant: every wait has a deadline and every buffer a limit;
// what goes wrong on a link closes that link, says why once, and touches nothing else.

import { createServer, isIP, type Server, Socket } from 'node:net';
import {
  type ConnectionOptions,
  connect as connectTls,
  createServer as createTlsServer,
  type TlsOptions,
} from 'node:tls';
import type { World } from '../../lib/base/world.ts';
import type { BusAddress } from './bus.ts';
import { Framer } from './frame.ts';

/** Both ends show a certificate; asked for anew for each dialling. */
export interface LinkTls {
  dialling(): ConnectionOptions;
  accepting(): TlsOptions;
}

export interface LinkSettings {
  readonly world: World;
  /** Ms until a dialled socket must be open. */
  connectMs(): number;
  /** Ms without progress after which what was sent, or a packet half received, counts as stuck. */
  stuckMs(): number;
  /** Bytes that may wait to be sent. */
  sendLimit(): number;
  /** Undefined: without TLS. */
  readonly tls: LinkTls | undefined;
  /** Bytes of the longest packet taken in. */
  readonly packetLimit: number;
}

export interface SocketEvents {
  /** Once, when a dialled socket is open. */
  onOpen?(): void;
  onPacket(bytes: Buffer): void;
  /** Once, later than whatever caused it. */
  onClose(reason: string): void;
}

export class SocketLink {
  readonly #socket: Socket;
  readonly #settings: LinkSettings;
  readonly #framer: Framer;
  readonly openedAt: number;
  /** When anything last arrived; at first, when the link was opened. */
  heardAt: number;
  /** Of an accepted link; of a dialled one whoever dialled knows it. */
  readonly remoteHost: string;
  /** The send buffer outgrew its limit. */
  overflowed = false;
  /** The other end knows more extensions than redis 7.0 does. */
  extended = false;
  /** What came was not the cluster bus. */
  garbled = false;
  #dialling: boolean;
  #events: SocketEvents | undefined;
  #reason: string | undefined;
  #unsent = 0;
  #sendingSince = 0;
  #receivingSince = 0;

  constructor(socket: Socket, dialling: boolean, settings: LinkSettings) {
    this.#socket = socket;
    this.#settings = settings;
    this.#framer = new Framer(settings.packetLimit);
    this.#dialling = dialling;
    this.remoteHost = plainHost(socket.remoteAddress);
    this.openedAt = settings.world.now();
    this.heardAt = this.openedAt;
    if (!dialling) socket.setNoDelay(true);
  }

  /** Begins to read; called once, by whoever made the link. */
  start(events: SocketEvents): void {
    const socket = this.#socket;
    this.#events = events;
    const onOpen = (): void => {
      this.#dialling = false;
      this.#sendingSince = this.#settings.world.now();
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 2 * this.#settings.stuckMs());
      if (this.open) events.onOpen?.();
    };
    if (this.#dialling) socket.once(this.#settings.tls === undefined ? 'connect' : 'secureConnect', onOpen);
    else socket.setKeepAlive(true, 2 * this.#settings.stuckMs());
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.once('end', () => this.close('closed by the peer'));
    socket.once('error', (error) => this.close(error.message));
    socket.once('close', () => {
      this.close('closed by the peer');
      events.onClose(this.#reason!);
    });
  }

  get open(): boolean {
    return this.#reason === undefined;
  }

  /** Bytes that wait to be sent. */
  get waiting(): number {
    return this.#socket.writableLength;
  }

  get localHost(): string {
    return plainHost(this.#socket.localAddress);
  }

  /** Sends, as soon as the socket is open. A full buffer closes the link. */
  send(bytes: Buffer): void {
    if (!this.open) return;
    if (this.#socket.writableLength + bytes.length > this.#settings.sendLimit()) {
      this.overflowed = true;
      this.close(`more than ${this.#settings.sendLimit()} bytes wait to be sent`);
      return;
    }
    if (this.#unsent++ === 0) this.#sendingSince = this.#settings.world.now();
    this.#socket.write(bytes, () => {
      this.#unsent--;
      this.#sendingSince = this.#settings.world.now();
    });
  }

  /** Stops or begins to read; the peer's bytes wait in the system. */
  setReading(reading: boolean): void {
    if (!reading) this.#socket.pause();
    else {
      this.excuse(this.#settings.world.now());
      this.#socket.resume();
    }
  }

  /** Nobody could hear anything up to now: no deadline has run out. */
  excuse(now: number): void {
    this.heardAt = now;
    this.#receivingSince = now;
    this.#sendingSince = now;
  }

  /** Closes when a deadline has passed. */
  check(now: number): void {
    if (this.#dialling) {
      if (now - this.openedAt > this.#settings.connectMs()) this.close('no connection in time');
      return;
    }
    const stuckMs = this.#settings.stuckMs();
    if (this.#unsent > 0 && now - this.#sendingSince > stuckMs) this.close('nothing could be sent in time');
    if (this.#framer.pending > 0 && now - this.#receivingSince > stuckMs) this.close('half a packet came in time');
  }

  close(reason = 'closed by this node'): void {
    if (!this.open) return;
    this.#reason = reason;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    if (!this.open) return;
    const before = this.#framer.pending;
    this.heardAt = this.#settings.world.now();
    let packets: Buffer[];
    try {
      packets = this.#framer.push(chunk);
    } catch (error) {
      this.garbled = true;
      this.close((error as Error).message);
      return;
    }
    // The deadline is for a whole packet, so that a trickle of bytes does not hold a link for ever.
    if (before === 0 || packets.length > 0) this.#receivingSince = this.heardAt;
    for (const packet of packets) if (this.open) this.#events!.onPacket(packet);
  }
}

/** An IPv4 address that came in through an IPv6 socket is shown as IPv4. */
function plainHost(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.)/, '');
}

/** `from`: the address that this node listens on; peers see it as the sender's. */
export function dialLink(to: BusAddress, from: string, settings: LinkSettings): SocketLink {
  // To its own address a socket comes from there anyway; to bind it costs a search for a free port.
  const bound = isIP(from) !== 0 && isIP(from) === isIP(to.host) && !isAnyHost(from) && from !== to.host;
  const local = bound ? { localAddress: from } : {};
  const target = { host: to.host, port: to.cport, ...local };
  const socket = settings.tls === undefined ? new Socket() : connectTls({ ...target, ...settings.tls.dialling() });
  settings.world.onSocket?.(socket);
  const link = new SocketLink(socket, true, settings);
  if (settings.tls === undefined) socket.connect(target);
  return link;
}

function isAnyHost(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

export interface BusListener {
  readonly port: number;
  /** Resolves when the port is free again; links that came in are their owner's to close. */
  close(): Promise<void>;
}

/** Listens at `address`; a cport of 0 is any free port. Rejects when it is taken. */
export function openBusListener(
  address: BusAddress & { readonly ipv6Only?: boolean },
  settings: LinkSettings,
  onLink: (link: SocketLink) => void,
): Promise<BusListener> {
  return new Promise((resolve, reject) => {
    const accept = (socket: Socket): void => {
      settings.world.onSocket?.(socket);
      onLink(new SocketLink(socket, false, settings));
    };
    const server =
      settings.tls === undefined
        ? createServer({ pauseOnConnect: true }, accept)
        : createTlsServer({ ...settings.tls.accepting(), handshakeTimeout: settings.connectMs() }, accept);
    // Who does not come through the handshake is nobody's link.
    const raw = new Set<Socket>();
    if (settings.tls !== undefined) {
      server.on('connection', (socket: Socket) => {
        raw.add(socket);
        socket.once('close', () => raw.delete(socket));
      });
    }
    // A bad handshake concerns only whoever made it.
    server.on('tlsClientError', (_error: Error, socket: Socket) => socket.destroy());
    server.once('error', reject);
    server.listen({ host: address.host, port: address.cport, ipv6Only: address.ipv6Only ?? false }, () => {
      server.off('error', reject);
      // No more descriptors, say: that costs one link, not the node.
      server.on('error', (error) => settings.world.log(`bus: accept failed: ${error.message}`));
      const close = (): Promise<void> => {
        const closed = new Promise<void>((done) => server.close(() => done()));
        for (const socket of raw) socket.destroy();
        return closed;
      };
      resolve({ port: portOf(server), close });
    });
  });
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

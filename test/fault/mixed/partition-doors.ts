// The bus of a cluster of processes, led through doors of ours: one in front of each node's bus port, announced in its
// place. A link names who opened it in its first packet; between nodes of different parts nothing gets through, and
// nobody is notified.

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePort } from '../../kit/ports.ts';

const host = '127.0.0.1';
/** Of a packet's header: where the id of its sender stands. */
const [senderAt, senderEnd] = [40, 80];

interface Link {
  readonly near: Socket;
  readonly far: Socket;
  /** Its id; `''` until it is known. */
  sender: string;
  /** Something was lost on it: it is of no use any more. */
  torn: boolean;
}

export class BusDoors {
  /** In the order of the nodes. */
  readonly ports: readonly number[];
  dropped = 0;
  readonly #servers: Server[] = [];
  readonly #links = new Set<Link>();
  readonly #owners = new Map<number, { readonly id: string; readonly cport: number }>();
  #apart: ReadonlySet<string> = new Set();

  private constructor(ports: readonly number[]) {
    this.ports = ports;
  }

  static async open(count: number): Promise<BusDoors> {
    const ports: number[] = [];
    while (ports.length < count) ports.push(await freePort());
    const doors = new BusDoors(ports);
    for (const port of ports) {
      const server = createServer((socket) => doors.#pass(socket, port));
      doors.#servers.push(server);
      server.listen(port, host);
      await once(server, 'listening');
    }
    return doors;
  }

  /** Says who is behind the door number `at`. */
  lead(at: number, id: string, cport: number): void {
    this.#owners.set(this.ports[at]!, { id, cport });
  }

  /** From now on nothing passes between these nodes and the others. */
  part(ids: Iterable<string>): void {
    this.#apart = new Set(ids);
  }

  /** Everything passes again; links that lost something end. */
  heal(): void {
    this.#apart = new Set();
    for (const link of this.#links) if (link.torn) this.#end(link);
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const link of this.#links) this.#end(link);
  }

  #pass(near: Socket, port: number): void {
    const owner = this.#owners.get(port);
    if (owner === undefined) {
      near.destroy();
      return;
    }
    const far = connect({ host, port: owner.cport, noDelay: true });
    const link: Link = { near: near.setNoDelay(true), far, sender: '', torn: false };
    this.#links.add(link);
    const first: Buffer[] = [];
    near.on('data', (chunk: Buffer) => {
      if (link.sender === '') {
        first.push(chunk);
        const head = Buffer.concat(first);
        if (head.length < senderEnd) return;
        link.sender = head.toString('latin1', senderAt, senderEnd);
        this.#forward(link, owner.id, far, head);
      } else this.#forward(link, owner.id, far, chunk);
    });
    far.on('data', (chunk: Buffer) => this.#forward(link, owner.id, near, chunk));
    for (const socket of [near, far]) {
      socket.on('error', () => undefined);
      socket.on('close', () => this.#end(link));
    }
  }

  #forward(link: Link, owner: string, to: Socket, chunk: Buffer): void {
    if (link.torn || this.#apart.has(link.sender) !== this.#apart.has(owner)) {
      link.torn = true;
      this.dropped++;
    } else to.write(chunk);
  }

  #end(link: Link): void {
    this.#links.delete(link);
    link.near.destroy();
    link.far.destroy();
  }
}

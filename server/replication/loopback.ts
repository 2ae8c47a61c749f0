// The replication stream between nodes of one process: queues instead of sockets, delivered a turn of the loop later.
// Invariant: order is kept each way, and nothing is delivered inside the call that sends it or after close().

import type { DialPrimary, PrimaryDoor, PrimarySession, ReplicaSink, StreamAddress } from './transport.ts';

// Doors of this process by client port: the only state that nodes share.
const directory = new Map<number, { readonly host: string; readonly door: PrimaryDoor }[]>();
const anyHost = new Set(['', '0.0.0.0', '::']);

/** Makes a master reachable; returns what takes it away again. */
export function openDoor(address: StreamAddress, door: PrimaryDoor): () => void {
  const entry = { host: address.host, door };
  directory.set(address.port, [...(directory.get(address.port) ?? []), entry]);
  return () => {
    const left = (directory.get(address.port) ?? []).filter((other) => other !== entry);
    if (left.length > 0) directory.set(address.port, left);
    else directory.delete(address.port);
  };
}

/** A lane that holds more than this has lost its reader. */
const laneLimit = 100_000;

/** Runs what is posted in order, one turn of the loop later; stops for good when closed. */
class Lane {
  closed = false;
  readonly #onFull: () => void;
  #queue: (() => void)[] = [];
  #scheduled = false;

  constructor(onFull: () => void) {
    this.#onFull = onFull;
  }

  post(work: () => void): void {
    if (this.closed) return;
    if (this.#queue.length === laneLimit) this.#onFull();
    this.#queue.push(work);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const work = this.#queue;
      this.#queue = [];
      for (const run of work) if (!this.closed) run();
    });
  }
}

export const dialLoopback: DialPrimary = (address, replica, sink) => {
  const down = new Lane(() => lose());
  const up = new Lane(() => lose());
  let session: PrimarySession | undefined;
  const lose = (): void => {
    if (down.closed || up.closed) return;
    up.closed = true;
    session?.close();
    down.post(() => {
      down.closed = true;
      sink.closed();
    });
  };
  const remote: ReplicaSink = {
    full: (copy) => down.post(() => sink.full(copy)),
    effects: (batch, offset) => down.post(() => sink.effects(batch, offset)),
    closed: lose,
  };
  up.post(() => {
    const doors = directory.get(address.port) ?? [];
    const entry = doors.find(({ host }) => host === address.host || anyHost.has(host));
    if (entry === undefined) return lose();
    session = entry.door.attach(replica, remote);
    return undefined;
  });
  return {
    ack: (offset) => up.post(() => session?.ack(offset)),
    close: () => {
      down.closed = true;
      up.closed = true;
      session?.close();
    },
  };
};

// A cluster of nodes in this process for tests. Reaches into the nodes: no socket, no client, no turn of the event loop
// is needed for data. Owns what CONFIG SET has to be undone.

import { nextTurn } from '../../lib/base/turns.ts';
import { Decoder, pending } from '../../lib/wire/decoder.ts';
import { type Reply, ReplyError } from '../../lib/wire/reply.ts';
import { ReplyWriter } from '../../lib/wire/reply-writer.ts';
import type { BundledCluster } from '../embedded/cluster.ts';
import type { BundledNode } from '../embedded/node.ts';
import type { Client } from '../engine/client.ts';
import { apply } from '../engine/dispatch.ts';
import type { Engine } from '../engine/engine.ts';
import { trusted } from '../engine/replay.ts';
import { formatDouble } from '../engine/replies.ts';
import type { SlotMove } from '../operator/reshard/slot-move.ts';
import type { Backend, BackendNode, FailoverMode } from './backend.ts';

/** An engine, its client of ours, and what its parameters were. */
interface Inside {
  readonly client: Client;
  readonly initial: ReadonlyMap<string, string>;
  readonly changed: Set<string>;
}

/** Turns of the event loop until replicas have what their masters have written; each is some microseconds. */
const mostTurns = 20_000;

export class InsideBackend implements Backend {
  readonly #cluster: BundledCluster;
  readonly #engines = new WeakMap<Engine, Inside>();

  readonly #onEngine: (engine: Engine, id: string) => void;

  /** `onEngine` hears of every engine, and of the id of its node. */
  constructor(cluster: BundledCluster, onEngine: (engine: Engine, id: string) => void) {
    this.#cluster = cluster;
    this.#onEngine = onEngine;
    this.#learn();
  }

  /** Takes note of the engines that are there. */
  #learn(): void {
    for (const { server, id } of this.nodes) {
      this.#onEngine(server.engine, id);
      this.#inside(server.engine);
    }
  }

  get nodes(): readonly BundledNode[] {
    return this.#cluster.nodes;
  }

  exchange(node: BackendNode, commands: readonly (readonly string[])[]): Promise<unknown[]> {
    const { server, running, host, port } = this.#own(node);
    if (!running) return Promise.reject(new Error(`${host}:${port} does not run`));
    return Promise.resolve(commands.map((argv) => this.#run(server.engine, argv)));
  }

  async restart(node: BackendNode): Promise<void> {
    await node.restart();
    this.#learn();
  }

  moveSlot(slot: number, to: BackendNode): Promise<number> {
    return this.#cluster.moveSlot(slot, this.#own(to));
  }

  beginMove(slot: number, to: BackendNode): Promise<SlotMove> {
    return this.#cluster.beginMove(slot, this.#own(to));
  }

  failover(node: BackendNode, mode: FailoverMode): Promise<BackendNode> {
    return this.#cluster.failover(this.#own(node), mode);
  }

  async addNode(replicaOf: BackendNode | undefined): Promise<BackendNode> {
    const node = await this.#cluster.addNode(replicaOf === undefined ? {} : { replicaOf: this.#own(replicaOf) });
    this.#learn();
    return node;
  }

  removeNode(node: BackendNode): Promise<void> {
    return this.#cluster.removeNode(this.#own(node));
  }

  settled(timeoutMs?: number): Promise<void> {
    return this.#cluster.settled(timeoutMs);
  }

  reshaped(): Promise<boolean> {
    return Promise.resolve(this.#cluster.reshaped);
  }

  async rebuild(): Promise<void> {
    await this.#cluster.rebuild();
    this.#learn();
  }

  async clean(): Promise<void> {
    for (const { server } of this.nodes) {
      this.#restoreConfig(server.engine);
      server.packetFilter.kind = undefined;
      server.packetFilter.ignoreNodes([]);
    }
    for (const node of this.nodes) {
      node.clearSlotOwners();
      const { engine } = node.server;
      if (node.role === 'master') {
        if (node.server.store.size > 0) this.#run(engine, ['FLUSHALL']);
        if ((engine.functions?.sources.length ?? 0) > 0) this.#run(engine, ['FUNCTION', 'FLUSH']);
      }
      for (const argv of tidying) this.#run(engine, argv);
    }
    await this.#copied();
  }

  setSlotOwner(node: BackendNode, slot: number, ownerId: string | null): void {
    this.#own(node).setSlotOwner(slot, ownerId);
  }

  close(): Promise<void> {
    return this.#cluster.close();
  }

  /** Replicas have applied what their masters have written. */
  async #copied(): Promise<void> {
    const behind = (): boolean =>
      this.nodes.some((node) => {
        const master = this.nodes.find(({ id }) => id === node.masterId);
        return master !== undefined && node.server.offset < master.server.offset;
      });
    for (let left = mostTurns; left > 0 && behind(); left--) await nextTurn();
    if (behind()) throw new Error('reset: the replicas do not catch up with their masters');
  }

  #own(node: BackendNode): BundledNode {
    return node as BundledNode;
  }

  #inside(engine: Engine): Inside {
    let inside = this.#engines.get(engine);
    if (inside !== undefined) return inside;
    const { config } = engine;
    const changed = new Set<string>();
    inside = {
      client: trusted(engine),
      initial: new Map(config.names().map((name) => [name, config.get(name)])),
      changed,
    };
    config.onChange((name) => changed.add(name));
    this.#engines.set(engine, inside);
    return inside;
  }

  #restoreConfig(engine: Engine): void {
    const { initial, changed } = this.#inside(engine);
    for (const name of [...changed]) {
      const value = initial.get(name);
      if (value !== undefined && engine.config.get(name) !== value) engine.config.set([[name, value]]);
    }
    changed.clear();
  }

  #run(engine: Engine, argv: readonly string[]): unknown {
    const reply = apply(engine, this.#inside(engine).client, argv);
    return reply === undefined || reply instanceof ReplyError ? reply : asSent(reply);
  }
}

const tidying = [
  ['SCRIPT', 'FLUSH'],
  ['CONFIG', 'RESETSTAT'],
  ['SLOWLOG', 'RESET'],
  ['LATENCY', 'RESET'],
];

/** A reply as a client of RESP2 reads it. */
function asSent(reply: Reply): unknown {
  if (typeof reply === 'string' || typeof reply === 'number' || reply === null) return reply;
  const writer = new ReplyWriter(formatDouble);
  writer.write(reply);
  const decoder = new Decoder();
  decoder.feed(Buffer.from(writer.take().join(''), 'latin1'));
  const value = decoder.read('latin1');
  if (value === pending) throw new Error('a reply that does not end');
  return value;
}

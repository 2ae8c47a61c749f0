// A cluster of processes for tests, bundled ones or real servers. Everything goes by commands.

import { ReplyError } from '../../lib/wire/reply.ts';
import type { ProcessCluster } from '../embedded/process-cluster.ts';
import type { ProcessNode } from '../embedded/process-node.ts';
import type { SlotMove } from '../operator/reshard/slot-move.ts';
import { type Backend, type BackendNode, type FailoverMode, must } from './backend.ts';

const replicaWaitMs = 1000;
const replicaWaits = 20;

export class ProcessBackend implements Backend {
  readonly #cluster: ProcessCluster;

  constructor(cluster: ProcessCluster) {
    this.#cluster = cluster;
  }

  get nodes(): readonly ProcessNode[] {
    return this.#cluster.nodes;
  }

  exchange(node: BackendNode, commands: readonly (readonly string[])[]): Promise<unknown[]> {
    return this.#cluster.exchange(this.#own(node), commands);
  }

  restart(node: BackendNode): Promise<void> {
    return node.restart();
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

  addNode(replicaOf: BackendNode | undefined): Promise<BackendNode> {
    return this.#cluster.addNode(replicaOf === undefined ? {} : { replicaOf: this.#own(replicaOf) });
  }

  removeNode(node: BackendNode): Promise<void> {
    return this.#cluster.removeNode(this.#own(node));
  }

  settled(timeoutMs?: number): Promise<void> {
    return this.#cluster.settled(timeoutMs);
  }

  reshaped(): Promise<boolean> {
    return this.#cluster.reshaped();
  }

  rebuild(): Promise<void> {
    return this.#cluster.rebuild();
  }

  async clean(): Promise<void> {
    await Promise.all(this.nodes.map((node) => this.#clean(node)));
  }

  async #clean(node: ProcessNode): Promise<void> {
    const isMaster = (await this.#replicasOf(node)) !== undefined;
    const commands = [
      ...(isMaster ? [['FLUSHALL'], ['FUNCTION', 'FLUSH']] : []),
      ['SCRIPT', 'FLUSH'],
      ['CONFIG', 'RESETSTAT'],
      ['SLOWLOG', 'RESET'],
    ];
    // A server without functions is clean of them.
    const replies = await this.exchange(node, commands);
    must(
      replies.filter((reply) => !(reply instanceof ReplyError && /unknown command/i.test(reply.message))),
      'reset',
    );
    if (isMaster) await this.#copied(node);
  }

  /** How many replicas a node has attached; undefined: it is one itself. */
  async #replicasOf(node: ProcessNode): Promise<number | undefined> {
    const replies = await this.exchange(node, [['ROLE']]);
    must(replies, 'ROLE');
    const [kind, , replicas] = replies[0] as [string, unknown, readonly unknown[]];
    return kind === 'master' ? replicas.length : undefined;
  }

  /** Its replicas have what it has written. Who they are is asked each time: one may just be leaving. */
  async #copied(node: ProcessNode): Promise<void> {
    for (let round = 0; round < replicaWaits; round++) {
      const [count] = await this.exchange(node, [
        ['WAIT', String((await this.#replicasOf(node)) ?? 0), String(replicaWaitMs)],
      ]);
      if (Number(count) >= ((await this.#replicasOf(node)) ?? 0)) return;
    }
    throw new Error(`reset: the replicas of ${node.host}:${node.port} do not catch up`);
  }

  setSlotOwner(): never {
    throw new Error('setSlotOwner: only nodes in this process can be made to lie');
  }

  close(): Promise<void> {
    return this.#cluster.close();
  }

  #own(node: BackendNode): ProcessNode {
    return node as ProcessNode;
  }
}

// One node of a TestCluster, as tests handle it. Owns nothing: the backend has the node.

import { type Backend, type BackendNode, must } from './backend.ts';
import { binary, readable, type Scalar } from './values.ts';

/** One node of a TestCluster. */
export class TestNode {
  readonly #backend: Backend;
  readonly #node: BackendNode;
  readonly #port: number;

  constructor(backend: Backend, node: BackendNode, port: number) {
    this.#backend = backend;
    this.#node = node;
    this.#port = port;
  }

  /** 40 hex digits. */
  get id(): string {
    return this.#node.id;
  }

  get host(): string {
    return this.#node.host;
  }

  /** Where clients find it: with `links`, the port of its proxy. */
  get port(): number {
    return this.#port;
  }

  get running(): boolean {
    return this.#node.running;
  }

  get frozen(): boolean {
    return this.#node.paused;
  }

  /** What the backend knows it by; for the other files of this folder. */
  get inner(): BackendNode {
    return this.#node;
  }

  /** As SIGKILL: what was in memory alone is lost. */
  kill(): Promise<void> {
    return this.#node.kill();
  }

  /** Kills if needed, then starts again at the same address with the same id. */
  restart(): Promise<void> {
    return this.#backend.restart(this.#node);
  }

  /** As SIGSTOP: sockets stay open and nothing is answered until unfreeze(). */
  freeze(): void {
    this.#node.pause();
  }

  unfreeze(): void {
    this.#node.resume();
  }

  /**
   * Runs a command on this very node, past the slots, intercepts and links. Bulk strings come back as text, or as a
   * Buffer where the bytes are no UTF-8. Rejects with an Error when the reply is one, or the node does not answer.
   */
  async call(...argv: readonly Scalar[]): Promise<unknown> {
    if (argv.length === 0) throw new RangeError('call: a command is needed');
    const replies = await this.#backend.exchange(this.#node, [argv.map(binary)]);
    must(replies, String(argv[0]));
    return readableDeep(replies[0]);
  }
}

function readableDeep(reply: unknown): unknown {
  if (typeof reply === 'string') return readable(reply);
  return Array.isArray(reply) ? reply.map(readableDeep) : reply;
}

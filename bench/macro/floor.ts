// The floor: what the sockets allow. Requests are bytes made ahead of time, replies are counted, not decoded; their
// lengths are known because the values are. Each reply stretch is compared byte by byte once, before the clock starts.

import { connect, type Socket } from 'node:net';
import { slotOf } from '../../lib/wire/slot.ts';
import { type BenchNode, ownersOf } from '../cluster/cluster.ts';
import type { Times } from '../measure/times.ts';
import { countFor, readKey, valuesOf, writeKey } from './dataset.ts';
import type { Runner } from './runner.ts';
import { operationAt, type Workload } from './workloads.ts';

const confirmation = '+OK\r\n';

interface Prepared {
  readonly node: number;
  readonly request: Buffer;
  readonly reply: string;
}

/** One connection: bytes out, bytes counted in. */
class Line {
  readonly socket: Socket;
  onBytes: (chunk: Buffer) => void = () => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.onBytes(chunk));
  }

  static open(host: string, port: number): Promise<Line> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, host, () => resolve(new Line(socket)));
      socket.once('error', reject);
    });
  }

  /** Writes `request`; resolves when `length` bytes have come back. */
  exchange(request: Buffer, length: number): Promise<void> {
    return new Promise((resolve) => {
      let missing = length;
      this.onBytes = (chunk) => {
        missing -= chunk.length;
        if (missing <= 0) resolve();
      };
      this.socket.write(request);
    });
  }

  async collect(request: Buffer, length: number): Promise<string> {
    const chunks: Buffer[] = [];
    await new Promise<void>((resolve) => {
      let missing = length;
      this.onBytes = (chunk) => {
        chunks.push(chunk);
        missing -= chunk.length;
        if (missing <= 0) resolve();
      };
      this.socket.write(request);
    });
    return Buffer.concat(chunks).toString('latin1');
  }
}

interface Round {
  readonly requests: readonly Buffer[];
  readonly replies: readonly string[];
}

export class FloorRunner implements Runner {
  readonly #lines: readonly Line[];
  readonly #workload: Workload;
  readonly #operations: readonly Prepared[];
  readonly #rounds: readonly Round[];
  #next = 0;

  private constructor(lines: readonly Line[], workload: Workload, operations: readonly Prepared[]) {
    this.#lines = lines;
    this.#workload = workload;
    this.#operations = operations;
    this.#rounds = workload.shape === 'loops' ? [] : roundsOf(operations, workload.width, lines.length);
  }

  static async open(nodes: readonly BenchNode[], workload: Workload): Promise<FloorRunner> {
    const lines = await Promise.all(nodes.map(({ host, port }) => Line.open(host, port)));
    const runner = new FloorRunner(lines, workload, prepare(nodes, workload));
    await runner.verify();
    return runner;
  }

  async run(seconds: number, times: Times): Promise<number> {
    const end = performance.now() + seconds * 1000;
    if (this.#workload.shape === 'loops') return new Promise((resolve) => this.#loops(end, times, resolve));
    let done = 0;
    for (let now = performance.now(); now < end; ) {
      const { requests, replies } = this.#rounds[this.#next]!;
      this.#next = (this.#next + 1) % this.#rounds.length;
      const exchanges: Promise<void>[] = [];
      for (let node = 0; node < requests.length; node++) {
        if (replies[node]!.length > 0) {
          exchanges.push(this.#lines[node]!.exchange(requests[node]!, replies[node]!.length));
        }
      }
      await Promise.all(exchanges);
      done += this.#workload.width;
      const after = performance.now();
      times.note(after - now);
      now = after;
    }
    return done;
  }

  /** Every prepared exchange once, byte by byte. */
  async verify(): Promise<void> {
    for (const { requests, replies } of roundsOf(this.#operations, 100, this.#lines.length)) {
      for (const [node, line] of this.#lines.entries()) {
        if (replies[node] === '') continue;
        const answer = await line.collect(requests[node]!, replies[node]!.length);
        if (answer !== replies[node]) throw new Error(`floor: wrong bytes from node ${node}: ${answer.slice(0, 80)}`);
      }
    }
  }

  close(): Promise<void> {
    for (const { socket } of this.#lines) socket.destroy();
    return Promise.resolve();
  }

  // Each lane has one request on its way; what became due in one chunk leaves in one write.
  #loops(end: number, times: Times, finished: (done: number) => void): void {
    const lanes = this.#lines.map(() => new LoopLane());
    let running = this.#workload.width;
    let done = 0;
    const issue = (now: number): void => {
      if (now >= end) {
        if (--running === 0) finished(done);
        return;
      }
      const operation = this.#operations[this.#next]!;
      this.#next = (this.#next + 1) % this.#operations.length;
      lanes[operation.node]!.add(operation, now);
    };
    const flush = (): void => {
      for (let node = 0; node < lanes.length; node++) lanes[node]!.flush(this.#lines[node]!.socket);
    };
    this.#lines.forEach((line, node) => {
      line.onBytes = (chunk) => {
        const lane = lanes[node]!;
        lane.bytes += chunk.length;
        for (let started = lane.finished(); started >= 0; started = lane.finished()) {
          const now = performance.now();
          times.note(now - started);
          done++;
          issue(now);
        }
        flush();
      };
    });
    const now = performance.now();
    for (let lane = 0; lane < this.#workload.width; lane++) issue(now);
    flush();
  }
}

/** The requests under way on one connection of the loop shape. */
class LoopLane {
  bytes = 0;
  #out: Buffer[] = [];
  // Consumed from #head; compacted when it has emptied.
  #lengths: number[] = [];
  #starts: number[] = [];
  #head = 0;

  add(operation: Prepared, now: number): void {
    this.#out.push(operation.request);
    this.#lengths.push(operation.reply.length);
    this.#starts.push(now);
  }

  /** When the oldest request is answered, the time it started; otherwise -1. */
  finished(): number {
    const length = this.#lengths[this.#head];
    if (length === undefined || this.bytes < length) return -1;
    this.bytes -= length;
    const started = this.#starts[this.#head++]!;
    if (this.#head > 4096) {
      this.#lengths = this.#lengths.slice(this.#head);
      this.#starts = this.#starts.slice(this.#head);
      this.#head = 0;
    }
    return started;
  }

  flush(socket: Socket): void {
    if (this.#out.length === 0) return;
    socket.write(this.#out.length === 1 ? this.#out[0]! : Buffer.concat(this.#out));
    this.#out = [];
  }
}

function prepare(nodes: readonly BenchNode[], { size, operation }: Workload): Prepared[] {
  const owners = ownersOf(nodes);
  const values = valuesOf(size, 0);
  return Array.from({ length: countFor(size) }, (_, index) => {
    const value = values[index]!;
    const reads = operationAt(operation, index) === 'get';
    const key = reads ? readKey(size, index) : writeKey('floor', size, index);
    const words = reads ? ['GET', key] : ['SET', key, value];
    const request = `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
    const reply = reads ? `$${value.length}\r\n${value}\r\n` : confirmation;
    return { node: owners[slotOf(key)]!, request: Buffer.from(request, 'latin1'), reply };
  });
}

function roundsOf(operations: readonly Prepared[], width: number, nodes: number): Round[] {
  const rounds: Round[] = [];
  for (let at = 0; at + width <= operations.length; at += width) {
    const part = operations.slice(at, at + width);
    const byNode = Array.from({ length: nodes }, (_, node) => part.filter((one) => one.node === node));
    rounds.push({
      requests: byNode.map((list) => Buffer.concat(list.map((one) => one.request))),
      replies: byNode.map((list) => list.map((one) => one.reply).join('')),
    });
  }
  return rounds;
}

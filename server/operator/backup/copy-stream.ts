// A master's copy of all data as its bytes arrive: asks as a replica does that wants one copy and no stream behind it.
// Owns: the socket. Knows the dialogue and where the copy ends; not what is in it.
// Invariant: what is handed on is the RDB file, byte for byte, and nothing behind it.

import type { Socket } from 'node:net';
import type { ClusterLink, NodeAddress } from '../link/cluster-link.ts';

export interface CopyHead {
  /** Name of the replication history, and the bytes of its stream that the copy holds. */
  readonly replicationId: string;
  readonly offset: number;
}

export interface CopyOptions {
  /** Milliseconds without a byte before it is given up. Default 60000. */
  readonly silenceMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bytes that came, and how many will; null: the master does not say. */
  onProgress?(bytes: number, total: number | null): void;
}

const markLength = 40;
const longestLine = 4096;

/** Gives all bytes of the copy to `write`, in order, waiting for it. Rejects with an Error that names the node. */
export async function fetchCopy(
  link: ClusterLink,
  node: NodeAddress,
  write: (chunk: Buffer) => Promise<void>,
  options: CopyOptions = {},
): Promise<CopyHead> {
  const { socket, send, logins } = link.dial(node);
  socket.setTimeout(options.silenceMs ?? 60_000, () => socket.destroy(new Error('no byte for too long')));
  const stop = (): void => void socket.destroy(new Error('interrupted'));
  options.signal?.addEventListener('abort', stop);
  try {
    const bytes = new SocketBytes(socket);
    const head = await readHead(bytes, send, logins);
    await readBody(bytes, write, options);
    return head;
  } catch (error) {
    throw new Error(`${node.host}:${node.port}: ${(error as Error).message}`);
  } finally {
    options.signal?.removeEventListener('abort', stop);
    socket.on('error', () => undefined);
    socket.destroy();
  }
}

/** One question after the other: a master gives no copy while an answer is still to be sent. */
async function readHead(bytes: SocketBytes, send: (argv: string[]) => void, logins: number): Promise<CopyHead> {
  for (let at = 0; at < logins; at++) {
    const line = await bytes.line();
    if (line.startsWith('-')) throw new Error(line.slice(1));
  }
  // Older servers do not know all of REPLCONF, which does no harm.
  for (const args of [
    ['rdb-only', '1'],
    ['capa', 'eof', 'capa', 'psync2'],
    // To older replicas Valkey 9 writes an older form, and gives up at a hash whose fields expire.
    ['version', '9.0.0'],
  ]) {
    send(['REPLCONF', ...args]);
    await bytes.line();
  }
  send(['PSYNC', '?', '-1']);
  const line = await bytes.line();
  const found = /^\+FULLRESYNC (\S+) (-?\d+)/.exec(line);
  if (found === null) throw new Error(`no copy: ${line.replace(/^[-+]/, '').slice(0, 200)}`);
  return { replicationId: found[1]!, offset: Number(found[2]) };
}

async function readBody(
  bytes: SocketBytes,
  write: (chunk: Buffer) => Promise<void>,
  { onProgress }: CopyOptions,
): Promise<void> {
  const header = await bytes.line();
  const length = /^\$(\d{1,15})$/.exec(header)?.[1];
  const mark = /^\$EOF:(.{40})$/s.exec(header)?.[1];
  let done = 0;
  if (length !== undefined) {
    for (let left = Number(length); left > 0; ) {
      const chunk = await bytes.some(left);
      left -= chunk.length;
      done += chunk.length;
      await write(chunk);
      onProgress?.(done, Number(length));
    }
    return;
  }
  if (mark === undefined) throw new Error(`'${header.slice(0, 60)}' where a copy should begin`);
  // The mark may come in pieces: the last bytes are held back until it is known that they are not it.
  let held: Buffer = Buffer.alloc(0);
  for (;;) {
    held = Buffer.concat([held, await bytes.some(Number.POSITIVE_INFINITY)]);
    const ended = held.length >= markLength && held.toString('latin1', held.length - markLength) === mark;
    const ready = held.subarray(0, Math.max(0, held.length - markLength));
    held = held.subarray(ready.length);
    if (ready.length > 0) await write(ready);
    done += ready.length;
    onProgress?.(done, null);
    if (ended) return;
  }
}

/** Lines and pieces of a socket, one after the other; nothing is read ahead of who asks. */
class SocketBytes {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#chunks = socket.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** The next line that is not empty: a master that is preparing a copy sends line feeds to stay in touch. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf(10);
      if (end < 0) {
        if (this.#rest.length > longestLine) throw new Error('a line without an end');
        this.#rest = Buffer.concat([this.#rest, await this.#next()]);
        continue;
      }
      const line = this.#rest.toString('latin1', 0, end).replace(/\r$/, '');
      this.#rest = this.#rest.subarray(end + 1);
      if (line !== '') return line;
    }
  }

  /** What is there, at most `most` bytes; waits when nothing is. */
  async some(most: number): Promise<Buffer> {
    if (this.#rest.length === 0) this.#rest = await this.#next();
    const chunk = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(chunk.length);
    return chunk;
  }

  async #next(): Promise<Buffer> {
    const { done, value } = await this.#chunks.next();
    if (done === true) throw new Error('the connection ended before the copy was whole');
    return value;
  }
}

// Prints the bytes of heap that a GET takes while its answer has not come: the call, its words' array, its place in
// the queue, and its promise or its share of the batch. The strings themselves are made before.

import { createServer, type Socket } from 'node:net';
import { Cluster } from '../../lib/index.ts';

const count = 100_000;
const collect = (globalThis as { gc?: () => void }).gc;
if (collect === undefined) throw new Error('needs --expose-gc');

/** Owns all slots, and answers nothing but what a client asks on arrival. */
async function startMute(): Promise<number> {
  const answers: readonly [RegExp, () => string][] = [
    [/hello/i, () => '%1\r\n+proto\r\n:3\r\n'],
    [/setinfo/i, () => '+OK\r\n'],
    [/slots/i, () => `*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:${port}\r\n$2\r\nid\r\n`],
    [/nodes\r\n/i, () => '-ERR not known\r\n'],
  ];
  const server = createServer((socket: Socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      const asked = bytes.toString('latin1', 0, 2000);
      for (const [pattern, answer] of answers) if (pattern.test(asked)) socket.write(answer());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return port;
}

const options = { enableReadyCheck: false, silenceTimeout: 0 };
const cluster = new Cluster([{ host: '127.0.0.1', port: await startMute() }], options);
await new Promise((resolve) => cluster.once('ready', resolve));
const keys = Array.from({ length: count }, (_, index) => `key:${index}`);
const pending = new Array<unknown>(count).fill(undefined);
collect();
const before = process.memoryUsage().heapUsed;
if (process.argv[2] === 'single') for (let at = 0; at < count; at++) pending[at] = cluster.get(keys[at]!);
else {
  const pipeline = cluster.pipeline();
  for (const key of keys) pipeline.get(key);
  pending[0] = pipeline.exec();
}
await new Promise((resolve) => setTimeout(resolve, 200));
collect();
console.log((process.memoryUsage().heapUsed - before) / count);
process.exit(0);

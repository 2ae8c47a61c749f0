// Ports for nodes that need a fixed port: processes, and whoever comes back to where it was.
//
// Test files run side by side, and so may whole runs. A port that was free a moment ago is not ours yet, so each process
// takes a block: it listens at the block's first port for as long as it lives, and who finds that port taken goes on to
// the next block. Ports lie below the range from which the system takes those of outgoing connections, bus ports too.

import { createServer, type Server } from 'node:net';

const host = '127.0.0.1';
/** From a client port to its bus port, as servers have it by default. */
const busOffset = 10_000;
const firstBlock = 10_000;
const blockSize = 100;
const blockCount = 25;

let claimed: Promise<unknown> = Promise.resolve();
const locks: Server[] = [];
let blockAt = process.pid % blockCount;
/** The ports of the newest block are given out in turn: one that was given back is long unused before it comes again. */
let first = 0;
let next = 0;

/**
 * A free port that no other process of tests will take, and whose bus port (10000 above) is free too. The first of `count`
 * such ports in a row, for who takes the next ones unasked.
 */
export function freePort(count = 1): Promise<number> {
  const port = claimed.then(() => claim(count));
  claimed = port.catch(() => undefined);
  return port;
}

async function claim(count: number): Promise<number> {
  for (;;) {
    for (let tries = 1; locks.length > 0 && tries < blockSize; tries++) {
      const at = next % (blockSize - 1);
      const port = first + 1 + at;
      if (at + count < blockSize && (await areFree(port, count))) {
        next = at + count;
        return port;
      }
      next = at + 1;
    }
    await takeBlock();
  }
}

async function areFree(from: number, count: number): Promise<boolean> {
  for (let port = from; port < from + count; port++) {
    if (!(await isFree(port)) || !(await isFree(port + busOffset))) return false;
  }
  return true;
}

async function takeBlock(): Promise<void> {
  for (let tries = 0; tries < blockCount; tries++) {
    first = firstBlock + blockSize * blockAt;
    blockAt = (blockAt + 1) % blockCount;
    const lock = await listen(first);
    if (lock === undefined) continue;
    lock.unref();
    locks.push(lock);
    next = 0;
    return;
  }
  throw new Error('no free port found: other processes hold every block');
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen(port);
  if (server === undefined) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host, exclusive: true }, () => resolve(server));
  });
}

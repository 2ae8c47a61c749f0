// The kit's own promises: what it cannot start it says, and it signals nobody but whom it has started.

import { equal, ok, rejects } from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { freePort } from '../kit/ports.ts';
import { startRealCluster } from '../kit/real-cluster.ts';

describe('house: the kit', () => {
  it('a server program that is not there is an error, and no process is signalled for it', async () => {
    const { kill } = process;
    const signalled: unknown[] = [];
    process.kill = (pid, name) => {
      signalled.push([pid, name]);
      return true;
    };
    try {
      await rejects(startRealCluster({ server: '/nowhere/redis-server', replicas: 0 }), /cannot be started/);
    } finally {
      process.kill = kill;
    }
    if (signalled.length > 0) throw new Error(JSON.stringify(signalled));
  });

  it('ports in a row are free, all of them, and given to nobody else', async () => {
    const before = await freePort();
    const taken = createServer().listen(before + 2, '127.0.0.1');
    await once(taken, 'listening');
    try {
      const first = await freePort(3);
      // Those next to it, with the one that is taken among them, are no three in a row.
      ok(first > before + 2 || first + 2 < before, `${first} after ${before}`);
      const [again, next] = await Promise.all([freePort(3), freePort()]);
      ok(Math.abs(again - first) >= 3, `${again} after ${first}`);
      equal(next >= again && next < again + 3, false);
    } finally {
      taken.close();
    }
  });
});

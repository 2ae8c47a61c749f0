// The kit's own promises: what it cannot start it says, and it signals nobody but whom it has started.

import { rejects } from 'node:assert/strict';
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
});

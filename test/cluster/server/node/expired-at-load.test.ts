// What has run out when a node loads its data: a primary's is dropped, and a replica's is its primary's to delete, however
// long it takes until the node follows that one.

import { equal } from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { RealWorld } from '../../../../lib/base/world.ts';
import { startNode } from '../../../../server/index.ts';
import { openNode } from '../../../../server/node/node.ts';
import { ask } from '../../../kit/ask.ts';
import { until } from '../../../kit/until.ts';

const [own, primary] = ['a'.repeat(40), 'b'.repeat(40)];
/** As long as several rounds of the background work take. */
const roundsMs = 500;

describe('keys that have run out when a node loads its data', () => {
  let dir: string;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'lingcache-expired-'));
    const node = await startNode({ config: { dir, save: '' } });
    await ask(node, 'SET', 'stays', '1');
    for (let at = 0; at < 20; at++) await ask(node, 'SET', `gone${at}`, 'v', 'PX', '200');
    equal(await ask(node, 'SAVE'), 'OK');
    equal(await ask(node, 'DBSIZE'), 21);
    await node.kill();
    await pause(250);
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const open = (cluster: boolean, config: Record<string, string>) =>
    openNode({ world: new RealWorld(), host: '127.0.0.1', port: 0, cluster, config: { dir, save: '', ...config } });

  for (const [name, cluster, config] of [
    ['replicaof', false, { replicaof: '127.0.0.1 1' }],
    ['nodes.conf', true, {}],
  ] as const) {
    it(`a replica by its ${name} keeps them until its primary deletes them`, async () => {
      const nodes = `${own} 127.0.0.1:7001@17001 myself,slave ${primary} 0 0 1 connected
${primary} 127.0.0.1:7002@17002 master - 0 0 1 connected 0-16383
vars currentEpoch 1 lastVoteEpoch 0
`;
      if (cluster) writeFileSync(join(dir, 'nodes.conf'), nodes);
      const node = await open(cluster, config);
      try {
        await pause(roundsMs);
        equal(node.engine.databases.stores[0]!.size, 21);
      } finally {
        await node.close();
      }
    });
  }

  it('a primary drops them, and what runs out later', async () => {
    const node = await open(false, {});
    try {
      const [store] = node.engine.databases.stores;
      await until('the one that stays is left', () => store!.size === 1);
    } finally {
      await node.close();
    }
  });
});

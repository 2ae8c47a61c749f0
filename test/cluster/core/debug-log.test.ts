// NODE_DEBUG=lingcache, in a process of its own: what it prints, and what it never does.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

const program = `
import { Cluster, Redis, slotOf } from ${JSON.stringify(new URL('../../../lib/index.js', import.meta.url).href)};
import { startCluster } from ${JSON.stringify(new URL('../../../server/index.js', import.meta.url).href)};
const bundled = await startCluster({ masters: 2, replicas: 0, password: 'open-sesame' });
const cluster = new Cluster(bundled.seeds, { redisOptions: { password: 'open-sesame' } });
await cluster.set('hidden-key', 'hidden-value');
for (const target of [0, 1]) {
  await bundled.moveSlot(slotOf('hidden-key'), target);
  await cluster.get('hidden-key');
}
await cluster.quit();
const wrong = new Redis({ ...bundled.seeds[0], password: 'wrong-word', retryStrategy: null });
wrong.on('error', () => {});
await wrong.get('hidden-key').catch(() => {});
wrong.disconnect();
await bundled.close();
`;

describe('cluster: the debug log', () => {
  function run(flag: string): string {
    const args = ['--input-type=module', '--eval', program];
    const env = { ...process.env, NODE_DEBUG: flag };
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
    assert.equal(status, 0, stderr);
    return stderr;
  }

  it('prints connects, handshakes, redirects and refreshes, and no key, value or secret', () => {
    const printed = run('lingcache');
    assert.match(printed, /^LINGCACHE \d+: connection 1 to 127\.0\.0\.1:\d+: connecting$/m);
    assert.match(printed, /connection \d+ to 127\.0\.0\.1:\d+: up, handshake done$/m);
    assert.match(printed, /connection \d+ to 127\.0\.0\.1:\d+: failed, RedisError WRONGPASS$/m);
    assert.match(
      printed,
      /moved: slot \d+, from 127\.0\.0\.1:\d+ to 127\.0\.0\.1:\d+, MOVED, attempt 1, written 1 times$/m,
    );
    assert.match(printed, /slot map asked for \(connect\): changed$/m);
    assert.doesNotMatch(printed, /hidden|sesame|wrong-word/);
  });

  it('prints nothing when it is not asked to', () => {
    assert.doesNotMatch(run('other'), /LINGCACHE/);
  });
});

// Every example runs as users run it, to its end, and prints what it is there to show. Needs dist/ (npm run build).

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startAhead } from './ahead.ts';

const run = promisify(execFile);
const root = process.cwd();

const shows: Readonly<Record<string, readonly RegExp[]>> = {
  queue: [/died after 5/, /put back 1 job/, /50 of 50 jobs were done/],
  'rate-limiter': [/20 of 30 requests were allowed/, /come again: true/, /after the window it is allowed: true/],
  'session-store': [/^visit 1\nvisit 2\nvisit 3, after every master was replaced$/m],
  'near-cache': [/999 from memory, 1 from the cluster/, /new price is 25/],
  chat: [/bob heard: ada: hello \| ada: is anybody here\?/, /missed: ada: hello/],
  leaderboard: [/top: ada 99990/, /around ada: 1\. ada 99990, 2\./, /1001 players/],
  lock: [/quick gets it meanwhile: false/, /slow wakes up and writes: false/, /the value is of quick/],
  'stream-group': [/died with some/, /the rest was claimed: 100 of 100 billed/, /pending: 0/],
  'bulk-loader': [/20000 loaded, 0 failed/, /20000 keys on 3 masters/],
  'failover-drill': [/pass 2\b/, /fail 0\b/],
  'custom-metrics': [/command="set",outcome="ok"} 100/, /command="lpush",outcome="failed"} 1/, /kind="moved"} [1-9]/],
  'migration-tool': [/2200 keys copied, 0 were gone/, /^0 differ; .*time to live: true/m],
};

describe('docs: examples', function () {
  this.timeout(120_000);

  let printed: ReadonlyMap<string, Promise<unknown>>;

  before(async () => {
    await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'examples/tsconfig.json'], { cwd: root });
    // node:test reports to the runner above when there is one.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const options = { cwd: root, env, timeout: 60_000 };
    const start = (name: string) => () => run(process.execPath, ['examples/start.mjs', name], options);
    printed = startAhead(new Map(Object.keys(shows).map((name) => [name, start(name)])));
  });

  it('each has its row here', () => {
    const names = readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.ts'));
    assert.deepEqual(names.map((name) => name.slice(0, -3)).sort(), Object.keys(shows).sort());
  });

  for (const [name, texts] of Object.entries(shows)) {
    it(`${name} runs to its end`, async () => {
      const { stdout } = (await printed.get(name)) as { stdout: string };
      for (const text of texts) assert.match(stdout, text);
    });
  }
});

import assert from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import type { Call } from '../../../lib/connection/call.ts';
import { waitUntilLoaded } from '../../../lib/core/ready-check.ts';

describe('core/ready-check', () => {
  /** Plays `ms` of a server's loading; `bytesAt` gives what INFO says by then, undefined when it is over. */
  async function play(bytesAt: (ms: number) => string | undefined, ms: number, maxWait = 3000) {
    const world = new ManualWorld();
    const start = world.now();
    const late: (Error | undefined)[] = [];
    let looks = 0;
    const send = (call: Call): boolean => {
      looks++;
      const bytes = bytesAt(world.now() - start);
      call.settle(bytes === undefined ? 'loading:0\r\n' : `loading:1\r\n${bytes}loading_eta_seconds:1\r\n`);
      return true;
    };
    let ready = false;
    void waitUntilLoaded(send, world, maxWait, 0, (reason) => late.push(reason)).then(() => {
      ready = true;
    });
    for (let passed = 0; passed < ms; passed += 500) {
      await new Promise(setImmediate);
      world.forward(500);
    }
    await new Promise(setImmediate);
    return { ready, late, looks };
  }

  const growing = (ms: number): string => `loading_loaded_bytes:${ms}\r\n`;

  it('waits for a loading that goes on, however long it takes', async () => {
    const { ready, late, looks } = await play((ms) => (ms < 60_000 ? growing(ms) : undefined), 62_000);
    assert.deepEqual([ready, late.length], [true, 0]);
    assert.ok(looks >= 60);
  });

  for (const [what, bytes] of [
    ['says the same number of bytes', 'loading_loaded_bytes:7\r\n'],
    ['says nothing of its bytes', ''],
  ] as const) {
    it(`gives up a loading that ${what} for as long as maxLoadingRetryTime`, async () => {
      const { late } = await play(() => bytes, 10_000);
      assert.equal(late.length, 1);
      assert.match(late[0]!.message, /loading its data, without progress for 3000ms \(maxLoadingRetryTime\)/);
    });
  }
});

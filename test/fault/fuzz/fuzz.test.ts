import assert from 'node:assert/strict';
import { chanceFrom } from '../../unit/server/bus/packet-kit.ts';
import { fuzzAcl } from './acl.ts';
import { fuzzAof } from './aof.ts';
import { fuzzDoor } from './door.ts';
import type { Chance } from './kit.ts';
import { fuzzNodes } from './nodes.ts';
import { fuzzPsync } from './psync.ts';
import { fuzzRdb } from './rdb.ts';
import { fuzzRestore } from './restore.ts';
import { fuzzScripts } from './scripts.ts';
import { fuzzTracking } from './tracking.ts';

// A few of the inputs that `npm run proof:fuzz` tries by the hundred thousand. Each run throws at the first input that
// does more than be taken or be refused with a reason.

const mebibyte = 1024 * 1024;

describe('bad input', function () {
  this.timeout(60_000);

  for (const [what, fuzz, runs] of [
    ['RDB files', fuzzRdb, 800],
    ['payloads of RESTORE', (runs: number, chance: Chance) => fuzzRestore(runs, chance, false), 800],
    ['answers, copies and streams of a master', fuzzPsync, 200],
    ['append only files and manifests', fuzzAof, 1500],
    ['cluster configurations', fuzzNodes, 800],
    ['scripts', fuzzScripts, 1500],
    ['definitions of users', (runs: number, chance: Chance) => fuzzAcl(runs, chance, false), 2000],
    ['requests of strangers', fuzzDoor, 2000],
    ['options of CLIENT TRACKING', fuzzTracking, 2000],
  ] as const) {
    it(`${runs} spoiled ${what} are taken or refused with a reason, and memory is not taken on their word`, async () => {
      const report = await fuzz(runs, chanceFrom(7));
      assert.equal(report.accepted + report.refused, runs);
      assert.ok(report.accepted > runs / 50, `only ${report.accepted} were taken`);
      assert.ok(report.refused > runs / 5, `only ${report.refused} were refused`);
      assert.ok(report.reasons.size >= 2, [...report.reasons.keys()].join());
      assert.ok(report.largest <= mebibyte, `a buffer of ${report.largest} bytes`);
    });
  }
});

// A client of one server that is no cluster, on ioredis and on lingcache.

import { deepEqual, fail } from 'node:assert/strict';
import { needRedisServer, type RealNode, startRealNode } from '../../kit/redis-server.ts';
import { judge, libraries, unusedDeviations } from './harness.ts';
import { type AloneRow, aloneRows, runAlone } from './rows-alone.ts';
import { appRows } from './rows-alone-apps.ts';
import { optionRows } from './rows-alone-options.ts';
import { transactionRows } from './rows-alone-transactions.ts';
import { documentedRows } from './rows-documented.ts';

const groups: Readonly<Record<string, readonly AloneRow[]>> = {
  alone: aloneRows,
  'options assigned': optionRows,
  apps: appRows,
  'transactions alone': transactionRows,
  documented: documentedRows,
};

describe('a client of one server, of ioredis and of lingcache', () => {
  let node: RealNode | undefined;
  before(async function () {
    needRedisServer(this);
    node = await startRealNode();
  });
  after(() => node?.stop());

  for (const [group, rows] of Object.entries(groups)) {
    for (const row of rows) {
      it(`${group}: ${row.name}`, async () => {
        const [theirs, ours] = [
          await runAlone(row, libraries[0]!, node!.port),
          await runAlone(row, libraries[1]!, node!.port),
        ];
        const complaint = judge(`${group}: ${row.name}`, 'alone', theirs, ours);
        if (complaint !== undefined) fail(complaint);
      });
    }
    it(`${group}: no deviation that no row shows`, () => {
      deepEqual(unusedDeviations(group), []);
    });
  }
});

// The command table beside what later servers say of themselves: nothing they have is missing, and reads are reads.

import assert from 'node:assert/strict';
import { Flag } from '../../../lib/command/flags.ts';
import { keyIndexes } from '../../../lib/command/keys.ts';
import { commandOf } from '../../../lib/command/table.ts';
import { type RealCluster, startRealCluster } from '../../kit/real-cluster.ts';
import { needServer, type ServerName } from '../../kit/servers.ts';

/** What has keys in places that a table can get wrong. */
const calls =
  `hexpire k 1 FIELDS 1 f|hgetdel k FIELDS 1 f|hgetex k EX 1 FIELDS 1 f|hsetex k FIELDS 1 f v|msetex 2 a 1 b 2
  delifeq k v|waitaof 0 0 1|vadd k VALUES 1 1 e|vsim k ELE e|xread STREAMS a b 0 0|sort k BY w STORE d|zrank k m
  script show abc|cluster myshardid|commandlog get 1 slow|set k v IFEQ w|hpttl k FIELDS 1 f|zscan k 0 NOSCORES`
    .split(/[|\n]/)
    .map((line) => line.trim().split(' '));

type Row = [name: string, arity: number, flags: string[], ...rest: unknown[]];

const subcommandsOf = (row: Row): Row[] => (row[9] as Row[] | undefined) ?? [];

for (const name of ['redis-8', 'valkey-8', 'valkey-9'] as const satisfies readonly ServerName[]) {
  describe(`the command table beside ${name}`, function () {
    this.timeout(20_000);
    let server: RealCluster;

    before(async function () {
      server = await startRealCluster({
        masters: 1,
        replicas: 0,
        server: needServer(this, name, `the command table beside ${name}`),
      });
    });
    after(() => server?.stop());

    it('has every command and subcommand, with the flags that the client goes by', async () => {
      const rows = (await server.nodes[0]!.ask('command')) as Row[];
      const all = rows.flatMap((row) => [row, ...subcommandsOf(row)]);
      assert.ok(all.length > 350, `only ${all.length} commands`);
      const wrong: string[] = [];
      for (const [command, , flags] of all) {
        const row = commandOf(command);
        if (row === undefined) wrong.push(`${command} is missing`);
        else {
          for (const flag of ['write', 'readonly'] as const) {
            if (flags.includes(flag) !== ((row.flags & Flag[flag]) !== 0)) wrong.push(`${command}: ${flag}`);
          }
          // XREAD and its kin block only when asked to, WAIT is known by its name.
          if (flags.includes('blocking') && (row.flags & Flag.blocking) === 0 && command !== 'wait')
            wrong.push(`${command}: blocking`);
        }
      }
      assert.deepEqual(wrong, []);
    });

    it('finds the keys that COMMAND GETKEYS finds', async () => {
      let compared = 0;
      for (const argv of calls) {
        const keys = await server.nodes[0]!.ask('command', 'getkeys', ...argv).catch((error: Error) => error.message);
        // Servers that do not know the command, or that it has no keys.
        if (typeof keys === 'string' && !/no key arguments/.test(keys)) continue;
        const ours = keyIndexes(argv).map((at) => argv[at]);
        assert.deepEqual(ours, Array.isArray(keys) ? keys : [], argv.join(' '));
        compared++;
      }
      assert.ok(compared > 4, `only ${compared} calls`);
    });
  });
}

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkConfigFile, differences } from '../../../../server/operator/config-check/config-check.ts';
import { nearest } from '../../../../server/tools/cli/near.ts';

// What a redis.conf gets wrong, each with its line, and what differs between nodes.

describe('config-check of a file', () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'lingcache-conf-'));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const check = (text: string): string[] => {
    const path = join(dir, 'redis.conf');
    writeFileSync(path, text);
    return checkConfigFile(path, nearest).map(
      ({ severity, directive, line, text: what }) => `${severity} ${line ?? '-'} ${directive} ${what}`,
    );
  };
  const sound = [
    'cluster-enabled yes',
    'cluster-node-timeout 5000',
    'appendonly yes',
    'maxmemory 1gb',
    'maxmemory-policy allkeys-lru',
    'cluster-require-full-coverage no',
    'requirepass secret',
    'masterauth secret',
  ].join('\n');
  const has = (text: string, wanted: RegExp): void => {
    const found = check(text);
    assert.ok(
      found.some((line) => wanted.test(line)),
      `${wanted}\n${found.join('\n')}`,
    );
  };

  it('nothing is wrong with one that is well, comments and blank lines included', () => {
    assert.deepEqual(check(`# a comment\n\n${sound}\n`), []);
  });

  it('every fault is found, with its line', () => {
    const found = check(
      `${sound}\nmaxmemroy 1gb\nhz abc\ntimeout 0 5\ndir "unclosed\nzzz yes\ninclude /nowhere/x.conf\n`,
    );
    assert.deepEqual(
      found.map((line) => line.split(' ').slice(0, 3).join(' ')),
      ['error 9 maxmemroy', 'error 10 hz', 'error 11 timeout', 'error 12 dir', 'error 13 zzz', 'error 14 include'],
    );
    assert.match(found[0]!, /did you mean maxmemory\?/);
  });

  it('directives of newer servers are known, those given twice are reported', () => {
    has(`${sound}\ncluster-slot-stats-enabled yes`, /^info 9 cluster-slot-stats-enabled is known to Valkey 8/);
    has(`${sound}\nappendonly yes`, /^warning 9 appendonly was given in line 3/);
    assert.deepEqual(check(`${sound}\nsave 60 1\nsave 300 10`), []);
  });

  it('the pitfalls of clusters', () => {
    const cases: [string, RegExp][] = [
      ['port 60000', /^error 9 port .*cluster-port/],
      ['replicaof 127.0.0.1 6379', /^error 9 replicaof/],
      ['cluster-node-timeout 100', /^warning 9 cluster-node-timeout 100 ms/],
      ['appendonly no', /^warning 9 appendonly is no/],
      ['appendonly no\nsave ""', /^warning 9 appendonly nothing is kept/],
      ['masterauth ""', /^error 9 masterauth/],
      ['maxmemory 0', /^warning 9 maxmemory is not set/],
      ['bind 127.0.0.1', /^warning 9 bind is loopback only/],
      ['cluster-announce-port 7000', /^warning 9 cluster-announce-port/],
      ['tls-cluster yes', /^error 9 tls-cluster/],
      ['requirepass ""\nprotected-mode no', /^error 10 protected-mode/],
      ['rename-command CONFIG ""', /^warning 9 rename-command/],
      ['appendfsync no', /^warning 9 appendfsync/],
    ];
    for (const [text, wanted] of cases) has(`${sound}\n${text}`, wanted);
    has('port 7000', /^info - cluster-enabled/);
    has('cluster-enabled yes', /^info - cluster-node-timeout/);
  });

  it('files that are included count, patterns too, and one that includes itself ends', () => {
    writeFileSync(join(dir, 'a.inc'), 'hz abc');
    writeFileSync(join(dir, 'loop.inc'), `include ${join(dir, 'loop.inc')}`);
    has(`${sound}\ninclude ${join(dir, 'a.in*')}`, /^error 1 hz/);
    has(`${sound}\ninclude ${join(dir, 'loop.inc')}`, /too many files/);
  });
});

describe('config-check of nodes', () => {
  const nodes = (...values: Record<string, string>[]) =>
    new Map(values.map((value, at) => [`node:${at}`, new Map(Object.entries(value))]));

  it('reports what differs and where, and no secret', () => {
    const found = differences(
      nodes(
        { maxmemory: '0', port: '1', requirepass: 'one', hz: '10', only: 'x' },
        { maxmemory: '5', port: '2', requirepass: 'two', hz: '10' },
        { maxmemory: '0', port: '3', requirepass: 'one', hz: '20' },
      ),
    );
    assert.deepEqual(
      found.map(({ severity, directive }) => `${severity} ${directive}`),
      ['info hz', 'warning maxmemory', 'warning requirepass'],
    );
    assert.equal(found[1]!.text, "differs: '0' at node:0 node:2, '5' at node:1");
    assert.doesNotMatch(found[2]!.text, /one|two/);
  });
});

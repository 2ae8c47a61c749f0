import assert from 'node:assert/strict';
import { guardOf, type RedirectAllow } from '../../../lib/topology/allow.ts';

describe('topology/allow', () => {
  const verdicts = (allow: RedirectAllow, hosts: readonly string[]): string[] =>
    hosts.filter((host) => guardOf(allow)!(host, 6379));

  it('allows everything unless it is asked', () => {
    assert.equal(guardOf(undefined), undefined);
    assert.equal(guardOf(null), undefined);
    assert.deepEqual(verdicts([], ['10.0.0.1', 'a']), []);
  });

  it('knows networks and addresses', () => {
    const hosts = ['10.1.2.3', '11.1.2.3', '192.168.7.7', '192.168.7.8', 'fd00::1', 'fe80::1', '10.1.2.3.example.com'];
    assert.deepEqual(verdicts(['10.0.0.0/8', '192.168.7.7', 'fd00::/8'], hosts), [
      '10.1.2.3',
      '192.168.7.7',
      'fd00::1',
    ]);
  });

  it('does not take an address in another dress for another one', () => {
    assert.deepEqual(verdicts(['10.0.0.0/8'], ['::ffff:10.0.0.1', '::ffff:11.0.0.1']), ['::ffff:10.0.0.1']);
  });

  it('knows names and suffixes, whatever their case', () => {
    const hosts = [
      'node.example.com',
      'a.b.cache.local',
      'cache.local',
      'evilcache.local',
      'Node.Example.COM.',
      'other',
    ];
    assert.deepEqual(verdicts(['node.example.com', '.cache.local'], hosts), [
      'node.example.com',
      'a.b.cache.local',
      'Node.Example.COM.',
    ]);
    assert.deepEqual(verdicts(['*.cache.local'], hosts), ['a.b.cache.local']);
  });

  it('asks a function, and takes nothing but true for yes', () => {
    const seen: unknown[] = [];
    const guard = guardOf((host, port) => {
      seen.push([host, port]);
      if (host === 'throws') throw new Error('no');
      return host === 'good' || (host as unknown as boolean);
    })!;
    assert.equal(guard('good', 1), true);
    assert.equal(guard('truthy', 2), false);
    assert.equal(guard('throws', 3), false);
    assert.deepEqual(seen, [
      ['good', 1],
      ['truthy', 2],
      ['throws', 3],
    ]);
  });

  it('names what it cannot use', () => {
    for (const entry of ['10.0.0.0/33', '10.0.0', 'a b', '', 'redis://a', 'fd00::/129', 7]) {
      assert.throws(() => guardOf(['10.0.0.1', entry as string]), { option: 'redirectAllow[1]' }, String(entry));
    }
  });
});

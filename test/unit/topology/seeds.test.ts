import assert from 'node:assert/strict';
import { parseKey, parseLocation, parseSeeds, type StartupNode, translate } from '../../../lib/topology/seeds.ts';

describe('topology/seeds', () => {
  const good: [StartupNode, string][] = [
    [7000, '127.0.0.1:7000'],
    ['7001', '127.0.0.1:7001'],
    ['host:7002', 'host:7002'],
    ['redis://host:7003', 'host:7003'],
    ['rediss://user:p%40ss@host', 'host:6379'],
    [{ host: 'h', port: 1 }, 'h:1'],
    [{ port: '2' }, '127.0.0.1:2'],
    [{ host: 'h' }, 'h:6379'],
    ['redis://[::1]:7004', '::1:7004'],
    [{ host: '::1', port: 7005 }, '::1:7005'],
  ];
  for (const [node, key] of good) {
    it(`reads ${JSON.stringify(node)}`, () => assert.equal(parseSeeds([node])[0]!.key, key));
  }

  it('keeps credentials and TLS of a URL', () => {
    const { options } = parseSeeds(['rediss://user:p%40ss@host:1'])[0]!;
    assert.deepEqual(options, { host: 'host', port: 1, username: 'user', password: 'p@ss', tls: {} });
  });

  it('drops duplicates', () => assert.equal(parseSeeds([7000, '127.0.0.1:7000', { port: 7000 }]).length, 1));

  const bad: [StartupNode[], RegExp][] = [
    [[], /`startupNodes` should contain at least one node/],
    [[0], /startupNodes\[0\]\.port/],
    [[{ port: 70000 }], /startupNodes\[0\]\.port/],
    [[7000, { port: 'x' }], /startupNodes\[1\]\.port/],
    [['http://host:1'], /startupNodes\[0\].*redis:\/\//],
    [[true as unknown as number], /Invalid argument true/],
  ];
  for (const [nodes, pattern] of bad) {
    it(`refuses ${JSON.stringify(nodes)}`, () => assert.throws(() => parseSeeds(nodes), pattern));
  }

  it('splits keys at the last colon', () => {
    assert.deepEqual(parseKey('::1:7000'), { key: '::1:7000', host: '::1', port: 7000 });
    assert.deepEqual(parseKey('[::1]:7000').host, '::1');
    assert.throws(() => parseKey('nonsense'), /Invalid node key/);
  });

  it('translates by object, by function, or not at all', () => {
    const to = { host: 'outer', port: 9 };
    assert.equal(translate('in', 1, { 'in:1': to }).key, 'outer:9');
    assert.equal(translate('in', 2, { 'in:1': to }).key, 'in:2');
    assert.equal(translate('in', 1, (key) => (key === 'in:1' ? to : null)).key, 'outer:9');
    assert.equal(translate('in', 1, () => null).key, 'in:1');
    assert.equal(translate('constructor', 1, {}).key, 'constructor:1');
  });

  it('reads the database of a URL', () => {
    assert.equal(parseLocation('redis://h/3', 'url').db, 3);
    assert.equal(parseLocation('/tmp/redis.sock', 'url').path, '/tmp/redis.sock');
  });
});

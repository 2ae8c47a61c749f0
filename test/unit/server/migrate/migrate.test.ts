import assert from 'node:assert/strict';
import { RealWorld } from '../../../../lib/base/world.ts';
import { PeerLink } from '../../../../lib/connection/exchange.ts';
import type { ReplyError } from '../../../../lib/wire/reply.ts';
import { type BundledNode, startNode } from '../../../../server/index.ts';
import { KeyLocks } from '../../../../server/migrate/key-locks.ts';
import { LinkCache } from '../../../../server/migrate/link-cache.ts';
import { readMigrate } from '../../../../server/migrate/migrate.ts';

describe('reading MIGRATE', () => {
  const rows: [string, object | string][] = [
    ['MIGRATE h 7000 k 0 5000', { keys: ['k'], timeout: 5000, copy: false, replace: false }],
    ['MIGRATE h 7000 k 0 0', { timeout: 1000 }],
    ['MIGRATE h 7000 k 0 -1', { timeout: 1000 }],
    ['MIGRATE h 7000 "" 0 1 COPY REPLACE KEYS a b', { keys: ['a', 'b'], copy: true, replace: true }],
    ['MIGRATE h 7000 "" 0 1 AUTH pw KEYS a', { auth: ['AUTH', 'pw'], keys: ['a'] }],
    ['MIGRATE h 7000 "" 0 1 auth2 me pw keys a', { auth: ['AUTH', 'me', 'pw'] }],
    ['MIGRATE h 7000 k 0 1 KEYS a', 'When using MIGRATE KEYS option'],
    ['MIGRATE h 7000 k 0 1 AUTH', 'ERR syntax error'],
    ['MIGRATE h 7000 k 0 1 AUTH2 me', 'ERR syntax error'],
    ['MIGRATE h 7000 k 0 1 WHAT', 'ERR syntax error'],
    ['MIGRATE h 7000 k x 1', 'ERR value is not an integer'],
    ['MIGRATE h 7000 k 0 x', 'ERR value is not an integer'],
    ['MIGRATE h 99999 k 0 1', { port: 34_463 }],
    ['MIGRATE h x k 0 1', { port: 0 }],
  ];
  for (const [line, expected] of rows) {
    it(line, () => {
      const read = readMigrate(line.split(' ').map((word) => (word === '""' ? '' : word)));
      if (typeof expected === 'string') assert.ok((read as ReplyError).message.includes(expected), String(read));
      else for (const [field, value] of Object.entries(expected)) assert.deepEqual(read[field as never], value);
    });
  }
});

describe('key locks', () => {
  it('hold keys, and let everyone try again in order', () => {
    const locks = new KeyLocks();
    const ran: string[] = [];
    locks.lock(['a', 'b']);
    assert.deepEqual(
      ['a', 'b', 'c'].map((key) => locks.isLocked(key)),
      [true, true, false],
    );
    locks.onUnlock(() => ran.push('first'));
    const forget = locks.onUnlock(() => ran.push('gone'));
    locks.onUnlock(() => ran.push('second'));
    forget();
    locks.unlock(['a']);
    assert.deepEqual(ran, ['first', 'second']);
    locks.unlock(['b']);
    assert.equal(locks.size, 0);
    assert.deepEqual(ran, ['first', 'second']);
  });
});

describe('MIGRATE between two nodes', () => {
  let nodes: BundledNode[];
  const world = new RealWorld();
  const links: PeerLink[] = [];
  const linkTo = (node: BundledNode): PeerLink => {
    const link = new PeerLink(node.host, node.port, world);
    links.push(link);
    return link;
  };
  const call = async (link: PeerLink, ...words: string[]): Promise<unknown> => (await link.exchange([words], 5000))[0];

  beforeEach(async () => {
    nodes = await Promise.all([startNode(), startNode()]);
  });
  afterEach(async () => {
    for (const link of links.splice(0)) link.close();
    await Promise.all(nodes.map((node) => node.kill()));
  });

  it('other commands on the keys wait for the exchange, commands on other keys do not', async () => {
    const [source, target] = nodes as [BundledNode, BundledNode];
    const [mover, other] = [linkTo(source), linkTo(source)];
    await call(mover, 'MSET', 'a', '1', 'b', '2');
    target.pause();
    const order: string[] = [];
    const note = (name: string) => (reply: unknown) => void order.push(`${name} ${reply}`);
    const migrated = call(mover, 'MIGRATE', target.host, String(target.port), 'a', '0', '5000').then(note('migrate'));
    await call(other, 'PING');
    const read = call(linkTo(source), 'GET', 'a').then(note('get a'));
    const queued = linkTo(source)
      .exchange([['MULTI'], ['GET', 'a'], ['EXEC']], 5000)
      .then((replies) => note('exec')(String(replies[2])));
    const flushed = call(linkTo(source), 'FLUSHALL').then(note('flushall'));
    assert.equal(await call(other, 'GET', 'b'), '2');
    assert.deepEqual(order, []);
    target.resume();
    await Promise.all([migrated, read, queued, flushed]);
    assert.deepEqual(order.toSorted(), ['exec ', 'flushall OK', 'get a null', 'migrate OK']);
    assert.equal(await call(linkTo(target), 'GET', 'a'), '1');
  });

  it('a target that does not answer leaves the key where it was', async () => {
    const [source, target] = nodes as [BundledNode, BundledNode];
    const mover = linkTo(source);
    await call(mover, 'SET', 'a', '1');
    target.pause();
    const reply = await call(mover, 'MIGRATE', target.host, String(target.port), 'a', '0', '50');
    assert.equal(String(reply), 'ReplyError: IOERR error or timeout reading to target instance');
    assert.equal(await call(mover, 'GET', 'a'), '1');
  });

  it('COPY keeps the key, REPLACE overwrites, a refusal names the reason', async () => {
    const [source, target] = nodes as [BundledNode, BundledNode];
    const mover = linkTo(source);
    const to = [target.host, String(target.port)];
    await call(mover, 'SET', 'a', '1', 'PX', '100000');
    assert.equal(await call(mover, 'MIGRATE', ...to, 'a', '3', '5000', 'COPY'), 'OK');
    const busy = await call(mover, 'MIGRATE', ...to, 'a', '3', '5000');
    assert.match(String(busy), /ERR Target instance replied with error: BUSYKEY/);
    await call(mover, 'SET', 'a', '2', 'KEEPTTL');
    assert.equal(await call(mover, 'MIGRATE', ...to, 'a', '3', '5000', 'REPLACE'), 'OK');
    assert.equal(await call(mover, 'MIGRATE', ...to, 'a', '3', '5000'), 'NOKEY');
    const there = linkTo(target);
    await call(there, 'SELECT', '3');
    assert.equal(await call(there, 'GET', 'a'), '2');
    assert.ok(Number(await call(there, 'PTTL', 'a')) > 50_000);
  });

  it('inside MULTI it hands over in its turn, and all its keys are held until the end', async () => {
    const [source, target] = nodes as [BundledNode, BundledNode];
    const mover = linkTo(source);
    await call(mover, 'MSET', 'a', '1', 'b', '2');
    target.pause();
    const order: string[] = [];
    const words = ['MIGRATE', target.host, String(target.port), 'a', '0', '5000'];
    const commands = [['MULTI'], ['INCR', 'b'], words, ['GET', 'a'], ['SET', 'a', 'new'], ['INCR', 'b'], ['EXEC']];
    const executed = mover.exchange(commands, 5000).then((replies) => {
      order.push('exec');
      return replies.at(-1);
    });
    await call(linkTo(source), 'PING');
    const incremented = call(linkTo(source), 'INCR', 'b').then((reply) => {
      order.push('incr');
      return reply;
    });
    assert.equal(await call(linkTo(source), 'SET', 'c', '3'), 'OK');
    assert.deepEqual(order, []);
    target.resume();
    assert.deepEqual(await executed, [3, 'OK', null, 'OK', 4]);
    assert.equal(await incremented, 5);
    assert.deepEqual(order.toSorted(), ['exec', 'incr']);
    assert.equal(await call(mover, 'GET', 'a'), 'new');
    assert.equal(await call(linkTo(target), 'GET', 'a'), '1');
    const none = [['MULTI'], [...words.slice(0, 3), 'none', '0', '50'], ['EXEC']];
    assert.deepEqual((await mover.exchange(none, 5000)).at(-1), ['NOKEY']);
  });

  it('a kept connection that died is replaced without a word', async () => {
    const [source, target] = nodes as [BundledNode, BundledNode];
    const mover = linkTo(source);
    const to = [target.host, String(target.port)];
    await call(mover, 'MSET', 'a', '1', 'b', '2');
    assert.equal(await call(mover, 'MIGRATE', ...to, 'a', '0', '5000'), 'OK');
    await target.restart();
    assert.equal(await call(mover, 'MIGRATE', ...to, 'b', '0', '5000'), 'OK');
    assert.equal(await call(linkTo(target), 'GET', 'b'), '2');
  });

  it('the cache keeps at most 64 connections and reuses what it has', async () => {
    const cache = new LinkCache(world);
    const [node] = nodes as [BundledNode];
    const first = cache.get(node.host, node.port);
    assert.equal(first.reused, false);
    assert.equal(cache.get(node.host, node.port).kept, first.kept);
    for (let port = 1; port <= 64; port++) cache.get('127.0.0.1', port);
    assert.equal(first.kept.link.closed, true);
    cache.close();
  });
});

// Managed HIMPORT fieldsets on scripted nodes: no server this repository runs knows the command. What the nodes are asked
// is compared with ioredis where it asks in a fixed order.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as ioredis from 'ioredis';
import * as lingcache from '../../../lib/index.ts';
import { clusterOk, FakeNode, slotsReply } from '../../kit/fake-node.ts';

const fieldsets = [
  { name: 'user', fields: ['name', 'mail'] },
  { name: Buffer.from('log'), fields: [Buffer.from('at')] },
];
const prepared = ['himport PREPARE user name mail', 'himport PREPARE log at'];

const himportsOf = (node: FakeNode): string[] => node.commands.filter((text) => /^himport/i.test(text));

describe('client: managed HIMPORT fieldsets', () => {
  let nodes: FakeNode[] = [];
  const open: { disconnect(): void }[] = [];

  async function start(answer: FakeNode['answer'] = () => '+OK\r\n'): Promise<FakeNode> {
    const node = await FakeNode.start((argv, socket) =>
      argv[0] === 'info' ? '$9\r\nloading:0\r\n' : answer(argv, socket),
    );
    nodes.push(node);
    return node;
  }
  function keep<C extends { disconnect(): void }>(client: C): C {
    open.push(client);
    return client;
  }
  afterEach(async () => {
    for (const client of open.splice(0)) client.disconnect();
    await Promise.all(nodes.map((node) => node.close()));
    nodes = [];
  });

  for (const [name, library] of Object.entries({ ioredis, lingcache })) {
    it(`defines them on each new connection of a Redis, as ${name} does`, async () => {
      const node = await start();
      const options = { port: node.port, host: '127.0.0.1', himportFieldsets: fieldsets, retryStrategy: () => 5 };
      const client = keep(new (library.Redis as typeof lingcache.Redis)(options));
      await client.himport('SET', 'k', 'user', 'a', 'b');
      node.cut();
      await once(client, 'ready');
      await client.himport('SET', 'k', 'user', 'c', 'd');
      assert.deepEqual(himportsOf(node), [
        ...prepared,
        'himport SET k user a b',
        ...prepared,
        'himport SET k user c d',
      ]);
    });

    it(`tries a SET once more whose fieldset is unknown, as ${name} does`, async () => {
      let refusals = 1;
      const node = await start((argv) =>
        /^set$/i.test(argv[1]!) && refusals-- > 0 ? '-ERR no such fieldset\r\n' : '+OK\r\n',
      );
      const options = { port: node.port, host: '127.0.0.1', himportFieldsets: fieldsets.slice(0, 1) };
      const client = keep(new (library.Redis as typeof lingcache.Redis)(options));
      assert.equal(await client.himport('SET', 'k', 'user', 'a', 'b'), 'OK');
      refusals = 5;
      await assert.rejects(async () => client.himport('SET', 'k', 'user', 'a', 'b'), /no such fieldset/);
      assert.equal(himportsOf(node).filter((text) => text.startsWith('himport SET')).length, 4);
      assert.equal(himportsOf(node).filter((text) => text === prepared[0]).length, 3);
      refusals = 1;
      await assert.rejects(async () => client.himport('SET', 'k', 'other', 'a'), /no such fieldset/);
    });
  }

  it('reports a refusal and is ready all the same', async () => {
    const node = await start((argv) => (argv[0] === 'himport' ? '-ERR unknown command\r\n' : '+OK\r\n'));
    const client = keep(new lingcache.Redis({ port: node.port, host: '127.0.0.1', himportFieldsets: fieldsets }));
    const [error] = (await once(client, 'error')) as [Error];
    assert.match(error.message, /unknown command/);
    assert.equal(await client.set('k', 1), 'OK');
  });

  it('defines them on every node of a cluster before anything else, and sends control words to every master', async () => {
    const [one, two] = [await start(), await start()];
    for (const node of [one, two]) {
      node.answer = (argv) => {
        if (argv[0] !== 'cluster') return '+OK\r\n';
        const ranges = [
          { start: 0, end: 8191, nodes: [one] },
          { start: 8192, end: 16383, nodes: [two] },
        ];
        return argv[1]!.toLowerCase() === 'slots' ? slotsReply(ranges) : clusterOk;
      };
    }
    const client = keep(new lingcache.Cluster([one.key], { himportFieldsets: fieldsets }));
    await client.himport('SET', 'foo', 'user', 'a', 'b');
    await client.himport('SET', 'a1', 'user', 'a', 'b');
    assert.deepEqual(himportsOf(two), [...prepared, 'himport SET foo user a b']);
    assert.deepEqual(himportsOf(one), [...prepared, 'himport SET a1 user a b']);
    assert.equal(await client.himport('DISCARD', 'user'), 'OK');
    for (const node of [one, two]) assert.equal(himportsOf(node).at(-1), 'himport DISCARD user');
  });

  it('refuses what is no list of fieldsets, in the words of ioredis', () => {
    const wrong: unknown[] = [
      'user',
      [null],
      [{ name: 1, fields: [] }],
      [{ name: 'a', fields: 'b' }],
      [{ name: 'a', fields: [1] }],
      [
        { name: 'a', fields: [] },
        { name: Buffer.from('a'), fields: [] },
      ],
    ];
    const textOf = (make: () => unknown): string => {
      try {
        make();
      } catch (error) {
        return (error as Error).message;
      }
      return 'accepted';
    };
    for (const himportFieldsets of wrong) {
      const options = { lazyConnect: true, himportFieldsets } as object;
      const text = textOf(() => new ioredis.Redis(options));
      assert.notEqual(text, 'accepted');
      assert.equal(
        textOf(() => new lingcache.Redis(options)),
        text,
      );
      assert.equal(
        textOf(() => new lingcache.Cluster([7000], options)),
        text,
      );
    }
  });
});

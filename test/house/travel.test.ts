// "How a command travels" in CONTRIBUTING.md: every file that a debugger shows on the way of a GET is named there, on the
// client and on the bundled server, and every file named there exists.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { Call } from '../../lib/connection/call.ts';
import { Cluster, Redis } from '../../lib/index.ts';
import { Encoder } from '../../lib/wire/encoder.ts';
import { type Standalone, startStandalone } from '../../server/embedded/standalone.ts';
import { bulk, clusterOk, FakeNode, slotsReply } from '../kit/fake-node.ts';

const text = readFileSync('CONTRIBUTING.md', 'utf8');
const [section] = /\n## How a command travels\n[\s\S]*?(?=\n## )/.exec(text)!;
/** `room/file` of what is quoted, as far as it is a path. */
const named = new Set([...section.matchAll(/`([a-z-]+(?:\/[a-z-]+)+)`/g)].map(([, path]) => path!));

/** The files of lib/ or server/ in a stack, `room/file`. */
function filesOf(stack: string, tree: 'lib' | 'server'): string[] {
  const found = [...stack.matchAll(/\/build\/(lib|server)\/([\w/-]+)\.js/g)].filter(([, root]) => root === tree);
  return [...new Set(found.map(([, , path]) => path!))];
}

/** The stack of the first call of a method while `run` is under way. */
async function stackOf<T extends object>(owner: T, method: keyof T, run: () => Promise<unknown>): Promise<string> {
  const original = owner[method] as (...args: unknown[]) => unknown;
  const { stackTraceLimit } = Error;
  let stack = '';
  Error.stackTraceLimit = 50;
  owner[method] = function traced(this: unknown, ...args: unknown[]) {
    const here = new Error().stack ?? '';
    // Scripted nodes read and write with the same codec.
    if (stack === '' && !here.includes('fake-node')) stack = here;
    return original.apply(this, args);
  } as T[keyof T];
  try {
    await run();
  } finally {
    owner[method] = original as T[keyof T];
    Error.stackTraceLimit = stackTraceLimit;
  }
  assert.notEqual(stack, '', 'it did not come by there');
  return stack;
}

function missing(files: readonly string[]): string[] {
  assert.ok(files.length > 1, `only ${files.join(', ')}`);
  return files.filter((file) => !named.has(file) && !named.has(`lib/${file}`) && !named.has(`server/${file}`));
}

describe('house: how a command travels', () => {
  it('names files that exist', () => {
    const absent = [...named].filter((path) => {
      const places = [
        `lib/${path}.ts`,
        `server/${path}.ts`,
        `${path}.ts`,
        `${path}.test.ts`,
        `lib/${path}`,
        `server/${path}`,
        path,
      ];
      return !places.some((place) => existsSync(place));
    });
    assert.ok(named.size > 20);
    assert.deepEqual(absent, []);
  });

  describe('the client', () => {
    let node: FakeNode;
    before(async () => {
      node = await FakeNode.start((argv) => {
        const place = { host: '127.0.0.1', port: node.port };
        if (argv[0] === 'cluster') {
          return argv[1]!.toLowerCase() === 'slots'
            ? slotsReply([{ start: 0, end: 16383, nodes: [place] }])
            : clusterOk;
        }
        return argv[0] === 'get' ? bulk('v') : argv[0] === 'info' ? bulk('loading:0\r\n') : '+OK\r\n';
      });
    });
    after(() => node.close());

    it('names every file from the method to the encoder, and from the bytes to the promise', async () => {
      const cluster = new Cluster([{ host: '127.0.0.1', port: node.port }]);
      const redis = new Redis(node.port, '127.0.0.1');
      for (const client of [cluster, redis]) {
        await client.get('k');
        const out = await stackOf(Encoder.prototype, 'encode', () => client.get('k'));
        assert.deepEqual(missing(filesOf(out, 'lib')), []);
        const back = await stackOf(Call.prototype, 'settle', () => client.get('k'));
        assert.deepEqual(missing(filesOf(back, 'lib')), []);
        await client.quit();
      }
    });
  });

  describe('the bundled server', () => {
    let server: Standalone;
    before(async () => {
      server = await startStandalone();
    });
    after(() => server.close());

    it('names every file from the socket to the handler', async () => {
      const client = new Redis(server.port, '127.0.0.1');
      await client.set('k', 'v');
      const { stores } = server.engine.databases;
      const stack = await stackOf(stores[0]!, 'find', () => client.get('k'));
      assert.deepEqual(missing(filesOf(stack, 'server')), []);
      await client.quit();
    });
  });
});

// The Command class beside ioredis's: what users may ask of one before it is sent, and when it is answered by hand.
import assert from 'node:assert/strict';
import { Command as Peer } from 'ioredis';
import { Command, type CommandOptions } from '../../../../lib/index.ts';

interface Face {
  args: unknown[];
  promise: Promise<unknown>;
  isReadOnly?: boolean;
  getKeys(): unknown[];
  getSlot(): number | null;
  stringifyArguments(): void;
  toWritable(socket: object): string | Buffer;
  transformReply(reply: unknown): unknown;
  resolve(reply: unknown): void;
  reject(error: Error): void;
}

interface Case {
  readonly name: string;
  readonly args: unknown[];
  readonly options?: CommandOptions;
}

const cases: readonly Case[] = [
  { name: 'get', args: ['k'] },
  { name: 'GET', args: ['{tag}k'] },
  { name: 'mset', args: ['{t}a', 1, '{t}b', 2] },
  { name: 'mset', args: [{ '{t}a': 1, '{t}b': 'x' }] },
  { name: 'hset', args: ['h', new Map([['f', 'v']])] },
  { name: 'set', args: ['k', Buffer.from([0xff, 0])] },
  { name: 'set', args: [Buffer.from('k'), 'v'], options: { keyPrefix: 'p:' } },
  { name: 'set', args: ['k', 'ü'], options: { keyPrefix: Buffer.from('p:') } },
  { name: 'eval', args: ['return 1', 2, 'a', 'b', 'c'], options: { keyPrefix: 'p:' } },
  { name: 'xread', args: ['count', 1, 'streams', 's', 't', '0', '0'], options: { keyPrefix: 'p:' } },
  { name: 'ping', args: [] },
  { name: 'del', args: [['a', 'b'], 'c'] },
  { name: 'echo', args: [12345678901234567890n, null, undefined, true, 1e21] },
];

const pair = ({ name, args, options }: Case): [Face, Face] => [
  new Peer(name, args as never, options as never) as unknown as Face,
  new Command(name, args, options) as unknown as Face,
];

const textOf = (value: unknown): unknown => (Buffer.isBuffer(value) ? { bytes: value.toString('latin1') } : value);

const bytesOf = (written: string | Buffer): Buffer => (typeof written === 'string' ? Buffer.from(written) : written);

describe('Command beside ioredis', () => {
  for (const one of cases) {
    it(`${one.name} ${one.args.map(String).join(' ')}`, () => {
      const [theirs, ours] = pair(one);
      assert.deepEqual(ours.args.map(textOf), theirs.args.map(textOf));
      assert.deepEqual(ours.getKeys().map(textOf), theirs.getKeys().map(textOf));
      assert.equal(ours.getSlot(), theirs.getSlot());
      assert.deepEqual(bytesOf(ours.toWritable({})), bytesOf(theirs.toWritable({})));
    });
  }

  const replies: readonly [name: string, reply: unknown, encoding: BufferEncoding | null][] = [
    ['get', Buffer.from('v'), 'utf8'],
    ['get', Buffer.from('v'), null],
    ['get', Buffer.from([0xff]), 'hex'],
    ['mget', [Buffer.from('a'), null, [Buffer.from('b'), 1]], 'utf8'],
    ['hgetall', ['a', '1', '__proto__', '2'].map((text) => Buffer.from(text)), 'utf8'],
  ];
  for (const [name, reply, replyEncoding] of replies) {
    it(`answers ${name} by hand as ${String(replyEncoding)}`, async () => {
      const [theirs, ours] = pair({ name, args: ['k'], options: { replyEncoding } });
      assert.deepEqual(ours.transformReply(reply), theirs.transformReply(reply));
      theirs.resolve(reply);
      ours.resolve(reply);
      assert.deepEqual(await ours.promise, await theirs.promise);
    });
  }

  it('rejects by hand, with the stack it was given', async () => {
    const errorStack = new Error();
    const command = new Command('get', ['k'], { errorStack });
    command.reject(new TypeError('no'));
    await assert.rejects(command.promise, (error: Error) => {
      assert.match(error.stack ?? '', /^TypeError: no\n.*command\.test/s);
      return error.message === 'no';
    });
    assert.equal(command.isSettled, true);
    assert.equal(command.isResolved, false);
  });

  it('makes text of arguments that were added by hand', () => {
    const command = new Command('set', ['k']);
    (command.args as unknown[]).push(7);
    command.stringifyArguments();
    assert.deepEqual(command.args, ['k', '7']);
  });

  it('takes null for no arguments and knows its flags', () => {
    assert.deepEqual(new Command('info', null).args, []);
    assert.equal(new Command('get', ['k'], { readOnly: true }).isReadOnly, true);
    for (const [group, names] of Object.entries(Peer.FLAGS)) {
      for (const name of names.filter((one) => one !== 'blmovem')) {
        assert.equal(Command.checkFlag(group as keyof typeof Peer.FLAGS, name.toUpperCase()), true, `${group} ${name}`);
      }
    }
  });

  it('gives a reply transformer the command that it is for and the protocol', () => {
    const seen: unknown[] = [];
    Command.setReplyTransformer('llen', (reply, context) => {
      seen.push(context);
      return reply;
    });
    try {
      const command = new Command('llen', ['k']);
      command.setReplyContext({ protocol: 3 });
      command.transformReply(1);
    } finally {
      Command.setReplyTransformer('llen', undefined);
    }
    assert.deepEqual(seen, [{ commandName: 'llen', protocol: 3, replyMapping: 'legacy' }]);
  });
});

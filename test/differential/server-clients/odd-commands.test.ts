// Small words beside redis-server, each of a kind that was once different: lists of commands with their subcommands,
// keys and their flags, DEBUG on a key that ran out, payloads that no value can be made of.

import assert from 'node:assert/strict';
import { RespClient } from '../../kit/resp-client.ts';
import { nodesForSuite } from './pair.ts';

/** Of those that a node that keeps nothing on the disk and is in no cluster has. */
const offered = (names: readonly string[]): string[] =>
  names.filter((name) => !/^(?:asking|save|bgsave|bgrewriteaof|lastsave|readonly|readwrite)$/.test(name)).sort();

describe('words that watchers of a server use, ours against redis-server', function () {
  this.timeout(30_000);
  const pair = nodesForSuite();
  const clients: RespClient[] = [];

  before(async () => {
    for (const { port } of [pair.real!, pair.ours!]) clients.push(await RespClient.connect(port));
  });
  after(() => {
    for (const client of clients) client.close();
  });

  const both = (...argv: (string | Buffer)[]): Promise<unknown[]> =>
    Promise.all(clients.map((client) => client.call(...argv).catch((error: Error) => error.message)));
  const alike = async (...argv: (string | Buffer)[]): Promise<void> => {
    const [real, ours] = await both(...argv);
    assert.deepEqual(ours, real, argv.join(' '));
  };

  it('COMMAND LIST names the subcommands, by category and pattern too', async () => {
    for (const filter of [[], ['aclcat', 'scripting'], ['aclcat', 'dangerous'], ['aclcat', 'nothing']]) {
      const [real, ours] = (await both(
        'command',
        'list',
        ...(filter.length > 0 ? ['filterby', ...filter] : []),
      )) as string[][];
      assert.deepEqual(offered(ours!), offered(real!), filter.join(' '));
    }
    for (const pattern of ['config*', 'config|*re*', 'cl*help', 'GET', 'no*such', '*|*']) {
      const [real, ours] = (await both('command', 'list', 'filterby', 'pattern', pattern)) as string[][];
      assert.deepEqual(offered(ours!), offered(real!), pattern);
    }
  });

  it('COMMAND GETKEYSANDFLAGS knows what a command does to each of its keys', async () => {
    for (const line of [
      'sort k1 store k2',
      'sort k1 by w* get # store k2 store k3',
      'set k v',
      'set k v get',
      'lmove a b left right',
      'zunionstore d 2 a b weights 1 2',
      'georadius g 1 1 1 km store d',
      'copy a b',
    ]) {
      await alike('command', 'getkeysandflags', ...line.split(' '));
    }
  });

  it('RESTORE takes an idle time or a number of uses, not both', async () => {
    const abc = Buffer.from('\x00\x03abc\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2', 'latin1');
    await alike('restore', 'r', '0', abc, 'idletime', '5');
    await alike('object', 'idletime', 'r');
    await alike('restore', 'r', '0', abc, 'replace', 'idletime', '1', 'freq', '2');
    await alike('restore', 'r', '0', abc, 'replace', 'freq', '2', 'idletime', '1');
    await alike('get', 'r');
  });

  it('DEBUG OBJECT shows a key that ran out and was not met since', async () => {
    await both('debug', 'set-active-expire', '0');
    await both('set', 'gone', 'v', 'px', '1');
    await new Promise((resolve) => setTimeout(resolve, 30));
    for (const reply of await both('debug', 'object', 'gone')) assert.match(String(reply), /^Value at:.* encoding:/);
    await alike('exists', 'gone');
    await both('debug', 'set-active-expire', '1');
  });

  it('payloads that no value can be made of are refused, and change nothing', async () => {
    await both('debug', 'set-skip-checksum-validation', '1');
    await alike('set', 'k', 'v');
    const footer = `\n\0${'\0'.repeat(8)}`;
    for (const body of [
      // A set, a hash and a sorted set without elements, a list that has an empty element alone.
      '\x02\x00',
      '\x04\x00',
      '\x05\x00',
      '\x12\x01\x01\x00',
      // Blocks whose lengths or counts are not theirs.
      '\x0d\x05\x05\x00\x00\x00\x00',
      '\x10\x07\x07\x00\x00\x00\x01\x00\xff',
      '\x0b\x08\x02\x00\x00\x00\x09\x00\x00\x00',
    ]) {
      await alike('restore', 'k', '0', Buffer.from(body + footer, 'latin1'), 'replace');
    }
    await alike('get', 'k');
    await both('debug', 'set-skip-checksum-validation', '0');
  });
});

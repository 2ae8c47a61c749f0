import assert from 'node:assert/strict';
import { Command, Redis as Peer } from 'ioredis';
import { toArgv } from '../../../lib/command/argv.ts';
import { prefixKeys } from '../../../lib/command/prefix.ts';
import { builtinCommandNames } from '../../../lib/command/table.ts';

const calls = `get k|mget a b c|mset a 1 b 2|del a b|hset h f v|eval s 2 a b x|eval s 0|evalsha s 1 k|fcall f 1 k a
  sort k|sort k by w_* get # get o_* store d|sort k BY nosort LIMIT 0 5 GET a|sort_ro k by w get g
  xread streams a b 0 0|xread count 1 block 5 STREAMS a 0|xreadgroup group g c streams s >|xgroup create x g $
  zunionstore d 2 a b weights 1 2|zinter 2 a b|zdiff 1 a|sintercard 2 a b limit 5|lmpop 1 l left|blmpop 0 2 a b left
  zmpop 1 z min|bzmpop 0 1 z max|blpop a b 0|bzpopmin a 0|georadius g 1 2 3 m store d|georadius g 1 2 3 m STOREDIST d
  georadiusbymember g m 1 m store d|geosearchstore d s frommember a byradius 1 m|bitop and d a b|object encoding k
  memory usage k|rename a b|copy a b|smove a b m|rpoplpush a b|lmove a b left right|pfmerge d a b|pfcount a b
  subscribe c|psubscribe p*|publish c m|ssubscribe c|sunsubscribe c|spublish c m|scan 0 match a*|keys a*|ping|info
  debug object k|json.get k $|migrate h 1 k 0 10|restore k 0 x|watch a b|exists a b|touch a|config get a
  msetex 2 a 1 b 2|hexpire h 1 fields 1 f|vadd v values 1 1 e|client kill k|cluster keyslot k|sdiffstore d a b`;

function theirs(argv: readonly string[], prefix: string | Buffer): unknown[] {
  const [name, ...args] = argv as [string, ...string[]];
  const command = new Command(name, args, { keyPrefix: prefix as string });
  command.promise.catch(() => undefined);
  return [name, ...command.args];
}

describe('prefixKeys', () => {
  for (const line of calls.split(/[|\n]/)) {
    const argv = line.trim().split(' ');
    it(`prefixes as ioredis does: ${argv.join(' ')}`, () => {
      assert.deepEqual(prefixKeys(toArgv(argv[0]!, argv.slice(1)), 'p:'), theirs(argv, 'p:'));
      assert.deepEqual(prefixKeys(toArgv(argv[0]!, argv.slice(1)), Buffer.from('p:')), theirs(argv, Buffer.from('p:')));
    });
  }

  it('finds the keys ioredis finds, for every command that both know', () => {
    const forms = [
      ['2', 'a', 'b', 'c', 'd', 'e', 'f'],
      ['set', '2', 'b', 'c', 'd', 'e'],
    ];
    const peer = new Peer({ lazyConnect: true });
    const known = new Set(peer.getBuiltinCommands());
    for (const name of builtinCommandNames.filter((name) => known.has(name))) {
      for (const args of forms) assert.deepEqual(prefixKeys(toArgv(name, args), 'p:'), theirs([name, ...args], 'p:'));
    }
  });

  it('joins bytes and text as bytes', () => {
    const key = Buffer.from([0xff, 1]);
    assert.deepEqual(prefixKeys(['get', key], 'p:'), ['get', Buffer.concat([Buffer.from('p:'), key])]);
    assert.deepEqual(prefixKeys(['get', new Uint8Array([1])], Buffer.from('p')), ['get', Buffer.from([112, 1])]);
  });

  it('leaves the argv it was given alone', () => {
    const argv = ['get', 'k'];
    prefixKeys(argv, 'p:');
    assert.deepEqual(argv, ['get', 'k']);
  });
});

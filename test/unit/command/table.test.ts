import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Redis as Peer } from 'ioredis';
import { bitsOf, Flag, flagNames, KeyFlag, keyFlagNames, namesOf } from '../../../lib/command/flags.ts';
import { firstKey, firstKeyIndex, keyIndexes } from '../../../lib/command/keys.ts';
import { allCommandNames, builtinCommandNames, commandOf, commandOfArgv } from '../../../lib/command/table.ts';
import { readCapture, readNewer } from '../../../scripts/gen/capture.ts';

describe('the command table', () => {
  it('says of every command what COMMAND INFO said', () => {
    const entries = readCapture().info.flatMap((entry) => [entry, ...entry[9]]);
    for (const [name, arity, flags] of entries) {
      const row = commandOf(name);
      assert.ok(row !== undefined, name);
      assert.equal(row.arity, arity, name);
      assert.deepEqual(namesOf(row.flags, flagNames).sort(), [...flags].sort(), name);
    }
    assert.equal(allCommandNames.length, new Set(allCommandNames).size);
  });

  it('says of every newer command what its server said', () => {
    for (const { command } of readNewer().values()) {
      const row = commandOf(command.name);
      assert.ok(row !== undefined, command.name);
      assert.equal(row.arity, command.arity, command.name);
      assert.deepEqual(namesOf(row.flags, flagNames).sort(), [...command.flags, 'beyond'].sort(), command.name);
      assert.equal(row.keySpecs.length, command.keySpecs.length, command.name);
    }
  });

  it('has a method name for every command of ioredis', () => {
    const peer = new Peer({ lazyConnect: true });
    const missing = peer.getBuiltinCommands().filter((name) => !builtinCommandNames.includes(name));
    assert.deepEqual(missing, []);
  });

  it('finds commands in any letter case, and subcommands by argv', () => {
    assert.equal(commandOf('GET'), commandOf('get'));
    assert.equal(commandOf('nosuch'), undefined);
    assert.equal(commandOf('__proto__'), undefined);
    assert.equal(commandOfArgv(['CONFIG', 'Get', 'x'])?.name, 'config|get');
    assert.equal(commandOfArgv([Buffer.from('object'), Buffer.from('FREQ'), 'k'])?.name, 'object|freq');
    assert.equal(commandOfArgv(['config', 'nosuch'])?.name, 'config');
    assert.equal(commandOfArgv(['get', 'set'])?.name, 'get');
  });

  it('marks what the captured server does not have', () => {
    assert.ok((commandOf('hexpire')!.flags & Flag.beyond) !== 0);
    assert.ok((commandOf('hset')!.flags & Flag.beyond) === 0);
  });

  it('has one bit for each flag name, in the order of the constants', () => {
    assert.deepEqual(
      Object.values(Flag),
      flagNames.map((name) => bitsOf([name], flagNames)),
    );
    assert.deepEqual(
      Object.values(KeyFlag),
      keyFlagNames.map((name) => bitsOf([name], keyFlagNames)),
    );
    assert.throws(() => bitsOf(['nosuch'], flagNames), /nosuch/);
  });
});

describe('firstKeyIndex', () => {
  const word = fc.constantFrom('k', '0', '1', '2', 'STREAMS', 'KEYS', 'STORE', 'get', 'usage', 'object', '', 'count');

  it('is the first of keyIndexes for any command and words', () => {
    fc.assert(
      fc.property(fc.constantFrom(...allCommandNames), fc.array(word, { maxLength: 7 }), (name, rest) => {
        const argv = [...name.split('|'), ...rest];
        // Routing looks into DEBUG OBJECT too, which the server declares no key of.
        if (argv[0] === 'debug') return;
        const row = commandOf(argv[0]!);
        const all = keyIndexes(argv);
        const first = firstKeyIndex(row, argv);
        // The constant position also serves calls that are wrong further on.
        if (all.length > 0) assert.equal(first, all[0]);
        else assert.ok(first === 0 || first === row!.firstKey || row!.subcommands.length > 0);
        for (const at of all) assert.ok(at > 0 && at < argv.length);
      }),
    );
  });

  it('takes the first argument of an unknown command for its key', () => {
    assert.equal(firstKey(['JSON.GET', 'k', '$']), 'k');
    assert.equal(firstKey(['FT._LIST']), undefined);
    assert.deepEqual(keyIndexes(['json.get', 'k', '$']), [1]);
  });

  it("finds the keys of modules' commands", () => {
    const cases: readonly [call: string, keys: string][] = [
      ['JSON.GET k $', 'k'],
      ['json.mget a b c $', 'a b c'],
      ['json.mset a $ 1 b $ 2', 'a b'],
      ['json.debug MEMORY k', 'k'],
      ['ts.mget FILTER a=b', ''],
      ['ts.mrange - + FILTER a=b', ''],
      ['ts.madd a * 1 b * 2', 'a b'],
      ['ts.createrule a b AGGREGATION avg 1', 'a b'],
      ['ts.range k - +', 'k'],
      ['ft.search idx q', ''],
      ['ft._list', ''],
      ['ft.sugadd k a 1', 'k'],
      ['bf.add k a', 'k'],
      ['cf.exists k a', 'k'],
      ['cms.merge d 2 a b WEIGHTS 1 2', 'd a b'],
      ['tdigest.merge d 1 a', 'd a'],
      ['topk.query k a', 'k'],
      ['own.command k a', 'k'],
    ];
    for (const [call, keys] of cases) {
      const argv = call.split(' ');
      assert.equal(
        keyIndexes(argv)
          .map((at) => argv[at])
          .join(' '),
        keys,
        call,
      );
    }
    assert.ok((commandOf('json.get')!.flags & Flag.readonly) !== 0);
    assert.ok((commandOf('json.set')!.flags & Flag.readonly) === 0);
    assert.ok(!builtinCommandNames.some((name) => name.includes('.')));
  });

  it('routes DEBUG OBJECT by its key', () => {
    assert.equal(firstKey(['debug', 'object', 'k']), 'k');
    assert.equal(firstKey(['debug', 'sleep', '0']), undefined);
  });

  it('counts shard channels unless asked not to', () => {
    assert.deepEqual(keyIndexes(['ssubscribe', 'a', 'b']), [1, 2]);
    assert.deepEqual(keyIndexes(['ssubscribe', 'a', 'b'], { channels: false }), []);
  });
});

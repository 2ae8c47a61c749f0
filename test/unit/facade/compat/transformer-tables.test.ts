import assert from 'node:assert/strict';
import { Command as Peer } from 'ioredis';
import { argumentTransformerOf, replyTransformerOf } from '../../../../lib/command/transformers.ts';
import { Command } from '../../../../lib/facade/compat/command.ts';
import type { TransformerTables } from '../../../../lib/facade/compat/transformer-tables.ts';

const ours = Command._transformer;
const theirs = (Peer as unknown as { _transformer: TransformerTables })._transformer;
const context = { commandName: 'hgetall', protocol: 2, replyMapping: 'legacy' } as const;

describe('client/compat: the tables of transformers', () => {
  it('have what ioredis does to fields that are given as an object', () => {
    const rows: readonly [name: string, args: unknown[]][] = [
      ['mset', [{ a: '1', b: '2' }]],
      ['mset', [new Map([['a', '1']])]],
      ['mset', ['a', '1']],
      ['msetnx', [{ a: '1' }]],
      ['hset', ['key', { f: 'v' }]],
      ['hset', ['key', 'f', 'v']],
      ['hmset', ['key', new Map([['f', 'v']])]],
    ];
    for (const [name, args] of rows) {
      // ioredis 6 has no entry for what it does elsewhere.
      const expected = (theirs.argument[name] ?? ((given: unknown[]) => given))([...args]);
      assert.deepEqual(ours.argument[name]!([...args]), expected, `${name} ${JSON.stringify(args)}`);
    }
    assert.equal(ours.argument['get'], undefined);
  });

  it("make an object of HGETALL's list, and leave what is none", () => {
    const reply = ours.reply['hgetall']!;
    assert.deepEqual(reply(['f', 'v', 'g', 'w'], context), { f: 'v', g: 'w' });
    assert.deepEqual(reply({ f: 'v' }, context), { f: 'v' });
    assert.equal(ours.reply['get'], undefined);
  });

  it('take what is set as the static methods do, until it is taken away', () => {
    const twice = (args: unknown[]): unknown[] => [...args, ...args];
    ours.argument['echo'] = twice;
    ours.reply['echo'] = String;
    try {
      assert.equal(argumentTransformerOf('echo'), twice);
      assert.equal(replyTransformerOf('echo'), String);
      assert.equal(ours.argument['echo'], twice);
      delete ours.reply['echo'];
      assert.equal(replyTransformerOf('echo'), undefined);
    } finally {
      ours.argument['echo'] = undefined;
      delete ours.reply['echo'];
    }
    assert.equal(argumentTransformerOf('echo'), undefined);
    assert.throws(() => {
      ours.argument['echo'] = 5 as never;
    }, TypeError);
  });
});

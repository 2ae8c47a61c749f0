import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Command } from 'ioredis';
import { toArgv } from '../../../lib/command/argv.ts';

/** What ioredis would send: the name, then the arguments as it flattens and stringifies them. */
function theirs(name: string, args: unknown[]): unknown[] {
  const command = new Command(name, args as never[]);
  command.promise.catch(() => undefined);
  return [name, ...command.args];
}

const scalar = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.integer(),
  fc.double(),
  fc.constantFrom(2 ** 53, 2 ** 60, 1e21, -1e25, 0.1, -0),
  fc.bigInt(),
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  fc.date({ noInvalidDate: true }),
);
const deep = fc.array(fc.oneof(scalar, fc.array(scalar, { maxLength: 3 })), { maxLength: 4 });
const args = fc.array(fc.oneof(scalar, deep), { maxLength: 6 });

describe('toArgv', () => {
  it('sends what ioredis sends, for any mix of values and arrays', () => {
    fc.assert(fc.property(args, (values) => assert.deepEqual(toArgv('echo', values), theirs('echo', values))));
  });

  it('takes objects and Maps where ioredis does, and only there', () => {
    // A field called toString hides the method that makes an object text; that refusal has a test of its own.
    const field = fc.string().filter((name) => name !== 'toString' && name !== 'valueOf');
    const fields = fc.dictionary(field, scalar, { noNullPrototype: true });
    const forms = fields.chain((object) =>
      fc.constantFrom<unknown[]>(
        [object],
        [new Map(Object.entries(object))],
        ['k', object],
        ['k', new Map([[1, 2]])],
        [['k', object]],
        ['k', object, 'x'],
        [object, object],
        ['a', 'b', object],
      ),
    );
    const names = fc.constantFrom('mset', 'msetnx', 'hset', 'hmset', 'set', 'xadd');
    fc.assert(
      fc.property(names, forms, (name, values) => assert.deepEqual(toArgv(name, values), theirs(name, values))),
    );
  });

  it('keeps bytes by reference, Uint8Array too', () => {
    const bytes = new Uint8Array([1, 2, 255]);
    const buffer = Buffer.from('x');
    const argv = toArgv('set', [bytes, [buffer]]);
    assert.equal(argv[1], bytes);
    assert.equal(argv[2], buffer);
  });

  it('says which argument cannot become text', () => {
    assert.throws(() => toArgv('set', ['k', Object.create(null)]), /^TypeError: set: an argument cannot be made text/);
  });

  it('leaves an own __proto__ field of a parsed object in', () => {
    assert.deepEqual(toArgv('hset', ['k', JSON.parse('{"__proto__":"x"}')]), ['hset', 'k', '__proto__', 'x']);
  });
});

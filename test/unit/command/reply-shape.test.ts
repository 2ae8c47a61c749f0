import assert from 'node:assert/strict';
import { shapeOf } from '../../../lib/command/reply-shape.ts';
import { Script } from '../../../lib/command/script.ts';

const shape = (name: string, reply: unknown): unknown => shapeOf(name)!(reply, [name], false);

describe('reply shapes', () => {
  it('makes HGETALL an object of own properties, whatever the fields are called', () => {
    const object = shape('hgetall', ['a', '1', '__proto__', 'x', 'constructor', 'y']) as Record<string, unknown>;
    assert.deepEqual(Object.entries(object), [
      ['a', '1'],
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    assert.equal(Object.getPrototypeOf(object), Object.prototype);
    assert.equal(({} as Record<string, unknown>)['x'], undefined);
    assert.deepEqual(shape('hgetall', []), {});
    assert.equal(shape('hgetall', 'QUEUED'), 'QUEUED');
  });

  it('keeps values of HGETALL as bytes and names its fields as text', () => {
    const object = shape('hgetall', [Buffer.from('f'), Buffer.from([255])]);
    assert.deepEqual(object, { f: Buffer.from([255]) });
  });

  it('flattens the pairs of RESP3 and leaves RESP2 and null alone', () => {
    const nested = [
      ['a', '1'],
      ['b', '2'],
    ];
    assert.deepEqual(shape('zrange', nested), ['a', '1', 'b', '2']);
    assert.deepEqual(shape('zrange', ['a', '1', 'b', '2']), ['a', '1', 'b', '2']);
    assert.deepEqual(shape('hrandfield', nested), ['a', '1', 'b', '2']);
    assert.equal(shape('zrandmember', null), null);
  });

  it('pairs up the streams of RESP3 and leaves RESP2 and null alone', () => {
    const entries = [['1-1', ['f', 'v']]];
    assert.deepEqual(shape('xread', ['a', entries, 'b', []]), [
      ['a', entries],
      ['b', []],
    ]);
    assert.deepEqual(shape('xreadgroup', [['a', entries]]), [['a', entries]]);
    assert.equal(shape('xread', null), null);
  });

  it('has no shape for replies that stay as they are', () => {
    assert.equal(shapeOf('get'), undefined);
    assert.equal(shapeOf('__proto__'), undefined);
  });
});

describe('Script', () => {
  it('knows the digest EVALSHA uses', () => {
    assert.equal(new Script('return 1').sha, 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db');
  });

  it('refuses what is no script', () => {
    assert.throws(() => new Script(1 as never), /"lua"/);
    assert.throws(() => new Script('', -1), /"numberOfKeys"/);
    assert.throws(() => new Script('', 1.5), /"numberOfKeys"/);
    assert.equal(new Script('', null).numberOfKeys, undefined);
    assert.equal(new Script('', 0).numberOfKeys, 0);
  });
});

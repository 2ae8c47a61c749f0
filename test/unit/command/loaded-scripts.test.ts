import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { LoadedScripts } from '../../../lib/command/loaded-scripts.ts';

describe('command/loaded-scripts', () => {
  const shaOf = (source: string | Buffer): string => createHash('sha1').update(source).digest('hex');

  it('gives the source of what was loaded, for either form and either case of the digest', () => {
    const scripts = new LoadedScripts();
    scripts.note(['SCRIPT', 'load', 'return 1']);
    const sha = shaOf('return 1');
    assert.deepEqual(scripts.evalOf(['evalsha', sha, '1', 'k']), ['eval', 'return 1', '1', 'k']);
    assert.deepEqual(scripts.evalOf(['EVALSHA_RO', sha.toUpperCase(), '0']), ['eval_ro', 'return 1', '0']);
    assert.equal(scripts.evalOf(['evalsha', shaOf('return 2'), '0']), undefined);
  });

  it('keeps a source of bytes as it is', () => {
    const scripts = new LoadedScripts();
    const source = Buffer.from('return "\xff"', 'latin1');
    scripts.note(['script', 'LOAD', source]);
    assert.deepEqual(scripts.evalOf(['evalsha', shaOf(source), '0']), ['eval', source, '0']);
  });

  it('forgets all at SCRIPT FLUSH, and nothing for other words', () => {
    const scripts = new LoadedScripts();
    const sha = shaOf('return 1');
    scripts.note(['script', 'load', 'return 1']);
    for (const argv of [['script'], ['script', 'exists', sha], ['function', 'flush'], ['script', 'load', 'a', 'b']])
      scripts.note(argv);
    assert.ok(scripts.evalOf(['evalsha', sha, '0']));
    scripts.note(['script', 'flush', 'async']);
    assert.equal(scripts.evalOf(['evalsha', sha, '0']), undefined);
  });

  it('keeps the newest 1,024', () => {
    const scripts = new LoadedScripts();
    for (let at = 0; at <= 1024; at++) scripts.note(['script', 'load', `return ${at}`]);
    const known = (at: number): boolean => scripts.evalOf(['evalsha', shaOf(`return ${at}`), '0']) !== undefined;
    assert.deepEqual([known(0), known(1), known(1024)], [false, true, true]);
  });
});

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { nodeProgram } from '../../../../server/embedded/node-program.ts';

describe('embedded: the program of a node', () => {
  let dir: string;

  beforeEach(() => {
    dir = join(mkdtempSync(join(tmpdir(), 'lingcache-program-')), 'mit Leerzeichen und ü');
    mkdirSync(dir);
  });

  afterEach(() => rmSync(join(dir, '..'), { recursive: true, force: true }));

  function file(...path: string[]): string {
    const made = join(dir, ...path);
    mkdirSync(join(made, '..'), { recursive: true });
    writeFileSync(made, '{}');
    return made;
  }

  const urlOf = (...path: string[]): string => pathToFileURL(join(dir, ...path)).href;

  it('lies beside the code, as it is compiled and as it is packed', () => {
    const compiled = file('server/tools/main.js');
    assert.equal(nodeProgram(urlOf('server/embedded/process-node.js'), dir), compiled);
    const packed = file('dist/main.cjs');
    file('dist/lingcache.cjs');
    assert.equal(nodeProgram(urlOf('dist/nodes.cjs'), dir), packed);
  });

  it('is not what a bundle has beside it under that name, but that of the installed package', () => {
    file('out/main.cjs');
    file('node_modules/lingcache/package.json');
    const installed = file('node_modules/lingcache/dist/main.cjs');
    assert.equal(nodeProgram(urlOf('out/app.cjs'), dir), installed);
    assert.equal(nodeProgram(undefined, dir), installed);
  });

  it('is missed with an error that says what to do', () => {
    assert.throws(() => nodeProgram(urlOf('out/app.cjs'), dir), /mark 'lingcache\/server' as external/);
    assert.throws(() => nodeProgram(undefined, dir), /leave `processes` out/);
  });
});

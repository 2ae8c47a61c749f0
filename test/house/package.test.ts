// The package as users get it: packed, installed into a scratch project, loaded both ways, and type-checked.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = process.cwd();
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

describe('house: the package', function () {
  this.timeout(120_000);
  let scratch: string;
  let files: string[];

  function run(command: string, args: readonly string[], cwd: string = scratch): string {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  function node(name: string, source: string): string {
    writeFileSync(join(scratch, name), source);
    return run(process.execPath, [name]).trim();
  }

  before(() => {
    scratch = mkdtempSync(join(tmpdir(), 'lingcache-package-'));
    const packed = run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', scratch], root);
    const [{ filename, files: entries }] = JSON.parse(packed) as [{ filename: string; files: { path: string }[] }];
    files = entries.map(({ path }) => path);
    writeFileSync(join(scratch, 'package.json'), '{ "name": "scratch", "private": true }');
    run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', `./${filename}`]);
  });

  after(() => rmSync(scratch, { recursive: true, force: true }));

  it('ships dist, README, CHANGELOG and LICENSE, and nothing else', () => {
    const strangers = files.filter(
      (path) =>
        !/^(dist\/(lib|server)\/.+\.(js|d\.ts)|dist\/lingcache\.js|README\.md|CHANGELOG\.md|LICENSE|package\.json)$/.test(
          path,
        ),
    );
    assert.deepEqual(strangers, []);
    for (const wanted of [
      'README.md',
      'CHANGELOG.md',
      'LICENSE',
      'dist/lingcache.js',
      'dist/lib/index.d.ts',
      'dist/server/index.js',
      'dist/server/tools/main.js',
    ]) {
      assert.ok(files.includes(wanted), `${wanted} is missing`);
    }
  });

  it("require('lingcache') is the class, with .Cluster on it", () => {
    const printed = node(
      'main.cjs',
      `const Redis = require('lingcache');
const { Cluster, Redis: Named, ReplyError } = require('lingcache');
const client = new Redis({ lazyConnect: true });
const cluster = new Redis.Cluster([7000], { lazyConnect: true });
console.log(typeof Redis, client instanceof Named, cluster instanceof Cluster, Redis.Cluster === Cluster, typeof ReplyError);
client.disconnect(); cluster.disconnect();`,
    );
    assert.equal(printed, 'function true true true function');
  });

  it("import from 'lingcache' gives default and names", () => {
    const printed = node(
      'main.mjs',
      `import Redis, { Cluster, Redis as Named } from 'lingcache';
const cluster = new Cluster(['127.0.0.1:7000'], { lazyConnect: true });
console.log(Redis === Named, Redis.Cluster === Cluster, cluster.status, typeof cluster.get, typeof cluster.getBuffer);
cluster.disconnect();`,
    );
    assert.equal(printed, 'true true wait function function');
  });

  it('is loaded as one file, whose names are those of its parts', () => {
    const loaded = node(
      'names.mjs',
      `import * as whole from 'lingcache';
const parts = await import(new URL('lib/index.js', import.meta.resolve('lingcache')));
const names = (module) => Object.entries(module).map(([key, value]) => [key, typeof value, value.name]);
console.log(JSON.stringify([names(whole), names(parts), import.meta.resolve('lingcache').split('/').pop()]));`,
    );
    const [whole, parts, file] = JSON.parse(loaded) as [unknown, unknown, string];
    // Other libraries tell clients apart by the names of their classes.
    assert.deepEqual(whole, parts);
    assert.equal(file, 'lingcache.js');
  });

  it("import from 'lingcache/server' starts a cluster that the client reads and writes", () => {
    const printed = node(
      'server.mjs',
      `import { Cluster } from 'lingcache';
import { startCluster } from 'lingcache/server';
const bundled = await startCluster({ masters: 3, replicas: 0 });
const cluster = new Cluster(bundled.seeds);
await cluster.set('k', 'v');
console.log(await cluster.get('k'));
await cluster.quit();
await bundled.close();`,
    );
    assert.equal(printed, 'v');
  });

  it('has a command line', () => {
    assert.match(run('npx', ['--no-install', 'lingcache', '--version']), new RegExp(version.replaceAll('.', '\\.')));
    assert.match(run('npx', ['--no-install', 'lingcache', '--help']), /Usage: lingcache <command>/);
  });

  it('type-checks in a project of its own, interface merging included', () => {
    writeFileSync(
      join(scratch, 'app.ts'),
      `import Redis, { Cluster, type ChainableCommander, type ClusterOptions, type Result } from 'lingcache';
import { startCluster } from 'lingcache/server';
declare module 'lingcache' {
  interface RedisCommander<Context> { double(key: string): Result<number, Context> }
}
const options: ClusterOptions = { redisOptions: { password: 'x' }, lazyConnect: true };
const cluster = new Cluster([{ host: 'h', port: 1 }], options);
const value: Promise<string | null> = cluster.get('k');
const doubled: Promise<number> = cluster.double('k');
const chain: ChainableCommander = cluster.pipeline().set('a', 1).double('k');
const other = new Redis.Cluster([1]);
const nodes: Redis[] = cluster.nodes('master');
console.log(value, doubled, chain, other, nodes, startCluster);
// @ts-expect-error: no such command
cluster.nonsense();
`,
    );
    writeFileSync(
      join(scratch, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          target: 'es2022',
          strict: true,
          noEmit: true,
          skipLibCheck: false,
          types: ['node'],
          exactOptionalPropertyTypes: true,
        },
        files: ['app.ts'],
      }),
    );
    mkdirSync(join(scratch, 'node_modules/@types'), { recursive: true });
    for (const name of ['@types/node', 'undici-types'])
      symlinkSync(join(root, 'node_modules', name), join(scratch, 'node_modules', name));
    run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.']);
  });

  it('satisfies publint and attw (ESM only)', () => {
    run(process.execPath, [join(root, 'node_modules/publint/src/cli.js'), '--strict'], root);
    const [tarball] = [`lingcache-${version}.tgz`];
    run(process.execPath, [
      join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js'),
      join(scratch, tarball!),
      '--profile',
      'esm-only',
    ]);
  });
});

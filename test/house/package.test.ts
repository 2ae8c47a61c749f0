// The package as users get it: packed, installed into a scratch project (its path has a space and letters beyond ASCII),
// loaded in every way that Node knows, and type-checked. Bundlers, test runners, older compilers and other runtimes:
// `npm run test:matrix`.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rollup } from 'rollup';
import { minify } from 'terser';
import { libraryVersion } from '../../lib/base/version.ts';

const root = process.cwd();
const fixtures = join(root, 'test/fixtures/consumers');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

describe('house: the package', function () {
  this.timeout(120_000);
  let scratch: string;
  let installOutput: string;
  let files: { path: string; size: number }[];

  function run(command: string, args: readonly string[], cwd: string = scratch): string {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  function node(name: string, source: string): string {
    writeFileSync(join(scratch, name), source);
    return run(process.execPath, [name]).trim();
  }

  before(() => {
    scratch = join(mkdtempSync(join(tmpdir(), 'lingcache-package-')), 'ein Ordner für alles');
    mkdirSync(scratch);
    const packed = run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', scratch], root);
    const [first] = Object.values(JSON.parse(packed) as Record<string, { filename: string; files: typeof files }>);
    files = first!.files;
    writeFileSync(join(scratch, 'package.json'), '{ "name": "scratch", "private": true }');
    const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', `./${first!.filename}`];
    const { status, stdout, stderr } = spawnSync('npm', install, { cwd: scratch, encoding: 'utf8' });
    installOutput = `${stdout}${stderr}`;
    assert.equal(status, 0, installOutput);
    for (const name of ['@types/node', 'undici-types', '@opentelemetry/api']) {
      mkdirSync(join(scratch, 'node_modules', name, '..'), { recursive: true });
      symlinkSync(join(root, 'node_modules', name), join(scratch, 'node_modules', name));
    }
  });

  after(() => rmSync(join(scratch, '..'), { recursive: true, force: true }));

  it('sends servers the version that it has', () => assert.equal(libraryVersion, version));

  it('ships dist, docs, README, CHANGELOG and LICENSE, and nothing else', () => {
    const paths = files.map(({ path }) => path);
    const allowed =
      /^(dist\/types\/.+\.d\.ts|dist\/types\/package\.json|dist\/built\/[\w/]+\.(?:cjs|mjs|d\.cts|d\.mts)|dist\/[\w-]+\.(cjs|mjs|d\.cts|d\.mts|md|html)|(docs|bench)\/[\w/.-]+\.(?:md|svg|json)|examples\/[\w.-]+|README\.md|CONTRIBUTING\.md|CHANGELOG\.md|LICENSE|package\.json)$/;
    assert.deepEqual(
      paths.filter((path) => !allowed.test(path)),
      [],
    );
    const wanted = [
      'README.md',
      'CHANGELOG.md',
      'LICENSE',
      'docs/observability.md',
      'dist/LICENSES.md',
      'dist/main.cjs',
    ];
    const entries = ['lingcache', 'server', 'operator', 'testing', 'otel'].flatMap((name) =>
      ['cjs', 'mjs', 'd.cts', 'd.mts'].map((end) => `dist/${name}.${end}`),
    );
    for (const path of [...wanted, ...entries]) assert.ok(paths.includes(path), `${path} is missing`);
  });

  // Webpack minifies with it, and it refuses some names that engines take: a field called `debugger`.
  it('can be read by terser', async () => {
    for (const { path } of files.filter(({ path }) => /^dist\/[\w-]+\.[cm]js$/.test(path))) {
      const source = readFileSync(join(root, path), 'utf8');
      const reading = minify(source, { module: path.endsWith('.mjs'), compress: false, mangle: false });
      await assert.doesNotReject(reading, path);
    }
  });

  it('has every file that its README links to', () => {
    const paths = new Set(files.map(({ path }) => path));
    const links = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)];
    assert.deepEqual(
      links.map(([, target]) => target!.replace(/^\.\//, '')).filter((target) => !paths.has(target)),
      [],
    );
  });

  it('has a client of less than a megabyte', () => {
    // Of our own: the licences of what is bundled, mostly for the command line, are others' text.
    const others = /^dist\/(types\/server\/|server|operat|testing|nodes|main|cli-|LICENSES)/;
    const client = files.filter(({ path }) => path.startsWith('dist/') && !others.test(path));
    const size = client.reduce((sum, { size }) => sum + size, 0);
    assert.ok(client.length > 10 && size < 1 << 20, `${size} bytes`);
  });

  describe('bundled by rollup without a plugin for CommonJS', () => {
    const bundle = async (name: string, source: string, format: 'es' | 'cjs'): Promise<string> => {
      writeFileSync(join(scratch, 'entry.mjs'), source);
      const modules = join(scratch, 'node_modules');
      const built = await rollup({
        input: join(scratch, 'entry.mjs'),
        external: /^node:/,
        plugins: [
          {
            name: 'finds the package',
            resolveId: (id) => (id.startsWith('lingcache') ? fileOf(modules, id) : undefined),
          },
        ],
        onwarn: (warning) => assert.fail(warning.message),
      });
      await built.write({ file: join(scratch, name), format });
      await built.close();
      return name;
    };
    const fileOf = (modules: string, id: string): { id: string; moduleSideEffects: boolean } => {
      const file = id === 'lingcache' ? 'lingcache' : id.slice('lingcache/'.length);
      // As rollup's own plugin reads `sideEffects` of the manifest: nothing but the scripts has any.
      return { id: join(modules, `lingcache/dist/${file}-module.mjs`), moduleSideEffects: false };
    };
    const app = `import Redis, { Cluster, ReplyError } from 'lingcache';
      import { startCluster } from 'lingcache/server';
      const run = async () => {
        const bundled = await startCluster({ masters: 1, replicas: 0 });
        const cluster = new Cluster(bundled.seeds);
        await cluster.set('k', 'v');
        const error = await cluster.lpush('k', 'w').catch((reason) => reason);
        console.log(await cluster.get('k'), error instanceof ReplyError, Redis.Cluster === Cluster);
        console.log(await cluster.eval('return redis.call("STRLEN", KEYS[1])', 1, 'k'));
        await cluster.quit();
        await bundled.close();
      };
      run();`;

    for (const format of ['es', 'cjs'] as const) {
      it(`runs as ${format}`, async () => {
        const file = await bundle(format === 'es' ? 'app.mjs' : 'app.cjs', app, format);
        assert.equal(run(process.execPath, [file]).trim(), 'v true true\n1');
      });
    }

    it('slotOf alone is a few KB', async () => {
      const file = await bundle('slot.mjs', "import { slotOf } from 'lingcache'; console.log(slotOf('k'));", 'es');
      assert.equal(run(process.execPath, [file]).trim(), '7629');
      assert.ok(readFileSync(join(scratch, file)).length < 4096);
    });
  });

  it('loads its code once, however often it is asked for', () => {
    const source = `const one = require('lingcache'); const server = require('lingcache/server');
      Promise.all([import('lingcache'), import('lingcache/server')]).then(([two, other]) =>
        console.log(one === two.default, one.Cluster === two.Cluster, server.startCluster === other.startCluster));`;
    assert.equal(node('once.cjs', source), 'true true true');
  });

  it('installs alone and in silence', () => {
    assert.match(installOutput, /^\s*added 1 package in/);
    assert.doesNotMatch(installOutput, /warn/i);
  });

  it("require('lingcache') is the class, with everything else on it", () => {
    const printed = node(
      'main.cjs',
      `const Redis = require('lingcache');
const { Cluster, Redis: Named, ReplyError, slotOf } = require('lingcache');
const client = new Redis({ lazyConnect: true });
const cluster = new Redis.Cluster([7000], { lazyConnect: true });
console.log(client instanceof Named, cluster instanceof Cluster, Redis.Cluster === Cluster, Redis.default === Redis);
console.log(Redis.__esModule, typeof ReplyError, slotOf('k'), Redis.name, Cluster.name);
client.disconnect(); cluster.disconnect();`,
    );
    assert.equal(printed, 'true true true true\ntrue function 7629 Redis Cluster');
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

  it('has one instance of each class, however it is loaded, with the name that its source has', () => {
    const printed = node(
      'same.mjs',
      `import { createRequire } from 'node:module';
import * as client from 'lingcache';
import * as server from 'lingcache/server';
import * as otel from 'lingcache/otel';
import * as testing from 'lingcache/testing';
const require = createRequire(import.meta.url);
const pairs = [[client, require('lingcache')], [server, require('lingcache/server')], [otel, require('lingcache/otel')], [testing, require('lingcache/testing')]];
const names = (module) => Object.entries(module).map(([key, value]) => [key, typeof value, value.name]);
const other = pairs.flatMap(([own, required]) => Object.keys(own).filter((name) => own[name] !== required[name]));
console.log(JSON.stringify([other, names(client), names(server)]));`,
    );
    const source = node(
      'names.mjs',
      `const client = await import(${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)});
const server = await import(${JSON.stringify(new URL('../../server/index.js', import.meta.url).href)});
const names = (module) => Object.entries(module).map(([key, value]) => [key, typeof value, value.name]);
console.log(JSON.stringify([names(client), names(server)]));`,
    );
    const [other, ...names] = JSON.parse(printed) as unknown[];
    // The slot of a key is a file of its own, so that a bundle may have it without the client.
    assert.deepEqual(other, ['slotOf']);
    assert.deepEqual(names, JSON.parse(source));
  });

  it('has the paths of ioredis that others import, with the same classes', () => {
    const defaults = {
      Command: 'Command',
      Pipeline: 'Pipeline',
      Redis: 'Redis',
      ScanStream: 'ScanStream',
      cluster: 'Cluster',
      'cluster/index.js': 'Cluster',
      'errors/MaxRetriesPerRequestError': 'MaxRetriesPerRequestError',
    };
    const printed = node(
      'built.mjs',
      `import { createRequire } from 'node:module';
import client from 'lingcache';
import { CONNECTION_CLOSED_ERROR_MSG, parseURL } from 'lingcache/built/utils/index.js';
import { MaxRetriesPerRequestError } from 'lingcache/built/errors';
import whole, { Cluster } from 'lingcache/built';
const require = createRequire(import.meta.url);
const wrong = [];
for (const [path, name] of Object.entries(${JSON.stringify(defaults)})) {
  if (require('lingcache/built/' + path).default !== client[name]) wrong.push('require ' + path);
  if ((await import('lingcache/built/' + path)).default !== client[name]) wrong.push('import ' + path);
}
for (const path of ['redis/RedisOptions', 'cluster/ClusterOptions', 'utils/RedisCommander', 'types']) require('lingcache/built/' + path);
const { parseURL: required } = require('lingcache/built/utils');
if (require('lingcache/built') !== client || whole !== client || Cluster !== client.Cluster) wrong.push('built');
if (MaxRetriesPerRequestError !== client.MaxRetriesPerRequestError) wrong.push('errors');
console.log(JSON.stringify([wrong, CONNECTION_CLOSED_ERROR_MSG, parseURL('h:1'), required('h:1')]));`,
    );
    const place = { host: 'h', port: '1' };
    assert.deepEqual(JSON.parse(printed), [[], 'Connection is closed.', place, place]);
    const refused = spawnSync(process.execPath, ['-e', "require('lingcache/built/nothing')"], { cwd: scratch });
    assert.match(String(refused.stderr), /Cannot find module/);
  });

  for (const [file, processes] of [
    ['app.mjs', false],
    ['app.cjs', false],
    ['app.mjs', true],
    ['app.cjs', true],
  ] as const) {
    it(`${file} starts a cluster${processes ? ' of processes' : ''} that the client reads and writes`, () => {
      cpSync(join(fixtures, file), join(scratch, file));
      assert.equal(run(process.execPath, [file, ...(processes ? ['processes'] : [])]).trim(), 'v ReplyError');
    });
  }

  it('has a command line', () => {
    assert.match(run('npx', ['--no-install', 'lingcache', '--version']), new RegExp(version.replaceAll('.', '\\.')));
    assert.match(run('npx', ['--no-install', 'lingcache', '--help']), /Usage: lingcache <command>/);
  });

  it('runs in mocha and in node:test', () => {
    for (const file of ['mocha.cjs', 'mocha.mjs', 'node-test.cjs', 'node-test.mjs']) {
      cpSync(join(fixtures, file), join(scratch, file));
    }
    const mocha = join(root, 'node_modules/mocha/bin/mocha.js');
    assert.match(run(process.execPath, [mocha, '--no-config', 'mocha.cjs', 'mocha.mjs']), /2 passing/);
    const tested = run(process.execPath, ['--test', '--test-reporter=tap', 'node-test.cjs', 'node-test.mjs']);
    assert.match(tested, /^# pass 2$/m);
  });

  for (const [name, options, sources] of [
    ['node16', { module: 'node16' }, ['app.mts', 'app.cts', 'require.cts']],
    ['nodenext', { module: 'nodenext' }, ['app.mts', 'app.cts', 'require.cts']],
    ['bundler', { module: 'esnext', moduleResolution: 'bundler' }, ['app.mts']],
  ] as const) {
    it(`type-checks with moduleResolution ${name}, strictly, interface merging included`, () => {
      for (const file of ['app.mts', 'app.cts']) cpSync(join(fixtures, 'types/app.ts'), join(scratch, file));
      cpSync(join(fixtures, 'types/require.ts'), join(scratch, 'require.cts'));
      const compilerOptions = { ...options, target: 'es2022', strict: true, noEmit: true, skipLibCheck: false };
      const settings = { compilerOptions: { ...compilerOptions, exactOptionalPropertyTypes: true }, files: sources };
      writeFileSync(join(scratch, 'tsconfig.json'), JSON.stringify(settings));
      run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.']);
    });
  }

  it('has an OpenTelemetry example that works as printed', () => {
    const text = readFileSync(join(root, 'docs/observability.md'), 'utf8');
    const [, example] = /```js\n(.*?lingcache\/otel.*?)```/s.exec(text)!;
    const printed = `${example}console.log(instrumentation.getConfig().enabled);`;
    assert.equal(run(process.execPath, ['--input-type=module', '--eval', printed], root).trim(), 'true');
  });

  it('satisfies publint and attw', () => {
    run(process.execPath, [join(root, 'node_modules/publint/src/cli.js'), '--strict'], root);
    const tarball = join(scratch, `lingcache-${version}.tgz`);
    run(process.execPath, [join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js'), tarball]);
  });
});

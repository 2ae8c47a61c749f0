// The code blocks of README and docs/ that need packages which are not installed here: a comment above each,
// `<!-- in the matrix: CHECK FILE -->`, names its check and its file there. They run as they stand, but for ports, with the
// packages as they are published.
// Does not know: what the blocks say. What shows that they work is in test/fixtures/docs.

import { join } from 'node:path';
import { type Block, pagePaths, readPage } from '../docs/pages.ts';
import { type Check, type Group, node, programOf, type Step } from './check.ts';

/** Compiles the blocks as a strict project, with the options of the framework. */
const tsconfig = (options: object = {}): string =>
  JSON.stringify({
    compilerOptions: {
      ...{ strict: true, target: 'es2022', module: 'nodenext', outDir: 'out', rootDir: '.', skipLibCheck: true },
      ...{ types: ['node'], ...options },
    },
    include: ['*.mts'],
  });

interface Story {
  readonly packages: readonly string[];
  /** Below test/fixtures/docs, by the names in the folder of the check. */
  readonly fixtures?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  steps(modules: string): readonly Step[];
}

const compile = (modules: string): Step => ({ command: [node, programOf(modules, 'typescript', 'tsc'), '-p', '.'] });

/** Runs `script` on a bundled cluster, whose ports stand in `blocks` then. */
const onCluster = (script: string, ...blocks: readonly string[]): Step => ({
  command: [node, 'on-cluster.mjs', blocks.join(','), node, script],
  expected: /^works$/m,
});

/** A block of TypeScript that is compiled, and a script that uses what it makes. */
function compiled(name: string, packages: readonly string[], options?: object): Story {
  return {
    packages: ['typescript@~5.9', '@types/node@^20', ...packages],
    fixtures: { 'on-cluster.mjs': 'on-cluster.mjs', [`${name}.mjs`]: 'use.mjs' },
    files: { 'package.json': '{ "type": "module" }', 'tsconfig.json': tsconfig(options) },
    steps: (modules) => [compile(modules), onCluster('use.mjs', 'out/app.mjs')],
  };
}

const sources = (modules: string): string => join(modules, '..', 'package.json');

/** By the names in the comments. */
const stories: Readonly<Record<string, Story>> = {
  express: compiled('express', ['express@^5', '@types/express@^5']),
  nestjs: compiled('nestjs', ['@nestjs/common@^11', '@nestjs/core@^11', 'reflect-metadata@^0', 'rxjs@^7'], {
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
  }),
  'socket.io': compiled('socket.io', ['socket.io@^4', 'socket.io-client@^4', '@socket.io/redis-adapter@^8']),
  graphql: compiled('graphql', ['graphql-redis-subscriptions@^2', 'graphql@^16', 'ioredis@^5']),
  next: {
    packages: ['next@^16', 'react@^19', 'react-dom@^19', 'typescript@~5.9', '@types/node@^20', '@types/react@^19'],
    fixtures: { 'on-cluster.mjs': 'on-cluster.mjs', 'next.mjs': 'use.mjs' },
    files: {
      'package.json': '{}',
      'app/layout.tsx':
        'export default ({ children }: { children: React.ReactNode }) => (<html lang="en"><body>{children}</body></html>);\n',
    },
    steps: (modules) => [
      {
        command: [node, 'on-cluster.mjs', 'lib/redis.ts', node, 'use.mjs', programOf(modules, 'next')],
        expected: /^works$/m,
      },
    ],
  },
  vitest: {
    packages: ['vitest@^4'],
    steps: (modules) => [{ command: [node, programOf(modules, 'vitest'), 'run'], expected: /Tests +1 passed/ }],
  },
  jest: {
    packages: ['jest@^30'],
    files: { 'package.json': '{}' },
    steps: (modules) => [{ command: [node, programOf(modules, 'jest'), '--ci'], expected: /Tests: +1 passed/ }],
  },
  mocha: {
    packages: ['mocha@^11', 'sinon@^21'],
    steps: (modules) => [{ command: [node, programOf(modules, 'mocha'), 'sessions.test.mjs'], expected: /1 passing/ }],
  },
  'node:test': {
    packages: [],
    steps: () => [{ command: [node, '--test', '--test-reporter=tap', 'sessions.test.mjs'], expected: /^# pass 1$/m }],
  },
  'quick-start': {
    packages: [],
    fixtures: { 'quick-start.mjs': 'quick-start.mjs' },
    files: { 'steps.json': JSON.stringify(readPage('docs/start/quick-start.md').blocks) },
    steps: (modules) => [
      { command: [node, 'quick-start.mjs', sources(modules)], expected: /^the last write is there: true$/m },
    ],
  },
};

/** Blocks of the pages, by the name of their check; a check of a whole page has none. */
export function matrixBlocks(): Map<string, Block[]> {
  const found = new Map<string, Block[]>();
  for (const block of pagePaths().flatMap((path) => readPage(path).blocks)) {
    if (block.treatment !== 'matrix' || block.page.startsWith('docs/zh/')) continue;
    const [name = ''] = block.note.split(' ');
    found.set(name, [...(found.get(name) ?? []), block]);
  }
  return found;
}

/** Names of checks that no comment names, and of comments that no check has. */
export function strayBlocks(): string[] {
  const named = matrixBlocks();
  const pages = ['quick-start'];
  return [
    ...Object.keys(stories).filter((name) => !named.has(name) && !pages.includes(name)),
    ...[...named.keys()].filter((name) => !Object.hasOwn(stories, name)),
  ];
}

const filesOf = (blocks: readonly Block[]): Record<string, string> =>
  Object.fromEntries(blocks.map(({ note, code }) => [note.split(' ')[1]!, `${code}\n`]));

export const docs: Group = {
  packages: [...new Set(Object.values(stories).flatMap(({ packages }) => packages))],
  checks: (modules) => {
    const blocks = matrixBlocks();
    return Object.entries(stories).map(
      ([name, story]): Check => ({
        name: `docs: ${name}`,
        fixtures: Object.fromEntries(Object.entries(story.fixtures ?? {}).map(([from, to]) => [`docs/${from}`, to])),
        files: { ...story.files, ...filesOf(blocks.get(name) ?? []) },
        steps: story.steps(modules),
      }),
    );
  },
};

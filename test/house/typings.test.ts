// Every call form of ioredis's typings must compile against ours and give the same result type. The forms are read
// from the installed ioredis, written as calls into one file, and that file is given to tsc.
// Forms we mean to leave out stand in `deviations`; an entry that no longer fails is an error too.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../scripts/gen/capture.ts';

/** command or command|SUBCOMMAND -> why a form of it differs. */
const deviations: Readonly<Record<string, string>> = {
  migrate: 'ioredis types MIGRATE KEYS without the empty key argument, which the server refuses',
  msetnx: 'ioredis types the object form as OK; the reply is 0 or 1 in every form',
  argrep: 'each predicate is a form of its own here: a union of predicates has to be narrowed first',
  'client|NO-TOUCH': 'ioredis types the reply unknown; it is OK',
  'cluster|MYSHARDID': 'ioredis types the reply unknown; it is a string',
  'cluster|SLOT-STATS': 'ioredis types the reply unknown; it is a list',
  'cluster|SYNCSLOTS': 'ioredis gives it the reply of CLUSTER SLOTS; it is internal to Redis 8 and typed unknown here',
};

interface Form {
  readonly command: string;
  readonly code: string;
  /** The result depends on replyMapping. */
  readonly mapped: boolean;
}

/** The parameters as tuple types: as they stand, and where the callback is optional, without and with it. */
function tuplesOf(parameters: string): string[] {
  if (parameters.startsWith('...args: [')) return [parameters.slice('...args: '.length)];
  const without = parameters.replace(/,? ?callback\?: Callback<.*>$/, '');
  return without === parameters
    ? [`[${parameters}]`]
    : [`[${without}]`, `[${parameters.replace('callback?:', 'callback:')}]`];
}

function formsOfIoredis(): Form[] {
  const text = readFileSync(join(root, 'node_modules/ioredis/built/utils/RedisCommander.d.ts'), 'utf8');
  const forms: Form[] = [];
  for (const match of text.matchAll(/^ {4}(\w+)\((.*)\): Result<(.*), Context>;$/gm)) {
    const [, name, parameters, result] = match as unknown as [string, string, string, string];
    const subcommand = /subcommand: '([^']+)'/.exec(parameters)?.[1];
    const base = name.replace(/Buffer$/, '');
    const command = subcommand === undefined || base === 'himport' ? base : `${base}|${subcommand}`;
    for (const tuple of tuplesOf(parameters)) {
      forms.push({
        command,
        code: `(a: ${tuple}) => { const r = c.${name}(...a); same<Awaited<typeof r>, ${result}>(true); };`,
        mapped: result.includes('RespShape<'),
      });
    }
  }
  return forms;
}

/** The two halves of ioredis's RespShape, each with the context that makes our surface choose the same. */
const shapes = {
  legacy: { context: "{ type: 'default' }", picked: "A['two']" },
  resp3: { context: "{ type: 'default'; mapping: 'resp3' }", picked: "B['three']" },
};

const headFor = ({ context, picked }: { context: string; picked: string }): string[] =>
  `
import type { Callback, RedisKey, RedisValue } from '${root}/lib/facade/types.ts';
import type { RedisCommander } from '${root}/lib/facade/surface.generated/index.ts';
declare const c: RedisCommander<${context}>;
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A, B>(yes: Same<A, B>): void;
type Resp2<T> = { readonly two: T }; type Resp3<T> = { readonly three: T };
type Resp3Double<_S = string> = number; type Resp3Map<V> = Record<string, V>;
type RespShape<A extends Resp2<unknown>, B extends Resp3<unknown>, _C> = ${picked}; type Context = 0;
`
    .trim()
    .split('\n');

function failingCommands(forms: readonly Form[], head: readonly string[]): Map<string, string> {
  const folder = mkdtempSync(join(root, 'build-typings-'));
  try {
    writeFileSync(join(folder, 'forms.ts'), [...head, ...forms.map(({ code }) => code)].join('\n'));
    const compilerOptions = {
      noEmit: true,
      rootDir: root,
      noUnusedLocals: false,
      noUnusedParameters: false,
      allowImportingTsExtensions: true,
      rewriteRelativeImportExtensions: false,
    };
    const project = { extends: '../tsconfig.json', compilerOptions, files: ['forms.ts'], include: [] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(project));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const run = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8', maxBuffer: 1 << 26 });
    const failing = new Map<string, string>();
    for (const [, line, message] of run.stdout.matchAll(/forms\.ts\((\d+),\d+\): error (.*)/g)) {
      const form = forms[Number(line) - head.length - 1];
      assert.ok(form !== undefined, `the head of the checked file does not compile: ${message}`);
      failing.set(form.command, `${form.code} ${message}`);
    }
    assert.ok(run.status === 0 || failing.size > 0, `tsc failed: ${run.stdout.slice(0, 500)}${run.stderr}`);
    return failing;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('typings against ioredis', () => {
  it('compiles every call form of ioredis to the same result type, but for named deviations', function () {
    this.timeout(120_000);
    const forms = formsOfIoredis();
    assert.ok(forms.length > 3000, `only ${forms.length} forms found: has ioredis's file changed its form?`);
    const failing = failingCommands(forms, headFor(shapes.legacy));
    const surprises = [...failing].filter(([command]) => deviations[command] === undefined).map(([, text]) => text);
    assert.deepEqual(surprises, []);
    const stale = Object.keys(deviations).filter((command) => !failing.has(command));
    assert.deepEqual(stale, [], 'deviations that no longer differ');
  });

  it('gives every reply that depends on replyMapping the type ioredis gives it with "resp3"', function () {
    this.timeout(120_000);
    const forms = formsOfIoredis().filter(({ mapped }) => mapped);
    assert.ok(forms.length > 500, `only ${forms.length} forms found: has ioredis's file changed its form?`);
    const failing = failingCommands(forms, headFor(shapes.resp3));
    // Deviations of the test above alone.
    assert.deepEqual(
      [...failing].filter(([command]) => deviations[command] === undefined).map(([, text]) => text),
      [],
    );
  });
});

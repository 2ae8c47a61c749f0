// Makes programs of the pages' code blocks and compiles them in one go against the package as it is built.
// Owns: build/docs/.
// Does not know: Markdown.
// Invariant: what is compiled is the block's own text, but for the ports of the cluster that it runs on.

import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Block, root } from '../../scripts/docs/pages.ts';

/** Where the blocks' own addresses lead: port 7000 and those after it, 6379, and 6380 of redis.example.com. */
export interface Ports {
  readonly cluster: readonly number[];
  readonly single: number;
  readonly secure: number;
}

export interface Program {
  readonly block: Block;
  readonly source: string;
  /** The compiled file. */
  readonly file: string;
}

const folder = join(root, 'build/docs');

/**
 * Pages show a fragment where a whole program would repeat its first lines: without an import of its own, a block gets
 * these, and the clients of `prelude`.
 */
const imports = `import Redis, * as lingcache from 'lingcache';
import { Cluster, slotOf, ReplyError, RedisError, AbortError, TimeoutError, QueueFullError, PartialFailureError, OptionError,
  ClusterAllFailedError, MaxRetriesPerRequestError, type ClusterOptions, type RedisOptions, type Result } from 'lingcache';
import { startCluster, startNode, ClusterOperator, ManualWorld } from 'lingcache/server';
`;
const clients: Readonly<Record<string, string>> = {
  bundled: 'const bundled = await startCluster();\nafterwards.push(() => bundled.close());',
  cluster: 'const cluster = new Cluster(SEEDS);\nafterwards.push(() => cluster.disconnect());',
  redis: 'const redis = new Redis(SINGLE);\nafterwards.push(() => redis.disconnect());',
};

/** Pages about other entries have first lines of their own. */
const testing = {
  imports: `import { Cluster } from 'lingcache';
import { addNode, anyMaster, anyReplica, expiring, failover, freeze, heal, kill, lastNode, ManualWorld, move, ownerOf,
  partition, scenario, startCluster, step, stream, wait } from 'lingcache/testing';
`,
  clients: {
    cluster:
      "const cluster = await startCluster({ config: { 'cluster-node-timeout': '1000' } });\nafterwards.push(() => cluster.close());",
    client: 'const client = new Cluster(cluster.seeds);\nafterwards.push(() => client.disconnect());',
  } as Readonly<Record<string, string>>,
};

function sourceOf(block: Block, { cluster, single, secure }: Ports): string {
  const elsewhere = block.treatment === 'tls' ? block.code.replaceAll('redis.example.com', '127.0.0.1') : block.code;
  const code = elsewhere
    .replaceAll(/(?<![\w.])6380(?!\w)/g, String(secure))
    .replaceAll(/(?<![\w.])700[0-5](?!\w)/g, (port) => String(cluster[Number(port) - 7000]))
    .replaceAll(/(?<![\w.])6379(?!\w)/g, String(single));
  if (/^import /m.test(code) || /\brequire\(/.test(code)) return `${code}\nexport {};\n`;
  const first = block.page === 'docs/testing.md' ? testing : { imports, clients };
  const used = Object.entries(first.clients).filter(([name]) => {
    const declared = new RegExp(`\\b(?:const|let|using) (?:\\{[^}]*)?${name}\\b`).test(code);
    return new RegExp(`(?<![\\w.'])${name}\\b(?!:)`).test(code) && !declared;
  });
  const needed = used
    .map(([, text]) => text)
    .join('\n')
    .replaceAll(
      'SEEDS',
      used.some(([name]) => name === 'bundled')
        ? 'bundled.seeds'
        : JSON.stringify(cluster.map((port) => ({ host: '127.0.0.1', port }))),
    )
    .replaceAll('SINGLE', `{ host: '127.0.0.1', port: ${single} }`);
  const after = 'const afterwards: (() => unknown)[] = [];';
  return `${first.imports}${after}\n${needed}\ntry {\n${code}\n} finally { for (const end of afterwards.reverse()) await end(); }\nexport {};\n`;
}

const config = {
  extends: '../../tsconfig.json',
  compilerOptions: {
    noEmit: false,
    declaration: false,
    declarationMap: false,
    sourceMap: false,
    rootDir: '.',
    outDir: 'out',
    types: ['node'],
    lib: ['es2023', 'esnext.disposable'],
    // What applications commonly have; the rest of `strict` stays.
    exactOptionalPropertyTypes: false,
    noPropertyAccessFromIndexSignature: false,
    noUncheckedIndexedAccess: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
    erasableSyntaxOnly: false,
    allowJs: true,
    checkJs: true,
    noImplicitAny: false,
    useUnknownInCatchVariables: false,
  },
  include: ['*.ts', '*.mts', '*.cts'],
};

/** Writes all blocks and compiles them; the errors of the compiler name pages and lines. */
export async function compilePrograms(
  blocks: readonly Block[],
  ports: Ports,
): Promise<{ readonly programs: readonly Program[]; readonly errors: readonly string[] }> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const programs = blocks.map((block): Program => {
    const source = sourceOf(block, ports);
    const kind = /\brequire\(/.test(block.code) && !/^import /m.test(block.code) ? 'cts' : 'mts';
    const name = `${block.page.replaceAll(/[^\w]+/g, '-')}-${block.line}`;
    writeFileSync(join(folder, `${name}.${kind}`), source);
    return { block, source, file: join(folder, 'out', `${name}.${kind.replace('ts', 'js')}`) };
  });
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const printed = await promisify(execFile)(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], {
    cwd: root,
  }).then(
    () => '',
    (error: Error & { stdout: string }) => error.stdout || error.message,
  );
  return { programs, errors: printed.split('\n').filter((line) => line !== '') };
}

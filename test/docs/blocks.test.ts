// Every code block of README and docs compiles against the package as it is built and runs on a bundled cluster; what a
// line of console.log says in its comment is what it prints. Shell blocks name scripts and words that exist.
// Needs dist/ (npm run build).

import assert from 'node:assert/strict';
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Cluster, Redis } from '../../lib/index.ts';
import { type Block, pagePaths, readPage, root } from '../../scripts/docs/pages.ts';
import { matrixBlocks, strayBlocks } from '../../scripts/matrix/docs.ts';
import { type BundledCluster, type BundledNode, startCluster, startNode } from '../../server/index.ts';
import { makeCertificates, missingOpenssl } from '../kit/certificates.ts';
import { startNodeProcess } from '../kit/node-process.ts';
import { freePort } from '../kit/ports.ts';
import { needRedisServer } from '../kit/real-cluster.ts';
import { until } from '../kit/until.ts';
import { startAhead } from './ahead.ts';
import { compilePrograms, type Program } from './programs.ts';

const isCode = ({ language, treatment }: Block): boolean =>
  /^(?:ts|js|mjs|cjs)$/.test(language) && treatment !== 'skip' && treatment !== 'matrix';
const isRun = (block: Block): boolean => isCode(block) && block.treatment !== 'compile';
/** Reasons for which a block of the pages may stay unrun; the reference is made from the sources. */
const unrun = [/^needs an account/];
const blockMs = 60_000;
const run = promisify(execFile);

/** Runs programs in a process of their own; one that does not answer in time is replaced. */
class Runner {
  #child: ChildProcess | undefined;

  /** `folder` is the working directory. */
  async printedBy(file: string, folder: string): Promise<string[]> {
    this.#child ??= fork(new URL('./runner.js', import.meta.url).pathname, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const child = this.#child;
    child.send({ file, folder });
    const signal = AbortSignal.timeout(blockMs);
    const [{ lines, error }] = (await once(child, 'message', { signal }).catch((reason: Error) => {
      this.close();
      throw new Error(`did not end within ${blockMs} ms`, { cause: reason });
    })) as [{ lines: string[]; error: string | null }];
    assert.equal(error, null);
    return lines;
  }

  close(): void {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }
}

describe('docs: code blocks', function () {
  this.timeout(120_000);
  // The Chinese pages have the blocks of the English ones: test/house/docs-equal compares them.
  const paths = pagePaths().filter((path) => !path.startsWith('docs/zh/'));
  const blocks = paths.flatMap((path) => readPage(path).blocks);
  let programs: readonly Program[];
  let errors: readonly string[];
  let bundled: BundledCluster;
  let single: BundledNode;
  let secure: SecureCluster | undefined;
  const runner = new Runner();
  /** Runners of programs that have servers of their own. */
  const idle = [new Runner(), new Runner(), new Runner()];
  let ahead: ReadonlyMap<Block, Promise<unknown>>;

  before(async () => {
    [bundled, single, secure] = await Promise.all([
      startCluster({ masters: 3, replicas: 1 }),
      startNode(),
      missingOpenssl() === undefined ? startSecure() : undefined,
    ]);
    ({ programs, errors } = await compilePrograms(blocks.filter(isCode), {
      cluster: bundled.ports,
      single: single.port,
      secure: secure?.port ?? 0,
    }));
    const isolated = programs.filter(({ block, source }) => isRun(block) && !usesShared(source));
    assert.ok(isolated.length > 10);
    ahead = startAhead(new Map(isolated.map(({ block, file }) => [block, () => printedAlone(file)])), idle.length);
  });
  after(async () => {
    for (const each of [runner, ...idle]) each.close();
    await Promise.all([bundled?.close(), single?.kill(), secure?.close()]);
  });

  it('all of TypeScript and JavaScript compile', () => {
    assert.ok(programs.length > 0);
    assert.deepEqual(errors, []);
  });

  for (const block of blocks.filter(isRun)) {
    it(`runs: ${block.page}:${block.line}`, async function () {
      if (block.treatment === 'redis-server') needRedisServer(this, `${block.page}:${block.line}`);
      if (block.treatment === 'tls' && secure === undefined) this.skip();
      const printed = ((await ahead.get(block)) ?? (await printedOnShared(block))) as string[];
      let at = 0;
      for (const wanted of promisesOf(block)) {
        at = printed.findIndex((line, place) => place >= at && plain(line) === plain(wanted)) + 1;
        assert.ok(at > 0, `nothing printed ${wanted}; printed was:\n${printed.join('\n')}`);
      }
    });
  }

  it('no block stays unrun without a reason that counts', () => {
    const left = blocks.filter(
      ({ page, treatment, note }) =>
        !page.startsWith('docs/reference/') &&
        (treatment === 'compile' || treatment === 'skip') &&
        !unrun.some((reason) => reason.test(note)),
    );
    assert.deepEqual(
      left.map(({ page, line, note }) => `${page}:${line}: ${note}`),
      [],
    );
  });

  it('what the matrix runs is named by a block, and every such block has a check there', () => {
    assert.deepEqual(strayBlocks(), []);
    assert.ok(matrixBlocks().size >= 8);
  });

  it('shell blocks, and commands within the text, name scripts, words and options that exist', async () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
    const help = new Map<string, string>();
    const shells: { page: string; line: number; code: string }[] = [
      ...blocks.filter(({ language, treatment }) => language === 'sh' && treatment !== 'skip'),
      ...[...paths, 'CONTRIBUTING.md', 'CHANGELOG.md', 'bench/README.md'].flatMap(commandsWithin),
    ];
    const words = shells
      .flatMap(({ code }) => commandsOf(code))
      .map((text) => /^npx lingcache ([a-z][\w-]*)/.exec(text)?.[1]);
    await Promise.all(
      [...new Set(words)].map(async (word) => {
        if (word !== undefined && word !== 'server')
          help.set(word, (await run(process.execPath, ['dist/main.cjs', word, '--help'], { cwd: root })).stdout);
      }),
    );
    for (const { page, line, code } of shells) {
      for (const command of commandsOf(code)) {
        const where = `${page}:${line}: ${command}`;
        const script = /^npm (?:run )?(?!ci|install|i |ls|exec|pack|init|create)([\w:-]+)/.exec(command)?.[1];
        if (script !== undefined) assert.ok(script in scripts, `${where}: no script ${script}`);
        const [, word, rest] = /^npx lingcache ([a-z][\w-]*)(.*)/.exec(command) ?? [];
        if (word === undefined || word === 'server') continue;
        for (const [, option] of rest!.matchAll(/ (--[\w-]+)/g)) {
          assert.ok(help.get(word)!.includes(option!), `${where}: ${word} has no ${option}`);
        }
      }
    }
  });

  for (const block of blocks.filter(({ language, treatment }) => language === 'sh' && treatment === 'run')) {
    it(`runs: ${block.page}:${block.line} (shell)`, async () => {
      await clean();
      const script = block.code
        .replaceAll('npx lingcache', `"${process.execPath}" "${join(root, 'dist/main.cjs')}"`)
        .replaceAll(/(?<![\w.])700[0-5](?!\w)/g, (port) => String(bundled.ports[Number(port) - 7000]))
        .replaceAll(/(?<![\w.])6379(?!\w)/g, String(single.port));
      await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: root, timeout: 60_000 });
    });
  }

  /** Whether the program uses the servers that all share, which are emptied between programs. */
  function usesShared(source: string): boolean {
    const ports = [...bundled.ports, single.port, secure?.port ?? 0].join('|');
    return new RegExp(`(?<![\\w.])(?:${ports})(?!\\w)`).test(source) || source.includes('redis-server');
  }

  async function printedAlone(file: string): Promise<string[]> {
    const free = idle.pop()!;
    try {
      return await free.printedBy(file, root);
    } finally {
      idle.push(free);
    }
  }

  async function printedOnShared(block: Block): Promise<string[]> {
    const program = programs.find((each) => each.block === block)!;
    await clean();
    return runner.printedBy(program.file, block.treatment === 'tls' ? secure!.folder : root);
  }

  /** The state that every block may count on: no keys, users, scripts; three masters with a replica each. */
  async function clean(): Promise<void> {
    const [cluster, redis] = [new Cluster(bundled.seeds), new Redis({ host: single.host, port: single.port })];
    await Promise.all([...cluster.nodes('master').map((node) => node.flushall()), cluster.ping(), redis.flushall()]);
    await Promise.all(cluster.nodes('master').map((node) => node.flushall()));
    cluster.disconnect();
    redis.disconnect();
  }
});

interface SecureCluster {
  readonly port: number;
  /** Has `ca.pem`, and `app.pem` with `app.key`. */
  readonly folder: string;
  close(): Promise<void>;
}

/** One node with all slots, for clients with TLS. */
async function startSecure(): Promise<SecureCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'lingcache-docs-'));
  await makeCertificates(folder);
  const names = { 'ca.crt': 'ca.pem', 'node.crt': 'app.pem', 'node.key': 'app.key' };
  for (const [from, to] of Object.entries(names)) await copyFile(join(folder, from), join(folder, to));
  const [port, plainPort] = [await freePort(), await freePort()];
  const certificates = ['--tls-cert-file', 'node.crt', '--tls-key-file', 'node.key', '--tls-ca-cert-file', 'ca.crt'];
  const cluster = ['--cluster-enabled', 'yes', '--save', '', '--bind', '127.0.0.1'];
  const args = [
    ...cluster,
    '--tls-port',
    `${port}`,
    '--tls-cluster',
    'yes',
    '--tls-auth-clients',
    'optional',
    ...certificates,
  ];
  const node = await startNodeProcess(plainPort, { dir: folder, args });
  await node.ask('cluster', 'addslotsrange', 0, 16383);
  await until('the node is ok', async () => /cluster_state:ok/.test(String(await node.ask('cluster', 'info'))));
  const close = async (): Promise<void> => {
    await node.end('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  };
  return { port, folder, close };
}

/** What the block says that console.log prints: `console.log(x); // this`. */
function promisesOf({ code }: Block): string[] {
  return [...code.matchAll(/^.*\bconsole\.log\(.*\);? \/\/ (.*)$/gm)].map(([, text]) => text!.trim());
}

/** Commands of the package within the text of a page. */
function commandsWithin(path: string): { page: string; line: number; code: string }[] {
  return readPage(path).prose.flatMap((text, at) =>
    [...text.matchAll(/`((?:npm run|npx lingcache|lingcache) [^`]+)`/g)].map(([, code]) => ({
      page: path,
      line: at + 1,
      code: code!.replace(/^lingcache/, 'npx lingcache'),
    })),
  );
}

function commandsOf(code: string): string[] {
  const whole = code.replaceAll(/\\\n\s*/g, '');
  const bare = whole.replaceAll(/^\$ /gm, '').replaceAll(/(?:^|\s)#.*$/gm, '');
  return bare
    .split(/\n|&&|\|/)
    .map((command) => command.trim())
    .filter((command) => command !== '');
}

/** Spaces within brackets are a matter of taste. */
const plain = (text: string): string => text.replaceAll(/\s*([[\]{},])\s*/g, '$1');

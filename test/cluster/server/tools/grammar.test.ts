import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { ManualWorld } from '../../../../lib/base/world.ts';
import { readLine } from '../../../../server/tools/cli/arguments.ts';
import { type Command, defineCommand } from '../../../../server/tools/cli/command.ts';
import { linkOptions } from '../../../../server/tools/cli/connection.ts';
import { nearest } from '../../../../server/tools/cli/near.ts';
import { Output, type Sink } from '../../../../server/tools/cli/output.ts';
import { runCommand, type Surroundings } from '../../../../server/tools/cli/run.ts';
import { allCommands } from '../../../../server/tools/table.ts';
import { freePort } from '../../../kit/ports.ts';
import { RespClient } from '../../../kit/resp-client.ts';

// The grammar that all words of the command line share: options, help, plans, exit codes, what a pipe gets.

const main = new URL('../../../../server/tools/main.js', import.meta.url).pathname;

function lingcache(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', timeout: 60_000 });
}

class Screen implements Sink {
  readonly isTTY: boolean;
  text = '';

  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }

  write(text: string): void {
    this.text += text;
  }
}

const around = (
  isTTY: boolean,
  env: Record<string, string> = {},
): Surroundings & { stdout: Screen; stderr: Screen } => {
  const stdin = { isTTY } as Surroundings['stdin'];
  return { stdout: new Screen(isTTY), stderr: new Screen(isTTY), env, stdin };
};

describe('the grammar of the command line', () => {
  const options = {
    slots: { kind: 'integer', value: 'N', least: 1, most: 16_384, help: '' },
    every: { kind: 'duration', value: 'T', help: '' },
    rate: { kind: 'bytes', value: 'B', help: '' },
    weight: { kind: 'list', value: 'ID=W', help: '' },
    by: { kind: 'choice', choices: ['slots', 'keys'], help: '', default: 'slots' },
    fast: { kind: 'flag', help: '' },
    note: { kind: 'text', value: 'TEXT', help: '' },
  } as const;
  const rules = { options, arguments: [{ name: 'ADDRESS' }] };
  const read = (...line: string[]): Readonly<Record<string, unknown>> => readLine(['a:1', ...line], rules).options;

  it('reads values with their units, wherever the arguments stand', () => {
    const line = [
      '--slots',
      '7',
      '--every=250ms',
      'a:1',
      '--rate',
      '2mb',
      '--weight',
      'a=1,b=2',
      '--weight=c=0',
      '--fast',
    ];
    assert.deepEqual(readLine(line, rules), {
      args: ['a:1'],
      help: false,
      options: {
        slots: 7,
        every: 250,
        rate: 2 << 20,
        weight: ['a=1', 'b=2', 'c=0'],
        by: 'slots',
        fast: true,
        note: undefined,
      },
    });
    assert.equal(read('--every', '1.5')['every'], 1500);
    assert.equal(read('--note=--x')['note'], '--x');
  });

  const refused: [string[], RegExp][] = [
    [['--solts', '3'], /^unknown option '--solts'; did you mean --slots\?$/],
    [['--zzz'], /^unknown option '--zzz'$/],
    [['-q'], /^unknown option '-q'/],
    [['--slots'], /^--slots needs a value$/],
    [['--slots', '--fast'], /^--slots needs a value$/],
    [['--slots', '0'], /^--slots: '0' is not an integer within 1\.\.16384$/],
    [['--slots', '1.5'], /^--slots: '1\.5'/],
    [['--slots', '1', '--slots', '2'], /^--slots is there twice$/],
    [['--every', '5 days'], /^--every: '5 days' is not a time such as/],
    [['--rate', '1tb'], /^--rate: '1tb' is not a size such as/],
    [['--by', 'luck'], /^--by: 'luck' is not slots, keys$/],
    [['--fast=no'], /^--fast takes no value$/],
    [['b:1'], /^'b:1' is one too many$/],
    [['--__proto__', 'x'], /^unknown option '--__proto__'$/],
  ];
  for (const [line, message] of refused) {
    it(`refuses ${line.join(' ')}`, () => assert.throws(() => read(...line), { message, code: 2 }));
  }

  it('leaves what follows the arguments of a raw word alone', () => {
    const raw = { options, arguments: [{ name: 'A' }, { name: 'WORDS', rest: true }], rawAfter: 1 };
    const { args, options: values } = readLine(['--fast', 'a:1', 'SET', '--slots', '-1', '--help'], raw);
    assert.deepEqual(
      [args, values['fast'], values['slots']],
      [['a:1', 'SET', '--slots', '-1', '--help'], true, undefined],
    );
  });

  it('finds what was meant', () => {
    const words = ['reshard', 'rebalance', 'check', 'fix', 'failover'];
    assert.deepEqual(
      ['rehsard', 'rebal', 'chekc', 'fxi', 'quux', ''].map((word) => nearest(word, words)),
      ['reshard', 'rebalance', 'check', 'fix', undefined, undefined],
    );
  });

  it('reads addresses, the map of addresses and the environment', () => {
    const world = new ManualWorld();
    const given = { 'nat-map': ['10.0.0.1:6379=127.0.0.1:7000'], timeout: 100 };
    const env = { LINGCACHE_USER: 'ops', REDISCLI_AUTH: 'secret' };
    const link = linkOptions('7000,[::1]:7001,:7002,rediss://x:y@host:7003', given, env, world);
    assert.deepEqual(
      link.seeds.map(({ host, port }) => `${host} ${port}`),
      ['127.0.0.1 7000', '::1 7001', '127.0.0.1 7002', 'host 7003'],
    );
    assert.deepEqual([link.username, link.password], ['ops', 'secret']);
    assert.deepEqual(link.natMap, { '10.0.0.1:6379': { host: '127.0.0.1', port: 7000 } });
    const none = { 'nat-map': [], timeout: 100 };
    const url = linkOptions('rediss://me:p%40ss@h:1', none, {}, world);
    assert.deepEqual([url.username, url.password, url.tls], ['me', 'p@ss', {}]);
    for (const bad of ['', 'host', 'host:0', 'host:70000', 'a b:1', 'host:7000x', '::1:', 'redis://:x:y'])
      assert.throws(() => linkOptions(bad, none, {}, world), { code: 2 }, bad);
    assert.throws(() => linkOptions('a:1', { ...none, 'nat-map': ['a:1'] }, {}, world), /--nat-map: 'a:1' is not/);
    assert.throws(() => linkOptions('a:1', { ...none, 'tls-cert': '/nowhere' }, {}, world), /go together/);
    assert.throws(() => linkOptions('a:1', { ...none, 'tls-ca': '/nowhere' }, {}, world), /--tls-ca: ENOENT/);
  });

  it('paints and draws bars on a terminal, and neither in a pipe nor with NO_COLOR', () => {
    const say = (isTTY: boolean, env: Record<string, string>, json = false): [string, string] => {
      const { stdout, stderr } = around(isTTY, env);
      const out = new Output({ stdout, stderr, env, json });
      out.line(out.paint('red', 'x'));
      out.answer({ a: 1 });
      const bar = out.progress('moving');
      bar.update(1, 2, 'half');
      bar.end();
      return [stdout.text, stderr.text];
    };
    assert.equal(say(true, {})[0], '\u001b[31mx\u001b[39m\n');
    assert.match(say(true, {})[1], /moving .*█.*50%/);
    assert.deepEqual(say(false, {}), ['x\n', '']);
    assert.equal(say(true, { NO_COLOR: '1' })[0], 'x\n');
    assert.deepEqual(say(true, {}, true), ['{\n  "a": 1\n}\n', '']);
  });

  const changing: Command = defineCommand({
    name: 'change',
    arguments: [],
    options: {},
    changes: true,
    run: async ({ approve, out, onEnd }) => {
      onEnd(() => out.note('closed'));
      if (!(await approve({ lines: ['step 1'], data: ['step 1'] }))) return 0;
      out.line('done');
      return 0;
    },
  });

  it('shows the plan, and changes nothing that was not agreed to', async () => {
    const run = async (...line: string[]): Promise<[number, string, string]> => {
      const world = around(false);
      return [await runCommand(changing, 'changes', line, world), world.stdout.text, world.stderr.text];
    };
    assert.deepEqual(await run('--yes'), [0, 'step 1\ndone\n', 'closed\n']);
    assert.deepEqual(await run('--plan'), [0, 'step 1\n', 'closed\n']);
    assert.deepEqual(await run('--plan', '--json'), [0, '{\n  "plan": [\n    "step 1"\n  ]\n}\n', 'closed\n']);
    const [code, , complaint] = await run();
    assert.equal(code, 2);
    assert.match(complaint, /nothing was changed: --yes agrees to the plan, --plan only shows it/);
    const [failed, answer] = await run('--json', '--nosuch');
    assert.deepEqual([failed, JSON.parse(answer)], [2, { error: "unknown option '--nosuch'", exitCode: 2 }]);
  });

  it('has a help text for every word, and each of their options in it', async () => {
    for (const [name, { load, summary }] of allCommands()) {
      const word = await load();
      assert.equal(word.name, name);
      const world = around(false);
      if (word.raw !== undefined) continue;
      assert.equal(await runCommand(word, summary, ['--help'], world), 0);
      assert.match(world.stdout.text, new RegExp(`^Usage: lingcache ${name} `));
      for (const option of Object.keys(word.options)) assert.ok(world.stdout.text.includes(`--${option}`), option);
      assert.equal(await runCommand(word, summary, ['--no-such-option'], around(false)), 2);
    }
  });

  it('exits with 0 for help and 2 for what it does not know', () => {
    assert.deepEqual(
      [lingcache('--help').status, lingcache('up', '--help').status, lingcache('help', 'up').status],
      [0, 0, 0],
    );
    assert.match(lingcache('up', '--help').stdout, /--masters N/);
    const { status, stderr } = lingcache('dmeo');
    assert.deepEqual([status, stderr], [2, "lingcache: unknown command 'dmeo'; did you mean demo?\n"]);
    assert.equal(lingcache('demo', '--bogus').status, 2);
    assert.match(lingcache('up', '--master', '3').stderr, /did you mean --masters\?/);
    assert.equal(lingcache().status, 2);
  });

  it('up --daemon on a port that is taken names the reason, not only a log', async () => {
    const port = String(await freePort());
    const taken = createServer().listen(Number(port), '127.0.0.1');
    await once(taken, 'listening');
    const { status, stderr } = lingcache('up', '--daemon', '--masters', '1', '--replicas', '0', '--port', port);
    taken.close();
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`\\b${port}\\b.*\\(log: `));
  });

  it('up --daemon goes on by itself until down', async () => {
    const port = String(await freePort(3));
    const started = lingcache('up', '--daemon', '--port', port, '--replicas', '0', '--json');
    assert.equal(started.status, 0, started.stderr);
    const { pid, nodes } = JSON.parse(started.stdout) as { pid: number; nodes: { port: number }[] };
    try {
      assert.deepEqual([nodes.length, nodes[0]!.port], [3, Number(port)]);
      assert.equal(lingcache('up', '--daemon', '--port', port).status, 1);
      const stopped = lingcache('down', '--port', port, '--json');
      assert.deepEqual(JSON.parse(stopped.stdout), { stopped: [{ port: Number(port), pid }] });
      await assert.rejects(RespClient.connect(Number(port)), /ECONNREFUSED/);
      assert.equal(lingcache('down', '--port', port).status, 1);
    } finally {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It was stopped.
      }
    }
  }).timeout(60_000);
});

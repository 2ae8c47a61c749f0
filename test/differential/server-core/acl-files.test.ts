// Users in files, and between nodes: ACL files, CONFIG REWRITE, rename-command, replication and MIGRATE as a user, on
// the bundled server and on redis-server.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeProcess, startNodeProcess } from '../../kit/node-process.ts';
import { freePort } from '../../kit/ports.ts';
import { needRedisServer } from '../../kit/redis-server.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { until } from '../../kit/until.ts';

type Program = 'lingcache' | 'redis-server';
const programs: readonly Program[] = ['redis-server', 'lingcache'];

interface Started {
  readonly node: NodeProcess;
  readonly port: number;
  readonly dir: string;
  readonly say: (...words: (string | number)[]) => Promise<unknown>;
}

describe('users in files and between nodes, beside redis-server', function () {
  this.timeout(60_000);
  let root: string;
  let folders = 0;
  const started: NodeProcess[] = [];

  const folder = (files: Readonly<Record<string, string>>): string => {
    const dir = join(root, String(folders++));
    mkdirSync(dir);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text, 'latin1');
    return dir;
  };

  const startIn = async (program: Program, dir: string, ...args: string[]): Promise<Started> => {
    const port = await freePort();
    const file = args[0]?.endsWith('.conf') ? [args.shift()!] : [];
    const all = [...file, '--save', '', '--dir', dir, ...args];
    const node = await startNodeProcess(port, { program, dir, args: all });
    started.push(node);
    const say = (...words: (string | number)[]): Promise<unknown> =>
      node.ask(...words).catch((error: Error) => `-${error.message}`);
    return { node, port, dir, say };
  };

  const both = async <T>(run: (program: Program) => Promise<T>): Promise<void> => {
    const [real, ours] = [await run(programs[0]!), await run(programs[1]!)];
    assert.deepEqual(ours, real);
  };

  before(function () {
    needRedisServer(this);
    root = mkdtempSync(join(tmpdir(), 'lingcache-acl-'));
  });

  after(async () => {
    for (const node of started) await node.end('SIGKILL');
    if (root !== undefined) rmSync(root, { recursive: true, force: true });
  });

  const people =
    'user al on >pw ~k* +get\nuser bo on nopass (+set ~x) ( +del ~y )\n\n  user default on nopass ~* &* +@all\n';

  it('an ACL file is loaded, saved and loaded again; mistakes change nothing', () =>
    both(async (program) => {
      const { say, dir } = await startIn(program, folder({ 'u.acl': people }), '--aclfile', 'u.acl');
      const found: unknown[] = [await say('ACL', 'LIST'), await say('CONFIG', 'GET', 'aclfile')];
      found.push(await say('ACL', 'SETUSER', 'eve', 'on', '>x', '~e*', '&c', '+@hash'), await say('ACL', 'SAVE'));
      found.push(readFileSync(join(dir, 'u.acl'), 'latin1'));
      for (const text of [
        'user al on +nosuch +@nosuch\nuser al on\nnonsense\nuser\nuser a\tb on\n',
        'user al on >secret %~x\n'.replace('%~x', '%Q~x'),
        'user al <nobody !abc ~* ~x\n',
        '# a comment\n',
        'USER al on\n',
        'user "al" on\n',
        'user default on nopass ~* &* +@all\nuser default on\n',
        'user al on nopass +@all\n',
        'user al on \t+get\r\n',
        '',
      ]) {
        writeFileSync(join(dir, 'u.acl'), text);
        found.push(text, await say('ACL', 'LOAD'), await say('ACL', 'LIST'));
      }
      rmSync(join(dir, 'u.acl'));
      found.push(await say('ACL', 'LOAD'), await say('ACL', 'USERS'));
      return found;
    }));

  it('whoever uses a user that a new file leaves out, or keeps, is closed; the default user stays', () =>
    both(async (program) => {
      const { port, say, dir } = await startIn(program, folder({ 'u.acl': people }), '--aclfile', 'u.acl');
      const client = await RespClient.connect(port);
      assert.equal(await client.call('AUTH', 'al', 'pw'), 'OK');
      const listed = async (): Promise<number> => String(await say('CLIENT', 'LIST')).split('user=al').length - 1;
      const found: unknown[] = [await listed()];
      writeFileSync(join(dir, 'u.acl'), people);
      found.push(await say('ACL', 'LOAD'));
      await client.untilClosed();
      return [...found, await listed(), await say('PING')];
    }));

  for (const [title, files, args] of [
    ['an ACL file with a mistake', { 'u.acl': 'user al +nosuch\n' }, ['--aclfile', 'u.acl']],
    ['an ACL file that is not there', {}, ['--aclfile', 'u.acl']],
    ['an ACL file and users', { 'u.acl': people }, ['--aclfile', 'u.acl', '--user', 'al on']],
    ['a user twice', {}, ['--user', 'al on', '--user', 'al off']],
    ['a user with a space', {}, ['--user', '"a l" on']],
  ] as const) {
    it(`${title} is no way to start`, () =>
      both(async (program) => {
        const port = await freePort();
        const dir = folder(files);
        const node = new NodeProcess({ program, dir, args: ['--port', String(port), '--dir', dir, ...args] });
        started.push(node);
        return (await node.ended).code;
      }));
  }

  it('CONFIG REWRITE keeps the users', () =>
    both(async (program) => {
      const conf = '# mine\nuser al on nopass ~* +get\nmaxclients 100\nuser bo off\n';
      const dir = folder({ 'r.conf': conf });
      const first = await startIn(program, dir, join(dir, 'r.conf'));
      await first.say('ACL', 'SETUSER', 'al', '>pw', '+set', '(~x +del)');
      await first.say('ACL', 'DELUSER', 'bo');
      await first.say('ACL', 'SETUSER', 'q', '~"quoted\'\\', '&\x01\xff');
      const found: unknown[] = [await first.say('CONFIG', 'REWRITE')];
      const users = (): string[] =>
        readFileSync(join(dir, 'r.conf'), 'latin1')
          .split('\n')
          .filter((line) => line.startsWith('user ') && !line.startsWith('user q '));
      found.push(
        users()
          .map((line) => line.split(' ').sort().join(' '))
          .sort(),
      );
      await first.node.end('SIGKILL');
      // redis-server 7.0 writes quotes that it cannot read again.
      if (program === 'redis-server') return found;
      const again = await startIn(program, dir, join(dir, 'r.conf'));
      assert.match(String(await again.say('ACL', 'LIST')), /user q off ~"quoted'\\ resetchannels &\x01\xff -@all/);
      return found;
    }));

  it('CONFIG REWRITE leaves the users to the ACL file where there is one', () =>
    both(async (program) => {
      const dir = folder({ 'r.conf': 'aclfile u.acl\n', 'u.acl': people });
      const { say } = await startIn(program, dir, join(dir, 'r.conf'));
      const found = [await say('CONFIG', 'REWRITE'), await say('ACL', 'USERS')];
      return [...found, readFileSync(join(dir, 'r.conf'), 'latin1').includes('user ')];
    }));

  it('a parenthesis in an ACL file that is never closed is refused too; redis-server 7.0 dies of it', async () => {
    const { say, dir } = await startIn('lingcache', folder({ 'u.acl': people }), '--aclfile', 'u.acl');
    writeFileSync(join(dir, 'u.acl'), 'user al on (+get\n');
    assert.match(String(await say('ACL', 'LOAD')), /u\.acl:1: Unmatched parenthesis in selector definition\. WARNING/);
    assert.deepEqual(await say('ACL', 'USERS'), ['al', 'bo', 'default']);
  });

  it('rename-command: the new name alone, the same rules and errors; nothing for the empty name', () =>
    both(async (program) => {
      const renames =
        'rename-command CONFIG zz\nrename-command get ""\nrename-command SET "put it"\nrename-command del del2\n';
      const dir = folder({ 'r.conf': `${renames}rename-command del2 del3\n` });
      const { say } = await startIn(program, dir, join(dir, 'r.conf'));
      const found: unknown[] = [];
      for (const words of [
        ['CONFIG', 'GET', 'port'],
        ['ZZ', 'GET', 'maxclients'],
        ['zz'],
        ['zz', 'nosuch'],
        ['GET', 'k'],
        ['put it', 'k', 'v'],
        ['PUT IT', 'k'],
        ['SET', 'k', 'v'],
        ['del', 'k'],
        ['DEL2', 'k'],
        ['DEL3', 'k'],
        ['COMMAND', 'INFO', 'config', 'zz', 'get', 'del3'],
        ['COMMAND', 'COUNT'],
        ['ACL', 'SETUSER', 'u', 'on', 'nopass', '+@all', '-config|get', '-del'],
        ['ACL', 'SETUSER', 'u', '-zz'],
        ['ACL', 'DRYRUN', 'u', 'zz', 'get', 'x'],
        ['ACL', 'DRYRUN', 'u', 'config', 'get', 'x'],
        ['ACL', 'DRYRUN', 'u', 'del3', 'x'],
        ['AUTH', 'u', 'x'],
        ['zz', 'get', 'port'],
        ['del3', 'k'],
      ]) {
        const answer = await say(...words);
        if (words[1] === 'COUNT') assert.ok(Number(answer) > 200);
        else found.push([words, names(answer)]);
      }
      return found;
    }));

  it('a replica logs in as a user, of either program, and is let go with the user', async () => {
    for (const [primary, replica] of [
      ['lingcache', 'redis-server'],
      ['redis-server', 'lingcache'],
      ['lingcache', 'lingcache'],
    ] as const) {
      const acl = 'user repl on >rp +psync +replconf +ping\nuser default on >dp ~* &* +@all\n';
      const master = await startIn(
        primary,
        folder({ 'u.acl': acl }),
        '--aclfile',
        'u.acl',
        '--repl-diskless-sync-delay',
        '0',
      );
      assert.equal(await master.say('AUTH', 'dp'), 'OK');
      await master.say('SET', 'k', 'v');
      const copy = await startIn(replica, folder({}), '--masteruser', 'repl', '--masterauth', 'wrong');
      await copy.say('REPLICAOF', '127.0.0.1', master.port);
      await until('it is refused', () => copy.node.text.includes('Unable to AUTH to MASTER: -WRONGPASS'));
      await copy.say('CONFIG', 'SET', 'masterauth', 'rp');
      await until('it has its copy', async () => (await copy.say('GET', 'k')) === 'v');
      // What users may do on the replica is no matter of the stream.
      await copy.say('ACL', 'SETUSER', 'default', '-set');
      await master.say('SET', 'k', 'w');
      await until('it follows', async () => (await copy.say('GET', 'k')) === 'w');
      const linked = async (): Promise<boolean> =>
        String(await copy.say('INFO', 'replication')).includes('master_link_status:up');
      assert.equal(await linked(), true);
      await master.say('ACL', 'DELUSER', 'repl');
      await until('it is let go', async () => !(await linked()));
      await master.say('ACL', 'SETUSER', 'repl', 'on', '>rp', '+psync', '+replconf', '+ping');
      await until('it is back', linked);
    }
  });

  it('a transaction with a MIGRATE obeys rules that changed since it was queued', () =>
    both(async (program) => {
      const { port, say } = await startIn(program, folder({}));
      await say('ACL', 'SETUSER', 'tx', 'on', 'nopass', '+@all', '~*');
      const client = await RespClient.connect(port);
      const answer = async (...words: string[]): Promise<string> => {
        const reply = await client.call(...words);
        const texts = (Array.isArray(reply) ? reply : [reply]).map((each: unknown) =>
          each instanceof Error ? each.message : String(each),
        );
        return texts.join('; ');
      };
      const found = [await answer('AUTH', 'tx', 'x'), await answer('MULTI'), await answer('SET', 'k', 'v')];
      found.push(await answer('MIGRATE', '127.0.0.1', '1', 'missing', '0', '10'), await answer('GET', 'k'));
      await say('ACL', 'SETUSER', 'tx', '-migrate', '-get');
      found.push(await answer('EXEC'), String(await say('GET', 'k')));
      client.close();
      return found;
    }));

  it('MIGRATE logs in as a user, which may lack the right', () =>
    both(async (program) => {
      const target = await startIn('lingcache', folder({}), '--user', 'mig', 'on', '>mp', '~*', '+restore', '+select');
      await target.say('ACL', 'SETUSER', 'no', 'on', '>np');
      const source = await startIn(program, folder({}));
      await source.say('SET', 'k', 'v');
      const found: unknown[] = [];
      for (const auth of [
        ['AUTH2', 'mig', 'wrong'],
        ['AUTH2', 'no', 'np'],
        ['AUTH', 'x'],
        ['AUTH2', 'mig', 'mp'],
      ]) {
        found.push(await source.say('MIGRATE', '127.0.0.1', target.port, 'k', 0, 1000, ...auth));
      }
      return [...found, await source.say('EXISTS', 'k'), await target.say('GET', 'k')];
    }));
});

/** COMMAND INFO: who answered is enough. */
function names(answer: unknown): unknown {
  if (!Array.isArray(answer)) return answer;
  return answer.map((item) => (Array.isArray(item) ? String(item[0]) : item));
}

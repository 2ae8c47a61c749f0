import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NodeProcess, startNodeProcess } from '../../../kit/node-process.ts';
import { freePort } from '../../../kit/ports.ts';
import { needRedisServer } from '../../../kit/redis-server.ts';
import { until } from '../../../kit/until.ts';

// Saves in a child process, as operators see them: the same steps on a bundled node and on redis-server.

for (const program of ['lingcache', 'redis-server'] as const) {
  describe(`the process that writes a save: ${program}`, function () {
    this.timeout(60_000);
    let dir: string;
    let node: NodeProcess;
    const nodes: NodeProcess[] = [];

    before(function () {
      if (program === 'redis-server') needRedisServer(this);
      if (!existsSync('/proc/self/stat')) this.skip();
    });

    beforeEach(async () => {
      dir = mkdtempSync(join(tmpdir(), 'lingcache-saver-'));
      node = await start();
    });

    afterEach(async () => {
      await Promise.all(nodes.splice(0).map((each) => each.end('SIGKILL')));
      await until('all files are let go', () => {
        rmSync(dir, { recursive: true, force: true });
        return !existsSync(dir);
      });
    });

    async function start(...args: readonly string[]): Promise<NodeProcess> {
      const folder = join(dir, String(nodes.length));
      mkdirSync(folder);
      const common = ['--dir', folder, '--enable-debug-command', 'yes', '--repl-diskless-sync-delay', '0'];
      const more = { program, dir: folder, args: [...common, '--save', '', ...args] };
      nodes.push(await startNodeProcess(await freePort(), more));
      return nodes.at(-1)!;
    }

    const files = (): string[] => readdirSync(join(dir, '0'));
    const path = (name: string): string => join(dir, '0', name);

    function children(): number[] {
      const { pid } = node.child;
      return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
    }

    const isAlive = (pid: number): boolean =>
      existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));

    async function fact(name: string): Promise<string> {
      const text = String(await node.ask('INFO'));
      return new RegExp(`^${name}:(.*)\r$`, 'm').exec(text)?.[1] ?? '';
    }

    /** The log comes through a pipe. */
    const logged = (line: RegExp): Promise<unknown> => until(`${line} is logged`, () => line.test(node.text));

    const untilIdle = (what: string): Promise<unknown> =>
      until(`${what} is over`, async () => (await fact(what)) === '0');

    /** Saves from here on take some ten seconds. */
    async function slow(): Promise<void> {
      await node.ask('DEBUG', 'POPULATE', 1000, 'k', 1000);
      await node.ask('CONFIG', 'SET', 'rdb-key-save-delay', 10_000);
    }

    async function begin(...words: string[]): Promise<number> {
      await node.ask(...words);
      const [child, ...others] = children();
      assert.deepEqual(others, []);
      assert.ok(child !== undefined, 'the child is there when the reply is');
      return child;
    }

    it('is there at once, is named in the log, and its file is named after it', async () => {
      await slow();
      const child = await begin('BGSAVE');
      await until('the file is there', () => files().includes(`temp-${child}.rdb`));
      await logged(new RegExp(`Background saving started by pid ${child}\n`));
      assert.equal(await fact('rdb_bgsave_in_progress'), '1');
      assert.equal(await fact('current_save_keys_total'), '1000');
      await assert.rejects(node.ask('BGSAVE'), /Background save already in progress/);
      await assert.rejects(node.ask('SAVE'), /Background save already in progress/);
      assert.match(String(await node.ask('BGREWRITEAOF')), /scheduled/);
    });

    it('that is killed has failed, leaves no file, and writes are refused until one succeeds', async () => {
      await node.ask('CONFIG', 'SET', 'save', '3600 1000000');
      await node.ask('SET', 'k', 'v');
      await node.ask('SAVE');
      const before = readFileSync(path('dump.rdb'));
      await slow();
      const child = await begin('BGSAVE');
      await until('the file is there', () => files().includes(`temp-${child}.rdb`));
      process.kill(child, 'SIGKILL');
      await untilIdle('rdb_bgsave_in_progress');
      await logged(/# Background saving terminated by signal 9\n/);
      assert.deepEqual(files(), ['dump.rdb']);
      assert.deepEqual(readFileSync(path('dump.rdb')), before);
      assert.equal(await fact('rdb_last_bgsave_status'), 'err');
      await assert.rejects(node.ask('SET', 'k', 'w'), /MISCONF/);
      await node.ask('CONFIG', 'SET', 'rdb-key-save-delay', 0);
      await node.ask('BGSAVE');
      await untilIdle('rdb_bgsave_in_progress');
      assert.equal(await fact('rdb_last_bgsave_status'), 'ok');
      assert.equal(await node.ask('SET', 'k', 'w'), 'OK');
      assert.deepEqual(children(), []);
    });

    it('ends without a failure when it is not wanted any more', async () => {
      await slow();
      for (const end of ['FLUSHALL', 'SIGUSR1']) {
        const child = await begin('BGSAVE');
        await until('it is at work', () =>
          readFileSync(`/proc/${child}/cmdline`, 'utf8').startsWith('redis-rdb-bgsave'),
        );
        if (end === 'SIGUSR1') process.kill(child, end);
        else await node.ask(end);
        await untilIdle('rdb_bgsave_in_progress');
        assert.ok(!isAlive(child));
        assert.equal(await fact('rdb_last_bgsave_status'), 'ok');
        await node.ask('DEBUG', 'POPULATE', 1000);
      }
      assert.equal(node.text.match(/Background saving terminated by signal 10\n/g)?.length, 2);
      await until('nothing is left', () => files().length === 0);
    });

    it('does not outlive the node, and takes its file with it', async () => {
      await slow();
      const child = await begin('BGSAVE');
      await until('the file is there', () => files().includes(`temp-${child}.rdb`));
      await node.ask('SHUTDOWN', 'NOSAVE').catch(() => undefined);
      await node.ended;
      await until('it has ended', () => !isAlive(child));
      assert.deepEqual(files(), []);
      await logged(/There is a child saving an .rdb. Killing it!/);
    });

    it('of a rewrite: killed, it leaves one more increment and no file of its own', async () => {
      await node.ask('CONFIG', 'SET', 'appendonly', 'yes');
      await untilIdle('aof_rewrite_in_progress');
      await slow();
      const child = await begin('BGREWRITEAOF');
      await logged(new RegExp(`Background append only file rewriting started by pid ${child}\n`));
      process.kill(child, 'SIGKILL');
      await untilIdle('aof_rewrite_in_progress');
      await logged(/# Background AOF rewrite terminated by signal 9\n/);
      assert.equal(await fact('aof_last_bgrewrite_status'), 'err');
      assert.equal(await fact('aof_rewrites_consecutive_failures'), '1');
      const names = readdirSync(path('appendonlydir'));
      assert.deepEqual(
        names.filter((name) => name.startsWith('temp')),
        [],
      );
      assert.equal(names.filter((name) => name.endsWith('.incr.aof')).length, 2);
      await node.ask('CONFIG', 'SET', 'rdb-key-save-delay', 0);
      await node.ask('BGREWRITEAOF');
      await untilIdle('aof_rewrite_in_progress');
      assert.equal(await fact('aof_last_bgrewrite_status'), 'ok');
      await node.ask('DEBUG', 'LOADAOF');
      assert.equal(await node.ask('DBSIZE'), 1000);
    });

    it('of a rewrite ends when the log is turned off', async () => {
      await node.ask('CONFIG', 'SET', 'appendonly', 'yes');
      await untilIdle('aof_rewrite_in_progress');
      await slow();
      const child = await begin('BGREWRITEAOF');
      await node.ask('CONFIG', 'SET', 'appendonly', 'no');
      await until('it has ended', () => !isAlive(child));
      await logged(new RegExp(`Killing running AOF rewrite child: ${child}\n`));
      await untilIdle('aof_rewrite_in_progress');
    });

    it('of a copy: killed, its replica is let go, and asks again', async () => {
      await slow();
      const replica = await start();
      await replica.ask('REPLICAOF', '127.0.0.1', String(await fact('tcp_port')));
      await until('the copy is under way', async () => (await fact('rdb_bgsave_in_progress')) === '1');
      const [child] = children();
      await logged(new RegExp(`Background RDB transfer started by pid ${child}\n`));
      process.kill(child!, 'SIGKILL');
      await until('it is noticed', () => /# Background transfer terminated by signal 9\n/.test(node.text));
      await node.ask('CONFIG', 'SET', 'rdb-key-save-delay', 0);
      await until('another child', () => (node.text.match(/Background RDB transfer started/g)?.length ?? 0) > 1);
      const again = children()[0];
      if (again !== undefined) process.kill(again, 'SIGKILL');
      await until('the replica has it all', async () => (await replica.ask('DBSIZE')) === 1000);
      assert.equal(await fact('rdb_last_bgsave_status'), 'ok');
    });

    for (const diskless of ['yes', 'no']) {
      it(`of a copy (diskless: ${diskless}) ends with its node, however that ends`, async () => {
        await node.ask('CONFIG', 'SET', 'repl-diskless-sync', diskless);
        await slow();
        const replica = await start();
        await replica.ask('REPLICAOF', '127.0.0.1', String(await fact('tcp_port')));
        await until('the copy is under way', async () => (await fact('rdb_bgsave_in_progress')) === '1');
        const [child] = children();
        assert.ok(isAlive(child!));
        await node.end('SIGKILL');
        await until('it has ended', () => !isAlive(child!));
      });
    }

    it('of a copy by way of the disk is given up with the last replica, unless save points want it', async () => {
      await node.ask('CONFIG', 'SET', 'repl-diskless-sync', 'no');
      await slow();
      const port = String(await fact('tcp_port'));
      const replica = await start();
      for (const save of ['', '900 1']) {
        await node.ask('CONFIG', 'SET', 'save', save);
        await replica.ask('REPLICAOF', '127.0.0.1', port);
        await until('the copy is under way', async () => (await fact('rdb_bgsave_in_progress')) === '1');
        assert.match(await fact('slave0'), /state=wait_bgsave/);
        const [child] = children();
        await replica.ask('REPLICAOF', 'NO', 'ONE');
        await until('the replica is gone', async () => (await fact('connected_slaves')) === '0');
        if (save === '') await untilIdle('rdb_bgsave_in_progress');
        if (save === '') assert.ok(!isAlive(child!));
        else assert.ok(isAlive(child!));
      }
    });

    it('that cannot write says why', async () => {
      mkdirSync(path('dump.rdb'));
      await node.ask('SET', 'k', 'v');
      await node.ask('BGSAVE');
      await untilIdle('rdb_bgsave_in_progress');
      assert.equal(await fact('rdb_last_bgsave_status'), 'err');
      await logged(/# Background saving error\n/);
      assert.deepEqual(files(), ['dump.rdb']);
      rmSync(join(dir, '0'), { recursive: true });
      await node.ask('BGSAVE');
      await untilIdle('rdb_bgsave_in_progress');
      await logged(/Failed opening the temp RDB file temp-\d+\.rdb .*: No such file or directory/);
    });

    it('may be heavier in the eyes of the kernel', async () => {
      await slow();
      const base = Number(readFileSync(`/proc/${node.child.pid}/oom_score_adj`, 'utf8'));
      await node.ask('CONFIG', 'SET', 'oom-score-adj-values', '10 20 30');
      await node.ask('CONFIG', 'SET', 'oom-score-adj', 'yes');
      const child = await begin('BGSAVE');
      const score = (): number => Number(readFileSync(`/proc/${child}/oom_score_adj`, 'utf8'));
      await until('the score is set', () => score() === base + 30);
    });

    if (program === 'redis-server') return;

    it('that is stopped makes the save stand still, and nothing else', async () => {
      await node.ask('DEBUG', 'POPULATE', 200_000, 'k', 500);
      const resident = (): number => Number(readFileSync(`/proc/${node.child.pid}/statm`, 'utf8').split(' ')[1]) * 4096;
      const child = await begin('BGSAVE');
      process.kill(child, 'SIGSTOP');
      const first = await until('the walk stands still', async () => {
        const done = await fact('current_save_keys_processed');
        await new Promise((resolve) => setTimeout(resolve, 200));
        return done === (await fact('current_save_keys_processed')) ? done : undefined;
      });
      assert.ok(Number(first) < 20_000, `${first} keys wait for a child that stands still`);
      const before = resident();
      for (let at = 0; at < 1000; at++) await node.ask('GET', `k:${at}`);
      assert.ok(resident() - before < 50 << 20);
      assert.equal(await fact('current_save_keys_processed'), first);
      process.kill(child, 'SIGCONT');
      await untilIdle('rdb_bgsave_in_progress');
      assert.equal(await fact('rdb_last_bgsave_status'), 'ok');
    });

    it('that cannot be started is refused, and counts as failed', async () => {
      const limit = (files: number): void => {
        execFileSync('prlimit', ['--pid', String(node.child.pid), `--nofile=${files}:`]);
      };
      await node.ask('SET', 'k', 'v');
      limit(5);
      await assert.rejects(node.ask('BGSAVE'), /^ReplyError: ERR$/);
      await assert.rejects(node.ask('BGREWRITEAOF'), /Can't execute an AOF background rewriting/);
      limit(1024);
      await logged(/# Can't save in background: fork: Too many open files\n/);
      assert.equal(await fact('rdb_last_bgsave_status'), 'err');
      assert.equal(await fact('rdb_bgsave_in_progress'), '0');
      assert.equal(await node.ask('BGSAVE'), 'Background saving started');
      await untilIdle('rdb_bgsave_in_progress');
      assert.equal(await fact('rdb_last_bgsave_status'), 'ok');
    });

    it('and one that was stopped can be given up', async () => {
      await slow();
      const child = await begin('BGSAVE');
      process.kill(child, 'SIGSTOP');
      await node.ask('FLUSHALL');
      await untilIdle('rdb_bgsave_in_progress');
      assert.ok(!isAlive(child));
    });
  });
}

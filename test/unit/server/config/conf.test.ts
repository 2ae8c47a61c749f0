import assert from 'node:assert/strict';
import fc from 'fast-check';
import { splitArguments } from '../../../../lib/wire/split-arguments.ts';
import { type CommandLine, readCommandLine } from '../../../../server/config/command-line.ts';
import { ConfError, parseConf, printWord } from '../../../../server/config/conf-text.ts';
import { Config } from '../../../../server/config/config.ts';
import { readEnvironment } from '../../../../server/config/environment.ts';
import { gatherSettings, type Settings } from '../../../../server/config/load.ts';
import { rewriteConf } from '../../../../server/config/rewrite.ts';

const binary = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });

function wordsOf(line: CommandLine): string[][] {
  return line.options.map(({ name, values }) => [name, ...values]);
}

describe('redis.conf: words and lines', () => {
  it('a printed word is read back as it was', () => {
    fc.assert(
      fc.property(fc.array(binary, { maxLength: 4 }), (words) => {
        assert.deepEqual(splitArguments(words.map(printWord).join(' ')), words);
      }),
    );
  });

  it('any text gives words or nothing, never a crash', () => {
    const quoted = fc.string({ unit: fc.constantFrom('"', "'", '\\', 'x', '4', ' ', 'a', '\t', '\0') });
    fc.assert(
      fc.property(fc.oneof(binary, quoted), (line) => {
        const words = splitArguments(line);
        assert.ok(words === undefined || Array.isArray(words));
      }),
      { numRuns: 2000 },
    );
  });

  it('knows the quotes of redis-server', () => {
    assert.deepEqual(splitArguments(String.raw`a "b c" 'd "e' "\x41\n\"" ''`), ['a', 'b c', 'd "e', 'A\n"', '']);
    assert.deepEqual(splitArguments(String.raw`'it\'s' "\z\x4"`), ["it's", 'zx4']);
    for (const bad of ['"a', "'a", '"a"b', "'a'b", 'x "']) assert.equal(splitArguments(bad), undefined, bad);
  });

  it('leaves comments out and says where a line is broken', () => {
    assert.deepEqual(
      parseConf('# one\n\n  PORT 7000 \r\nsave ""\n', 'a.conf').map(({ name, values, line }) => [name, values, line]),
      [
        ['port', ['7000'], 3],
        ['save', [''], 4],
      ],
    );
    assert.throws(
      () => parseConf('port 1\nrequirepass "x', 'a.conf'),
      (error) => error instanceof ConfError && error.line === 2 && error.source === 'a.conf',
    );
  });
});

describe('a node: its command line and environment', () => {
  it('takes a file, stdin and options as redis-server does', () => {
    assert.equal(readCommandLine(['a.conf', '--port', '7']).file, 'a.conf');
    assert.equal(readCommandLine(['-', '--port', '7']).stdin, true);
    const line = ['--port', '7', '--save', '60', '1', '--requirepass', '--x', '--save', '--appendonly', 'yes'];
    assert.deepEqual(wordsOf(readCommandLine(line)), [
      ['port', '7'],
      ['save', '60', '1'],
      ['requirepass', '--x'],
      ['save', ''],
      ['appendonly', 'yes'],
    ]);
    assert.deepEqual(wordsOf(readCommandLine(['--port 7', '--masterauth', 'a b', '--save'])), [
      ['port', '7'],
      ['masterauth', 'a b'],
      ['save', ''],
    ]);
    assert.deepEqual(wordsOf(readCommandLine(['-addr', '[::1]:6', '-dbnum', '3'])), [
      ['bind', '::1'],
      ['port', '6'],
      ['databases', '3'],
    ]);
    assert.deepEqual(
      readCommandLine(['a.conf', 'loglevel', 'verbose', '--port', '7000']).options.map(({ text }) => text),
      ['"loglevel" "verbose"', 'port "7000"'],
    );
  });

  it('reads its variables and refuses what they cannot mean', () => {
    const env = {
      REDIS_ADDR: ':7001',
      REDIS_CLUSTER_ENABLED: 'true',
      REDIS_CLUSTER_PORT: '17001',
      REDIS_AOF_ENABLED: 'false',
      REDIS_RDB_ENABLED: 'no',
      REDIS_LOG_LEVEL: 'info',
      REDIS_DB_NUM: '',
      REDIS_CLUSTER_NODE_ID: 'a'.repeat(40),
    };
    const { directives, nodeId } = readEnvironment(env);
    assert.equal(nodeId, 'a'.repeat(40));
    assert.deepEqual(Object.fromEntries(directives.map(({ name, values }) => [name, values.join(' ')])), {
      port: '7001',
      'cluster-enabled': 'yes',
      'cluster-port': '17001',
      loglevel: 'notice',
      save: '',
    });
    for (const bad of [
      { REDIS_ADDR: 'x' },
      { REDIS_LOG_LEVEL: 'loud' },
      { REDIS_AOF_ENABLED: 'maybe' },
      { REDIS_CLUSTER_NODE_ID: 'XYZ' },
    ])
      assert.throws(() => readEnvironment(bad), ConfError, JSON.stringify(bad));
  });
});

describe('a node: its settings', () => {
  const files: Record<string, string> = {
    'a.conf': 'port 1\nsave 900 1\nsave 300 10\ninclude conf.d/*.conf\nlua-replicate-commands yes\nmaxmemory 100mb\n',
    'conf.d/1.conf': 'port 2\n',
    'conf.d/2.conf': 'port 3\nclient-output-buffer-limit replica 1mb 0 0\nbind 127.0.0.1 ::1\n',
    'self.conf': 'include self.conf\n',
  };
  const gather = (args: string[], env: Record<string, string> = {}, stdin = ''): Settings =>
    gatherSettings(
      {
        environment: readEnvironment(env).directives,
        commandLine: readCommandLine(args),
        stdin,
        read: (path) => {
          const text = files[path];
          if (text === undefined) throw new Error('ENOENT');
          return text;
        },
        list: () => ['2.conf', 'readme', '1.conf'],
      },
      { save: '3600 1', dir: '.' },
    );

  it('the later word wins: environment, file, stdin, options', () => {
    const value = (name: string, ...from: Parameters<typeof gather>): string => gather(...from).config.get(name);
    assert.equal(value('port', [], { REDIS_ADDR: ':9' }), '9');
    assert.equal(value('port', ['a.conf'], { REDIS_ADDR: ':9' }), '3');
    assert.equal(value('port', ['a.conf', '-'], {}, 'port 4'), '4');
    assert.equal(value('port', ['a.conf', '-', '--port', '5'], {}, 'port 4'), '5');
    assert.equal(value('maxmemory', ['a.conf']), '104857600');
    assert.equal(value('bind', ['a.conf']), '127.0.0.1 ::1');
    assert.match(value('client-output-buffer-limit', ['a.conf']), /slave 1048576 0 0/);
  });

  it('save points replace the default ones and add up', () => {
    assert.equal(gather([]).config.get('save'), '3600 1');
    assert.equal(gather(['a.conf']).config.get('save'), '900 1 300 10');
    assert.equal(gather(['a.conf', '--save', '5', '6']).config.get('save'), '900 1 300 10 5 6');
    assert.equal(gather(['a.conf', '--save', '']).config.get('save'), '');
  });

  it('passes over what older servers had, and says so', () => {
    const { config, warnings } = gather(['a.conf']);
    assert.equal(config.knows('lua-replicate-commands'), false);
    assert.match(warnings.join('\n'), /'lua-replicate-commands' \(a.conf, line 5\) has no meaning/);
  });

  it('refuses bad values, missing files, endless includes and what it cannot obey, saying where', () => {
    const refuses = (args: string[], why: RegExp): void =>
      assert.throws(
        () => gather(args),
        (error) => error instanceof ConfError && why.test(error.message),
        args.join(' '),
      );
    refuses(['--maxclients', 'many'], /integer/);
    refuses(['--maxclients', '0'], /between/);
    refuses(['--appendonly', 'perhaps'], /yes.*no/);
    refuses(['--port', '1', '2'], /wrong number/);
    refuses(['--save', '60'], /Invalid save/);
    refuses(['nowhere.conf'], /nowhere.conf.*ENOENT/);
    refuses(['self.conf'], /too many files/);
    refuses(['--cluster-enable', 'yes'], /Bad directive/);
    refuses(['--repl-timeout', '0'], /between 1 and/);
    refuses(['--cluster-announce-hostname', 'a,b'], /Hostnames may only/);
    refuses(['--dbfilename', '../x.rdb'], /can't be a path/);
    refuses(['--loadmodule', 'x.so'], /modules/);
  });
});

describe('CONFIG REWRITE', () => {
  const defaults = new Config({ save: '3600 1', dir: '.' });
  const read = (text: string): Config =>
    gatherSettings(
      {
        environment: [],
        commandLine: readCommandLine(['f']),
        stdin: '',
        read: (path) => (path === 'f' ? text : 'maxclients 5\n'),
        list: () => [],
      },
      { save: '3600 1', dir: '.' },
    ).config;

  it('keeps comments, includes, order and the unknown; changes and adds what differs', () => {
    const text =
      '# mine\nport 7000\n\ninclude other.conf\nsave 900 1\nsave 300 10\nlua-replicate-commands yes\nhz 20\n';
    const config = read(text);
    config.set([
      ['save', '60 5'],
      ['hz', '10'],
      ['requirepass', 'a "b'],
      ['maxclients', '6'],
    ]);
    assert.equal(
      rewriteConf(text, config, defaults),
      '# mine\nport 7000\n\ninclude other.conf\nsave 60 5\nlua-replicate-commands yes\nhz 10\n# Generated by CONFIG REWRITE\nmaxclients 6\nrequirepass "a \\"b"\n',
    );
  });

  it('gives a file that says what the parameters are, and is not changed by doing it again', () => {
    const words: [string, fc.Arbitrary<string>][] = [
      ['maxmemory', fc.nat().map(String)],
      ['requirepass', binary],
      ['save', fc.constantFrom('', '1 2', '1 2 3 4')],
      ['appendfsync', fc.constantFrom('always', 'no', 'everysec')],
      ['client-output-buffer-limit', fc.constantFrom('pubsub 1 2 3', 'replica 1mb 0 0 normal 5 5 5')],
      ['latency-tracking-info-percentiles', fc.constantFrom('50', '50 99')],
      ['slave-priority', fc.constantFrom('3', '100')],
      ['notify-keyspace-events', fc.constantFrom('', 'KEA', 'Kg')],
    ];
    const change = fc.oneof(...words.map(([name, value]) => fc.tuple(fc.constant(name), value)));
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 5 }),
        fc.constantFrom('', 'save 9 9\n#x\nsave 8 8', 'slave-priority 7\n'),
        (changes, text) => {
          const config = read(text);
          for (const [name, value] of changes) assert.equal(config.set([[name, value]]), undefined);
          const once = rewriteConf(text, config, defaults);
          const again = read(once);
          for (const name of config.names()) assert.equal(again.get(name), config.get(name), `${name} in\n${once}`);
          assert.equal(rewriteConf(once, again, defaults), once);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('CONFIG GET', () => {
  it('has each parameter once, under the name by which it was asked for first', () => {
    const config = new Config();
    assert.deepEqual(
      [...config.match(['MAXMEMORY', 'maxmemory', 'maxmemory-s*'])],
      [
        ['MAXMEMORY', '0'],
        ['maxmemory-samples', '5'],
      ],
    );
    assert.deepEqual([...config.match(['maxmemory-s*', 'Maxmemory-Samples'])], [['maxmemory-samples', '5']]);
  });
});

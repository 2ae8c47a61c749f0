import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import {
  checkHouse,
  cycles,
  type Floors,
  importsOf,
  readPicture,
  roomOf,
  upwardImports,
} from '../../scripts/check-house.ts';

const root = process.cwd();

describe('house: floors', () => {
  it('every import of lib, server and scripts points downwards, without cycles', () => {
    assert.deepEqual(checkHouse(root), []);
  });

  it('unit tests lie as the rooms do: of lib in test/unit, of the server in test/unit/server', () => {
    const folders = readdirSync('test/unit', { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath }) => relative('test/unit', parentPath).replaceAll('\\', '/'));
    const strays = [...new Set(folders)].filter((folder) => {
      const tested = folder === 'bench' || folder.startsWith('server/') ? folder : `lib/${folder}`;
      return !existsSync(tested);
    });
    assert.ok(folders.length > 50);
    assert.deepEqual(strays, []);
  });

  const floors: Floors = { 'lib/base': [], 'lib/router': ['lib/base'], server: ['lib/base'] };

  it('finds imports of every form', () => {
    const source = `import a from './a.ts';
import type { B } from '../base/b.ts';
export * from './c.ts';
export { d } from '../../server/d.ts';
import './e.ts';
const f = await import('./f.ts');
import {
  g,
} from './g.ts';
import x from 'node:net';`;
    assert.deepEqual(importsOf('lib/router/x.ts', source).sort(), [
      'lib/base/b.ts',
      'lib/router/a.ts',
      'lib/router/c.ts',
      'lib/router/e.ts',
      'lib/router/f.ts',
      'lib/router/g.ts',
      'server/d.ts',
    ]);
  });

  it('gives a file the room of its nearest folder on the list', () => {
    assert.equal(roomOf('lib/base/deep/x.ts', floors), 'lib/base');
    assert.equal(roomOf('elsewhere/x.ts', floors), undefined);
  });

  it('makes no room of a folder beside rooms: a row above them holds its own files only', () => {
    const nested: Floors = { server: [], 'server/operator': [], 'server/operator/link': [], 'lib/base': [] };
    assert.equal(roomOf('server/index.ts', nested), 'server');
    assert.equal(roomOf('server/new/x.ts', nested), undefined);
    assert.equal(roomOf('server/operator/operator.ts', nested), 'server/operator');
    assert.equal(roomOf('server/operator/new/x.ts', nested), undefined);
    assert.equal(roomOf('server/operator/link/deep/x.ts', nested), 'server/operator/link');
  });

  it('reads the picture in CONTRIBUTING.md', () => {
    assert.deepEqual(
      [...readPicture(picture)],
      [
        ['lib/router', 1],
        ['lib/base', 0],
        ['server', 2],
        ['server/bus', 1],
        ['server/disk/aof', 1],
      ],
    );
  });

  it('complains of upward imports and of rooms it does not know', () => {
    const graph = new Map([
      ['lib/base/x.ts', ['lib/router/y.ts']],
      ['lib/router/y.ts', ['lib/base/x.ts', 'server/z.ts']],
      ['attic/a.ts', []],
    ]);
    assert.equal(upwardImports(graph, floors).length, 3);
  });

  it('complains of cycles of any length', () => {
    const ring = new Map([
      ['a', ['b']],
      ['b', ['c']],
      ['c', ['a']],
      ['d', ['a']],
    ]);
    assert.deepEqual(cycles(ring), ['cycle: a -> b -> c -> a']);
  });
});

const picture = `# Contributing
## The house
\`\`\`
lib/                  the client
  router/             1  from a call to a node
  base/               0  time, 2 queues
server/               the server
  index.ts            2  the door
  bus/ disk/aof/      1  the wire
test/  bench/  scripts/
\`\`\`
`;

describe('house: what the check refuses', () => {
  const law: Floors = {
    'lib/base': [],
    'lib/router': ['lib/base'],
    lib: ['lib/router'],
    'server/bus': ['lib/base'],
    'server/disk/aof': [],
    server: ['server/bus'],
    scripts: [],
  };
  const files: Readonly<Record<string, string>> = {
    'lib/index.ts': "export * from './router/router.ts';",
    'lib/router/router.ts': "import '../base/world.ts';",
    'lib/base/world.ts': '',
    'server/index.ts': "export * from './bus/bus.ts';",
    'server/bus/bus.ts': "import type { World } from '../../lib/base/world.ts';",
    'server/disk/aof/log.ts': '',
    'scripts/tool.ts': '',
  };

  /** What the check says of a small sound house with these changes. */
  function complaintsAfter(
    changes: Readonly<Record<string, string>>,
    rows: Readonly<Record<string, readonly string[] | undefined>> = {},
    drawn: string = picture,
  ): string[] {
    const house = mkdtempSync(join(tmpdir(), 'house-'));
    try {
      const all = {
        ...files,
        'CONTRIBUTING.md': drawn,
        'scripts/floors.json': JSON.stringify({ ...law, ...rows }),
        ...changes,
      };
      for (const folder of ['test', 'bench']) mkdirSync(join(house, folder));
      for (const [name, text] of Object.entries(all)) {
        mkdirSync(dirname(join(house, name)), { recursive: true });
        writeFileSync(join(house, name), text);
      }
      return checkHouse(house);
    } finally {
      rmSync(house, { recursive: true });
    }
  }

  it('nothing of a sound house', () => {
    assert.deepEqual(complaintsAfter({}), []);
  });

  it('an import that its row does not allow', () => {
    assert.deepEqual(complaintsAfter({ 'server/bus/link.ts': "import '../disk/aof/log.ts';" }), [
      'server/bus/link.ts imports server/disk/aof/log.ts: server/bus may not know server/disk/aof',
    ]);
    assert.deepEqual(complaintsAfter({ 'lib/base/time.ts': "export type { Bus } from '../../server/bus/bus.ts';" }), [
      'lib/base/time.ts imports server/bus/bus.ts: lib/base may not know server/bus',
    ]);
  });

  it('a folder without a row, beside rooms and within one that has rooms', () => {
    assert.deepEqual(complaintsAfter({ 'server/script/eval.ts': '' }), [
      'server/script/eval.ts: its folder has no row in floors.json',
    ]);
    assert.deepEqual(complaintsAfter({ 'server/disk/rdb/file.ts': '' }), [
      'server/disk/rdb/file.ts: its folder has no row in floors.json',
    ]);
  });

  it('a row that no file needs, and a row that names no room', () => {
    const drawn = picture.replace('bus/ ', 'bus/ faults/ ');
    assert.deepEqual(complaintsAfter({}, { 'server/faults': [] }, drawn), [
      'floors.json: no file lives in server/faults',
    ]);
    assert.deepEqual(complaintsAfter({}, { 'server/bus': ['lib/base', 'server/script'] }), [
      'floors.json: server/bus may know server/script, which has no row',
    ]);
  });

  it('a row of the client that allows the server', () => {
    assert.deepEqual(complaintsAfter({}, { lib: ['lib/router', 'server/bus'] }), [
      'floors.json: lib may not know server/bus',
    ]);
  });

  it('a loose file beside the rooms', () => {
    assert.deepEqual(complaintsAfter({ 'server/saving.ts': '' }), [
      'server/saving.ts: only index.ts lies beside the rooms',
    ]);
    assert.deepEqual(complaintsAfter({ 'lib/note.ts': '' }), ['lib/note.ts: only index.ts lies beside the rooms']);
  });

  it('a cycle of files within a room', () => {
    assert.deepEqual(
      complaintsAfter({
        'server/bus/a.ts': "import type { B } from './b.ts';",
        'server/bus/b.ts': "import type { A } from './a.ts';",
      }),
      ['cycle: server/bus/a.ts -> server/bus/b.ts -> server/bus/a.ts'],
    );
  });

  it('a cycle of rooms whose files make none', () => {
    const rows = { 'server/bus': ['lib/base', 'server/disk/aof'], 'server/disk/aof': ['server/bus'] };
    const complaints = complaintsAfter(
      {
        'server/bus/link.ts': "import '../disk/aof/log.ts';",
        'server/disk/aof/folder.ts': "import '../../bus/bus.ts';",
      },
      rows,
    );
    assert.ok(complaints.includes('cycle: server/bus -> server/disk/aof -> server/bus'), complaints.join('\n'));
  });

  it('a picture that leaves a room out, shows one that is gone, or an arrow that does not point downwards', () => {
    assert.deepEqual(complaintsAfter({}, {}, picture.replace('bus/ disk/aof/', 'bus/         ')), [
      'CONTRIBUTING.md does not show server/disk/aof',
    ]);
    assert.deepEqual(complaintsAfter({}, {}, picture.replace('bus/ ', 'bus/ move/ ')), [
      'CONTRIBUTING.md shows server/move, which has no row in floors.json',
    ]);
    assert.deepEqual(complaintsAfter({}, {}, picture.replace('router/             1', 'router/             0')), [
      'CONTRIBUTING.md shows lib/router on floor 0, not above lib/base, which it may know',
    ]);
    assert.ok(complaintsAfter({}, {}, '# Contributing\n').length > 0);
  });
});

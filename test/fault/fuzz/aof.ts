// Damaged append only files and manifests: each is refused with an error that says why, or gives commands. What was
// taken of a file, cut to its sound part, gives the same again; a manifest prints to what gives the same manifest. Some
// lie on a disk, where a file that is refused stays as it is and one that was cut is whole.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandReader, printCommand } from '../../../server/persistence/aof/commands.ts';
import { loadLog } from '../../../server/persistence/aof/loader.ts';
import { parseManifest, printManifest } from '../../../server/persistence/aof/manifest.ts';
import { type Chance, type InputReport, newReport, refuse, spoiled, timed, watched } from './kit.ts';
import { allSamples } from './samples.ts';

const commands: readonly (readonly string[])[] = [
  ['SELECT', '0'],
  ['SET', 'k', 'v'],
  ['MULTI'],
  ['RPUSH', 'l', 'a', '', '\r\n$1\r\n'],
  ['SELECT', '3'],
  ['HSET', 'h', 'f', '\xff'.repeat(300)],
  ['EXEC'],
  ['DEL', 'k'],
];

const logs: readonly Buffer[] = [
  Buffer.from(commands.map(printCommand).join(''), 'latin1'),
  Buffer.from(`#TS:1700000000\r\n${commands.slice(0, 2).map(printCommand).join('#TS:1700000001\r\n')}`, 'latin1'),
  Buffer.from(commands.slice(0, 6).map(printCommand).join(''), 'latin1'),
  Buffer.from(printCommand(['SET', 'big', 'x'.repeat(9000)]), 'latin1'),
];

const manifests: readonly Buffer[] = [
  'file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n',
  'file a.2.base.aof seq 2 type b\nfile a.1.incr.aof seq 1 type h\nfile a.2.incr.aof seq 2 type i\nfile a.7.incr.aof seq 7 type i more yes\n',
  '# a remark\nfile " odd \\"name\\"\\n" seq 12 type b\n',
  'seq 3 type i file a.3.incr.aof\n',
].map((text) => Buffer.from(text));

interface Taken {
  readonly found: (readonly string[])[];
  readonly sound: number;
  readonly whole: boolean;
}

function read(bytes: Buffer, pieces: readonly number[]): Taken {
  const found: (readonly string[])[] = [];
  const reader = new CommandReader((argv) => found.push(argv));
  let at = 0;
  for (const length of [...pieces, bytes.length]) {
    reader.feed(bytes.subarray(at, at + length));
    at += length;
  }
  reader.end();
  return { found, sound: reader.sound, whole: reader.whole };
}

function fuzzCommands(chance: Chance): void {
  const bytes = spoiled(logs, chance);
  const pieces = Array.from({ length: chance(4) }, () => chance(bytes.length + 1));
  const { found, sound } = read(bytes, pieces);
  const again = read(bytes.subarray(0, sound), []);
  assert.deepEqual([again.found, again.whole], [found, true], 'the sound part gives something else');
}

function fuzzManifest(chance: Chance): void {
  const manifest = parseManifest(spoiled(manifests, chance).toString('latin1'));
  assert.deepEqual(parseManifest(printManifest(manifest)), manifest, 'printed and read: another manifest');
}

/** A whole log whose last file is damaged, or one before it. */
async function fuzzDisk(dir: string, bases: readonly Buffer[], chance: Chance): Promise<void> {
  const folder = join(dir, 'appendonlydir');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const names = ['a.1.base.rdb', 'a.1.incr.aof', 'a.2.incr.aof'];
  const lines = names.map((name, at) => `file ${name} seq ${Math.max(1, at)} type ${at === 0 ? 'b' : 'i'}\n`);
  writeFileSync(join(folder, 'a.manifest'), lines.join(''));
  const bytes = names.map((_, at) => (at === 0 ? bases[chance(bases.length)]! : logs[chance(2)]!));
  const hit = chance(3);
  bytes[hit] = spoiled(hit === 0 ? bases : logs, chance);
  for (const [at, name] of names.entries()) writeFileSync(join(folder, name), bytes[at]!);
  const load = async (): Promise<{ loaded: string[]; cut: number }> => {
    const loaded: string[] = [];
    const rdb = { onKey: ({ key }: { key: string }) => void loaded.push(key) };
    const sink = {
      rdb,
      onCommand: (db: number, argv: readonly string[]) => void loaded.push(`${db} ${argv.join(' ')}`),
    };
    const summary = await loadLog({ dir, name: 'a' }, sink);
    return { loaded, cut: summary?.cut ?? 0 };
  };
  try {
    const first = await load();
    const second = await load();
    assert.deepEqual(second, { loaded: first.loaded, cut: 0 }, 'loaded once more: something else');
  } catch (error) {
    for (const [at, name] of names.entries()) {
      assert.deepEqual(readFileSync(join(folder, name)), bytes[at], `${name} was changed though it was refused`);
    }
    throw error;
  }
}

export async function fuzzAof(runs: number, chance: Chance): Promise<InputReport> {
  const { files } = await allSamples();
  const bases = [...files, ...logs.slice(0, 2), ...files.map((file) => Buffer.concat([file, logs[0]!]))];
  const report = newReport('aof', runs);
  const dir = mkdtempSync(join(tmpdir(), 'lingcache-fuzz-'));
  try {
    await watched(report, async () => {
      for (let run = 0; run < runs; run++) {
        try {
          if (run % 20 === 0) await fuzzDisk(dir, bases, chance);
          else timed(report, () => (run % 3 === 0 ? fuzzManifest(chance) : fuzzCommands(chance)));
          report.accepted++;
        } catch (error) {
          if (error instanceof assert.AssertionError) throw new Error(`run ${run}: ${error.message}`, { cause: error });
          refuse(report, (error as Error).message);
        }
      }
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return report;
}

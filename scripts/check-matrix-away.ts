// Runs a bundle where no package is installed, asks it for processes, and prints what it said; exits with 1 when it did
// not fail. For check-matrix.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const file = process.argv[2]!;
const place = mkdtempSync(join(tmpdir(), 'lingcache-away-'));
try {
  cpSync(file, join(place, basename(file)));
  const { status, stderr } = spawnSync(process.execPath, [basename(file), 'processes'], {
    cwd: place,
    encoding: 'utf8',
  });
  console.log(stderr);
  if (status === 0) process.exitCode = 1;
} finally {
  rmSync(place, { recursive: true, force: true });
}

// A lock on a file that ends with the process that holds it, however that ends. Knows nothing of what the file is.
// The holder's process id and start time are in `<file>.lock`; the lock of a process that does not run any more counts for nothing.
// redis-server locks the file itself (flock), which shows in /proc/locks where there is one.
// Invariant: of any number of processes that lock the same path on one machine, at most one succeeds at a time.

import { linkSync, readFileSync, renameSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';

export interface FileLock {
  release(): void;
}

const tries = 5;
let made = 0;

/** Throws an Error that names the holder. */
export function lockFile(path: string): FileLock {
  const other = flockHolder(path);
  if (other !== undefined) throw new Error(`${path} is in use by process ${other}`);
  const place = `${path}.lock`;
  const own = `${place}-${process.pid}-${++made}`;
  writeFileSync(own, holderText(process.pid));
  try {
    for (let attempt = 0; attempt < tries; attempt++) {
      if (link(own, place)) return { release: () => release(place) };
      const holder = read(place);
      if (holder !== undefined && isAlive(holder)) {
        throw new Error(`${path} is in use by process ${holder.split(' ')[0]}`);
      }
      if (holder !== undefined) clear(place, holder, own);
    }
  } finally {
    rmSync(own, { force: true });
  }
  throw new Error(`${path} could not be locked: ${place} comes and goes`);
}

function release(place: string): void {
  if (read(place) === holderText(process.pid)) rmSync(place, { force: true });
}

/** Links are made or refused in one step, and what is linked is whole. */
function link(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Takes a dead holder's file away; one that somebody else put there in the meantime is put back. */
function clear(place: string, dead: string, own: string): void {
  const aside = `${own}-dead`;
  try {
    renameSync(place, aside);
  } catch {
    return;
  }
  if (read(aside) !== dead) link(aside, place);
  unlinkSync(aside);
}

function read(place: string): string | undefined {
  try {
    return readFileSync(place, 'latin1');
  } catch {
    return undefined;
  }
}

function holderText(pid: number): string {
  return `${pid} ${birthOf(pid)}\n`;
}

/** Process ids come back after a restart of the machine or a container: the start time distinguishes them. */
function birthOf(pid: number): string {
  const stat = read(`/proc/${pid}/stat`);
  // The name of the program, in parentheses, may hold anything; the start time is the 20th field after it.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 'unknown';
}

function isAlive(holder: string): boolean {
  const pid = Number(holder.split(' ')[0]);
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return holderText(pid) === holder;
}

/** Whose flock is on the file; undefined where the system does not show it. */
function flockHolder(path: string): string | undefined {
  let inode: number;
  try {
    inode = statSync(path).ino;
  } catch {
    return undefined;
  }
  for (const row of (read('/proc/locks') ?? '').split('\n')) {
    // `1: FLOCK  ADVISORY  WRITE 4711 08:01:131077 0 EOF`
    const match = /FLOCK\s+ADVISORY\s+WRITE\s+(-?\d+)\s+\S+:(\d+)\s/.exec(row);
    if (match !== null && Number(match[2]) === inode) return match[1];
  }
  return undefined;
}

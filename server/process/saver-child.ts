// The process that writes a save: takes the pieces from its node, packs and sums them, and writes them to a file or back
// to the node, which sends them to its replicas. Started by child-saver.ts, never by hand.
// Knows its order and the frames. Imports little: a save is under way only when this has begun.
// Invariant: exits with 0 only when everything is where it belongs, on the disk or with the node; otherwise, also when
// the node has died, nothing is left of the file.

import { appendFileSync, closeSync, fsyncSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { basename, dirname } from 'node:path';
import { systemText } from '../persistence/disk/system-text.ts';
import { RunningChecksum } from '../persistence/rdb/file-checksum.ts';
import { packStrings } from '../persistence/rdb/string.ts';
import { FrameReader } from '../persistence/saver/frames.ts';
import { temporaryOf } from '../persistence/saver/place.ts';
import { logLine } from './log-line.ts';
import { type ChildOrder, parseOrder, streamDescriptor, unwantedCode } from './save-order.ts';

const titles = { rdb: 'redis-rdb-bgsave', aof: 'redis-aof-rewrite', copy: 'redis-rdb-to-slaves' } as const;

const order = parseOrder(process.argv[2]);
const temporary = order.file && temporaryOf(order.file, process.pid);

process.on('SIGUSR1', () => end(unwantedCode));
process.title = titles[order.kind];
setScore(order);
const output = temporary === undefined ? streamDescriptor : open(temporary);
const sum = new RunningChecksum(order.rdb && order.checksum);
const reader = new FrameReader({
  onBytes: (bytes, strings) => {
    const packed = packStrings(bytes, strings);
    sum.update(packed);
    write(packed);
  },
  onEnd: finish,
});

const input = new Socket({ fd: 0 });
input.on('data', (chunk) => reader.feed(chunk));
// The node has died, or it does not want this any more.
input.on('end', () => end(1));
input.on('error', () => end(1));
process.on('uncaughtException', (error) => fail(`Background child failed: ${error.stack}`));

function setScore({ score }: ChildOrder): void {
  if (score === undefined) return;
  try {
    writeFileSync('/proc/self/oom_score_adj', `${score}\n`);
  } catch (error) {
    log(`Unable to write oom_score_adj: ${systemText(error as Error)}`);
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'w');
  } catch (error) {
    const why = systemText(error as Error);
    return fail(
      order.kind === 'aof'
        ? `Opening the temp file for AOF rewrite in rewriteAppendOnlyFile(): ${why}`
        : `Failed opening the temp RDB file ${basename(path)} (in server root dir ${dirname(path)}) for saving: ${why}`,
    );
  }
}

function write(bytes: Buffer): void {
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(output, bytes, at);
  } catch (error) {
    failWriting('write', error as Error);
  }
}

function finish(): void {
  if (order.rdb) write(sum.value);
  try {
    if (temporary !== undefined) fsyncSync(output);
    closeSync(output);
  } catch (error) {
    failWriting('fsync', error as Error);
  }
  process.exit(0);
}

function failWriting(step: string, error: Error): never {
  // A node that is gone reads nothing; nobody wants to hear of it.
  if (temporary === undefined) end(1);
  const why = systemText(error);
  fail(
    order.kind === 'aof'
      ? `Write error writing append only file on disk: ${why}`
      : `Write error saving DB on disk(${step}): ${why}`,
  );
}

function fail(why: string): never {
  log(why);
  end(1);
}

function end(code: number): never {
  if (temporary !== undefined) rmSync(temporary, { force: true });
  process.exit(code);
}

function log(text: string): void {
  const line = logLine('C', new Date(), '#', text);
  try {
    if (order.log === '') writeSync(1, line);
    else appendFileSync(order.log, line);
  } catch {
    // Nobody reads the log any more.
  }
}

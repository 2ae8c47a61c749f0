// The promise of a call, and the stack of the line that made it.

import { hintOf } from '../../base/hint.ts';
import type { Callback } from '../../batch/pipeline.ts';
import type { Call } from '../../connection/call.ts';

/** Splits a trailing callback off. */
export function takeCallback(args: unknown[]): Callback<unknown> | undefined {
  return typeof args[args.length - 1] === 'function' ? (args.pop() as Callback<unknown>) : undefined;
}

let pendingCall: Call | undefined;
// One executor for all: no closure a call.
function adopt(resolve: (value: unknown) => void, reject: (error: Error) => void): void {
  pendingCall!.resolve = resolve;
  pendingCall!.reject = reject;
}

/** The promise of a call; with `friendly`, rejections carry the stack of the line that made it. */
export function promiseOf(call: Call, friendly: boolean): Promise<unknown> {
  pendingCall = call;
  const promise = new Promise(adopt);
  if (friendly) {
    const frames = framesOfCaller();
    call.onSettled((_call, error) => {
      if (error === null) return;
      const hint = hintOf(error);
      const hinted = hint === undefined ? '' : `\n    hint: ${hint}`;
      error.stack = `${error.name}: ${error.message}${hinted}\n${frames}`;
    });
  }
  return promise;
}

/** Frames of this client and of a tracer that may stand between this file and its caller. */
const mostOwnFrames = 20;

/** The stack without its message and without the frames of this library on top. */
function framesOfCaller(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = limit + mostOwnFrames;
  const frames = (new Error().stack ?? '').split('\n').slice(1);
  Error.stackTraceLimit = limit;
  const ownFolder = ownFolderOf(frames[0] ?? '');
  // With tracing on, frames of node:diagnostics_channel are among ours, and those of what keeps a tracer's context.
  const first = frames.findIndex((frame) => !frame.includes(ownFolder) && !/[ (]node:/.test(frame));
  const start = Math.max(first, 0);
  return frames.slice(start, start + limit).join('\n');
}

/** The folder that holds all of this library, by a frame of this file; where it is bundled, that of the bundle. */
function ownFolderOf(frame: string): string {
  const folder = /\(?([^()]*[\\/])[^\\/]*$/.exec(frame)?.[1]?.replace(/^ *at (?:async )?/, '') ?? ' ';
  return folder.replace(/facade[\\/]commands[\\/]$/, '');
}

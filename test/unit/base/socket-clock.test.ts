import { deepEqual, equal } from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { SocketClock } from '../../../lib/base/socket-clock.ts';

describe('base/socket-clock', () => {
  it('runs deadlines in order of time, whatever the order they were set in', async () => {
    const clock = new SocketClock(() => performance.now());
    const ran: string[] = [];
    await new Promise<void>((resolve) => {
      clock.after(60, () => {
        ran.push('late');
        resolve();
      });
      clock.after(20, () => ran.push('soon'));
      clock.after(40, () => ran.push('between'));
    });
    deepEqual(ran, ['soon', 'between', 'late']);
  });

  it('runs none before its time', async () => {
    const clock = new SocketClock(() => performance.now());
    const lengths: number[] = [];
    const waits = [5, 17, 17, 30, 55].map((ms) => {
      const begun = performance.now();
      return new Promise<void>((resolve) => {
        clock.after(ms, () => {
          lengths.push(performance.now() - begun - ms);
          resolve();
        });
      });
    });
    await Promise.all(waits);
    equal(lengths.filter((beyond) => beyond < -1).length, 0, String(lengths));
  });

  it('does not run what was cancelled, by those that are due with it too, and runs the rest', async () => {
    const clock = new SocketClock(() => performance.now());
    const ran: string[] = [];
    clock.after(20, () => ran.push('cancelled at once')).cancel();
    const ahead = clock.after(30, () => {
      ran.push('first');
      beside.cancel();
    });
    const beside = clock.after(30.2, () => ran.push('cancelled by the first'));
    await new Promise<void>((resolve) => clock.after(60, resolve));
    deepEqual(ran, ['first']);
    ahead.cancel();
  });

  it('goes on after one that throws, which is reported', async () => {
    const clock = new SocketClock(() => performance.now());
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const thrown: string[] = [];
    process.on('uncaughtException', (error) => thrown.push(error.message));
    try {
      clock.after(10, () => {
        throw new Error('mine');
      });
      await new Promise<void>((resolve) => clock.after(10.2, resolve));
      await pause(10);
      await new Promise<void>((resolve) => clock.after(10, resolve));
      deepEqual(thrown, ['mine']);
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
  });

  it('takes a deadline that is nearer than the one it waits for, after others were cancelled', async () => {
    const clock = new SocketClock(() => performance.now());
    const far = clock.after(10_000, () => undefined);
    await new Promise<void>((resolve) => clock.after(15, resolve));
    far.cancel();
    await new Promise<void>((resolve) => clock.after(15, resolve));
  });
});

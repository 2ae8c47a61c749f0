// What ends the silence of a peer, on injected time and with sockets that report what the kernel has taken.

import { deepEqual, equal } from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import { Activity } from '../../../lib/connection/activity.ts';
import type { Socket } from '../../../lib/connection/dial.ts';

/** `written`: bytes given to the socket; `queued`: those of them that the kernel has not taken. */
function socketOf(written: number, queued: number): Socket {
  const handle = { bytesWritten: written, writeQueueSize: queued };
  return { _handle: handle, bytesWritten: 0, writableLength: 0 } as unknown as Socket;
}

describe('connection/activity', () => {
  let world: ManualWorld;
  let activity: Activity;
  beforeEach(() => {
    world = new ManualWorld({ now: 1000 });
    activity = new Activity(world);
  });

  it('a silence begins with the first call that is owed an answer, and ends with a byte', () => {
    world.forward(500);
    activity.begin();
    equal(activity.movedAt, 1500);
    world.forward(100);
    equal(activity.look(socketOf(10, 0)), 100);
    equal(activity.untouched, true);
    activity.heard();
    deepEqual([activity.look(socketOf(10, 0)), activity.untouched], [0, false]);
    activity.begin();
    equal(activity.untouched, true);
  });

  it('what the kernel takes at once has reached nobody: it ends no silence', () => {
    activity.begin();
    for (const written of [10, 20, 30]) {
      world.forward(100);
      activity.look(socketOf(written, 0));
    }
    equal(activity.look(socketOf(40, 0)), 300);
  });

  it('bytes that had to wait and have left do, from one look to the next', () => {
    activity.begin();
    world.forward(100);
    equal(activity.look(socketOf(1000, 900)), 100);
    world.forward(100);
    equal(activity.look(socketOf(1000, 900)), 200, 'none has left');
    world.forward(100);
    equal(activity.look(socketOf(1000, 500)), 0);
    world.forward(100);
    equal(activity.look(socketOf(1000, 0)), 0, 'the rest of them');
    world.forward(100);
    equal(activity.look(socketOf(2000, 0)), 100, 'none had to wait');
  });

  it('without a handle the counts of the socket serve', () => {
    const socket = (bytesWritten: number, writableLength: number) => ({ bytesWritten, writableLength }) as Socket;
    activity.begin();
    world.forward(100);
    equal(activity.look(socket(1000, 900)), 100);
    equal(activity.look(socket(1000, 400)), 0);
  });
});

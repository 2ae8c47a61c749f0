// The calls that wait for a connection: in which order they leave by it, and which do not.

import { deepEqual } from 'node:assert/strict';
import { Call, type CallSink, directSink } from '../../../lib/connection/call.ts';
import type { Connection } from '../../../lib/connection/connection.ts';
import { WaitingCalls } from '../../../lib/connection/waiting-calls.ts';

class Stage implements CallSink {
  readonly waiting = new WaitingCalls({ maxQueueLength: 3 }, () => undefined);
  readonly written: string[] = [];
  readonly lost: string[] = [];
  readonly connection = {
    address: 'h:1',
    protocol: 3,
    write: (call: Call) => this.written.push(call.name),
    writeAsking: (call: Call) => this.written.push(`asking ${call.name}`),
  } as unknown as Connection;

  call(name: string, sink: CallSink = this): Call {
    return new Call([name], -1, 0, 'utf8', undefined, sink);
  }

  push(name: string, asking = false, sink: CallSink = this): Call {
    const call = this.call(name, sink);
    this.waiting.push(call, asking);
    return call;
  }

  onReply(): void {}

  onLost(call: Call, reason: Error): void {
    this.lost.push(`${call.name}: ${(reason as { code?: string }).code} ${reason.message}`);
  }

  /** Leaves by a connection whose dial took `ms`, and which was asked `answered` with its handshake. */
  leave(ms: number, answered: readonly Call[] = []): void {
    this.waiting.leaveBy(this.connection, { begunAt: 1000, answered: () => new Set(answered) }, 1000 + ms);
  }
}

describe('connection/waiting-calls', () => {
  it('all leave in their order, but for what is settled or was answered with the handshake', () => {
    const stage = new Stage();
    const [, early, late] = ['a', 'b', 'c', 'd'].map((name) => stage.push(name));
    late!.settle('gone');
    stage.leave(1, [early!]);
    deepEqual([stage.written, stage.waiting.size], [['a', 'd'], 0]);
    const refused = stage.call('e');
    deepEqual(stage.waiting.refuses([refused], 'h:1'), false, 'what has left is not counted');
  });

  it('an ASK that is fresh is followed', () => {
    const stage = new Stage();
    stage.push('a', true);
    stage.push('b');
    stage.leave(500);
    deepEqual([stage.written, stage.lost], [['asking a', 'b'], []]);
  });

  it('an ASK that is old is not, nor is what stands behind it; calls of the client itself leave', () => {
    const stage = new Stage();
    stage.push('hello', false, directSink);
    stage.push('a', true);
    stage.push('b');
    stage.leave(501);
    const why = 'ERR_LATE_ASK The ASK is older than 500ms: connecting took that long.';
    deepEqual([stage.written, stage.lost], [['hello'], [`a: ${why}`, `b: ${why}`]]);
  });

  it('without an ASK a long dial is no reason', () => {
    const stage = new Stage();
    stage.push('a');
    stage.leave(60_000);
    deepEqual([stage.written, stage.lost], [['a'], []]);
  });

  it("more than the queue may hold is refused, unless it is the client's own", () => {
    const stage = new Stage();
    for (const name of ['a', 'b', 'c']) stage.push(name);
    const late = stage.call('d');
    const refused = stage.waiting.refuses([late], 'h:1');
    deepEqual([refused, late.settled], [true, true]);
    deepEqual(stage.waiting.refuses([stage.call('ping', directSink)], 'h:1'), false);
  });
});

// How long a call may go on being refused, how long it pauses, and what it fails with.

import assert from 'node:assert/strict';
import { withHint } from '../../../lib/base/hint.ts';
import { Call, CallFlag, directSink } from '../../../lib/connection/call.ts';
import { RetryDeadline, redirectPause } from '../../../lib/router/retry-deadline.ts';

function callAt(at: number, flags = 0): Call {
  const call = new Call(['get', 'k'], 7, flags, 'utf8', undefined, directSink);
  call.moment = { at };
  return call;
}

/** As a base: the pause is what is left of the time. */
const forEver = 1e9;

/** What a call fails with. */
function errorOf(answer: number | Error): Error & { code?: string; slot?: number; node?: string; hint?: string } {
  assert.ok(answer instanceof Error);
  return answer;
}

describe('router/retry-deadline', () => {
  it('pauses grow with the time a call has taken, within bounds, and never exceed what is left', () => {
    const deadline = new RetryDeadline(15_000);
    // The chance of this moment: factor 0.75.
    const call = callAt(1000);
    const pauses = [1000, 1200, 1400, 2000, 5000].map((now) => deadline.next(call, 10, now));
    assert.deepEqual(pauses, [10, 37.5, 75, 187.5, 187.5]);
    assert.equal(deadline.next(call, 400, 5000), 400);
    assert.equal(deadline.next(call, 400, 15_900), 100);
  });

  it('calls of one moment wait alike, others differently', () => {
    const deadline = new RetryDeadline(15_000);
    const [one, two, other] = [callAt(1000.5), callAt(1000.5), callAt(1000.75)];
    const pauses = [one, two, other].map((call) => deadline.next(call, 1, 1800.5));
    assert.equal(pauses[0], pauses[1]);
    assert.notEqual(pauses[0], pauses[2]);
  });

  it('a call whose time is over fails with what refused it last, and where it was', () => {
    const deadline = new RetryDeadline(1000);
    const call = callAt(0);
    call.lastError = Object.assign(new Error('CLUSTERDOWN The cluster is down'), { node: 'a:1' });
    assert.equal(typeof deadline.next(call, 1, 999), 'number');
    const error = errorOf(deadline.next(call, 1, 1000));
    const text =
      'The cluster could not serve the command within 1000ms. Last error: Error: CLUSTERDOWN The cluster is down';
    assert.equal(error.message, text);
    assert.deepEqual(
      [error.code, error.slot, error.node, error.cause],
      ['ERR_RETRY_DEADLINE', 7, 'a:1', call.lastError],
    );
  });

  it('one that was sent to and fro fails for that; a refused identity keeps its code, a hint stays', () => {
    const deadline = new RetryDeadline(1000);
    const call = callAt(0);
    call.redirects = 3;
    call.lastError = withHint(Object.assign(new Error('WRONGPASS no'), { code: 'WRONGPASS' }), 'set a password');
    const error = errorOf(deadline.next(call, 1, 5000));
    assert.match(error.message, /^Cluster redirections did not end within 1000ms \(3 followed\)\. Last error: /);
    assert.deepEqual([error.code, error.hint], ['WRONGPASS', 'set a password']);
  });

  it('of a call that blocks: counts anew when a node had it in peace, not when it only waited for a connection', () => {
    const deadline = new RetryDeadline(1000);
    const call = callAt(0, CallFlag.blocking);
    call.attempts = 1;
    deadline.trouble(call, true, 5000);
    assert.equal(deadline.next(call, forEver, 5000), 1000);
    // Slow dials: written once, long ago, and lost again without being sent.
    deadline.trouble(call, true, 6500);
    errorOf(deadline.next(call, forEver, 6500));
    // Sent, in peace for a while, lost.
    call.attempts = 2;
    deadline.trouble(call, true, 9000);
    assert.equal(deadline.next(call, forEver, 9000), 1000);
  });

  it('the first redirects are followed at once, further ones after pauses that double up to a limit', () => {
    const call = callAt(0);
    const pauses = [1, 2, 3, 4, 5, 9, 20].map((redirects) => {
      call.redirects = redirects;
      return redirectPause(call, 100);
    });
    assert.deepEqual(pauses, [0, 0, 5, 10, 20, 100, 100]);
  });
});

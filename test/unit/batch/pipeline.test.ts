// A transaction over several slots is refused before anything is sent, and known by the mark of that refusal, not by its
// text: a server that answers with the same words has executed MULTI and queued the commands.

import assert from 'node:assert/strict';
import { longAgo } from '../../../lib/base/ticker.ts';
import { Pipeline } from '../../../lib/batch/pipeline.ts';
import { Call, type Dispatcher, type RoutableRequest } from '../../../lib/connection/call.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';

const dispatcher: Dispatcher = {
  keepsBatchesWhole: false,
  moment: longAgo,
  send: () => assert.fail('a pipeline submits'),
  refused: () => false,
  lost: (request, _written, reason) => request.fail(reason),
  onReply: () => assert.fail('nothing was sent'),
  onLost: () => assert.fail('nothing was sent'),
};

interface Refusal extends Error {
  readonly code?: string;
  readonly previousErrors?: readonly Error[];
}

async function errorOf(run: Promise<unknown>): Promise<Refusal> {
  return run.then(
    () => assert.fail('it was not refused'),
    (error: Error) => error,
  );
}

describe('batch/pipeline: a transaction', () => {
  let submitted: RoutableRequest[] = [];
  beforeEach(() => {
    submitted = [];
  });

  /** `answer`: what its EXEC fails with. */
  function transaction(slots: readonly number[], answer?: Error): Pipeline {
    const submit = (request: RoutableRequest): void => {
      submitted.push(request);
      request.fail(answer!);
    };
    const pipeline = new Pipeline({ dispatcher, submit }, true);
    for (const slot of slots) {
      pipeline.add(new Call(['set', `k${slot}`, 'v'], slot, 0, 'utf8', undefined, dispatcher));
    }
    return pipeline;
  }

  it('of several slots is refused with nothing sent, and has no earlier errors', async () => {
    const error = await errorOf(transaction([1, 2]).exec());
    assert.match(error.message, /same slots allocation group$/);
    assert.equal(error.code, 'CROSSSLOT');
    assert.equal(error.previousErrors, undefined);
    assert.deepEqual(submitted, []);
    assert.deepEqual(Reflect.ownKeys({ ...error }), Object.keys(error), 'the mark is not enumerable');
  });

  it('of one slot that a server refuses in the same words keeps the errors of its commands', async () => {
    const { message } = await errorOf(transaction([1, 2]).exec());
    const error = await errorOf(transaction([1], new ReplyError(message)).exec());
    assert.equal(submitted.length, 1);
    assert.ok(Array.isArray(error.previousErrors));
  });
});

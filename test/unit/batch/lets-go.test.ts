// A settled call and a finished batch keep nobody: what is old itself must not keep what is young.

import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type BatchResult, BatchResults } from '../../../lib/batch/batch-results.ts';
import { Call, directSink } from '../../../lib/connection/call.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const makeCall = (): Call => new Call(['get', 'k'], -1, 0, 'utf8', undefined, directSink);

/** A WeakRef holds its target until the end of the job that made it. */
const nextJob = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('what is done lets go', () => {
  it('a call of a batch: of the batch', async () => {
    const calls = [makeCall(), makeCall()];
    const results = await (async () => {
      let given: WeakRef<BatchResult[]> | undefined;
      const scatter = new BatchResults(2, (all) => {
        given = new WeakRef(all);
      });
      calls.forEach((call, index) => {
        call.group = scatter;
        call.index = index;
      });
      for (const call of calls) call.settle('x'.repeat(100));
      assert.equal(given?.deref()?.[1]?.[1], 'x'.repeat(100));
      return given;
    })();
    await nextJob();
    collect();
    assert.equal(results?.deref(), undefined);
    assert.equal(calls[0]!.group, null);
    assert.ok(calls[0]!.settled);
  });

  it('a batch whose calls are done: of whom it was given to', async () => {
    let scatter: BatchResults | undefined;
    const receiver = await (async () => {
      const heard = { results: undefined as BatchResult[] | undefined };
      scatter = new BatchResults(1, (all) => {
        heard.results = all;
      });
      const call = makeCall();
      call.group = scatter;
      call.fail(new Error('no'));
      assert.match(String(heard.results?.[0]?.[0]), /no/);
      return new WeakRef(heard);
    })();
    await nextJob();
    collect();
    assert.equal(receiver.deref(), undefined);
    assert.ok(scatter);
  });

  it('a call alone: of its promise', async () => {
    const call = makeCall();
    const promise = await (async () => {
      const answer = new Promise((resolve, reject) => {
        call.resolve = resolve;
        call.reject = reject;
      });
      call.settle({ large: true });
      assert.deepEqual(await answer, { large: true });
      return new WeakRef(answer);
    })();
    await nextJob();
    collect();
    assert.equal(promise.deref(), undefined);
  });
});

// What commands have set on a connection: the database that the next one selects, and a transaction that must not go on
// on another connection.
import assert from 'node:assert/strict';
import { Call, directSink } from '../../../lib/connection/call.ts';
import { SessionState } from '../../../lib/core/session-state.ts';

const call = (...argv: string[]): Call => new Call(argv, -1, 0, 'utf8', undefined, directSink);

describe('core/session-state', () => {
  let connection = 1;
  let selected: number[] = [];
  let state = new SessionState(
    0,
    () => 0,
    () => undefined,
  );
  beforeEach(() => {
    connection = 1;
    selected = [];
    state = new SessionState(
      0,
      () => connection,
      (db) => selected.push(db),
    );
  });

  it('SELECT is announced when it is issued, and in use once it is answered', () => {
    const select = call('SELECT', '3');
    assert.equal(state.admit(select), undefined);
    assert.deepEqual([selected, state.intended, state.db, state.current], [[3], 3, 0, 0]);
    select.settle('OK');
    assert.deepEqual([state.db, state.current], [3, 3]);
    state.connected(0);
    assert.deepEqual([state.db, state.current, state.intended], [3, 0, 0], 'to be selected again');
  });

  it('a SELECT that is refused, or selects no number, changes no database', () => {
    const select = call('select', '99');
    state.admit(select);
    select.fail(new Error('ERR DB index is out of range'));
    state.admit(call('select', 'x'));
    assert.deepEqual([state.db, selected], [0, [99]]);
  });

  it('what comes behind a MULTI is refused on another connection than that which has it open', () => {
    const multi = call('multi');
    state.admit(multi);
    assert.equal(state.inTransaction, true);
    const early = call('get', 'a');
    assert.equal(state.admit(early), undefined);
    assert.equal(state.refusal(early), undefined, 'MULTI has no answer: nobody knows where it is open');
    multi.settle('OK');
    assert.match(state.refusal(early)!.message, /connection close/);
    assert.equal(state.admit(call('get', 'b')), undefined);
    connection = 2;
    assert.ok(state.admit(call('get', 'c')) instanceof Error);
    assert.ok(state.admit(call('exec')) instanceof Error, 'it ends the transaction, and is not sent');
    assert.equal(state.inTransaction, false);
    assert.equal(state.admit(call('get', 'd')), undefined);
  });

  it('a MULTI that is refused opens nothing; DISCARD ends one; calls outside are never refused', () => {
    const multi = call('multi');
    state.admit(multi);
    multi.fail(new Error('ERR'));
    assert.equal(state.inTransaction, false);
    const second = call('MULTI');
    state.admit(second);
    second.settle('OK');
    assert.equal(state.admit(call('discard')), undefined);
    assert.equal(state.inTransaction, false);
    assert.equal(state.refusal(call('get', 'a')), undefined);
  });

  it('a SELECT within a transaction counts once EXEC has results, and not when it was discarded', () => {
    const discarded = call('exec');
    state.watch(call('select', '4'), discarded);
    discarded.settle(null);
    assert.equal(state.db, 0);
    const exec = call('exec');
    state.watch(call('select', '5'), exec);
    exec.settle(['OK']);
    assert.equal(state.db, 5);
  });

  it('QUIT is named, in whatever case', () => {
    assert.equal(state.admit(call('QUIT')), 'quit');
    assert.equal(state.admit(call('quit')), 'quit');
  });
});

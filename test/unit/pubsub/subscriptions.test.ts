import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { Call, CallFlag, directSink } from '../../../lib/connection/call.ts';
import { Subscriptions } from '../../../lib/pubsub/subscriptions.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';

const callOf = (...argv: string[]): Call => new Call(argv, -1, CallFlag.subscribing, 'utf8', undefined, directSink);
const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `channel:${at}`);

/** A connection that confirms when the test asks for it. */
class Wire {
  readonly sent: Call[] = [];
  open = 0;
  most = 0;
  up = true;
  readonly send = (call: Call): boolean => {
    if (!this.up) return false;
    this.sent.push(call);
    this.open += call.argv.length - 1;
    this.most = Math.max(this.most, this.open);
    return true;
  };

  get asked(): string[] {
    return this.sent.flatMap((call) => call.argv.slice(1).map(String));
  }

  confirm(): boolean {
    const call = this.sent.find(({ settled }) => !settled);
    if (call === undefined) return false;
    this.open -= call.argv.length - 1;
    call.settle(1);
    return true;
  }
}

describe('pubsub/subscriptions', () => {
  it('subscribes again in bounded commands, of which a bounded number is on its way', () => {
    const subscriptions = new Subscriptions(new EventEmitter());
    const wanted = names(50_000);
    subscriptions.prepare(callOf('subscribe', ...wanted));
    subscriptions.prepare(callOf('psubscribe', 'a*', 'b*'));
    const wire = new Wire();
    subscriptions.restore(wire.send);
    assert.ok(wire.open > 0 && wire.open <= 9000, String(wire.open));
    while (wire.confirm());
    assert.deepEqual(wire.asked, [...wanted, 'a*', 'b*']);
    assert.ok(wire.sent.every(({ argv }) => argv.length <= 1001));
    assert.ok(wire.sent.length <= 52, String(wire.sent.length));
    assert.ok(wire.most <= 9000, String(wire.most));
  });

  it('asks for nothing that is no longer wanted, nor twice for what a call asks for', () => {
    const subscriptions = new Subscriptions(new EventEmitter());
    subscriptions.prepare(callOf('subscribe', ...names(20_000)));
    const wire = new Wire();
    subscriptions.restore(wire.send);
    subscriptions.prepare(callOf('unsubscribe', 'channel:19999', 'channel:0'));
    subscriptions.prepare(callOf('subscribe', 'channel:19998', 'new'));
    while (wire.confirm());
    assert.deepEqual(wire.asked, names(19_998));
    assert.equal(subscriptions.size, 19_999);
  });

  it('expects of UNSUBSCRIBE without names what the server knows of', () => {
    const subscriptions = new Subscriptions(new EventEmitter());
    subscriptions.prepare(callOf('subscribe', ...names(20_000)));
    const wire = new Wire();
    subscriptions.restore(wire.send);
    const all = callOf('unsubscribe');
    subscriptions.prepare(all);
    assert.equal(all.pushes, wire.open);
    while (wire.confirm());
    assert.equal(wire.asked.length, all.pushes);
    assert.equal(subscriptions.size, 0);
  });

  it('leaves a lost connection, and begins anew on the next one', () => {
    const emitter = new EventEmitter();
    emitter.on('subscriptionError', (error) => assert.fail(error));
    const subscriptions = new Subscriptions(emitter);
    subscriptions.prepare(callOf('subscribe', ...names(20_000)));
    const first = new Wire();
    subscriptions.restore(first.send);
    first.confirm();
    first.up = false;
    for (const call of first.sent) call.fail(new Error('Connection is closed.'));
    const second = new Wire();
    subscriptions.restore(second.send);
    const before = first.sent.length;
    while (second.confirm());
    assert.deepEqual(second.asked, names(20_000));
    assert.equal(first.sent.length, before);
  });

  it('says what is refused, and goes on with the rest', () => {
    const emitter = new EventEmitter();
    const errors: unknown[] = [];
    emitter.on('subscriptionError', (error) => errors.push(error));
    const subscriptions = new Subscriptions(emitter);
    subscriptions.prepare(callOf('subscribe', ...names(20_000)));
    const wire = new Wire();
    subscriptions.restore(wire.send);
    wire.sent[0]!.fail(new ReplyError('NOPERM no'));
    while (wire.confirm());
    assert.equal(errors.length, 1);
    assert.deepEqual(wire.asked, names(20_000));
  });

  it('keeps names in any text and in bytes', () => {
    const subscriptions = new Subscriptions(new EventEmitter());
    const bytes = Buffer.from([0, 128, 255]);
    subscriptions.prepare(callOf('subscribe', 'plain', 'grüße', '\u{1f600}', 'a\u0000b'));
    const call = new Call(['subscribe', bytes], -1, CallFlag.subscribing, 'utf8', undefined, directSink);
    subscriptions.prepare(call);
    subscriptions.prepare(callOf('unsubscribe', '\u{1f600}'));
    const wire = new Wire();
    subscriptions.restore(wire.send);
    const asked = wire.sent.flatMap(({ argv }) => argv.slice(1).map((word) => Buffer.from(word as string)));
    assert.deepEqual(asked, [Buffer.from('plain'), Buffer.from('grüße'), Buffer.from('a\u0000b'), bytes]);
  });
});

import assert from 'node:assert/strict';
import { BrokenStreamError, RedisError, SilentNodeError } from '../../../lib/base/errors.ts';
import { Call, CallFlag, directSink, type RoutableRequest } from '../../../lib/connection/call.ts';
import { judgeLoss, judgeReply } from '../../../lib/router/verdict.ts';
import { ProtocolError } from '../../../lib/wire/decoder.ts';
import { parseRedirect, printRedirect, ReplyError } from '../../../lib/wire/reply.ts';

const delays = { tryAgain: 1, clusterDown: 2, failover: 3 };
const judge = (message: string): unknown => judgeReply(new ReplyError(message), delays);

describe('router/verdict', () => {
  const table: [string, unknown][] = [
    ['MOVED 3999 127.0.0.1:6381', { kind: 'moved', slot: 3999, host: '127.0.0.1', port: 6381 }],
    ['ASK 1 host.name:7000', { kind: 'ask', slot: 1, host: 'host.name', port: 7000 }],
    ['MOVED 1 ::1:7000', { kind: 'moved', slot: 1, host: '::1', port: 7000 }],
    ['MOVED 1 [::1]:7000', { kind: 'moved', slot: 1, host: '::1', port: 7000 }],
    ['MOVED 1 :7000', { kind: 'moved', slot: 1, host: '', port: 7000 }],
    ['MOVED 1 ?:7000', { kind: 'moved', slot: 1, host: '?', port: 7000 }],
    ['MOVED 1 h:7000 since=1 [x] y:2', { kind: 'moved', slot: 1, host: 'h', port: 7000 }],
    ['ASK 1  [fe80::1%eth0]:7000\t?', { kind: 'ask', slot: 1, host: 'fe80::1%eth0', port: 7000 }],
    ['MOVED 1 :7000 more', { kind: 'moved', slot: 1, host: '', port: 7000 }],
    ['TRYAGAIN Multiple keys request during rehashing of slot', { kind: 'later', ms: 1, refresh: false }],
    ['CLUSTERDOWN The cluster is down', { kind: 'later', ms: 2, refresh: true }],
    ['LOADING Redis is loading the dataset in memory', { kind: 'later', ms: 3, refresh: true }],
    [
      "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
      { kind: 'later', ms: 3, refresh: true },
    ],
    ["READONLY You can't write against a read only replica.", { kind: 'later', ms: 3, refresh: true }],
    ['ERR unknown command', { kind: 'settle' }],
    ["CROSSSLOT Keys in request don't hash to the same slot", { kind: 'settle' }],
    ['MOVED', { kind: 'settle' }],
    ['MOVED 16384 h:1', { kind: 'settle' }],
    ['MOVED -1 h:1', { kind: 'settle' }],
    ['MOVED __proto__ h:1', { kind: 'settle' }],
    ['MOVED 1 h:0', { kind: 'settle' }],
    ['MOVED 1 h:65536', { kind: 'settle' }],
    ['MOVED 1 nonsense', { kind: 'settle' }],
    ['MOVED 1 ', { kind: 'settle' }],
    ['MOVED 1 words and h:1', { kind: 'settle' }],
    ['ASKING is no redirect', { kind: 'settle' }],
  ];
  for (const [message, verdict] of table) {
    it(`judges ${message}`, () => assert.deepEqual(judge(message), verdict));
  }

  it('parses what it prints', () => {
    for (const host of ['10.0.0.1', 'name', '', '?']) {
      for (const kind of ['moved', 'ask'] as const) {
        const redirect = { kind, slot: 16383, host, port: 65535 };
        assert.deepEqual(parseRedirect(printRedirect(redirect)), redirect);
      }
    }
  });

  describe('of a lost connection', () => {
    const rules = { resendWritten: true, maxResends: 3, pause: 100 };
    const cut = new RedisError('Connection is closed.', { code: 'ECONNRESET', node: 'h:1' });
    const request = (flags = 0): RoutableRequest => new Call(['incr', 'k'], 7, flags, 'utf8', undefined, directSink);

    it('sends again what did not leave, however often, and counts no loss', () => {
      const one = request();
      for (let time = 0; time < 10; time++) {
        assert.equal(judgeLoss(one, false, cut, { ...rules, resendWritten: false }).kind, 'later');
      }
      assert.equal(one.losses, 0);
    });

    it('sends again what left a bounded number of times, with growing pauses', () => {
      const one = request() as Call;
      const pauses: unknown[] = [];
      for (let time = 0; time < 3; time++) {
        one.put();
        const verdict = judgeLoss(one, true, cut, rules);
        assert.ok(verdict.kind === 'later');
        pauses.push([verdict.ms, verdict.firm]);
      }
      assert.deepEqual(pauses, [
        [100, false],
        [100, true],
        [130, true],
      ]);
      one.put();
      const verdict = judgeLoss(one, true, cut, rules);
      assert.ok(verdict.kind === 'fail');
      const { attempts, writes, code, node, slot, cause } = verdict.error as RedisError;
      assert.deepEqual(
        { attempts, writes, code, node, slot, cause },
        { attempts: 4, writes: 4, code: 'ECONNRESET', node: 'h:1', slot: 7, cause: cut },
      );
    });

    it('rejects writes of unknown outcome where the user said so, and sends reads again', () => {
      assert.equal(judgeLoss(request(), true, cut, { ...rules, resendWritten: false }).kind, 'fail');
      assert.equal(judgeLoss(request(CallFlag.readOnly), true, cut, { ...rules, resendWritten: false }).kind, 'later');
    });

    it('never sends a write again whose connection this client gave up by itself', () => {
      const garbage = new BrokenStreamError('h:1', new ProtocolError('Protocol error'));
      for (const reason of [garbage, new SilentNodeError('h:1', 15_000)]) {
        assert.equal(judgeLoss(request(), true, reason, rules).kind, 'fail');
        assert.equal(judgeLoss(request(CallFlag.readOnly), true, reason, rules).kind, 'later');
        assert.equal(judgeLoss(request(), false, reason, rules).kind, 'later', 'never left');
      }
    });

    it('fails a call, read or not, whose own answer could not be read', () => {
      for (const flags of [0, CallFlag.readOnly]) {
        assert.equal(judgeLoss(request(flags), true, new ProtocolError('Protocol error'), rules).kind, 'fail');
      }
    });

    it('sends again what reconnectOnError wants sent again, as often as anything else', () => {
      const refusal = new ReplyError('READONLY no');
      const one = request();
      for (let time = 0; time < 3; time++) {
        assert.equal(judgeLoss(one, true, refusal, { ...rules, resendWritten: false }).kind, 'later');
      }
      assert.deepEqual(judgeLoss(one, true, refusal, rules), { kind: 'fail', error: refusal });
    });
  });
});

import assert from 'node:assert/strict';
import { judgeLoss, judgeReply } from '../../../lib/router/verdict.ts';
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

  it('sends lost calls again unless their outcome is unknown and the user said no', () => {
    const reason = new Error('cut');
    assert.equal(judgeLoss(true, true, reason, delays).kind, 'later');
    assert.equal(judgeLoss(false, false, reason, delays).kind, 'later');
    assert.deepEqual(judgeLoss(true, false, reason, delays), { kind: 'fail', error: reason });
  });
});

import assert from 'node:assert/strict';
import { ReplyError } from '../../../../../lib/wire/reply.ts';
import type { ClusterLink } from '../../../../../server/operator/link/cluster-link.ts';
import { claimSlots } from '../../../../../server/operator/reshard/claim-slots.ts';

// What the new owner of slots is sent, and which of its replies belongs to which slot.

const owner = { id: 'b'.repeat(40), host: '127.0.0.1', port: 7001 };
const ok = 'OK';

describe('claims of slots', () => {
  let sent: string[][];
  /** Replies to EXEC and to single commands. */
  let exec: (commands: readonly string[]) => unknown;
  let single: (command: string) => unknown;
  const linkTo = (isRedis: boolean): ClusterLink => {
    const exchange = async (_node: unknown, commands: readonly (readonly string[])[]): Promise<unknown[]> => {
      const texts = commands.map((words) => words.join(' '));
      sent.push(texts);
      if (texts[0] !== 'MULTI') return texts.map(single);
      return [ok, ...texts.slice(1, -1).map(() => 'QUEUED'), exec(texts.slice(1, -1))];
    };
    return { exchange, isRedis: async () => isRedis } as unknown as ClusterLink;
  };

  beforeEach(() => {
    sent = [];
    exec = (commands) => commands.map(() => ok);
    single = () => ok;
  });

  it('go in one transaction, under a new epoch, and only the last slot is left open to be broadcast', async () => {
    assert.deepEqual(await claimSlots(linkTo(true), owner, [3, 7, 9]), [ok, ok, ok]);
    assert.deepEqual(sent, [
      [
        'MULTI',
        'CLUSTER BUMPEPOCH',
        'CLUSTER SETSLOT 3 STABLE',
        `CLUSTER SETSLOT 3 NODE ${owner.id}`,
        'CLUSTER SETSLOT 7 STABLE',
        `CLUSTER SETSLOT 7 NODE ${owner.id}`,
        `CLUSTER SETSLOT 9 NODE ${owner.id}`,
        'EXEC',
      ],
    ]);
  });

  it('give each slot the reply to its own claim', async () => {
    const refusal = (slot: number): ReplyError => new ReplyError(`ERR slot ${slot}`);
    for (const refused of [3, 7, 9]) {
      exec = (commands) =>
        commands.map((text) => (text === `CLUSTER SETSLOT ${refused} NODE ${owner.id}` ? refusal(refused) : ok));
      const replies = await claimSlots(linkTo(true), owner, [3, 7, 9]);
      assert.deepEqual(
        replies.map((reply) => (reply instanceof ReplyError ? reply.message : reply)),
        [3, 7, 9].map((slot) => (slot === refused ? `ERR slot ${slot}` : ok)),
      );
    }
  });

  it('go one by one where a transaction is refused', async () => {
    exec = () => new ReplyError('EXECABORT Transaction discarded because of previous errors.');
    single = (text) => (text.includes(' 7 ') ? new ReplyError('ERR slot 7') : ok);
    const replies = await claimSlots(linkTo(true), owner, [3, 7]);
    assert.equal(sent.length, 2);
    assert.deepEqual(
      sent[1],
      [3, 7].map((slot) => `CLUSTER SETSLOT ${slot} NODE ${owner.id}`),
    );
    assert.ok(replies[0] === ok && replies[1] instanceof ReplyError);
  });

  it('go one by one on servers that wait for replicas with each, and for a single slot', async () => {
    await claimSlots(linkTo(false), owner, [3, 7]);
    await claimSlots(linkTo(true), owner, [9]);
    assert.deepEqual(sent, [
      [3, 7].map((slot) => `CLUSTER SETSLOT ${slot} NODE ${owner.id}`),
      [`CLUSTER SETSLOT 9 NODE ${owner.id}`],
    ]);
  });

  it('reject when EXEC gives neither a list nor an error', async () => {
    exec = () => null;
    await assert.rejects(claimSlots(linkTo(true), owner, [3, 7]), /127\.0\.0\.1:7001: EXEC gave no list/);
  });
});

import assert from 'node:assert/strict';
import { parseNodesFile } from '../../../../server/cluster/nodes-conf.ts';
import { parseNodesJson, printNodesJson } from '../../../../server/cluster/nodes-json.ts';

const [a, b, gone] = ['a'.repeat(40), 'b'.repeat(40), 'c'.repeat(40)] as const;
const state = parseNodesFile(
  `${a} 10.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-99\n` +
    `${b} 10.0.0.2:7002@17002 slave ${gone} 0 0 1 connected\nvars currentEpoch 1 lastVoteEpoch 0\n`,
);
const facts = { version: 1, savedAt: 0 };
const text = printNodesJson(state, facts);

describe('roles in the JSON form of a cluster configuration', () => {
  it('must be those that the flags say', () => {
    assert.throws(() => parseNodesJson(text.replace('"role": "replica"', '"role": "master"')), /its flags say another/);
  });

  it('a replica of a master that the file does not name says of its shard what it says again', () => {
    assert.equal(printNodesJson(parseNodesJson(text).state, facts), text);
  });
});

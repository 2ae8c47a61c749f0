import assert from 'node:assert/strict';
import { inOlderWords } from '../../../../server/replication/newer-commands.ts';

// What newer masters send, as captured from Redis 8.0 and Valkey 9.1.

describe('commands of newer masters', () => {
  const cases: readonly (readonly [sent: string, applied: readonly string[] | undefined])[] = [
    ['hsetex h PXAT 1795883210945 fields 2 f v g w', ['HSET h f v g w']],
    ['hsetex h fxx keepttl fields 1 f fields', ['HSET h f fields']],
    ['HPEXPIREAT h 1795883210962 fields 1 a', []],
    ['HPERSIST h FIELDS 1 b', []],
    ['hgetdel h fields 2 c none', ['HDEL h c none']],
    ['msetex 2 x 1 y 2 NX PXAT 1795883211327', ['SET x 1 PXAT 1795883211327', 'SET y 2 PXAT 1795883211327']],
    ['set k w ifeq v PXAT 5', ['SET k w PXAT 5']],
    // A value, not an option.
    ['set k ifeq', undefined],
    ['set k w ifeq', undefined],
    ['hsetex h fields 2 f v', undefined],
    ['hsetex h fields x f v', undefined],
    ['hsetex h', undefined],
    ['hgetdel h fields 99999999999999999999 a', undefined],
    ['msetex 0', undefined],
    ['msetex -1 a b', undefined],
    ['hset h a', undefined],
    ['constructor x', undefined],
    ['delifeq', undefined],
  ];
  for (const [sent, applied] of cases) {
    it(sent, () => {
      const older = inOlderWords(sent.split(' '));
      assert.deepEqual(
        older?.map(([name, ...rest]) => [name!.toUpperCase(), ...rest].join(' ')),
        applied,
      );
    });
  }
});

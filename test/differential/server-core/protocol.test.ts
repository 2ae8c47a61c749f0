// Bytes that no client would send, and pipelines cut in odd places: the bundled server answers byte for byte what
// redis-server answers, and closes where it closes.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { startStandalone } from '../../../server/embedded/standalone.ts';
import { startRealNode } from '../../kit/redis-server.ts';
import { pairForSuite } from './pair.ts';

/** Sends the pieces one by one, ends, and gives all that came back. A server that does not close is closed by us. */
async function exchange(port: number, pieces: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  const closed = once(socket, 'close');
  await once(socket, 'connect');
  for (const piece of pieces) {
    if (socket.destroyed) break;
    socket.write(Buffer.from(piece, 'latin1'));
    if (pieces.length > 1) await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
  await closed;
  return Buffer.concat(chunks).toString('latin1');
}

/** PING at the end distinguishes "it was ignored and the server goes on" from "the connection was closed". */
const ping = '*1\r\n$4\r\nPING\r\n';

const cases: Readonly<Record<string, string>> = {
  'a good request': ping,
  'an empty array': `*0\r\n${ping}`,
  'a negative array': `*-1\r\n${ping}`,
  'a very negative array': `*-10\r\n${ping}`,
  'an array of no number': `*abc\r\n${ping}`,
  'an array with no length': `*\r\n${ping}`,
  'an array with a leading zero': `*01\r\n$4\r\nPING\r\n${ping}`,
  'an array with a plus': `*+1\r\n$4\r\nPING\r\n${ping}`,
  'an array with a space': `*1 \r\n$4\r\nPING\r\n${ping}`,
  'an array of minus zero': `*-0\r\n${ping}`,
  'an array too long': `*2147483648\r\n${ping}`,
  'an array far too long': `*99999999999999999999\r\n${ping}`,
  'something else than a bulk': `*1\r\n:1\r\n${ping}`,
  'an inline word as an argument': `*1\r\nPING\r\n${ping}`,
  'a nested array': `*1\r\n*1\r\n$4\r\nPING\r\n`,
  'a bulk of no number': `*1\r\n$abc\r\nPING\r\n${ping}`,
  'a negative bulk': `*1\r\n$-1\r\n${ping}`,
  'a bulk with no length': `*1\r\n$\r\nPING\r\n${ping}`,
  'a bulk too long': `*2\r\n$3\r\nGET\r\n$536870913\r\n${ping}`,
  'a bulk far too long': `*1\r\n$99999999999999999999\r\n${ping}`,
  'an empty bulk': `*1\r\n$0\r\n\r\n${ping}`,
  'a bulk that lacks its end': `*1\r\n$4\r\nPINGxx${ping}`,
  'a line with LF only': `*1\n$4\nPING\n${ping}\r\n`,
  'a header with CR and another byte': `*1\rx$4\rxPING\r\n${ping}`,
  'an inline command': `PING\r\n${ping}`,
  'an inline command with LF': `PING\n${ping}`,
  'an inline command with arguments': `  SET   inline  "a b\\x41\\n"  \r\nGET inline\r\n${ping}`,
  'an inline command in single quotes': `ECHO 'it\\'s "so"'\r\n${ping}`,
  'an inline command with a quote left open': `ECHO "abc\r\n${ping}`,
  'an inline command with a quote closed too early': `ECHO "abc"def\r\n${ping}`,
  'an inline command with a quote in a word': `ECHO a"b c"\r\n${ping}`,
  'empty lines': `\r\n\n\r\n${ping}`,
  'an unknown inline command': `GARBAGE in "here"\r\n${ping}`,
  'binary arguments': `*3\r\n$3\r\nSET\r\n$3\r\n\0\xff\r\r\n$4\r\n\n\0\xfe\x80\r\n*2\r\n$3\r\nGET\r\n$3\r\n\0\xff\r\r\n`,
  'an unknown command with bytes in it': `*2\r\n$3\r\nf\xf6o\r\n$4\r\n\r\nab\r\n${ping}`,
  'a request that never ends': '*2\r\n$3\r\nGET\r\n$10\r\nabc',
  HTTP: 'GET / HTTP/1.1\r\nAccept: */*\r\n\r\n',
  'a long inline command': `${'x'.repeat(65 * 1024)}`,
  'a long array header': `*${'1'.repeat(65 * 1024)}`,
  'a long bulk header': `*1\r\n$${'1'.repeat(65 * 1024)}`,
  'QUIT and what follows': `*1\r\n$4\r\nQUIT\r\n${ping}`,
  'replies switched off': `CLIENT REPLY OFF\r\n${ping}CLIENT REPLY ON\r\n${ping}`,
  'a reply skipped': `CLIENT REPLY SKIP\r\n${ping}${ping}`,
  'two replies skipped': `CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\n${ping}${ping}`,
  'RESP3 of every kind': `HELLO 2\r\nHELLO 3 SETNAME x\r\nHGETALL missing\r\nSMEMBERS missing\r\nGET missing\r\nZADD z 1.5 a 3 b\r\nZSCORE z a\r\nZRANGE z 0 -1 WITHSCORES\r\nHSET h f v\r\nHGETALL h\r\nCONFIG GET maxmemory\r\nRESET\r\nHGETALL h\r\nDEL z h\r\n`,
  'subscriptions in RESP2': `SUBSCRIBE a b\r\nPSUBSCRIBE p*\r\nPING\r\nPING x\r\nGET a\r\nSSUBSCRIBE s\r\nUNSUBSCRIBE a\r\nUNSUBSCRIBE\r\nPUNSUBSCRIBE\r\nSUNSUBSCRIBE\r\nUNSUBSCRIBE\r\nGET a\r\n`,
  'subscriptions in RESP3': `HELLO 3\r\nSUBSCRIBE a a\r\nPING\r\nGET a\r\nPUBLISH a hi\r\nSSUBSCRIBE s\r\nSPUBLISH s hi\r\nUNSUBSCRIBE x\r\nRESET\r\nPING\r\n`,
  'a subscription inside a transaction': `HELLO 3\r\nMULTI\r\nSUBSCRIBE a\r\nPING\r\nEXEC\r\n`,
  'a RESP2 subscription inside a transaction': `MULTI\r\nSUBSCRIBE a\r\nPING\r\nEXEC\r\nPING\r\n`,
};

/** Client ids differ from server to server. */
function withoutIds(text: string): string {
  return text.replace(/(\$2\r\nid\r\n):\d+/g, '$1:0');
}

describe('odd bytes, ours against redis-server', () => {
  const pair = pairForSuite();

  for (const [name, bytes] of Object.entries(cases)) {
    it(name, async () => {
      const expected = withoutIds(await exchange(pair.real!.port, [bytes]));
      assert.equal(withoutIds(await exchange(pair.ours!.port, [bytes])), expected);
      if (bytes.length > 400) return;
      // The same, one byte a packet.
      assert.equal(withoutIds(await exchange(pair.ours!.port, [...bytes])), expected);
    });
  }

  it('cut at every offset', async () => {
    const bytes = `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nva\r\nx\r\nGET k\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n${ping}`;
    const expected = await exchange(pair.real!.port, [bytes]);
    for (let at = 1; at < bytes.length; at++) {
      assert.equal(await exchange(pair.ours!.port, [bytes.slice(0, at), bytes.slice(at)]), expected, `cut at ${at}`);
    }
  });

  it('before authentication', async () => {
    const guarded = await startRealNode(['--requirepass', 'secret']);
    const mine = await startStandalone({ engine: { config: { requirepass: 'secret' } } });
    try {
      for (const bytes of [
        ping,
        'GET a\r\nFOO\r\nGET\r\nMULTI\r\nHELLO\r\nHELLO 3\r\nAUTH x\r\nAUTH secret\r\nPING\r\n',
        'AUTH default secret\r\nPING\r\n',
        'AUTH other secret\r\nPING\r\n',
        'HELLO 3 AUTH default secret\r\nPING\r\nRESET\r\nPING\r\n',
        'HELLO 3 AUTH default wrong\r\nPING\r\nQUIT\r\n',
        `*11\r\n${ping}`,
        `*2\r\n$4\r\nAUTH\r\n$16385\r\n`,
        `*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*12\r\n$4\r\nMGET\r\n${'$1\r\na\r\n'.repeat(11)}`,
      ]) {
        const expected = withoutIds(await exchange(guarded.port, [bytes]));
        assert.equal(withoutIds(await exchange(mine.port, [bytes])), expected, JSON.stringify(bytes));
      }
    } finally {
      await mine.close();
      await guarded.stop();
    }
  });
});

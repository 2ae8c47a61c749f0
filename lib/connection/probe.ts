// Asks a peer that owes answers, over a second connection, whether it is the socket or the peer that is silent.

import { errorOfNode, RedisError } from '../base/errors.ts';
import type { World } from '../base/world.ts';
import type { DecoderOptions } from '../wire/decoder.ts';
import { Connection, type ConnectionEvents } from './connection.ts';
import { type DialOptions, dial, type Socket } from './dial.ts';
import { type HandshakeOptions, shakeHands } from './handshake.ts';

const mute: ConnectionEvents = { onClose: () => {}, onPush: () => {}, onDrain: () => {}, onHeard: () => {} };

/**
 * Resolves with the reason to drop the old socket: the peer answers elsewhere, or cannot be reached at all. Resolves
 * with undefined when it is silent here too: it is busy or frozen, and dropping its socket would help nobody.
 */
export async function probe(
  address: string,
  options: DialOptions & HandshakeOptions & DecoderOptions,
  limit: number,
  world: World,
): Promise<Error | undefined> {
  let socket: Socket;
  try {
    socket = await dial({ ...options, connectTimeout: limit }, world).opened;
  } catch (error) {
    return errorOfNode(address, error);
  }
  const second = new Connection(socket, address, options, world, mute);
  const timer = world.after(limit, () => second.destroy(new Error('silent')));
  try {
    await shakeHands(second, { ...options, clientInfo: false, inStep: false });
    const message = `Socket timeout. Expecting data, but didn't receive any in ${limit}ms.`;
    return new RedisError(message, { code: 'ERR_SILENT', node: address });
  } catch {
    return undefined;
  } finally {
    timer.cancel();
    second.destroy(new Error('probe over'));
  }
}

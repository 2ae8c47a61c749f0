// One question to a node of either kind, on a connection of its own.

import { ReplyError } from '../../lib/wire/reply.ts';
import { RespClient } from './resp-client.ts';

export interface AnyNode {
  readonly port: number;
}

/** An error reply is thrown. */
export async function ask(node: AnyNode, ...argv: (string | number)[]): Promise<unknown> {
  const client = await RespClient.connect(node.port);
  try {
    const reply = await client.call(...argv);
    if (reply instanceof Error) throw reply;
    return reply;
  } finally {
    client.close();
  }
}

/** An error reply is a text that starts with `-`. */
export function say(node: AnyNode, ...argv: (string | number)[]): Promise<unknown> {
  return ask(node, ...argv).catch((error: unknown) => {
    if (error instanceof ReplyError) return `-${error.message}`;
    throw error;
  });
}

/** The fields of a section of INFO. */
export async function info(node: AnyNode, section = 'replication'): Promise<Record<string, string>> {
  const text = String(await ask(node, 'INFO', section));
  return Object.fromEntries([...text.matchAll(/^(\w+):(.*)\r$/gm)].map(([, name, value]) => [name, value]));
}

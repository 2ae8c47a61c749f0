// One command for many nodes, each with its own answer.

import { ReplyError } from '../../lib/wire/reply.ts';
import type { ClusterLink, MovingNode } from '../operator/index.ts';

export interface NodeReply {
  readonly id: string;
  readonly address: string;
  /** Texts as UTF-8; null when it failed. */
  readonly reply: unknown;
  readonly error: string | null;
}

export async function sayToAll(
  link: ClusterLink,
  nodes: readonly MovingNode[],
  argv: readonly string[],
): Promise<NodeReply[]> {
  return Promise.all(
    nodes.map(async (node): Promise<NodeReply> => {
      const who = { id: node.id, address: `${node.host}:${node.port}` };
      try {
        const [reply] = await link.exchange(node, [argv]);
        if (reply instanceof ReplyError) return { ...who, reply: null, error: reply.message };
        return { ...who, reply: readable(reply), error: null };
      } catch (error) {
        return { ...who, reply: null, error: (error as Error).message };
      }
    }),
  );
}

/** Replies come as binary strings. */
function readable(reply: unknown): unknown {
  if (typeof reply === 'string') return Buffer.from(reply, 'latin1').toString();
  if (Array.isArray(reply)) return reply.map(readable);
  if (reply instanceof ReplyError) return reply.message;
  return typeof reply === 'bigint' ? String(reply) : reply;
}

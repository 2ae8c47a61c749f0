// Refusals that pass: the command was not executed, and the same node or another will serve it before long. The one
// list of them, whoever asks: calls, subscriptions, scans. Sources: cluster specification; replication of Redis 7.0.

import type { ReplyError } from './reply.ts';

/** What has to happen before it is worth trying again. */
export type PassingCause =
  /** The keys of a slot on its way are on two nodes. */
  | 'migration'
  /** The cluster does not serve the slot, or not just now. */
  | 'outage'
  /** The node loads, has lost its primary, or is none any more. */
  | 'failover';

const causes: Readonly<Record<string, PassingCause>> = {
  TRYAGAIN: 'migration',
  CLUSTERDOWN: 'outage',
  LOADING: 'failover',
  MASTERDOWN: 'failover',
  READONLY: 'failover',
};

/** Why a refusal passes; undefined for one that does not. */
export function passingCauseOf({ code, message }: ReplyError): PassingCause | undefined {
  // Sent away by a node that became a replica, with nothing done. CLIENT UNBLOCK says so in other words.
  if (code === 'UNBLOCKED') return /instance state changed/.test(message) ? 'failover' : undefined;
  return Object.hasOwn(causes, code) ? causes[code] : undefined;
}

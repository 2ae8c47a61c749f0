// Remedies that commands have in common.

import type { Argument } from '../wire/encoder.ts';
import type { ReplyError } from '../wire/reply.ts';
import type { Call, Remedy } from './call.ts';

/** EVAL, for a server that does not know the script of an EVALSHA. Source: EVALSHA, NOSCRIPT. */
export class EvalRemedy implements Remedy {
  readonly argv: readonly Argument[];

  constructor(argv: readonly Argument[]) {
    this.argv = argv;
  }

  apply(call: Call, refusal: ReplyError, sendAgain: (call: Call) => void): boolean {
    if (refusal.code !== 'NOSCRIPT') return false;
    call.argv = this.argv;
    call.remedy = undefined;
    sendAgain(call);
    return true;
  }
}

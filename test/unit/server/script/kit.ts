// What the tests of scripts share: a world whose clock moves as it is read, and Lua without a server around it.

import { ManualWorld } from '../../../../lib/base/world.ts';
import { Interpreter, type InterpreterOptions } from '../../../../server/script/interpreter.ts';
import type { ScriptHost } from '../../../../server/script/redis-api.ts';

/** So that time passes while a script runs, which nothing interrupts. */
export class PassingWorld extends ManualWorld {
  /** Milliseconds that each look at the clock takes. */
  step = 0;
  #passed = 0;

  override now(): number {
    this.#passed += this.step;
    return super.now() + this.#passed;
  }
}

const host: ScriptHost = {
  running: true,
  protocol: 2,
  call: (argv) => {
    if (argv[0] === 'fail') throw new Error('not an error of Lua');
    return [...argv];
  },
  setProtocol: () => undefined,
  setTargets: () => undefined,
  mayCall: () => true,
  log: () => undefined,
  breakSoon: () => false,
  debug: () => undefined,
};

/** A Lua state whose scripts get back what they call as a list; the call of `fail` finds an error of the server. */
export function loneInterpreter(onTick: InterpreterOptions['onTick'] = () => undefined): Interpreter {
  return new Interpreter({ forEval: true, script: host, deprecatedApi: false, onTick });
}

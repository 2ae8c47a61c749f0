// A server that is no cluster: one engine behind one listener. For differential tests and quick trials.

import { RealWorld } from '../../lib/base/world.ts';
import { createEngine } from '../command/all.ts';
import { Config } from '../config/config.ts';
import type { Engine, EngineOptions } from '../engine/engine.ts';
import { Listener, type ListenOptions } from '../session/listener.ts';
import { embeddedDefaults } from './defaults.ts';

export interface Standalone {
  readonly host: string;
  readonly port: number;
  readonly engine: Engine;
  close(): Promise<void>;
}

/** Starts a server; default 127.0.0.1 on any free port. Rejects when it cannot bind. */
export async function startStandalone(
  options: ListenOptions & { readonly engine?: Partial<EngineOptions> } = {},
): Promise<Standalone> {
  const { config } = options.engine ?? {};
  const engine = createEngine({
    world: new RealWorld(),
    ...options.engine,
    config: config instanceof Config ? config : { ...embeddedDefaults, ...config },
  });
  const listener = new Listener(engine, options);
  try {
    await listener.listen(options);
  } catch (error) {
    engine.stop();
    throw error;
  }
  return {
    host: listener.host,
    port: listener.port,
    engine,
    close: async () => {
      await listener.close();
      engine.stop();
    },
  };
}

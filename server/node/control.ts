// What commands may ask of the node around the engine: SHUTDOWN, CONFIG SET of addresses and `dir`, CONFIG REWRITE, the
// ACL file, DEBUG SLEEP.
// Owns nothing: each is done by the part of the node that it is about.

import type { ReplyError } from '../../lib/wire/reply.ts';
import type { Engine } from '../engine/engine.ts';
import type { NodePort, RefusedParameter, ShutdownHow } from '../engine/ports.ts';
import type { LinkCache } from '../migrate/link-cache.ts';
import { aclFileOf, usersToKeep } from './acl-file.ts';
import { moveTo } from './dir.ts';
import type { Listeners } from './listeners.ts';
import type { Shutdown, ShutdownEnd } from './shutdown.ts';

export interface ConfigFile {
  readonly path: string;
  /** `users`: the lines that define the users; none are kept in the file when there is an ACL file. */
  rewrite(users: readonly string[], all?: boolean): ReplyError | undefined;
}

export interface NodeControlOptions {
  readonly engine: Engine;
  readonly shutdown: Shutdown;
  readonly listeners: Listeners;
  readonly configFile: ConfigFile | undefined;
  readonly links: LinkCache;
  /** As NodePort. */
  readonly crash: NodePort['crash'];
  readonly blockFor: ((ms: number) => void) | undefined;
  readonly freezeFor: NodePort['freezeFor'];
}

export class NodeControl implements NodePort {
  readonly crash: NodePort['crash'];
  readonly blockFor: ((ms: number) => void) | undefined;
  readonly freezeFor: NodePort['freezeFor'];
  readonly #engine: Engine;
  readonly #shutdown: Shutdown;
  readonly #listeners: Listeners;
  readonly #configFile: ConfigFile | undefined;
  readonly #links: LinkCache;

  constructor(options: NodeControlOptions) {
    this.#engine = options.engine;
    this.#shutdown = options.shutdown;
    this.#listeners = options.listeners;
    this.#configFile = options.configFile;
    this.#links = options.links;
    this.crash = options.crash;
    this.blockFor = options.blockFor;
    this.freezeFor = options.freezeFor;
  }

  shutdown(how: ShutdownHow, done: ShutdownEnd): void {
    this.#shutdown.begin(how, done);
  }

  abortShutdown(): ReplyError | undefined {
    return this.#shutdown.abort();
  }

  get shutdownMs(): number | undefined {
    return this.#shutdown.remainingMs;
  }

  rebind(names: readonly string[], done: (refused: RefusedParameter | undefined) => void): void {
    void this.#listeners.rebind(names).then(done);
  }

  moveTo(before: string): string | undefined {
    return moveTo(this.#engine.config, before);
  }

  get configFile(): string | undefined {
    return this.#configFile?.path;
  }

  rewriteConfig(all = false): ReplyError | undefined {
    return this.#configFile?.rewrite(usersToKeep(this.#engine), all);
  }

  get migrateLinks(): number {
    return this.#links.size;
  }

  aclFile(): { load(): string | undefined; save(): boolean } | undefined {
    return aclFileOf(this.#engine);
  }
}

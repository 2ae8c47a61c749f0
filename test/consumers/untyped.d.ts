// The parts these tests use of packages that come without types.

declare module 'redlock' {
  import type { EventEmitter } from 'node:events';

  interface Lock {
    readonly resource: string | string[];
    readonly value: string;
    readonly expiration: number;
    readonly attempts: number;
    unlock(): Promise<void>;
    extend(ttl: number): Promise<Lock>;
  }
  interface Settings {
    readonly retryCount?: number;
    readonly retryDelay?: number;
    readonly retryJitter?: number;
    readonly driftFactor?: number;
  }
  class LockError extends Error {}
  class Redlock extends EventEmitter {
    static LockError: typeof LockError;
    constructor(clients: readonly unknown[], settings?: Settings);
    lock(resource: string | readonly string[], ttl: number): Promise<Lock>;
    unlock(lock: Lock): Promise<void>;
    quit(): Promise<unknown>;
  }
  export = Redlock;
}

declare module 'express-session' {
  import type { EventEmitter } from 'node:events';
  import type { IncomingMessage, ServerResponse } from 'node:http';

  namespace session {
    interface SessionData {
      cookie: { expires?: Date | undefined };
      [name: string]: unknown;
    }
    class Store extends EventEmitter {}
  }
  interface Session extends session.SessionData {
    destroy(done: (error?: unknown) => void): void;
  }
  function session(options: {
    store: session.Store;
    secret: string;
    resave: boolean;
    saveUninitialized: boolean;
  }): (
    request: IncomingMessage & { session: Session; sessionID: string },
    response: ServerResponse,
    next: (error?: unknown) => void,
  ) => void;
  export = session;
}

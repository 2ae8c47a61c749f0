// Keeps a live connection authenticated: when its source has newer credentials, AUTH is sent on it.
// Invariant: one AUTH at a time: a call that blocks holds up what is behind it.

import type { Connection } from './connection.ts';
import type { Authenticated, CredentialSource, Credentials } from './credentials.ts';
import { authenticate } from './handshake.ts';

/** `may`: false while AUTH would be taken for something else. Returns what ends it. */
export function keepAuthenticated(
  connection: Connection,
  source: CredentialSource,
  credentials: Credentials,
  may: () => boolean,
): () => void {
  let pending = false;
  const authenticated: Authenticated = {
    authenticate: (latest) => {
      if (pending || !may()) return undefined;
      pending = true;
      return authenticate(connection, latest).finally(() => {
        pending = false;
      });
    },
  };
  source.join(authenticated, credentials);
  return () => source.leave(authenticated);
}

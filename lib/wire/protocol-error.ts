// What a reader of RESP says of bytes that it cannot or will not read.

/** A reply is malformed, or beyond a limit. Its outcome on the server is unknown: it may have been executed. */
export class ProtocolError extends Error {
  readonly code = 'EPROTO';
  /** `host:port` of the node that sent it. */
  declare node?: string;
  override get name(): string {
    return 'ProtocolError';
  }
}

// The words that replication is made of, and where its other end is.

/** One command with its arguments, as binary strings. */
export type Words = readonly string[];

export interface StreamAddress {
  readonly host: string;
  readonly port: number;
}

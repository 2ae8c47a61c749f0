// What the harness asks of every client. The thinnest possible cover over each client's own calls: a method here adds
// one call frame, the same for all.

export interface Peer {
  get(key: string): Promise<unknown>;
  set(key: string, value: string): Promise<unknown>;
  /** One batch; answers in the order of keys, an Error in place of an answer that failed. */
  getMany(keys: readonly string[]): Promise<readonly unknown[]>;
  setMany(keys: readonly string[], values: readonly string[]): Promise<readonly unknown[]>;
  close(): Promise<void>;
}

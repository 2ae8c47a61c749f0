// What the harness asks of every client. The thinnest possible cover over each client's own calls: a method here adds
// one call frame, the same for all.

/** By position, an Error in place of an answer that failed. An array is one; nobody has to make one. */
export interface Answers {
  at(index: number): unknown;
}

export interface Peer {
  get(key: string): Promise<unknown>;
  set(key: string, value: string): Promise<unknown>;
  /** One batch; answers in the order of keys. */
  getMany(keys: readonly string[]): Promise<Answers>;
  setMany(keys: readonly string[], values: readonly string[]): Promise<Answers>;
  close(): Promise<void>;
}

// Where lingcache means to differ from ioredis, and why. A row that stops differing fails the tests: an entry lives
// only as long as it is true.

export interface Deviation {
  /** `group: row name` of the differential tests. */
  readonly row: string;
  /** The client variant with which the two agree all the same. */
  readonly except?: string;
  readonly reason: string;
}

export const deviations: readonly Deviation[] = [
  {
    row: 'strings: set Uint8Array',
    reason: 'bytes are bytes: ioredis knows Buffer only and writes "65,66"',
  },
  {
    row: 'strings: no key at all',
    reason:
      "ioredis throws a TypeError about Buffers, or with a prefix asks for the key 'undefined'; here the server's own arity error rejects",
  },
  {
    row: 'hashes: call nested replies in upper case',
    except: 'RESP2',
    reason: 'ioredis lets RESP3 shapes through when the name is not in lower case; here both protocols give one shape',
  },
];

// Which versions of the format are read, and what newer servers put into theirs that is not. Pure.
// Redis 7.2 and Valkey 8 write 11, Redis 7.4 and 8 write 12, Valkey 9 writes 80, where its numbers no longer agree with
// those of Redis.

/** What redis 7.0 writes, and this server. */
export const rdbVersion: number = 10;

const newestOfRedis = 12;
const valkey = 80;

export function isReadableVersion(version: number): boolean {
  return (version >= 1 && version <= newestOfRedis) || version === valkey;
}

/** For the message that refuses another one. */
export const readableVersions: string = `1 to ${newestOfRedis} and ${valkey}`;

const expiringFields = 'a hash whose fields expire on their own';
const ofAModule = 'a value of a module';

/** What a value type means that is known and not kept here; undefined for any other. */
export function unkeptType(type: number, version: number): string | undefined {
  if (type === 6 || type === 7) return ofAModule;
  if (version === valkey) return type === 22 ? expiringFields : undefined;
  return version > rdbVersion && type >= 22 && type <= 25 ? expiringFields : undefined;
}

// Reply helpers for the floor above.

export { formatDouble } from '../keyspace/number.ts';

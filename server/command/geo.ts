// GEOADD, GEOPOS, GEODIST, GEOHASH. Places are members of a sorted set scored by their geohash. Searches are in
// geo-search.ts.

import { Double, NullArray, type Reply } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context, Outcome } from '../engine/registry.ts';
import { fail, readDouble, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { decodePlace, distanceBetween, encodePlace, geohashText, isPlace, type Place } from '../keyspace/geohash.ts';
import { formatLongDouble, longDoubleOf } from '../keyspace/long-double.ts';
import type { ZsetValue } from '../keyspace/types/zset.ts';
import { zsetAt, zsetCommands } from './zset.ts';

const metresPerUnit: Readonly<Record<string, number>> = { m: 1, km: 1000, ft: 0.3048, mi: 1609.34 };

export function readUnit(text: string): number {
  return metresPerUnit[text.toLowerCase()] ?? fail('unsupported unit provided. please use M, KM, FT, MI');
}

export function readPlace(longitudeText: string, latitudeText: string): Place {
  const place = { longitude: readDouble(longitudeText), latitude: readDouble(latitudeText) };
  if (!isPlace(place)) {
    fail(`invalid longitude,latitude pair ${place.longitude.toFixed(6)},${place.latitude.toFixed(6)}`);
  }
  return place;
}

export function placeReply(ctx: Context, { longitude, latitude }: Place): Reply {
  const texts = [longitude, latitude].map((degrees) => formatLongDouble(longDoubleOf(degrees)));
  return ctx.protocol === 3 ? texts.map((text) => new Double(Number(text))) : texts;
}

export function distanceText(metres: number, unit: number): string {
  return (metres / unit).toFixed(4);
}

function add(ctx: Context, argv: readonly string[]): Outcome {
  let at = 2;
  const words: string[] = [];
  for (; at < argv.length; at += 1) {
    if (!['nx', 'xx', 'ch'].some((word) => sameWord(argv[at], word))) break;
    words.push(argv[at]!);
  }
  const has = (word: string): boolean => words.some((other) => sameWord(other, word));
  if ((argv.length - at) % 3 !== 0 || (has('nx') && has('xx'))) syntaxError();
  const pairs: string[] = [];
  for (; at < argv.length; at += 3) {
    pairs.push(String(encodePlace(readPlace(argv[at]!, argv[at + 1]!))), argv[at + 2]!);
  }
  const effect = ['ZADD', argv[1]!, ...words, ...pairs];
  const outcome = zsetCommands['zadd']!(ctx, effect);
  ctx.propagate(effect);
  return outcome;
}

/** Where a member of the sorted set lies. */
function placeOf(zset: ZsetValue | undefined, member: string): Place | undefined {
  const score = zset?.score(member);
  return score === undefined ? undefined : decodePlace(score);
}

function distance(ctx: Context, argv: readonly string[]): Reply {
  const unit = argv.length === 5 ? readUnit(argv[4]!) : 1;
  if (argv.length > 5) syntaxError();
  const zset = zsetAt(ctx, argv[1]!);
  const from = placeOf(zset, argv[2]!);
  const to = placeOf(zset, argv[3]!);
  return from === undefined || to === undefined ? null : distanceText(distanceBetween(from, to), unit);
}

function each(ctx: Context, argv: readonly string[], missing: Reply, show: (place: Place) => Reply): Reply {
  const zset = zsetAt(ctx, argv[1]!);
  return argv.slice(2).map((member) => {
    const place = placeOf(zset, member);
    return place === undefined ? missing : show(place);
  });
}

export const geoCommands: CommandGroup = {
  geoadd: add,
  geodist: distance,
  geopos: (ctx, argv) => each(ctx, argv, NullArray.value, (place) => placeReply(ctx, place)),
  geohash: (ctx, argv) => each(ctx, argv, null, geohashText),
};

// GEOSEARCH, GEOSEARCHSTORE and the older GEORADIUS family: members of a sorted set near a place.
// Results that nobody asked to be sorted come cell by cell of the map, from the centre's own on, as in redis-server.

import type { Reply } from '../../lib/wire/reply.ts';
import type { CommandGroup, Context } from '../engine/registry.ts';
import { fail, readDouble, readLong, sameWord, syntaxError } from '../keyspace/arguments.ts';
import { type Area, rangesAround } from '../keyspace/geo-cells.ts';
import { decodePlace, distanceBetween, isInBox, type Place } from '../keyspace/geohash.ts';
import type { ZsetValue } from '../keyspace/types/zset.ts';
import { distanceText, placeReply, readPlace, readUnit } from './geo.ts';
import { zsetAt } from './zset.ts';
import { storeZset } from './zset-range.ts';

/** Which command of the family is reading its words. */
interface Form {
  /** GEOSEARCH and GEOSEARCHSTORE: centre and shape are words among the others. */
  readonly search: boolean;
  /** GEOSEARCHSTORE: the key to store at. */
  readonly target?: string;
  /** GEORADIUS and GEORADIUSBYMEMBER: STORE and STOREDIST are allowed. */
  readonly mayStore?: boolean;
}

type Shape =
  | { readonly kind: 'circle'; readonly radius: number; readonly unit: number }
  | { readonly kind: 'box'; readonly width: number; readonly height: number; readonly unit: number };

interface Query {
  /** `'missing'`: named by a member of a key that does not exist. */
  centre: Place | 'missing' | undefined;
  shape: Shape | undefined;
  sort: 'none' | 'asc' | 'desc';
  count: number;
  any: boolean;
  withPlace: boolean;
  withDistance: boolean;
  withHash: boolean;
  target: string | undefined;
  storeDistance: boolean;
}

function newQuery(target: string | undefined): Query {
  return {
    centre: undefined,
    shape: undefined,
    sort: 'none',
    count: 0,
    any: false,
    withPlace: false,
    withDistance: false,
    withHash: false,
    target,
    storeDistance: false,
  };
}

function readCircle(radiusText: string, unitText: string): Shape {
  const radius = readDouble(radiusText, 'need numeric radius');
  if (radius < 0) fail('radius cannot be negative');
  return { kind: 'circle', radius, unit: readUnit(unitText) };
}

function readBox(widthText: string, heightText: string, unitText: string): Shape {
  const width = readDouble(widthText, 'need numeric width');
  const height = readDouble(heightText, 'need numeric height');
  if (width < 0 || height < 0) fail('height or width cannot be negative');
  return { kind: 'box', width, height, unit: readUnit(unitText) };
}

function memberPlace(zset: ZsetValue | undefined, member: string): Place | 'missing' {
  if (zset === undefined) return 'missing';
  const score = zset.score(member);
  return score === undefined ? fail('could not decode requested zset member') : decodePlace(score);
}

/** Reads one option at `argv[at]`; the number of words it took, 0 when it is none. */
function readOption(query: Query, argv: readonly string[], at: number, form: Form, zset: ZsetValue | undefined) {
  const is = (word: string): boolean => sameWord(argv[at], word);
  const more = argv.length - at - 1;
  if (is('withdist')) query.withDistance = true;
  else if (is('withhash')) query.withHash = true;
  else if (is('withcoord')) query.withPlace = true;
  else if (is('any')) query.any = true;
  else if (is('asc')) query.sort = 'asc';
  else if (is('desc')) query.sort = 'desc';
  else if (is('storedist') && form.search && form.target !== undefined) query.storeDistance = true;
  else if (is('count') && more > 0) {
    query.count = readLong(argv[at + 1]!);
    if (query.count <= 0) fail('COUNT must be > 0');
    return 2;
  } else if (form.mayStore && more > 0 && (is('store') || is('storedist'))) {
    query.target = argv[at + 1]!;
    query.storeDistance = is('storedist');
    return 2;
  } else {
    return form.search ? readSearchOption(query, argv, at, zset) : 0;
  }
  return 1;
}

function readSearchOption(query: Query, argv: readonly string[], at: number, zset: ZsetValue | undefined): number {
  const is = (word: string): boolean => sameWord(argv[at], word);
  const more = argv.length - at - 1;
  if (is('frommember') && more >= 1 && query.centre === undefined) {
    query.centre = memberPlace(zset, argv[at + 1]!);
    return 2;
  }
  if (is('fromlonlat') && more >= 2 && query.centre === undefined) {
    query.centre = readPlace(argv[at + 1]!, argv[at + 2]!);
    return 3;
  }
  if (is('byradius') && more >= 2 && query.shape === undefined) {
    query.shape = readCircle(argv[at + 1]!, argv[at + 2]!);
    return 3;
  }
  if (is('bybox') && more >= 3 && query.shape === undefined) {
    query.shape = readBox(argv[at + 1]!, argv[at + 2]!, argv[at + 3]!);
    return 4;
  }
  return 0;
}

function readOptions(query: Query, argv: readonly string[], from: number, form: Form, zset: ZsetValue | undefined) {
  for (let at = from; at < argv.length; ) {
    const taken = readOption(query, argv, at, form, zset);
    if (taken === 0) syntaxError();
    at += taken;
  }
  if (query.target !== undefined && (query.withDistance || query.withHash || query.withPlace)) {
    const name = form.search ? 'GEOSEARCHSTORE' : 'STORE option in GEORADIUS';
    fail(`${name} is not compatible with WITHDIST, WITHHASH and WITHCOORD options`);
  }
  const name = argv[0]!;
  if (query.centre === undefined) fail(`exactly one of FROMMEMBER or FROMLONLAT can be specified for ${name}`);
  if (query.shape === undefined) fail(`exactly one of BYRADIUS and BYBOX can be specified for ${name}`);
  if (query.any && query.count === 0) fail('the ANY argument requires COUNT argument');
  if (query.count > 0 && query.sort === 'none' && !query.any) query.sort = 'asc';
}

interface Hit {
  readonly member: string;
  readonly hash: number;
  readonly place: Place;
  readonly metres: number;
}

function isInside(centre: Place, place: Place, shape: Shape, metres: number): boolean {
  if (shape.kind === 'circle') return metres <= shape.radius * shape.unit;
  return isInBox(centre, place, shape.width * shape.unit, shape.height * shape.unit);
}

/** The extent of a shape in metres. */
function areaOf(shape: Shape): Area {
  if (shape.kind === 'circle') {
    const radius = shape.radius * shape.unit;
    return { halfWidth: radius, halfHeight: radius, reach: radius };
  }
  const [halfWidth, halfHeight] = [shape.width / 2, shape.height / 2];
  const reach = Math.sqrt(halfWidth * halfWidth + halfHeight * halfHeight) * shape.unit;
  return { halfWidth: halfWidth * shape.unit, halfHeight: halfHeight * shape.unit, reach };
}

function* near(zset: ZsetValue, centre: Place, shape: Shape): Generator<readonly [member: string, hash: number]> {
  for (const { low, high } of rangesAround(centre, areaOf(shape))) {
    const first = zset.countBefore(({ score }) => score >= low);
    for (const { member, score } of zset.from(first)) {
      if (score >= high) break;
      yield [member, score];
    }
  }
}

function search(zset: ZsetValue, centre: Place, shape: Shape, query: Query): Hit[] {
  const hits: Hit[] = [];
  for (const [member, hash] of near(zset, centre, shape)) {
    const place = decodePlace(hash);
    const metres = distanceBetween(centre, place);
    if (!isInside(centre, place, shape, metres)) continue;
    hits.push({ member, hash, place, metres });
    if (query.any && hits.length === query.count) break;
  }
  if (query.sort === 'asc') hits.sort((a, b) => a.metres - b.metres);
  else if (query.sort === 'desc') hits.sort((a, b) => b.metres - a.metres);
  return query.count > 0 ? hits.slice(0, query.count) : hits;
}

function hitReply(ctx: Context, hit: Hit, query: Query, unit: number): Reply {
  if (!query.withDistance && !query.withHash && !query.withPlace) return hit.member;
  const row: Reply[] = [hit.member];
  if (query.withDistance) row.push(distanceText(hit.metres, unit));
  if (query.withHash) row.push(hit.hash);
  if (query.withPlace) row.push(placeReply(ctx, hit.place));
  return row;
}

function answer(ctx: Context, query: Query, zset: ZsetValue | undefined, form: Form): Reply {
  const { shape, centre, target } = query;
  const unit = shape!.unit;
  const hits = zset === undefined || centre === 'missing' ? [] : search(zset, centre!, shape!, query);
  if (target === undefined) return hits.map((hit) => hitReply(ctx, hit, query, unit));
  const scored = hits.map((hit) => [hit.member, query.storeDistance ? hit.metres / unit : hit.hash] as const);
  return storeZset(ctx, target, scored, form.search ? 'geosearchstore' : 'georadiusstore');
}

function geoSearch(ctx: Context, argv: readonly string[], at: number): Reply {
  const form: Form = at === 2 ? { search: true, target: argv[1]! } : { search: true };
  const zset = ctx.store.asReader(() => zsetAt(ctx, argv[at]!));
  const query = newQuery(form.target);
  readOptions(query, argv, at + 1, form, zset);
  return answer(ctx, query, zset, form);
}

function geoRadius(ctx: Context, argv: readonly string[], byMember: boolean, mayStore: boolean): Reply {
  const form: Form = { search: false, mayStore };
  const zset = ctx.store.asReader(() => zsetAt(ctx, argv[1]!));
  const query = newQuery(undefined);
  query.centre = byMember ? memberPlace(zset, argv[2]!) : readPlace(argv[2]!, argv[3]!);
  const at = byMember ? 3 : 4;
  query.shape = readCircle(argv[at]!, argv[at + 1]!);
  readOptions(query, argv, at + 2, form, zset);
  return answer(ctx, query, zset, form);
}

export const geoSearchCommands: CommandGroup = {
  geosearch: (ctx, argv) => geoSearch(ctx, argv, 1),
  geosearchstore: (ctx, argv) => geoSearch(ctx, argv, 2),
  georadius: (ctx, argv) => geoRadius(ctx, argv, false, true),
  georadius_ro: (ctx, argv) => geoRadius(ctx, argv, false, false),
  georadiusbymember: (ctx, argv) => geoRadius(ctx, argv, true, true),
  georadiusbymember_ro: (ctx, argv) => geoRadius(ctx, argv, true, false),
};

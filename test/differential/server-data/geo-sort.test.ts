import { geoCommands } from '../../../server/command/geo.ts';
import { geoSearchCommands } from '../../../server/command/geo-search.ts';
import { hashCommands } from '../../../server/command/hash.ts';
import { listCommands } from '../../../server/command/list.ts';
import { setCommands } from '../../../server/command/set.ts';
import { sortCommands } from '../../../server/command/sort.ts';
import { zsetCommands } from '../../../server/command/zset.ts';
import { zsetRangeCommands } from '../../../server/command/zset-range.ts';
import { chanceFrom } from '../../unit/server/bus/packet-kit.ts';
import { type Dice, randomSuite, scriptSuite } from './compare.ts';

const geo = [geoCommands, geoSearchCommands, zsetCommands, zsetRangeCommands];

scriptSuite('geo commands equal redis-server', geo, {
  places: `
    GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
    GEOADD g NX 1 1 Palermo 2.349014 48.864716 Paris
    GEOADD g XX CH 13.4 38.2 Palermo 1 1 nope
    GEOADD g CH 13.361389 38.115556 Palermo
    GEOADD g NX XX 1 1 a
    GEOADD g 1 1
    GEOADD g 1 1 a 2
    GEOADD g 181 1 a
    GEOADD g 1 86 a
    GEOADD g x 1 a
    GEOADD g 1 x a
    GEOADD g 180 85.05112878 corner -180 -85.05112878 other 0 0 zero
    ZRANGE g 0 -1 WITHSCORES
    GEOPOS g Palermo Catania none zero corner other
    GEOPOS none a
    GEOHASH g Palermo Catania none zero corner other
    GEOHASH none a
    GEODIST g Palermo Catania
    GEODIST g Palermo Catania km
    GEODIST g Palermo Catania MI
    GEODIST g Palermo Catania ft
    GEODIST g Palermo Catania yd
    GEODIST g Palermo Catania m x
    GEODIST g Palermo none
    GEODIST g Palermo Palermo
    GEODIST none a b
    SET s v
    GEOADD s 1 1 a
    GEOPOS s a
    GEODIST s a b
    GEOHASH s a
    GEOSEARCH s FROMMEMBER a BYRADIUS 1 km
    GEORADIUS s 1 1 1 km
  `,
  searches: `
    GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.758489 38.788135 edge1 17.241510 38.788135 edge2
    GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC
    GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHCOORD WITHDIST WITHHASH
    GEOSEARCH g FROMMEMBER Palermo BYRADIUS 200 km DESC WITHDIST
    GEOSEARCH g FROMMEMBER Palermo BYRADIUS 500 mi COUNT 2
    GEOSEARCH g FROMMEMBER Palermo BYRADIUS 500 mi COUNT 2 DESC
    GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 m COUNT 1 ANY
    GEOSEARCH g FROMMEMBER nope BYRADIUS 200 km
    GEOSEARCH g BYRADIUS 200 km
    GEOSEARCH g FROMMEMBER Palermo
    GEOSEARCH g FROMMEMBER Palermo FROMLONLAT 1 1 BYRADIUS 1 km
    GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 km BYBOX 1 1 km
    GEOSEARCH g FROMMEMBER Palermo BYRADIUS x km
    GEOSEARCH g FROMMEMBER Palermo BYRADIUS -1 km
    GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 yd
    GEOSEARCH g FROMMEMBER Palermo BYBOX x 1 km
    GEOSEARCH g FROMMEMBER Palermo BYBOX 1 x km
    GEOSEARCH g FROMMEMBER Palermo BYBOX -1 1 km
    GEOSEARCH g FROMMEMBER Palermo BYRADIUS 200 km COUNT 0
    GEOSEARCH g FROMMEMBER Palermo BYRADIUS 200 km COUNT x
    GEOSEARCH g FROMMEMBER Palermo BYRADIUS 200 km ANY
    GEOSEARCH g FROMMEMBER Palermo BYRADIUS 200 km FOO
    GEOSEARCH g FROMMEMBER Palermo BYRADIUS 200 km STOREDIST
    GEOSEARCH none FROMMEMBER Palermo BYRADIUS 200 km
    GEOSEARCH none FROMLONLAT 200 1 BYRADIUS 200 km
    GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km
    ZRANGE d 0 -1 WITHSCORES
    GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km WITHDIST
    GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 1 m
    EXISTS d
    GEOSEARCHSTORE d none FROMLONLAT 15 37 BYRADIUS 1 m
    GEORADIUS g 15 37 200 km ASC WITHDIST
    GEORADIUS g 15 37 200 km WITHDIST WITHCOORD WITHHASH COUNT 1
    GEORADIUS g 15 37 200 km STORE d
    ZRANGE d 0 -1 WITHSCORES
    GEORADIUS g 15 37 200 km STORE d WITHDIST
    GEORADIUS_RO g 15 37 200 km STORE d
    GEORADIUS_RO g 15 37 200 km ASC
    GEORADIUS g x 37 200 km
    GEORADIUS g 15 37 x km
    GEORADIUSBYMEMBER g Palermo 200 km ASC
    GEORADIUSBYMEMBER g nope 200 km ASC
    GEORADIUSBYMEMBER none nope 200 km ASC
    GEORADIUSBYMEMBER_RO g Palermo 200 km DESC
  `,
});

/** Places of all latitudes, and areas from metres to half the earth that nobody asks to be sorted. */
function unsorted(seed: number): string {
  const chance = chanceFrom(seed);
  const longitude = (): string => (chance(360_001) / 1000 - 180).toFixed(3);
  const latitude = (): string => (chance(10) === 0 ? 84 + chance(100) / 100 : chance(170_001) / 1000 - 85).toFixed(3);
  const metres = (): number =>
    [1, 5000, 70_000, 900_000, 3_000_000, 9_000_000, 30_000_000][chance(7)]! * (1 + chance(3));
  const lines = Array.from({ length: 300 }, (_, at) => `GEOADD g ${longitude()} ${latitude()} m${at}`);
  for (let at = 0; at < 120; at++)
    lines.push(`GEOADD g ${(10 + chance(500) / 1e4).toFixed(4)} ${(50 + chance(500) / 1e4).toFixed(4)} n${at}`);
  lines.push('GEOADD g 180 85.05112878 c1 -180 -85.05112878 c2 180 0 c3 0 85.05112878 c4');
  for (let at = 0; at < 150; at++) {
    const member = [`m${chance(300)}`, `n${chance(120)}`, `c${1 + chance(4)}`][chance(3)]!;
    const from = chance(2) === 0 ? `FROMMEMBER ${member}` : `FROMLONLAT ${longitude()} ${latitude()}`;
    const shape = chance(2) === 0 ? `BYRADIUS ${metres()} m` : `BYBOX ${metres()} ${metres()} m`;
    const more = ['', '', ' COUNT 7 ANY', ' WITHDIST', ' COUNT 3 ANY DESC'][chance(5)]!;
    lines.push(`GEOSEARCH g ${from} ${shape}${more}`);
    if (chance(5) === 0) lines.push(`GEORADIUSBYMEMBER g ${member} ${metres()} m`);
  }
  return lines.join('\n');
}

scriptSuite('geo searches that are not sorted come in the order of redis-server', geo, {
  'seed 1': unsorted(1),
  'seed 2': unsorted(2),
  'seed 3': unsorted(3),
});

scriptSuite('SORT equals redis-server', [sortCommands, listCommands, setCommands, hashCommands, zsetCommands], {
  orders: `
    RPUSH l 3 1 2 10 -5 1.5
    SORT l
    SORT l DESC
    SORT l ALPHA
    SORT l ALPHA DESC
    SORT l LIMIT 1 2
    SORT l LIMIT -1 2
    SORT l LIMIT 2 -1
    SORT l LIMIT 100 2
    SORT l LIMIT x 2
    SORT l LIMIT 1
    SORT l FOO
    SORT l BY nosort
    SORT l BY nosort DESC LIMIT 0 2
    SORT_RO l DESC
    SORT_RO l STORE d
    RPUSH w a b
    SORT w
    RPUSH n "\\u0000x" 3 "" "2\\u00005"
    SORT n
    SORT w ALPHA DESC
    SADD s 3 1 2
    SORT s
    SORT s DESC
    SORT s BY nosort STORE d
    LRANGE d 0 -1
    ZADD z 3 1 2 2 1 3
    SORT z
    SORT z BY nosort
    SORT z BY nosort DESC
    SORT z BY nosort LIMIT 1 1
    SET str v
    SORT str
    SORT none
    SORT none STORE d
    EXISTS d
    HSET h a 1
    SORT h
  `,
  'by and get': `
    RPUSH l 1 2 3 4
    SET w_1 30
    SET w_2 20
    SET w_3 10
    SET n_1 one
    SET n_2 two
    HSET o_1 w 5 n eins
    HSET o_2 w 4 n zwei
    HSET o_3 w 6
    SORT l BY w_*
    SORT l BY w_* DESC
    SORT l BY o_*->w
    SORT l BY o_*->n ALPHA
    SORT l BY n_* ALPHA
    SORT l BY n_*
    SORT l BY w_* GET n_* GET #
    SORT l GET o_*->n GET # GET nostar
    SORT l GET o_*-> GET w_*->x
    SORT l BY w_* GET n_* STORE d
    LRANGE d 0 -1
    SORT l STORE l DESC
    LRANGE l 0 -1
  `,
});

const members = Array.from({ length: 60 }, (_, at) => `p${at}`);
const coordinate = (dice: Dice, most: number): string => `${dice.integer(-most, most)}.${dice.below(1000000)}`;

// The reference looks only into cells around the centre and misses members near the poles and in very large circles;
// ours looks at all of them. The random places stay where both find the same.
function geoCommand(dice: Dice): readonly string[] {
  const around =
    dice.below(2) === 0
      ? ['FROMMEMBER', dice.pick(members)]
      : ['FROMLONLAT', coordinate(dice, 140), coordinate(dice, 55)];
  const shape =
    dice.below(2) === 0
      ? ['BYRADIUS', dice.integer(1, 2000), 'km']
      : ['BYBOX', dice.integer(1, 2500), dice.integer(1, 2500), dice.pick(['km', 'mi'])];
  switch (dice.below(6)) {
    case 0:
    case 1:
      return ['GEOADD', 'g', coordinate(dice, 140), coordinate(dice, 55), dice.pick(members)];
    case 2:
      return ['GEODIST', 'g', dice.pick(members), dice.pick(members), 'km'];
    case 3:
      return [dice.pick(['GEOPOS', 'GEOHASH']), 'g', ...dice.several(members, 4)];
    default:
      return ['GEOSEARCH', 'g', ...around, ...shape, dice.pick(['ASC', 'DESC']), 'WITHDIST', 'WITHHASH'];
  }
}

randomSuite('random geo scripts', geo, 3000, geoCommand);

// Which parts of a sorted set of places can hold those near a place: the cell of the map that the place is in and the
// eight around it, each a range of scores, in the order in which redis-server goes through them.
// Knows nothing of keys. Invariant: every place within the area is in one of the ranges, as far as redis-server's are.

import { cellAt, EARTH_RADIUS, interleave, MAX_LATITUDE, MAX_LONGITUDE, type Place } from './geohash.ts';

/** Scores from `low` up to but not including `high`. */
export interface ScoreRange {
  readonly low: number;
  readonly high: number;
}

/** Half of what is searched, in metres; `reach`: from the centre to the point furthest away. */
export interface Area {
  readonly halfWidth: number;
  readonly halfHeight: number;
  readonly reach: number;
}

interface Cell {
  readonly x: number;
  readonly y: number;
}

interface Bounds {
  readonly west: number;
  readonly east: number;
  readonly south: number;
  readonly north: number;
}

const HALF_EQUATOR = 20037726.37;
const MOST_STEPS = 26;
/** From the centre: columns east and rows north. */
const around: readonly (readonly [east: number, north: number])[] = [
  [0, 0],
  [0, 1],
  [0, -1],
  [1, 0],
  [-1, 0],
  [1, 1],
  [-1, 1],
  [1, -1],
  [-1, -1],
];

export function rangesAround(centre: Place, area: Area): ScoreRange[] {
  const bounds = boundsOf(centre, area);
  let steps = stepsFor(area.reach, centre.latitude);
  if (steps > 1 && !covers(centre, steps, bounds)) steps--;
  const own = cellAt(centre, steps);
  const inner = cellBounds(own, steps);
  const ranges: ScoreRange[] = [];
  for (const [east, north] of around) {
    if (steps >= 2 && isBeyond(east, north, inner, bounds)) continue;
    const range = rangeOf(neighbour(own, east, north, steps), steps);
    // Where the map has few cells, neighbours can be one and the same.
    if (ranges.length < 2 || range.low !== ranges.at(-1)!.low) ranges.push(range);
  }
  return ranges;
}

/** How finely the map is divided: the wider the area and the nearer to a pole, the fewer steps. */
function stepsFor(reach: number, latitude: number): number {
  if (reach === 0) return MOST_STEPS;
  let steps = -1;
  for (let metres = reach; metres < HALF_EQUATOR; metres *= 2) steps++;
  if (Math.abs(latitude) > 66) steps--;
  if (Math.abs(latitude) > 80) steps--;
  return Math.min(MOST_STEPS, Math.max(1, steps));
}

function boundsOf({ longitude, latitude }: Place, { halfWidth, halfHeight }: Area): Bounds {
  const degrees = (radians: number): number => radians / (Math.PI / 180);
  const up = degrees(halfHeight / EARTH_RADIUS);
  // The side away from the equator is the wider one, in degrees.
  const edge = latitude < 0 ? latitude - up : latitude + up;
  const aside = degrees(halfWidth / EARTH_RADIUS / Math.cos(edge * (Math.PI / 180)));
  return { west: longitude - aside, east: longitude + aside, south: latitude - up, north: latitude + up };
}

function cellBounds({ x, y }: Cell, steps: number): Bounds {
  return {
    west: lineAt(x, steps, MAX_LONGITUDE),
    east: lineAt(x + 1, steps, MAX_LONGITUDE),
    south: lineAt(y, steps, MAX_LATITUDE),
    north: lineAt(y + 1, steps, MAX_LATITUDE),
  };
}

/** Where a column or row begins. */
function lineAt(line: number, steps: number, most: number): number {
  return -most + (line / 2 ** steps) * (2 * most);
}

function neighbour({ x, y }: Cell, east: number, north: number, steps: number): Cell {
  const mask = 2 ** steps - 1;
  return { x: east === 0 ? x : (x + east) & mask, y: north === 0 ? y : (y + north) & mask };
}

/** Whether the cells on the four sides reach as far as the area. */
function covers(centre: Place, steps: number, bounds: Bounds): boolean {
  const own = cellAt(centre, steps);
  const side = (east: number, north: number): Bounds => cellBounds(neighbour(own, east, north, steps), steps);
  return !(
    side(0, 1).north < bounds.north ||
    side(0, -1).south > bounds.south ||
    side(1, 0).east < bounds.east ||
    side(-1, 0).west > bounds.west
  );
}

/** A neighbour on a side where the centre's own cell reaches further than the area. */
function isBeyond(east: number, north: number, inner: Bounds, bounds: Bounds): boolean {
  return (
    (north < 0 && inner.south < bounds.south) ||
    (north > 0 && inner.north > bounds.north) ||
    (east < 0 && inner.west < bounds.west) ||
    (east > 0 && inner.east > bounds.east)
  );
}

function rangeOf({ x, y }: Cell, steps: number): ScoreRange {
  const bits = interleave(x, y);
  const scale = 4 ** (MOST_STEPS - steps);
  return { low: bits * scale, high: (bits + 1) * scale };
}

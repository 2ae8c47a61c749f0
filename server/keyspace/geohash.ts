// Places on the earth as 52-bit numbers that sort near places near: 26 bits of latitude and longitude, interleaved.
// Knows nothing of keys or commands. Sources: G. Niemeyer's geohash; the haversine formula.

export interface Place {
  readonly longitude: number;
  readonly latitude: number;
}

const STEPS = 26;
const CELLS = 2 ** STEPS;
export const MAX_LONGITUDE = 180;
/** Web Mercator's edge: the server's own numbers stop here. */
export const MAX_LATITUDE = 85.05112878;
export const EARTH_RADIUS = 6372797.560856;
const ALPHABET = '0123456789bcdefghjkmnpqrstuvwxyz';

export function isPlace({ longitude, latitude }: Place): boolean {
  return Math.abs(longitude) <= MAX_LONGITUDE && Math.abs(latitude) <= MAX_LATITUDE;
}

/** The column and row of a place on a map of 2^steps each way. */
export function cellAt(place: Place, steps: number, maxLatitude: number = MAX_LATITUDE): { x: number; y: number } {
  const { longitude, latitude } = place;
  const x = Math.floor(((longitude + MAX_LONGITUDE) / (2 * MAX_LONGITUDE)) * 2 ** steps);
  const y = Math.floor(((latitude + maxLatitude) / (2 * maxLatitude)) * 2 ** steps);
  return { x, y };
}

/** The bits of a column and a row by turns. */
export function interleave(x: number, y: number): number {
  let bits = 0;
  // The very edge of the map is cell 2^26, one bit more than the others have.
  for (let step = STEPS; step >= 0; step -= 1) bits = bits * 4 + ((x >>> step) & 1) * 2 + ((y >>> step) & 1);
  return bits;
}

function encodeWithin(place: Place, maxLatitude: number): number {
  const { x, y } = cellAt(place, STEPS, maxLatitude);
  return interleave(x, y);
}

export function encodePlace(place: Place): number {
  return encodeWithin(place, MAX_LATITUDE);
}

/** The middle of the cell. */
export function decodePlace(bits: number): Place {
  let x = 0;
  let y = 0;
  for (let step = 0, rest = bits; step <= STEPS; step += 1) {
    const pair = rest % 4;
    rest = Math.floor(rest / 4);
    x += (pair >> 1) * 2 ** step;
    y += (pair & 1) * 2 ** step;
  }
  return { longitude: middle(x, MAX_LONGITUDE), latitude: middle(y, MAX_LATITUDE) };
}

function middle(cell: number, max: number): number {
  const low = -max + (cell / CELLS) * (2 * max);
  const high = -max + ((cell + 1) / CELLS) * (2 * max);
  return Math.min(max, Math.max(-max, (low + high) / 2));
}

/** The usual text of 11 letters, the last always `0` as only 52 bits are known. */
export function geohashText(place: Place): string {
  const bits = BigInt(encodeWithin(place, 90));
  let text = '';
  for (let letter = 0; letter < 10; letter += 1) text += ALPHABET[Number((bits >> BigInt(47 - letter * 5)) & 31n)];
  return `${text}0`;
}

const radians = (degrees: number): number => degrees * (Math.PI / 180);

function latitudeDistance(from: number, to: number): number {
  return EARTH_RADIUS * Math.abs(radians(to) - radians(from));
}

/** Metres over the ground. */
export function distanceBetween(from: Place, to: Place): number {
  const v = Math.sin((radians(to.longitude) - radians(from.longitude)) / 2);
  if (v === 0) return latitudeDistance(from.latitude, to.latitude);
  const [low, high] = [radians(from.latitude), radians(to.latitude)];
  const u = Math.sin((high - low) / 2);
  return 2 * EARTH_RADIUS * Math.asin(Math.sqrt(u * u + Math.cos(low) * Math.cos(high) * v * v));
}

/** Whether `place` lies in a box of `width` x `height` metres around `centre`. */
export function isInBox(centre: Place, place: Place, width: number, height: number): boolean {
  if (latitudeDistance(centre.latitude, place.latitude) > height / 2) return false;
  const level = { longitude: centre.longitude, latitude: place.latitude };
  return distanceBetween(place, level) <= width / 2;
}

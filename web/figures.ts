// Figures as text, and the colours of owners. Pure; no DOM.

const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];

/** `-` for what is not known. */
export function bytesText(bytes: number | null): string {
  if (bytes === null) return '–';
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

/** Short: 1,234, 12.3k, 4.5M. */
export function countText(count: number | null): string {
  if (count === null) return '–';
  if (count < 10_000) return Math.round(count).toLocaleString('en');
  if (count < 1e6) return `${(count / 1000).toFixed(count < 1e5 ? 1 : 0)}k`;
  if (count < 1e9) return `${(count / 1e6).toFixed(count < 1e7 ? 2 : 1)}M`;
  return `${(count / 1e9).toFixed(2)}G`;
}

export function shareText(share: number | null): string {
  return share === null ? '–' : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)}%`;
}

export type Rgb = readonly [red: number, green: number, blue: number];

/** Told apart by most people, on light and on dark. */
const firstColours: readonly Rgb[] = [
  [79, 107, 237],
  [23, 166, 123],
  [224, 145, 47],
  [196, 85, 168],
  [52, 160, 200],
  [214, 90, 79],
  [139, 112, 219],
  [140, 160, 44],
  [206, 109, 141],
  [77, 130, 120],
];

/** Of the owner with this place among the owners; beyond the first ten by the golden angle. */
export function colourOf(place: number): Rgb {
  const known = firstColours[place];
  if (known !== undefined) return known;
  const hue = (place * 137.508) % 360;
  return hsl(hue, 0.5 + 0.16 * (place % 3), 0.44 + 0.09 * (Math.floor(place / 3) % 3));
}

function hsl(hue: number, saturation: number, lightness: number): Rgb {
  const amount = saturation * Math.min(lightness, 1 - lightness);
  const channel = (shift: number): number => {
    const at = (shift + hue / 30) % 12;
    return Math.round(255 * (lightness - amount * Math.max(-1, Math.min(at - 3, 9 - at, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}

export function cssOf([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`;
}

// Figures and names as people read them on a terminal.

const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes with three digits or so; `-` for what is not known. */
export function bytesText(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return '-';
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

/** A count with separators; `-` for what is not known. */
export function countText(count: number | null | undefined): string {
  return count === null || count === undefined ? '-' : Math.round(count).toLocaleString('en');
}

export function shareText(share: number | null | undefined): string {
  return share === null || share === undefined ? '-' : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)}%`;
}

export function msText(ms: number | null | undefined): string {
  return ms === null || ms === undefined ? '-' : ms.toFixed(ms < 10 ? 2 : 0);
}

/** A key as text: UTF-8 where it is that, and what a terminal would act on escaped. */
export function keyText(key: string, most = 80): string {
  const bytes = Buffer.from(key, 'latin1');
  const text = bytes.toString('utf8');
  const shown = (Buffer.from(text, 'utf8').equals(bytes) ? text : key).replaceAll(
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return shown.length > most ? `${shown.slice(0, most - 1)}…` : shown;
}

/** Time of day, local. */
export function timeText(at: number): string {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

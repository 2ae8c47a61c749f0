// A line of the log of a process, in redis-server's form. Pure.

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `role`: M a master, S a replica, C a child or not up yet; `mark`: # a warning, * a notice, - a detail. */
export function logLine(role: 'M' | 'S' | 'C', at: Date, mark: '#' | '*' | '-', text: string): string {
  return `${process.pid}:${role} ${stamp(at)} ${mark} ${text}\n`;
}

/** `22 Nov 2026 18:57:22.123`, local time. */
function stamp(at: Date): string {
  const two = (value: number, width = 2): string => String(value).padStart(width, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${two(at.getMilliseconds(), 3)}`;
  return `${two(at.getDate())} ${months[at.getMonth()]} ${at.getFullYear()} ${time}`;
}

// What the system says of a failure, as redis-server prints it: "No such file or directory".

import { getSystemErrorMap } from 'node:util';

export function systemText(error: Error): string {
  const { errno } = error as NodeJS.ErrnoException;
  const [, text] = (errno === undefined ? undefined : getSystemErrorMap().get(errno)) ?? [];
  return text === undefined ? error.message : text.charAt(0).toUpperCase() + text.slice(1);
}

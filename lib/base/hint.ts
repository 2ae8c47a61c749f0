// What may help the reader of an error, beside its message: users compare messages, and a server's text stays as it is.

/** An error with something to say about the way out. */
export interface Hinted {
  /** Shown in `stack`, and so by console.error; not enumerable. */
  readonly hint?: string;
}

/** Adds a hint as `error.hint`, and to the stack below the message. The first hint of an error stays. */
export function withHint<E extends Error>(error: E, hint: string): E & Hinted {
  if (hintOf(error) !== undefined) return error;
  const head = `${error.name}: ${error.message}`;
  const stack = error.stack ?? head;
  const at = stack.startsWith(head) ? head.length : stack.length;
  error.stack = `${stack.slice(0, at)}\n    hint: ${hint}${stack.slice(at)}`;
  return Object.defineProperty(error, 'hint', { value: hint, configurable: true, writable: true });
}

export function hintOf(error: unknown): string | undefined {
  return (error as Hinted | null | undefined)?.hint;
}

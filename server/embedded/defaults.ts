// Where nodes inside a program, and those that a program starts, differ from a server of its own.

/** DEBUG is for tests, which is what these nodes are for; from this machine only. */
export const embeddedDefaults: Readonly<Record<string, string>> = { 'enable-debug-command': 'local' };

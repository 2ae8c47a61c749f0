// What the texts of some parameters must look like: why one is refused, or undefined.

/** Longest name of a host, in characters, and one more. */
const hostLimit = 256;

function hostname(text: string): string | undefined {
  if (text.length >= hostLimit) return `Hostnames must be less than ${hostLimit} characters`;
  if (/^[A-Za-z0-9.-]*$/.test(text)) return undefined;
  return 'Hostnames may only contain alphanumeric characters, hyphens or dots';
}

const plain = (text: string): boolean => !/[/\\]/.test(text);

/** Variables of a title that always stand for something, and those that may be empty. */
const filled = new Set(['listen-addr', 'server-mode', 'port', 'tls-port']);
const maybeEmpty = new Set(['title', 'unixsocket', 'config-file']);

/** `{name}` is a variable, `{{` a brace; what comes of it may not be empty. */
function title(text: string): string | undefined {
  const refusal = 'template format is invalid or contains unknown variables';
  let known = true;
  const shown = text.replace(/\{(?:\{|([^}]*)\}|[^}]*$)/g, (whole, name?: string) => {
    if (whole === '{{') return 'x';
    known &&= name !== undefined && (filled.has(name) || maybeEmpty.has(name));
    return filled.has(name ?? '') ? 'x' : '';
  });
  return known && /[^ ]/.test(shown) ? undefined : refusal;
}

export const checks: Readonly<Record<string, (text: string) => string | undefined>> = {
  'cluster-announce-hostname': hostname,
  dbfilename: (text) => (plain(text) ? undefined : "dbfilename can't be a path, just a filename"),
  appendfilename: (text) => {
    if (text === '') return "appendfilename can't be empty";
    return plain(text) ? undefined : "appendfilename can't be a path, just a filename";
  },
  appenddirname: (text) => {
    if (text === '') return "appenddirname can't be empty";
    return plain(text) ? undefined : "appenddirname can't be a path, just a dirname";
  },
  'proc-title-template': title,
};

// What the texts of some parameters must look like: why one is refused, or undefined.

/** Longest name of a host, in characters, and one more. */
const hostLimit = 256;

function hostname(text: string): string | undefined {
  if (text.length >= hostLimit) return `Hostnames must be less than ${hostLimit} characters`;
  if (/^[A-Za-z0-9.-]*$/.test(text)) return undefined;
  return 'Hostnames may only contain alphanumeric characters, hyphens or dots';
}

const plain = (text: string): boolean => !/[/\\]/.test(text);

const titleVariables = new Set([
  'title',
  'listen-addr',
  'server-mode',
  'port',
  'tls-port',
  'unixsocket',
  'config-file',
]);

/** `{name}` is a variable, `{{` a brace; spaces alone are no title. */
function title(text: string): string | undefined {
  const refusal = 'template format is invalid or contains unknown variables';
  const rest = text
    .replaceAll('{{', '')
    .replace(/\{([^}]*)\}/g, (whole, name: string) => (titleVariables.has(name) ? 'x' : whole));
  return rest.includes('{') || (text.trim() === '' && !text.includes('{')) ? refusal : undefined;
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

// Arguments that are not for MONITOR and SLOWLOG: passwords, and who the users are. The one list of them.

const hidden = '(redacted)';

/** Parameters whose values are secret. */
const secretParameters = new Set([
  'masterauth',
  'masteruser',
  'requirepass',
  'tls-key-file-pass',
  'tls-client-key-file-pass',
]);

/** The arguments of a call as a log may show them; `name` is the full name of its command. */
export function redacted(name: string, argv: readonly string[]): readonly string[] {
  switch (name) {
    case 'auth':
      return mask(argv, (at) => at >= 1);
    case 'acl|setuser':
    case 'acl|deluser':
    case 'acl|getuser':
      return mask(argv, (at) => at >= 2);
    case 'config|set':
      return mask(argv, (at) => at >= 3 && at % 2 === 1 && secretParameters.has(argv[at - 1]!.toLowerCase()));
    case 'hello':
      return maskAfter(argv, 2, 'auth', 2);
    case 'migrate':
      return maskMigrate(argv);
    default:
      return argv;
  }
}

function mask(argv: readonly string[], secret: (at: number) => boolean): readonly string[] {
  return argv.map((argument, at) => (secret(at) ? hidden : argument));
}

function maskAfter(argv: readonly string[], from: number, keyword: string, count: number): readonly string[] {
  const at = argv.findIndex((each, index) => index >= from && each.toLowerCase() === keyword);
  return at < 0 ? argv : mask(argv, (index) => index > at && index <= at + count);
}

/** `MIGRATE host port key db timeout [AUTH pw] [AUTH2 user pw] [KEYS key ...]`: behind KEYS every argument is a key. */
function maskMigrate(argv: readonly string[]): readonly string[] {
  const secret = new Set<number>();
  for (let at = 6; at < argv.length; at++) {
    const keyword = argv[at]!.toLowerCase();
    if (keyword === 'keys') break;
    if (keyword === 'auth') secret.add(++at);
    else if (keyword === 'auth2') secret.add(++at).add(++at);
  }
  return mask(argv, (at) => secret.has(at));
}

// Words that are not for logs: passwords, and who the users are.

const hidden = '(redacted)';

/** Parameters whose values are secret. */
const secretParameters = new Set([
  'masterauth',
  'masteruser',
  'requirepass',
  'tls-key-file-pass',
  'tls-client-key-file-pass',
]);

/** The words of a call as a log may show them; `name` is the full name of its command. */
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
      return maskAfter(maskAfter(argv, 6, 'auth', 1), 6, 'auth2', 2);
    default:
      return argv;
  }
}

function mask(argv: readonly string[], secret: (at: number) => boolean): readonly string[] {
  return argv.map((word, at) => (secret(at) ? hidden : word));
}

function maskAfter(argv: readonly string[], from: number, word: string, count: number): readonly string[] {
  const at = argv.findIndex((each, index) => index >= from && each.toLowerCase() === word);
  return at < 0 ? argv : mask(argv, (index) => index > at && index <= at + count);
}

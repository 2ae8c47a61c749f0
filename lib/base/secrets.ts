// Passwords among the arguments of commands and options: the one place that knows which they are, and what stands for them
// wherever a command or an option becomes text or data for others (errors, events, channels).
// Sources: AUTH, HELLO, CONFIG SET, ACL SETUSER, MIGRATE, SENTINEL SET, MODULE LOADEX.

type Argument = string | Uint8Array;

/** Stands for what is not shown. */
const redacted = '[redacted]';

/** Names of parameters whose values are secrets: requirepass, masterauth, auth-pass, tls-key-file-pass, ... */
const secretName = /pass|auth(?!-user)|secret|credential|token/i;

/** Says which arguments of a command (without its name) are secrets. */
type Rule = (args: readonly string[]) => Iterable<number>;

const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['auth', ({ length }) => (length === 2 ? [1] : Array.from({ length }, (_, at) => at))],
  ['hello', helloSecrets],
  ['migrate', migrateSecrets],
  ['acl', aclSecrets],
  ['config', (args) => valuesOfSecretNames(args, 1)],
  ['sentinel', (args) => valuesOfSecretNames(args, 1)],
  ['module', (args) => valuesOfSecretNames(args, 1)],
]);

/** What errors and events say of a command: its name, and its arguments without secrets. */
function describeCommand(argv: readonly Argument[]): { name: string; args: unknown[] } {
  const args: unknown[] = argv.slice(1);
  const name = textOf(argv[0]!);
  for (const at of secretsOf(name, argv)) args[at] = redacted;
  return { name, args };
}

/** Makes an error name its command. Servers repeat the arguments that they do not like: secrets go from the text, too. */
export function nameCommand(error: Error, argv: readonly Argument[]): void {
  const named = error as { command?: { name: string; args: unknown[] } };
  named.command ??= describeCommand(argv);
  hideSecrets(error, argv);
}

/** What servers say of credentials whatever these are: a password that is one of its words is not revealed by it. */
const fixedTexts =
  /^(?:WRONGPASS invalid username-password pair or user is disabled\.?|ERR invalid password|ERR Client sent AUTH, but no password is set|ERR AUTH <password> called without any password configured for the default user\..*|NOAUTH Authentication required\.?|NOAUTH HELLO must be called with the client already authenticated.*|ERR wrong number of arguments for '(?:auth|hello)' command)$/;

/** Takes the secrets of a command out of an error's text. */
export function hideSecrets(error: Error, argv: readonly Argument[]): void {
  if (fixedTexts.test(error.message)) return;
  for (const at of secretsOf(textOf(argv[0]!), argv)) {
    const secret = textOf(argv[at + 1]!);
    if (secret === '' || !error.message.includes(secret)) continue;
    const before = error.message;
    const message = withoutSecret(before, secret);
    if (message === before) continue;
    // Read first: V8 makes the text of a stack when it is asked for.
    const { stack } = error;
    error.message = message;
    if (stack !== undefined) error.stack = stack.replace(before, () => message);
  }
}

/** Text without the user and password of URLs in it, and without passwords in their queries. */
export function withoutCredentials(text: string): string {
  const at = text.lastIndexOf('@');
  const scheme = text.indexOf('//');
  const start = scheme >= 0 && scheme < at ? scheme + 2 : 0;
  const bare = at < 0 ? text : `${text.slice(0, start)}${redacted}${text.slice(at)}`;
  return bare.replace(/([?&][^=&]*(?:pass|auth|secret)[^=&]*=)[^&]*/gi, `$1${redacted}`);
}

/** The value of an option as an error shows it. */
export function shownOption(name: string, value: unknown): string {
  if (secretName.test(name)) return redacted;
  if (typeof value === 'string') return JSON.stringify(withoutCredentials(value));
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'an array';
  // What is in it may be a key or a password, under whatever name.
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

function secretsOf(name: string, argv: readonly Argument[]): Iterable<number> {
  const rule = rules.get(name.toLowerCase());
  return rule === undefined ? [] : rule(argv.slice(1).map(textOf));
}

/** Text without a secret: quoted always, bare where it is long enough not to be a part of something else. */
export function withoutSecret(text: string, secret: string): string {
  let bare = text;
  for (const quote of ["'", '`', '"'])
    bare = bare.replaceAll(`${quote}${secret}${quote}`, `${quote}${redacted}${quote}`);
  if (secret.length < 4) return bare;
  // As a word of its own: a part of a longer one is that other word.
  const [before, after] = [/^\w/.test(secret) ? '(?<!\\w)' : '', /\w$/.test(secret) ? '(?!\\w)' : ''];
  const literal = secret.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return bare.replaceAll(new RegExp(`${before}${literal}${after}`, 'g'), redacted);
}

// HELLO 3 AUTH username password SETNAME name
function helloSecrets(args: readonly string[]): number[] {
  const auth = args.findIndex((argument) => /^auth$/i.test(argument));
  if (auth < 0) return [];
  const whole = auth + 2 < args.length && !/^setname$/i.test(args[auth + 2]!);
  const at = whole ? auth + 2 : auth + 1;
  return at < args.length ? [at] : [];
}

// MIGRATE host port key db timeout [COPY] [REPLACE] [AUTH password | AUTH2 username password] [KEYS key ...]
function migrateSecrets(args: readonly string[]): number[] {
  const secrets: number[] = [];
  for (let at = 5; at < args.length && !/^keys$/i.test(args[at]!); at++) {
    if (/^auth$/i.test(args[at]!)) secrets.push(++at);
    else if (/^auth2$/i.test(args[at]!)) {
      at += 2;
      secrets.push(at);
    }
  }
  return secrets.filter((at) => at < args.length);
}

// ACL SETUSER name rule ...: >password <password #hash !hash
function aclSecrets(args: readonly string[]): number[] {
  if (!/^setuser$/i.test(args[0] ?? '')) return [];
  return [...args.keys()].filter((at) => at >= 2 && /^[><#!]/.test(args[at]!));
}

// name value, anywhere from `start` on.
function valuesOfSecretNames(args: readonly string[], start: number): number[] {
  if (!args.slice(0, 2).some((argument) => /^(set|loadex)$/i.test(argument))) return [];
  const secrets: number[] = [];
  for (let at = start; at + 1 < args.length; at++) if (secretName.test(args[at]!)) secrets.push(++at);
  return secrets;
}

function textOf(argument: Argument): string {
  return typeof argument === 'string' ? argument : Buffer.from(argument).toString('latin1');
}

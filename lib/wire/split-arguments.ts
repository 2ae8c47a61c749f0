// A line of text as arguments: an inline request, a line of redis.conf, of an ACL file. One char a byte.
// Source: the rules of redis-server for all three. Invariant: blanks are those of C, so no byte above 0x7f is one.

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' };

/**
 * Splits as a shell does: "double" quotes with \xHH and \n \r \t \b \a, 'single' quotes with \' alone. A NUL ends the
 * line. Undefined when a quote is not closed, or something follows a closing quote at once.
 */
export function splitArguments(line: string): string[] | undefined {
  const argv: string[] = [];
  let at = 0;
  for (;;) {
    while (isBlank(line[at])) at++;
    if (at >= line.length || line[at] === '\0') return argv;
    const argument = readArgument(line, at);
    if (argument === undefined) return undefined;
    argv.push(argument.text);
    at = argument.end;
  }
}

function isBlank(char: string | undefined): boolean {
  return char === ' ' || (char !== undefined && char >= '\t' && char <= '\r');
}

function readArgument(line: string, start: number): { text: string; end: number } | undefined {
  let text = '';
  let at = start;
  // Vertical tabs and form feeds stand between arguments and within them.
  while (at < line.length && !' \n\r\t\0'.includes(line[at]!)) {
    const char = line[at]!;
    if (char !== '"' && char !== "'") {
      text += char;
      at++;
      continue;
    }
    const quoted = readQuoted(line, at + 1, char);
    if (quoted === undefined || !endsAt(line, quoted.end)) return undefined;
    return { text: text + quoted.text, end: quoted.end };
  }
  return { text, end: at };
}

function endsAt(line: string, at: number): boolean {
  return at >= line.length || line[at] === '\0' || isBlank(line[at]);
}

function readQuoted(line: string, start: number, quote: string): { text: string; end: number } | undefined {
  let text = '';
  for (let at = start; at < line.length && line[at] !== '\0'; at++) {
    const char = line[at]!;
    if (char === quote) return { text, end: at + 1 };
    const next = line[at + 1];
    if (char !== '\\' || next === undefined || next === '\0' || (quote === "'" && next !== "'")) {
      text += char;
      continue;
    }
    const hex = quote === '"' ? /^x([0-9a-fA-F]{2})/.exec(line.slice(at + 1, at + 4))?.[1] : undefined;
    text += hex === undefined ? (escapes[next] ?? next) : String.fromCharCode(Number.parseInt(hex, 16));
    at += hex === undefined ? 1 : 3;
  }
  return undefined;
}

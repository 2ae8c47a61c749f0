// The words of a user's definition, as ACL SETUSER, redis.conf and ACL files have them.

/** What is wrong with a definition, and at which of the words. */
export interface Unmatched {
  readonly at: number;
}

/**
 * Rules of words: a selector in parentheses may be spread over several. Gives the place of a parenthesis that is never
 * closed instead.
 */
export function joinSelectors(words: readonly string[]): string[] | Unmatched {
  const rules: string[] = [];
  let open: { readonly at: number; text: string } | undefined;
  for (const [at, word] of words.entries()) {
    if (word.startsWith('(') && !word.endsWith(')')) {
      open = { at, text: word };
    } else if (open === undefined) {
      rules.push(word);
    } else {
      open.text += ` ${word}`;
      if (!word.endsWith(')')) continue;
      rules.push(open.text);
      open = undefined;
    }
  }
  return open === undefined ? rules : { at: open.at };
}

// Words that the sources of this project do not use, neither in names nor in comments, each with the word of the field
// that says it: whoever knows Redis and Node reads every file without a dictionary.
// Pure: gets texts, gives complaints.

/** Not this -> but that. Parts of names count (`FakeKeeper`), longer words do not (`housekeeper`). */
export const unwantedWords: Readonly<Record<string, string>> = {
  keeper: 'connection (ReconnectingConnection)',
  parcel: 'request (RoutableRequest)',
  parcels: 'requests',
  park: 'a retry is added (RetryQueue), a client is blocked',
  parks: 'adds, blocks',
  parked: 'waiting for a retry, blocked',
  parking: 'RetryQueue, BlockedState',
  patience: 'deadline, timeout, limit',
  comfort: 'shape (of a reply)',
  comforts: 'shapes (of replies)',
  rumour: 'gossip',
  rumours: 'gossip',
  greets: 'shakes hands, sends a PING',
  holdings: 'KeyIndex',
  goodbye: 'QUIT',
  heed: 'follow, wait for',
  heeds: 'follows, waits for',
  shaken: 'through its handshake',
  loudest: 'the one with the highest input',
  unproven: 'awaiting an acknowledgement',
  heir: 'new primary, successor',
  heirs: 'successors',
  tell: 'notify, announce, report, distinguish',
  tells: 'notifies, announces, reports, shows',
  told: 'notified, announced, reported, asked',
};

/** What cannot be renamed: `path` (a file or a folder) -> the words that stay there. */
export interface Exceptions {
  readonly [path: string]: { readonly words: readonly string[]; readonly reason: string };
}

export const exceptions: Exceptions = {
  'server/operator/reshard': {
    words: ['heir', 'heirs'],
    reason: 'a field of the journal, which older versions have written',
  },
  'test/unit/server/operator/reshard': { words: ['heir', 'heirs'], reason: 'a field of the journal' },
  'test/cluster/server/operator/move-engine.test.ts': { words: ['heir'], reason: 'a field of the journal' },
  'server/testing/scenario.ts': { words: ['tell'], reason: 'an option of the public API' },
  'server/operator/check': { words: ['tell'], reason: 'a kind of FixStep, in the public API' },
  'test/unit/server/operator/fix-plan.test.ts': { words: ['tell'], reason: 'a kind of FixStep, in the public API' },
};

/** One line for each line of a text that has an unwanted word; `file`: its path from the root. */
export function unwantedIn(file: string, text: string): string[] {
  const allowed = allowedIn(file);
  return text.split('\n').flatMap((line, at) =>
    wordsOf(line)
      .filter((word) => Object.hasOwn(unwantedWords, word) && !allowed.has(word))
      .map((word) => `${file}:${at + 1}: not '${word}': ${unwantedWords[word]}`),
  );
}

function allowedIn(file: string): ReadonlySet<string> {
  const rows = Object.entries(exceptions).filter(([path]) => file === path || file.startsWith(`${path}/`));
  return new Set(rows.flatMap(([, { words }]) => words));
}

/** `#parkAll`, `FakeKeeper` and `A_KEEPER` as their words, in lower case. */
function wordsOf(line: string): string[] {
  return (line.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])/g) ?? []).map((word) => word.toLowerCase());
}

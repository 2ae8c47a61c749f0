// What DEBUG HELP prints: the words of every room.

type Line = readonly [form: string, ...text: string[]];

export const debugHelp: readonly Line[] = [
  ['CHANGE-REPL-ID', 'Give the stream of this instance a new replication ID.'],
  ['DIGEST', 'A digest of all data, in hex digits.'],
  ['DIGEST-VALUE <key> [<key> ...]', 'A digest of each of the values.'],
  ['ERROR <string>', 'Answer with an error of this text.'],
  ['LOG <message>', 'Write the message to the log.'],
  ['HTSTATS <dbid>', 'Sizes of the tables of a database.'],
  ['HTSTATS-KEY <key>', "Sizes of the table of the key's value."],
  ['LOADAOF', 'Load the append only file in place of the data in memory.'],
  ['REPLICATE <string>', 'Send the words to the replicas and run them nowhere else.'],
  ['OBJECT <key>', "How the key's value is held."],
  ['POPULATE <count> [<prefix>] [<size>]', 'Make <count> strings named <prefix>:<number>, unknown to the replicas.'],
  [
    'PROTOCOL <type>',
    'Answer with a sample of a type: string, integer, double, bignum, null, array,',
    'set, map, attrib, push, verbatim, true, false.',
  ],
  [
    'RELOAD [option ...]',
    'Save an RDB file and load it in place of the data. Options:',
    '* MERGE: keys of the file replace those that are there.',
    '* NOFLUSH: the data that is there stays.',
    '* NOSAVE: load the file as it is.',
  ],
  ['SDSLEN <key>', 'Lengths of a key and its string.'],
  ['SET-ACTIVE-EXPIRE <0|1>', 'Whether keys that ran out are deleted in the background.'],
  ['QUICKLIST-PACKED-THRESHOLD <size>', 'From which size on an element of a list stands alone.'],
  ['SET-SKIP-CHECKSUM-VALIDATION <0|1>', 'Whether checksums of RDB files and payloads are ignored.'],
  ['SLEEP <seconds>', 'Stop the server for so long; decimals are allowed.'],
  ['STRINGMATCH-TEST', 'Match random patterns against random texts.'],
  ['STRUCTSIZE', 'The size of a machine word.'],
  ['LISTPACK <key>', 'Describe a listpack in the log.'],
  ['QUICKLIST <key> [<0|1>]', 'Describe a quicklist in the log.'],
  ['PAUSE-CRON <0|1>', 'Whether background work stands still.'],
  ['REPLYBUFFER PEAK-RESET-TIME <NEVER|RESET|time>', 'Taken for the sake of tests; buffers of replies grow as needed.'],
  ['REPLYBUFFER RESIZING <0|1>', 'As above.'],
];

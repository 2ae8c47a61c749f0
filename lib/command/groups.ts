// Commands by what sets them apart for a connection: ioredis's groups (`Command.FLAGS`), and those that take their time.

/** Names of the groups; ioredis's. */
export type CommandGroup =
  | 'VALID_IN_SUBSCRIBER_MODE'
  | 'VALID_IN_MONITOR_MODE'
  | 'ENTER_SUBSCRIBER_MODE'
  | 'EXIT_SUBSCRIBER_MODE'
  | 'WILL_DISCONNECT'
  | 'HANDSHAKE_COMMANDS'
  | 'IGNORE_RECONNECT_ON_ERROR'
  | 'BLOCKING_COMMANDS'
  | 'LAST_ARG_TIMEOUT_COMMANDS'
  | 'FIRST_ARG_TIMEOUT_COMMANDS'
  | 'BLOCK_OPTION_COMMANDS';

const subscribing = ['subscribe', 'psubscribe', 'ssubscribe'];
const unsubscribing = ['unsubscribe', 'punsubscribe', 'sunsubscribe'];
const timeoutLast = ['blpop', 'brpop', 'brpoplpush', 'blmove', 'bzpopmin', 'bzpopmax'];
const timeoutFirst = ['bzmpop', 'blmpop'];
const blockOption = ['xread', 'xreadgroup'];

/** Lower-case names of each group. */
export const commandGroups: Readonly<Record<CommandGroup, readonly string[]>> = {
  VALID_IN_SUBSCRIBER_MODE: [...subscribing, ...unsubscribing, 'ping', 'quit'],
  VALID_IN_MONITOR_MODE: ['monitor', 'auth'],
  ENTER_SUBSCRIBER_MODE: subscribing,
  EXIT_SUBSCRIBER_MODE: unsubscribing,
  WILL_DISCONNECT: ['quit'],
  HANDSHAKE_COMMANDS: ['auth', 'hello', 'select', 'client', 'readonly', 'info'],
  IGNORE_RECONNECT_ON_ERROR: ['client'],
  BLOCKING_COMMANDS: [...timeoutLast, ...timeoutFirst, ...blockOption],
  LAST_ARG_TIMEOUT_COMMANDS: timeoutLast,
  FIRST_ARG_TIMEOUT_COMMANDS: timeoutFirst,
  BLOCK_OPTION_COMMANDS: blockOption,
};

/** Whether a command belongs to a group, in whatever case it is written. */
export function isInGroup(group: CommandGroup, name: string): boolean {
  return commandGroups[group]?.includes(name.toLowerCase()) ?? false;
}

const slow: ReadonlySet<string> = new Set(
  `eval evalsha eval_ro evalsha_ro fcall fcall_ro script function wait waitaof debug sort sort_ro keys flushall flushdb
  save migrate restore`.split(/\s+/),
);

/** Whether a command (in lower case) may rightly hold its connection for as long as it takes. */
export function mayTakeLong(name: string): boolean {
  return slow.has(name);
}

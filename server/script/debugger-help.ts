// What the script debugger answers to help: its commands, and what scripts can call while they are stepped through.

export const debuggerHelp: readonly string[] = [
  'Redis Lua debugger help:',
  '[h]elp               Print these lines.',
  '[s]tep, [n]ext       Run one line and stop again.',
  '[c]ontinue           Go on to the next breakpoint.',
  '[l]ist [line] [ctx]  Lines of the script around one (default: the present one), and how many on each side.',
  '[w]hole              All lines of the script.',
  '[p]rint [var]        Local variables, or one of them, or KEYS or ARGV.',
  '[b]reak              The breakpoints.',
  '[b]reak <line>       A new breakpoint; -<line> removes one, 0 removes all.',
  '[t]race              The calls that led here.',
  '[e]val <code>        Run some Lua, without the local variables of the script.',
  '[r]edis <cmd>        Run a command.',
  '[m]axlen [len]       Cut long values and replies to this length; 0: never.',
  '[a]bort              End the script; what it changed stays changed.',
  '',
  'For scripts:',
  'redis.debug()        Print in the session.',
  'redis.breakpoint()   Stop at the next line.',
];

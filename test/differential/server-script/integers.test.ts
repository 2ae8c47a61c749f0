// Numbers at and beyond the limits of 32 and 64 bits, wherever a script's number becomes an integer: the bundled
// server's Lua is compiled for 32 bits, redis-server's for 64.

import { compareCalls, scriptPair } from './pair.ts';

const numbers = [
  ...['0', '1', '2', '-1', '-2', '1.5', '-1.9', '100', '"2"'],
  ...['2147483646', '2147483647', '2147483648', '2147483649', '-2147483647', '-2147483648', '-2147483649'],
  ...['4294967295', '4294967296', '4294967297', '-4294967295', '-4294967296', '1e10', '-1e10', '1735689600123'],
  ...['2^53', '-2^53', '2^62', '2^63', '-2^63', '2^64', '1e300', '-1e300', '0/0', '1/0', '-1/0'],
];

/** `$` stands for the number. Left out: what nobody means (select, table.remove and error's level beyond 32 bits). */
const forms: Readonly<Record<string, readonly string[]>> = {
  'places in strings': [
    'string.sub("abcdef", $)',
    'string.sub("abcdef", 1, $)',
    'string.sub("abcdef", -3, $)',
    '("abcdef"):sub($, $)',
    'string.byte("abc", $)',
    'string.byte("abc", 1, $)',
    'string.find("abcabc", "b", $)',
    'string.find("abcabc", "b", $, true)',
    'string.match("abcabc", "b", $)',
    'string.gsub("aaaa", "a", "b", $)',
  ],
  'strings made of numbers': [
    'string.char($)',
    'string.char(65, $)',
    'string.rep("ab", $ > 4e9 and $ < 5e9 and $ or 3)',
    'string.rep("ab", math.abs($) > 100 and 3 or $)',
    'tostring($)',
    '$ .. ""',
    '#tostring($)',
  ],
  'printed integers': [
    'string.format("%d", $)',
    'string.format("%i %u %x %X %o %c", $, $, $, $, $, 65)',
    'string.format("%05d|%-22d|%+d|% d|%.10d|%.0d|%8.3d|%+05d", $, $, $, $, $, $, $, $)',
    'string.format("%#x|%#o|%020x|%-20X|%+u|%.25o|%#.3x|%#20X", $, $, $, $, $, $, $, $)',
    'string.format("%%%d%%", $)',
    'string.format("%--+ 0#d", $)',
    'string.format("%123d", $)',
    'string.format("%.123d", $)',
    'string.format("%99.99d", $)',
    'string.format("%s %q %d %5.2f", $, "x", $, $)',
    'string.format("%l", $)',
    'string.format("%d %d", $)',
    'string.format("%", $)',
    'string.format("%d", "$")',
    'string.format("%d%s", $, "a\\0b")',
    'string.format("%10.4s|%d", "abcdefgh", $)',
  ],
  'lists and ranges': [
    'table.concat({"a", "b", "c"}, ",", $, $)',
    'table.concat({"a", "b", "c"}, ",", 3, $ > 100 and 3 or 0)',
    'pcall(unpack, {1, 2, 3}, $)',
    'pcall(unpack, {1, 2, 3}, 1, $ > 100 and 2147483647 or $)',
    'pcall(unpack, {1, 2, 3}, -2, $)',
    'pcall(unpack, {1, 2, 3}, $, -2)',
    'pcall(unpack, {1, 2, 3}, $, -2147483640)',
    'pcall(unpack, {1, 2, 3}, $, $)',
    'pcall(unpack, 5, $)',
    'pcall(unpack, {}, "x", $)',
    'pcall(unpack, {}, $, "x")',
    'pcall(unpack, {}, nil, $)',
  ],
  arithmetic: [
    'math.ldexp(1, $)',
    'math.floor($)',
    'math.fmod($, 7)',
    '$ % 7',
    'math.random(1, $)',
    'math.random($, 10)',
    '(function() math.randomseed($) return math.random(1000000) end)()',
    'bit.tobit($)',
    'bit.lshift(1, $)',
    'bit.tohex($)',
  ],
  libraries: [
    'cjson.encode({$ == $ and $ or 1})',
    'cjson.encode({[$ == $ and $ or 1] = 1})',
    'cjson.encode({[1] = 1, [$ == $ and $ or 1] = 2})',
    '(function() cjson.encode_invalid_numbers(true) local text = cjson.encode({$}) cjson.encode_invalid_numbers(false) return text end)()',
    'cmsgpack.pack($)',
    'cmsgpack.pack({[$ == $ and $ or 1] = 1})',
    'cmsgpack.unpack_limit(cmsgpack.pack(1), $)',
    'cmsgpack.unpack_one(cmsgpack.pack(1), $)',
    'struct.pack("i8", $)',
    'struct.pack("I4", $)',
    'struct.unpack("b", "abc", $)',
  ],
  'replies and commands': [
    '$',
    '{$}',
    'redis.set_repl($)',
    'redis.setresp($)',
    'redis.call("set", KEYS[1], $) and redis.call("get", KEYS[1])',
    'redis.pcall("expire", KEYS[1], $)',
  ],
};

describe('integers of scripts, ours against redis-server', function () {
  this.timeout(60_000);
  const pair = scriptPair();
  for (const [name, group] of Object.entries(forms)) {
    it(`${name}: ${group.length} forms, ${numbers.length} numbers`, async () => {
      const scripts = group.flatMap((form) => numbers.map((number) => form.replaceAll('$', `(${number})`)));
      await compareCalls(
        pair,
        2,
        scripts.map((script) => ['EVAL', `return {${script}}`, '1', 'k']),
      );
    });
  }
});

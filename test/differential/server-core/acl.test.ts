// Access rules on the bundled server and on redis-server: random definitions, what they print as and what they allow;
// then whole sessions, literally.

import assert from 'node:assert/strict';
import { ManualWorld } from '../../../lib/base/world.ts';
import { ReplyError } from '../../../lib/wire/reply.ts';
import { isReadOtherwise, randomCall, randomRules } from '../../kit/acl-rules.ts';
import { RespClient } from '../../kit/resp-client.ts';
import { pairForSuite } from './pair.ts';

const rounds = 1200;
const callsPerRound = 12;

function text(reply: unknown): string {
  if (reply instanceof ReplyError) return `-${reply.message}`;
  if (reply instanceof Map) return `{${[...reply].map(([name, value]) => `${name}: ${text(value)}`).join(', ')}}`;
  if (Array.isArray(reply)) return `[${reply.map(text).join(', ')}]`;
  return String(reply);
}

/** redis-server prints single commands in the order of a hash table: rules of one start are the same in any order. */
function sorted(printed: string): string {
  return printed.replace(/[+-]@all[^,\]}]*/g, (rules) => rules.split(' ').sort().join(' '));
}

/** Puts away what a server counts on its own. */
function plain(printed: string): string {
  return sorted(printed)
    .replace(/age-seconds[:,] [\d.e-]+/g, 'age-seconds')
    .replace(/client-info[:,] [^,}\]]*/g, 'client-info')
    .replace(/\bid(=|: |, )\d+/g, 'id');
}

describe('random access rules, beside redis-server', function () {
  this.timeout(120_000);
  const pair = pairForSuite();

  it('are accepted or refused alike, print alike and allow the same calls', async () => {
    const seed = Number(process.env['RANDOM_SEED'] ?? Math.floor(Math.random() * 1e9));
    const world = new ManualWorld({ seed });
    const clients = await Promise.all([RespClient.connect(pair.real!.port), RespClient.connect(pair.ours!.port)]);
    const same = async (...argv: string[]): Promise<string> => {
      const [real, ours] = await Promise.all(clients.map((client) => client.call(...argv).then(text)));
      assert.equal(sorted(ours!), sorted(real!), `seed ${seed}: ${JSON.stringify(argv)}`);
      return real!;
    };
    let accepted = 0;
    for (let round = 0; round < rounds; round++) {
      const name = `user${round % 7}`;
      const rules = randomRules(world);
      if (isReadOtherwise(rules)) continue;
      if ((await same('ACL', 'SETUSER', name, ...rules)) === 'OK') accepted++;
      if (round % 3 === 0) await same('ACL', 'GETUSER', name);
      for (let call = 0; call < callsPerRound; call++) await same('ACL', 'DRYRUN', name, ...randomCall(world));
    }
    assert.ok(accepted > rounds / 10, `seed ${seed}: only ${accepted} definitions were accepted`);
    for (const client of clients) client.close();
  });
});

/** Who says it, and what: `a: GET k`; `ab: ...` both, one after the other. */
const sessions: Readonly<Record<string, string>> = {
  'users, passwords and errors': `
    a: ACL SETUSER al on >pw ~k* +get +set +acl|whoami
    b: AUTH al wrong
    b: AUTH al pw
    b: ACL WHOAMI
    b: GET k1
    b: GET x
    b: DEL k1
    b: CONFIG GET maxmemory
    b: CONFIG NOSUCH
    b: NOSUCH
    b: GET
    b: SUBSCRIBE c
    b: HELLO 3
    b: PING
    b: RESET
    b: ACL WHOAMI
    b: PING
    b: HELLO 3 AUTH al pw SETNAME me
    b: CLIENT GETNAME
    b: HELLO 2 AUTH al no
    b: ACL WHOAMI
    a: ACL LOG
    a: ACL LOG 1
    a: ACL LOG RESET
    a: ACL LOG
    a: ACL SETUSER al off
    b: GET k1
    c: AUTH al pw
    a: ACL DELUSER al nobody
    c: PING`,
  'requirepass is the default user': `
    a: CONFIG SET requirepass one
    a: ACL GETUSER default
    b: PING
    c: AUTH x
    c: AUTH one
    c: PING
    a: ACL SETUSER default >two
    c: AUTH two
    a: CONFIG GET requirepass
    a: ACL SETUSER default nopass
    c: AUTH two
    c: AUTH default anything
    a: CONFIG SET requirepass three
    a: ACL GETUSER default
    a: ACL SETUSER default off
    c: AUTH default three
    a: CONFIG SET requirepass ''
    a: ACL GETUSER default
    a: ACL SETUSER default on
    c: AUTH default
    c: AUTH default a b`,
  'a transaction meets new rules': `
    a: ACL SETUSER tx on nopass +@all -keys ~* &*
    b: AUTH tx x
    b: MULTI
    b: SET k 1
    b: INCR k
    b: GET other
    a: ACL SETUSER tx -incr resetkeys ~k
    b: EXEC
    b: MULTI
    b: INCR k
    b: EXEC
    b: MULTI
    b: SET k 2
    a: ACL SETUSER tx -exec
    b: EXEC
    b: DISCARD
    b: WATCH k
    b: WATCH other
    a: ACL SETUSER tx -watch
    b: MULTI
    b: WATCH k
    b: DISCARD
    a: ACL LOG
    a: INFO errorstats
    a: ACL LOG RESET
    a: CONFIG RESETSTAT`,
  'CAT, GENPASS, HELP and other words': `
    a: ACL
    a: ACL NOSUCH
    a: ACL CAT
    a: ACL CAT nosuch
    a: ACL CAT a b
    a: ACL GENPASS 0
    a: ACL GENPASS 4097
    a: ACL GENPASS x
    a: ACL GENPASS 1 2
    a: ACL HELP
    a: ACL HELP x
    a: ACL WHOAMI x
    a: ACL LOG x
    a: ACL LOG -1
    a: ACL LOG 1 2
    a: ACL USERS x
    a: ACL GETUSER nobody
    a: ACL GETUSER
    a: ACL DELUSER default
    a: ACL DELUSER
    a: ACL DELUSER nobody
    a: ACL SETUSER
    a: ACL SETUSER "a b"
    a: ACL LOAD
    a: ACL SAVE
    a: ACL DRYRUN default
    a: ACL DRYRUN nobody GET k
    a: ACL DRYRUN default NOSUCH
    a: ACL DRYRUN default GET
    a: ACL DRYRUN default CONFIG
    a: ACL DRYRUN default CONFIG NOSUCH x
    a: CLIENT KILL USER nobody
    a: CONFIG SET acl-pubsub-default nosuch
    a: CONFIG GET acl-pubsub-default
    a: CONFIG GET aclfile
    a: CONFIG SET aclfile x`,
  'keys that SORT reads beside its own': `
    a: RPUSH l 2 1
    a: MSET w1 2 w2 1
    a: ACL SETUSER so on nopass (+sort ~l) (+sort_ro ~*) (+sort ~l %R~*) +acl
    b: AUTH so x
    b: SORT l BY w*
    b: SORT l BY nosort GET #
    a: ACL SETUSER so clearselectors (+sort ~l)
    b: SORT l BY w*
    b: SORT l GET #
    b: SORT l BY nosort
    b: SORT l STORE d
    b: SORT_RO l`,
  'subscribers lose what they listen to': `
    a: ACL SETUSER ps on nopass +@all ~* &a &b &p*
    b: AUTH ps x
    b: SUBSCRIBE a
    c: AUTH ps x
    c: PSUBSCRIBE p*
    d: AUTH ps x
    d: SSUBSCRIBE b
    e: AUTH ps x
    a: ACL SETUSER ps &c
    b: PING
    a: ACL SETUSER ps resetchannels &a &p* &b
    b: PING
    a: ACL SETUSER ps resetchannels &b &p1
    b: PING
    c: PING
    d: PING
    e: PING
    d: PSUBSCRIBE p1
    a: ACL SETUSER ps allchannels
    d: PING
    a: ACL SETUSER ps resetchannels (&b) (&p1)
    d: PING
    a: PUBSUB CHANNELS
    a: PUBSUB NUMPAT
    a: ACL DELUSER ps
    d: PING
    e: PING`,
  'transactions that change who may do what': `
    a: ACL SETUSER me on >pw +@all ~* &*
    b: AUTH me pw
    b: MULTI
    b: AUTH me wrong
    b: EXEC
    b: MULTI
    b: SET k 1
    b: AUTH default x
    b: ACL WHOAMI
    b: EXEC
    b: AUTH me pw
    b: MULTI
    b: ACL SETUSER me -set
    b: SET k 2
    b: GET k
    b: EXEC
    b: MULTI
    b: SET k 3
    b: RESET
    b: ACL WHOAMI
    b: AUTH me pw
    b: ACL DELUSER me
    b: PING
    c: AUTH me pw
    c: MULTI
    c: HELLO 3
    c: SUBSCRIBE x
    c: DISCARD`,
  'odd names, passwords and words': `
    a: ACL SETUSER "" on nopass +@all ~* &*
    a: ACL USERS
    b: AUTH "" x
    b: ACL WHOAMI
    a: ACL DELUSER ""
    a: ACL SETUSER Default on
    a: ACL GETUSER DEFAULT
    a: ACL GETUSER Default
    a: ACL DELUSER Default
    a: ACL SETUSER em on > +ping
    b: AUTH em ""
    c: AUTH em ""
    c: AUTH em x
    a: ACL SETUSER em <
    a: ACL SETUSER em <
    a: ACL GETUSER em
    a: ACL SETUSER em "" "" +get
    a: ACL SETUSER em "+get -get"
    a: ACL SETUSER em "~a b"
    a: ACL SETUSER em ~a~b&c &x~y
    a: ACL SETUSER em ~~ && ++ --
    a: ACL SETUSER em +@
    a: ACL SETUSER em +
    a: ACL SETUSER em +|
    a: ACL SETUSER em +get|
    a: ACL SETUSER em +config|
    a: ACL SETUSER em +|get
    a: ACL SETUSER em -select|0
    a: ACL SETUSER em -config|get
    a: ACL SETUSER em +CONFIG|Get
    a: ACL SETUSER em #
    a: ACL SETUSER em (()
    a: ACL SETUSER em ( ( )
    a: ACL SETUSER em (on)
    a: ACL SETUSER em (>pw)
    a: ACL SETUSER em (+get (+set ~a) )
    a: ACL SETUSER em (~a ~*) (~* ~a)
    a: ACL GETUSER em
    a: ACL LOG 99999999999999999999
    a: ACL DRYRUN em get x y
    a: acl whoami
    a: AUTH
    a: HELLO 4
    a: HELLO x
    a: HELLO 3 AUTH default
    a: HELLO 3 SETNAME
    a: HELLO 3 SETNAME "a b"
    a: HELLO 2 SETNAME n AUTH default x
    a: HELLO 2 FOO`,
  'before the password': `
    a: CONFIG SET requirepass one
    b: PING
    b: MULTI
    b: EXEC
    b: SUBSCRIBE x
    b: NOSUCH
    b: DEBUG SLEEP 0
    b: RESET
    b: HELLO
    b: HELLO 3
    b: HELLO 3 SETNAME me
    b: HELLO 3 SETNAME me AUTH default one
    b: CLIENT GETNAME
    b: RESET
    b: CLIENT GETNAME
    b: AUTH default two
    b: AUTH one
    b: PING
    b: RESET
    b: PING
    a: PING
    a: ACL SETUSER default nopass
    b: PING
    a: ACL SETUSER default off
    b: PING
    a: PING
    c: PING
    a: ACL SETUSER default on
    c: PING
    a: RESET
    a: PING`,
  'new users and all channels': `
    a: CONFIG SET acl-pubsub-default allchannels
    a: ACL SETUSER nu on nopass +@all (+get)
    a: ACL GETUSER nu
    a: ACL SETUSER nu &a
    a: ACL SETUSER nu resetchannels &a (+set &b)
    a: ACL SETUSER nu reset
    a: ACL GETUSER nu
    a: CONFIG SET acl-pubsub-default resetchannels
    a: ACL GETUSER nu
    a: ACL SETUSER nu reset
    a: ACL GETUSER nu
    a: ACL SETUSER default reset
    b: PING
    a: PING
    a: AUTH x`,
  'users are killed by name': `
    a: ACL SETUSER ki on nopass +@all ~* &*
    b: AUTH ki x
    a: CLIENT KILL USER ki
    a: CLIENT KILL USER ki SKIPME no
    c: AUTH ki x
    c: ACL DELUSER ki
    a: ACL USERS`,
  'what can be run without any right': `
    a: ACL SETUSER no on nopass
    b: AUTH no x
    b: PING
    b: ECHO x
    b: COMMAND
    b: ACL WHOAMI
    b: AUTH no y
    b: HELLO 3
    b: RESET
    b: AUTH no x
    b: QUIT`,
};

describe('ACL CAT, beside redis-server', () => {
  const pair = pairForSuite();

  it('has the same commands in each category', async () => {
    const clients = await Promise.all([RespClient.connect(pair.real!.port), RespClient.connect(pair.ours!.port)]);
    const categories = (await clients[0]!.call('ACL', 'CAT')) as string[];
    assert.equal(categories.length, 21);
    for (const category of categories) {
      const [real, ours] = await Promise.all(
        clients.map((client) => client.call('ACL', 'CAT', category.toUpperCase())),
      );
      assert.deepEqual((ours as string[]).sort(), (real as string[]).sort(), category);
    }
    for (const client of clients) client.close();
  });
});

describe('sessions under access rules, beside redis-server', function () {
  this.timeout(60_000);
  const pair = pairForSuite();

  for (const [title, script] of Object.entries(sessions)) {
    it(title, async () => {
      const ours = await play(pair.ours!.port, script);
      assert.deepEqual(ours, await play(pair.real!.port, script));
      assert.ok(ours.length > 6);
    });
  }
});

/** One line for each of the script: what was said, and the answer. */
async function play(port: number, script: string): Promise<string[]> {
  const clients = new Map<string, RespClient>();
  const lines: string[] = [];
  for (const line of script.trim().split('\n')) {
    const [who, rest] = line.trim().split(/: (.*)/) as [string, string];
    const words = [...rest.matchAll(/"([^"]*)"|''|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
    if (!clients.has(who)) clients.set(who, await RespClient.connect(port));
    const answer = await clients
      .get(who)!
      .call(...words)
      .then(text, (error: Error) => error.message);
    lines.push(`${line.trim()} -> ${plain(answer)}`);
  }
  for (const client of clients.values()) client.close();
  return lines;
}

// Command scripts that must give the same replies on the bundled server and on redis-server. One line is one command,
// in the words of a shell; `@n` in front sends it on connection n (0 is the default).

export interface Script {
  readonly name: string;
  readonly lines: string;
}

export const scripts: readonly Script[] = [
  {
    name: 'SET and its options',
    lines: `
      set k v
      get k
      set k v2 NX
      set k v3 XX
      get k
      set k v4 GET
      set new v5 XX GET
      set new v5 NX GET
      set new v6 NX GET
      set k v EX 100
      ttl k
      set k v KEEPTTL
      ttl k
      set k v
      ttl k
      set k v PX 100000 NX
      set k v EX 10 PX 10
      set k v KEEPTTL EX 10
      set k v NX XX
      set k v EX
      set k v EX abc
      set k v EX 0
      set k v EX -1
      set k v PX 9223372036854775807
      set k v EX 9223372036854775807
      set k v EXAT 99999999999
      expiretime k
      set k v PXAT 99999999999999
      pexpiretime k
      set k v foo
      lpush l a
      set l v GET
      type l
      set l v
      type l
      setnx k v
      setnx k2 v
      setex k 10 v
      setex k 0 v
      setex k abc v
      psetex k 100000 v
      psetex k -5 v
      getset k w
      getset missing w
      getdel k
      getdel k
      lpush l2 a
      getdel l2
      getset l2 v
      get l2
      getex missing
      set g v
      getex g EX 100
      ttl g
      getex g PERSIST
      ttl g
      getex g PERSIST EX 3
      getex g PXAT 1
      get g
      getex g EX abc
      mset a 1 b 2
      mset a 1 b
      mget a b c l2
      msetnx a 1 z 2
      msetnx y 1 z 2
      msetnx y 1 z
      get z
    `,
  },
  {
    name: 'strings as ranges',
    lines: `
      append k hello
      append k " world"
      strlen k
      strlen missing
      getrange k 0 4
      getrange k -5 -1
      getrange k 5 1
      getrange k 0 -1
      getrange k -100 100
      getrange k 20 30
      getrange k -1 -5
      getrange missing 0 -1
      substr k 0 4
      setrange k 6 redis
      get k
      setrange k 15 x
      get k
      setrange missing 0 ""
      exists missing
      setrange missing2 3 abc
      get missing2
      setrange k -1 x
      setrange k 536870912 x
      setrange k abc x
      getrange k a b
      lpush l a
      append l x
      strlen l
      setrange l 0 x
      getrange l 0 1
      set x ohmytext
      set y mynewtext
      lcs x y
      lcs x y LEN
      lcs x y IDX
      lcs x y IDX MINMATCHLEN 4
      lcs x y IDX MINMATCHLEN 4 WITHMATCHLEN
      lcs x y IDX LEN
      lcs x y FOO
      lcs x missing
      lcs l x
    `,
  },
  {
    name: 'counters',
    lines: `
      incr n
      incrby n 10
      decr n
      decrby n 5
      get n
      incrby n abc
      incrby n 1.5
      incrby n 9223372036854775807
      set n 9223372036854775806
      incr n
      incr n
      set n -9223372036854775807
      decr n
      decr n
      decrby n -9223372036854775808
      set n abc
      incr n
      set n " 1"
      incr n
      set n "1 "
      incr n
      set n 01
      incr n
      set n +1
      incr n
      set n ""
      incr n
      incrbyfloat f 0.1
      incrbyfloat f 0.2
      incrbyfloat f -5
      incrbyfloat f 1e3
      incrbyfloat f abc
      incrbyfloat f inf
      incrbyfloat f nan
      set f 3.0e3
      incrbyfloat f 200
      set f abc
      incrbyfloat f 1
      incrbyfloat g 1.23456789012345678
      incrbyfloat h 1e17
      incrbyfloat h 1
      lpush l a
      incr l
      incrbyfloat l 1
      object encoding n
      set n 123
      object encoding n
      set n 12345678901234567890
      object encoding n
      set n aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      object encoding n
      set n aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      object encoding n
    `,
  },
  {
    name: 'deadlines',
    lines: `
      set k v
      expire k 100
      ttl k
      expire k 200 NX
      expire k 200 XX
      ttl k
      expire k 100 GT
      expire k 100 LT
      expire k 300 GT XX
      expire k 100 NX XX
      expire k 100 GT LT
      expire k 100 FOO
      expire k abc
      expire k 9223372036854775807
      pexpire k 9223372036854775807
      expire missing 100
      persist k
      persist k
      persist missing
      ttl k
      ttl missing
      pttl missing
      expiretime k
      expiretime missing
      expire k 100 GT
      expire k 100 LT
      expireat k 99999999999
      expiretime k
      pexpireat k 99999999999999
      pexpiretime k
      expire k -1
      exists k
      set k v
      pexpire k 0
      get k
      set k v
      expireat k 1
      get k
      set k v
      expire k
    `,
  },
  {
    name: 'keys of any type',
    lines: `
      mset a 1 b 2 c 3
      del a b x
      unlink c x
      exists a b c
      set a 1
      exists a a a
      touch a a b
      type a
      type missing
      rename missing x
      rename a b
      get b
      set c 3
      renamenx b c
      renamenx b d
      renamenx d d
      rename d d
      set t v EX 100
      rename t t2
      ttl t2
      copy c e
      copy c e
      copy c e REPLACE
      copy c c
      copy missing e
      copy c e DB 99
      copy c f DB 1
      copy c f FOO
      rpush l 1 2 3
      copy l l2
      rpush l2 4
      lrange l 0 -1
      lrange l2 0 -1
      move c 1
      move c 1
      move e 0
      move e abc
      select 1
      get c
      get f
      select 0
      select 16
      select abc
      swapdb 0 1
      get f
      swapdb 0 99
      swapdb a 0
      dbsize
      flushdb FOO
      flushdb ASYNC
      dbsize
      randomkey
      flushall SYNC
      keys *
      set key1 1
      keys key*
      keys nothing
      keys k[a-f]y1
      scan 0
      scan 0 MATCH nothing
      scan 0 TYPE list
      scan 0 TYPE string COUNT 100
      scan abc
      scan 0 COUNT 0
      scan 0 COUNT abc
      scan 0 FOO
      object encoding missing
      object refcount key1
      object freq key1
      object foo key1
      object encoding
      object
    `,
  },
  {
    name: 'transactions',
    lines: `
      multi
      set a 1
      incr a
      get a
      exec
      multi
      multi
      exec
      exec
      discard
      multi
      set a 5
      discard
      get a
      multi
      foo
      set a 2
      exec
      multi
      set a
      exec
      multi
      set a x
      incr a
      lpush a 1
      exec
      watch a
      @1 set a 3
      multi
      get a
      exec
      watch a
      unwatch
      @1 set a 4
      multi
      get a
      exec
      watch a
      multi
      watch a
      exec
      watch gone
      @1 set gone 1
      @1 del gone
      multi
      ping
      exec
      set ttl 1 PX 100000
      watch ttl
      @1 expire ttl 50
      multi
      ping
      exec
      watch a
      @1 flushall
      multi
      ping
      exec
      watch nothing
      @1 flushall
      multi
      ping
      exec
      multi
      blpop l 0
      blmove a b left left 0
      exec
      multi
      wait 1 0
      exec
      watch a
      discard
      multi
      echo hi
      select 1
      set inone 1
      exec
      get inone
      select 0
      unwatch
      watch
    `,
  },
  {
    name: 'the connection',
    lines: `
      ping
      ping hello
      ping a b
      echo hi
      echo
      foo
      foo bar baz
      get
      get a b
      config
      config foo
      config get
      client
      client foo
      client getname
      client setname me
      client getname
      client setname "with space"
      client setname ""
      client getname
      client no-evict on
      client no-evict foo
      client reply foo
      client unblock 99999
      client unblock abc
      client unblock 99999 FOO
      client kill 1.2.3.4:5
      client kill ID 99999
      client kill ID abc
      client kill FOO bar
      client kill TYPE foo
      client list TYPE foo
      client list ID abc
      client list FOO
      client pause abc
      client pause -1
      client unpause
      client getredir
      client trackinginfo
      client caching yes
      auth foo
      auth default foo
      auth foo bar
      auth a b c
      hello 4
      hello abc
      hello 2 foo
      hello 2 AUTH a
      hello 2 AUTH a b
      hello 2 SETNAME "a b"
      acl whoami
      reset
      select
      quit foo
    `,
  },
  {
    name: 'pub/sub',
    lines: `
      publish c hi
      pubsub channels
      pubsub numsub
      pubsub numsub a b
      pubsub numpat
      pubsub shardchannels
      pubsub shardnumsub a
      pubsub foo
      subscribe
      publish a
      spublish a b
    `,
  },
  {
    name: 'the server',
    lines: `
      config get maxmemory
      config get MAXMEMORY
      config get nothing
      config get slave-priority
      config set foo bar
      config set maxclients abc
      config set maxclients 0
      config set maxclients 10 maxclients 11
      config set appendonly abc
      config set maxmemory abc
      config set maxmemory 1gb
      config get maxmemory
      config set maxmemory 0
      config set loglevel abc
      config set daemonize no
      config set dir /tmp
      config set save "a b"
      config set notify-keyspace-events KEA
      config get notify-keyspace-events
      config set notify-keyspace-events Kx$
      config get notify-keyspace-events
      config set notify-keyspace-events Q
      config set notify-keyspace-events ""
      config set a
      config set client-output-buffer-limit "pubsub 1mb 2mb 60"
      config get client-output-buffer-limit
      config set client-output-buffer-limit "foo 1mb 2mb 60"
      config set client-output-buffer-limit "pubsub 1mb 2mb"
      config set client-output-buffer-limit "pubsub 33554432 8388608 60"
      config resetstat
      slowlog reset
      slowlog len
      slowlog get abc
      slowlog get -2
      slowlog foo
      command getkeys get a
      command getkeys mset a b c d
      command getkeys ping
      command getkeys foo
      command getkeys get
      command getkeys eval x 2 a b
      command getkeys sort a store b
      command getkeysandflags set a b
      command getkeysandflags lmove a b left right
      command info get
      command info foo get
      command info config|get
      command getkeysandflags set a b GET
      command docs get
      command docs foo
      command list filterby foo bar
      command list filterby
      command foo
      wait 0 0
      wait abc 0
      wait 0 abc
      role
      latency latest
      latency reset
      memory usage missing
      memory usage a SAMPLES
      debug set-active-expire 1
      shutdown foo
    `,
  },
];

// Conversations about pauses, transactions and watches, CLIENT REPLY and UNBLOCK; see conversation.ts for the notation.

export const clientScripts: Readonly<Record<string, string>> = {
  'CLIENT PAUSE WRITE holds writes and what replicas hear': `
    set k 1
    pfadd p a
    @3 client pause 100000 write
    get k
    ~@1 set k 2
    ~@2 publish ch m
    @3 get k
    @3 client unpause
    @1 get k
    @3 client pause 100000 write
    ~@1 pfcount p
    ~@2 spublish ch m
    @3 client unpause
    @1 ping
    @2 ping
    @3 client pause 100000 write
    @1 set
    @1 nosuch
    @1 wait 0 0
    @1 blpop q 0.01
    @1 xadd s
    @3 client unpause
    @1 ping
  `.replace('    @1 blpop q 0.01\n', ''),
  'CLIENT PAUSE WRITE and transactions': `
    @1 multi
    @1 set k 2
    @2 multi
    @2 get k
    @2 ping
    @3 client pause 100000 write
    ~@1 exec
    @2 exec
    multi
    ~set k 3
    @3 client unpause
    set k 4
    exec
    @3 get k
    @3 client pause 100000 write
    watch k
    unwatch
    multi
    discard
    multi
    ping
    exec
    @3 client unpause
  `,
  'a pause in a transaction begins after it': `
    multi
    set a 1
    client pause 100000 write
    set b 2
    exec
    ~@1 set c 3
    get a
    get b
    get c
    client unpause
    @1 ping
  `,
  'CLIENT PAUSE ALL holds everything until it ends': `
    @3 client pause 300
    ~@1 get k
    ~@2 ping
    ~@3 client unpause
    !wait 600
    @1 ping
  `,
  'a pause becomes longer and stricter only': `
    client pause 100000 write
    client pause 1 write
    ~@1 set k 1
    !wait 50
    ~@2 get k
    client pause 200
    ~get k
    !wait 50
    ~@3 client unpause
  `.replace(/ {4}client pause 200[\s\S]*$/, '    client unpause\n    @1 ping\n'),
  'CLIENT PAUSE and its errors': `
    client pause
    client pause abc
    client pause -1
    client pause 1 maybe
    client pause 1 write all
    client pause 99999999999999999999
    client unpause
    client unpause
    client unpause x
    client pause 0
    ping
  `,
  'what is due stays during a pause, hidden': `
    @3 debug set-active-expire 0
    set a 1 px 20
    set b 1
    watch a
    client pause 100000 write
    !wait 50
    get a
    exists a
    dbsize
    ttl a
    client unpause
    dbsize
    get a
    dbsize
    @3 debug set-active-expire 1
  `,
  'who waits keeps its order': `
    @3 client pause 100000 write
    ~@0 rpush l a
    ~@1 rpush l b
    ~@2 rpush l c
    @3 client unpause
    @3 lrange l 0 -1
  `,
  WATCH: `
    set k 1
    watch k
    @1 set k 2
    multi
    set k 3
    exec
    get k
    watch k
    multi
    set k 4
    exec
    watch k other
    @1 set third 1
    multi
    exec
    watch nothing
    @1 del nothing
    multi
    ping
    exec
    watch nothing
    @1 set nothing 1
    @1 del nothing
    multi
    ping
    exec
    watch k
    @1 expire k 1000
    multi
    ping
    exec
    watch k
    @1 persist k
    multi
    ping
    exec
    watch k
    @1 set k 4 xx
    multi
    ping
    exec
    watch k
    unwatch
    @1 set k 5
    multi
    ping
    exec
    watch k
    @1 flushall
    multi
    ping
    exec
    watch k
    @1 flushall
    multi
    ping
    exec
    watch k
    set k 1
    multi
    ping
    exec
    multi
    watch k
    discard
    watch
    discard
    unwatch x
  `,
  'WATCH in several databases': `
    set k 1
    @1 select 1
    @1 set k 1
    watch k
    select 1
    watch k
    @1 set k 2
    select 0
    multi
    ping
    exec
    watch k
    @1 swapdb 0 1
    multi
    ping
    exec
    watch k
    @1 flushdb
    multi
    ping
    exec
    watch k
    @1 move k 0
    multi
    ping
    exec
    watch gone
    @1 swapdb 0 2
    multi
    ping
    exec
    watch k
    @1 copy k k db 0 replace
    multi
    ping
    exec
    select 0
  `,
  'WATCH of keys that run out': `
    debug set-active-expire 0
    set a 1 px 1000
    watch a
    !wait 1100
    multi
    ping
    exec
    set a 1 px 20
    !wait 50
    watch a
    multi
    ping
    exec
    set a 1 px 20
    !wait 50
    watch a
    @1 get a
    multi
    ping
    exec
    set a 1 px 20
    !wait 50
    watch a
    @1 set a 2
    multi
    ping
    exec
    set a 1 px 20
    !wait 50
    watch a
    @1 del a
    multi
    ping
    exec
    set a 1 px 100000
    watch a
    @1 flushall
    multi
    ping
    exec
    set a 1 px 20
    !wait 50
    watch a
    @1 flushall
    multi
    ping
    exec
    set a 1 px 20
    !wait 50
    watch a
    @1 swapdb 0 1
    multi
    ping
    exec
    @1 flushall
    debug set-active-expire 1
  `,
  'errors while queueing': `
    multi
    set k
    exec
    multi
    nosuch
    ping
    exec
    multi
    multi
    ping
    exec
    multi
    set k 1
    incr k
    lpush k 1
    get k
    exec
    exec
    multi
    exec
    multi
    subscribe a
    exec
    ping
    unsubscribe
    multi
    quit
    ping
  `.replace(/ {4}multi\n {4}quit[\s\S]*$/, ''),
  'blocking calls in a transaction do not block': `
    multi
    blpop q 0
    brpop q 0
    blmove q r left left 0
    brpoplpush q r 0
    bzpopmin z 0
    bzpopmax z 0
    xread block 0 streams s $
    blmpop 0 1 q left
    bzmpop 0 1 z min
    wait 1 0
    exec
  `,
  'CLIENT UNBLOCK': `
    ~blpop q 0
    @3 client unblock $id0
    ~blpop q 0
    @3 client unblock $id0 error
    ~brpoplpush a b 0
    @3 client unblock $id0 timeout
    ~xread block 0 streams s $
    @3 client unblock $id0 timeout
    ~bzpopmin z 0
    @3 client unblock $id0 timeout
    ~blmpop 0 1 a left
    @3 client unblock $id0 error
    ~wait 1 0
    @3 client unblock $id0
    ~wait 1 0
    @3 client unblock $id0 error
    @3 client unblock $id0
    @3 client unblock $id1
    @3 client unblock 999999
    @3 client unblock x
    @3 client unblock $id0 maybe
    @3 client unblock
    ping
  `,
  'CLIENT REPLY': `
    client reply
    client reply maybe
    client reply on
    ~client reply skip
    ~set k 1
    get k
    ~client reply off
    ~set k 2
    ~client reply skip
    client reply on
    get k
    multi
    ~client reply skip
    ~get k
    get k
    exec
    ping
    ~client reply off
    ~multi
    ~get k
    ~exec
    ~nosuch
    ~reset
    ping
    client reply on
  `.replace(/ {4}multi\n {4}~client reply skip[\s\S]*? {4}ping\n/, ''),
  RESET: `
    hello 3 setname me
    select 1
    multi
    set k 1
    reset
    client getname
    exec
    get k
    hello 3
    subscribe a
    reset
    ping
    @3 publish a m
    watch k
    @3 set k 2
    reset
    multi
    ping
    exec
    ~monitor
    ~reset
    ping
  `,
  MONITOR: `
    ~@1 monitor
    set k v
    get "a\\x00b\\n\\t\\"\\\\\\xff"
    multi
    incr n
    get n
    exec
    multi
    ping
    discard
    select 2
    set k w
    nosuch
    set k
    config get maxclients
    client id
    hello 3
    client setname x
    auth a b
    migrate "" 1 k 0 1 auth secret
    migrate "" 1 "" 0 1 copy auth2 user secret keys k
    hello 2 auth default x
    debug set-active-expire 1
    lpush k 1
    ping
    ~blpop q 0
    @3 select 2
    @3 rpush q x
    watch k
    unwatch
    subscribe ch
    unsubscribe
    echo hi
    info nothing
    object encoding k
    @1 reset
    set k v
  `,
  QUIT: `
    multi
    set k 1
    ~quit
    @1 get k
    @1 subscribe a
    ~@1 quit
  `,
  'a pause of writes and scripts': `
    @3 client pause 100000 write
    eval "#!lua flags=no-writes\\nreturn 1" 0
    eval_ro "return 2" 0
    ~@1 eval "return 3" 0
    ~@2 eval "#!lua\\nreturn 4" 0
    multi
    eval "#!lua flags=no-writes\\nreturn 5" 0
    exec
    @3 client unpause
    @1 ping
    @2 ping
    @1 multi
    @1 eval "return 6" 0
    @3 client pause 100000 write
    ~@1 exec
    @3 client unpause
    @1 ping
  `,
  'MONITOR and scripts': `
    ~@1 monitor
    eval "redis.call('set', KEYS[1], 'v') return redis.call('get', KEYS[1])" 1 k
    multi
    eval "return redis.call('incr', 'n')" 1 n
    exec
    @1 reset
  `,
  'scripts in transactions with WATCH': `
    watch k
    @1 eval "return redis.call('set', KEYS[1], 1)" 1 k
    multi
    ping
    exec
    watch k
    eval "return redis.call('get', KEYS[1])" 1 k
    multi
    ping
    exec
  `,
};

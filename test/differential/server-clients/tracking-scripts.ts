// Conversations about CLIENT TRACKING; see conversation.ts for the notation. Connection 3 is mostly a writer.

export const trackingScripts: Readonly<Record<string, string>> = {
  'a read key is invalidated once': `
    hello 3
    client tracking on
    set a 1
    get a
    @3 set a 2
    @3 set a 3
    get a
    @3 del a
    @3 set a 4
    ping
  `,
  'what this client changes comes after its answer': `
    hello 3
    client tracking on
    mget a b c
    set a 1
    mset b 1 c 1
    get a
    incr a
    rpush l x
    lrange l 0 -1
    lpop l
    hset h f 1
    hgetall h
    hdel h f
  `,
  'a transaction: all messages after its answer': `
    hello 3
    client tracking on
    multi
    get a
    set a 1
    get a
    incr a
    get b
    flushall
    set b 1
    exec
    ping
    @3 set a 5
    @3 set b 5
  `,
  'reads of every kind are remembered': `
    hello 3
    client tracking on
    @3 rpush l 1 2 3
    @3 hset h f v
    @3 sadd s 1 2
    @3 sadd s2 2 3
    @3 zadd z 1 a 2 b
    @3 xadd x 1-1 f v
    @3 pfadd p a
    @3 geoadd g 1 1 a
    llen l
    @3 rpush l 4
    lpos l 2
    @3 lset l 0 9
    hexists h f
    @3 hset h f w
    sinter s s2
    @3 sadd s 9
    @3 sadd s2 9
    zrange z 0 -1
    @3 zincrby z 1 a
    xrange x - +
    @3 xadd x 2-1 f v
    xread streams x 0
    @3 xdel x 1-1
    pfcount p
    @3 pfadd p b
    geopos g a
    @3 geoadd g 2 2 b
    type l
    @3 del l
    ttl h
    @3 expire h 100
    exists a b
    @3 mset a 1 b 2
    strlen a
    @3 append a x
    object encoding a
    @3 set a 1
    sort_ro s
    @3 srem s 9
    bitcount a
    @3 setbit a 1 1
    getrange a 0 -1
    @3 setrange a 0 z
    get a
    @3 rename a c
    @3 persist h
    @3 del c
    keys nothing*
    dbsize
    @3 flushall
  `,
  'what is not a read is not remembered': `
    hello 3
    client tracking on
    set a 1
    append a 2
    getset a 3
    getdel a
    set a 4 get
    getex a
    incr a
    touch a
    @3 set a 5
    wait 0 0
    @3 set a 6
    ping
  `,
  'a failed read is remembered too': `
    hello 3
    client tracking on
    @3 set a 1
    lrange a 0 -1
    @3 set a 2
    get
    hget a
    @3 set a 3
    ping
  `,
  'changes that change nothing': `
    hello 3
    client tracking on
    @3 set a 1 ex 1000
    @3 sadd s a
    @3 hset h f 1
    mget a s h
    smembers s
    hgetall h
    @3 sadd s a
    @3 hset h f 1
    smembers s
    @3 srem s nothing
    @3 del nothing
    @3 setnx a 5
    @3 persist nothing
    @3 expire nothing 5
    @3 rename nothing b
    @3 set a 3 xx nx
    @3 set a 3 nx
    @3 persist a
    ping
  `,
  'RESP2: nobody receives, but whom it redirects to': `
    client tracking on
    get a
    @3 set a 1
    ping
    client tracking off
    @1 subscribe __redis__:invalidate
    client tracking on redirect $id1
    client getredir
    get a
    @3 set a 2
    get a
    set a 3
    mget a b
    @3 mset b 1 a 1
    get a
    @3 flushall
    @1 ping
    @1 unsubscribe
    get a
    @3 set a 9
    @1 subscribe other
    get a
    @3 set a 10
    @1 ping
  `,
  'RESP3 to RESP2 and back': `
    hello 3
    @1 subscribe __redis__:invalidate
    client tracking on redirect $id1
    get a
    @3 set a 2
    hello 2
    get a
    @3 set a 3
    @2 hello 3
    client tracking on redirect $id2
    get a
    @3 set a 4
    @2 ping
    hello 3
    client tracking off
    client tracking on
    get a
    hello 2
    @3 set a 5
    hello 3
    get a
    @3 set a 6
    ping
  `,
  'a redirect that leaves': `
    hello 3
    @1 hello 3
    client tracking on redirect $id1
    get a
    get b
    @1 quit
    !wait 20
    @3 set a 1
    client trackinginfo
    @3 set b 1
    client tracking on
    client trackinginfo
    get a
    @3 set a 2
    client list id $id1
  `,
  'BCAST with every key': `
    hello 3
    client tracking on bcast
    @3 set a 1
    @3 mset b 1 a 1 c 1
    @3 get a
    set own 1
    @3 flushall
    @3 multi
    @3 set x 1
    @3 del x
    @3 exec
    client trackinginfo
    client tracking off
    @3 set a 2
    ping
  `,
  'BCAST with prefixes': `
    hello 3
    client tracking on bcast prefix user: prefix item:
    @3 set user:1 a
    @3 set other a
    @3 mset item:1 1 user:2 1 other:1 1
    client tracking on bcast prefix x
    @3 set x 1
    @3 set xy 1
    client trackinginfo
    @3 rename user:1 item:9
    @3 del item:9 user:2 user:3
    client tracking on bcast
    client trackinginfo
    client tracking off
    client tracking on bcast prefix ""
    client trackinginfo
    @3 set any 1
    ping
  `,
  'BCAST and NOLOOP': `
    hello 3
    client tracking on bcast noloop
    set mine 1
    @3 set yours 1
    multi
    set a 1
    set b 1
    exec
    ping
    @3 mset a 1 b 1
    ping
  `,
  NOLOOP: `
    hello 3
    client tracking on noloop
    get a
    set a 1
    get a
    @3 set a 2
    get a
    incr a
    @3 incr a
    ping
  `,
  'two clients, two modes, one writer': `
    hello 3
    @1 hello 3
    @2 hello 3
    client tracking on
    @1 client tracking on bcast
    @2 client tracking on optin
    get a
    @2 get a
    @2 client caching yes
    @2 get b
    @3 mset a 1 b 1
    @1 set a 5
    @2 ping
    @1 ping
    ping
  `,
  OPTIN: `
    hello 3
    client tracking on optin
    get a
    @3 set a 1
    client caching yes
    client trackinginfo
    get a
    get b
    @3 set a 2
    @3 set b 2
    client caching yes
    client id
    get c
    @3 set c 1
    client caching yes
    nosuchcommand
    get d
    @3 set d 1
    client caching yes
    get
    get d
    @3 set d 2
    client caching yes
    client
    get d
    @3 set d 3
    client caching yes
    multi
    get a
    get b
    exec
    @3 set a 3
    @3 set b 3
    multi
    client caching yes
    get a
    exec
    get b
    @3 set a 4
    @3 set b 4
    client caching yes
    client caching no
    client tracking on optin
    client trackinginfo
    client tracking on
    client trackinginfo
    ping
  `,
  OPTOUT: `
    hello 3
    client tracking on optout
    get a
    @3 set a 1
    client caching no
    client trackinginfo
    get a
    @3 set a 2
    get a
    @3 set a 3
    client caching no
    multi
    get a
    get b
    exec
    @3 mset a 4 b 4
    client caching yes
    client caching maybe
    client tracking off
    client caching no
    client trackinginfo
    ping
  `,
  'options that do not go together': `
    client tracking
    client tracking maybe
    client tracking on what
    client tracking on redirect
    client tracking on redirect x
    client tracking on redirect 0
    client tracking on redirect -1
    client tracking on redirect 99999999
    client tracking on redirect $id1 redirect $id2
    client tracking off redirect $id1 redirect $id2
    client tracking off what
    client tracking off redirect 99999999
    client tracking off prefix a
    client tracking off optin optout bcast noloop
    client tracking on prefix a
    client tracking on prefix
    client tracking on bcast prefix
    client tracking on bcast optin
    client tracking on bcast optout
    client tracking on optin optout
    client tracking on bcast prefix a prefix ab
    client tracking on bcast prefix ab prefix a
    client tracking on bcast prefix a prefix a
    client tracking on bcast prefix "" prefix a
    client tracking on bcast optin prefix a prefix a
    client tracking on bcast prefix b prefix c
    client tracking on bcast prefix bc
    client tracking on bcast prefix ""
    client tracking on bcast prefix b
    client tracking on bcast
    client trackinginfo
    client tracking on
    client tracking on optin
    client tracking off
    client tracking on optin
    client tracking on optout
    client tracking on bcast
    client tracking ON NOLOOP noloop
    client trackinginfo
    client tracking on redirect $id0
    client trackinginfo
    client getredir
    client getredir x
    client trackinginfo x
    client caching
    client caching yes no
    reset
    client trackinginfo
    client getredir
  `,
  'expired keys': `
    hello 3
    client tracking on
    @1 hello 3
    @1 client tracking on bcast noloop
    @1 set a 1 px 1000
    get a
    @3 set keep 1
    !wait 1400
    ping
    @1 ping
  `,
  'a key that is met expired': `
    hello 3
    client tracking on
    @3 debug set-active-expire 0
    @3 set a 1 px 1000
    get a
    !wait 1100
    get a
    @3 set a 1 px 1000
    get a
    !wait 1100
    @3 get a
    @3 set b 1
    ping
    @3 debug set-active-expire 1
  `,
  'several databases share keys': `
    hello 3
    client tracking on
    select 1
    get a
    @3 set a 1
    get a
    @3 select 1
    @3 set a 2
    get a
    @3 move a 2
    get a
    @3 swapdb 1 2
    get a
    @3 flushdb
    get a
    @3 copy a b
    get b
    @3 flushall async
    ping
  `,
  'RESET ends it': `
    hello 3
    client tracking on bcast
    reset
    hello 3
    @3 set a 1
    client tracking on
    get a
    reset
    hello 3
    @3 set a 2
    ping
  `,
  'blocked clients': `
    hello 3
    client tracking on
    lrange list2 0 -1
    lrange list1 0 -1
    ~blmove list1 list2 left left 0
    @3 rpush list1 foo
    lrange list2 0 -1
    @3 rpush list2 x
    ~xread block 0 streams x $
    @3 xadd x 1-1 f v
    @3 xadd x 2-1 f v
    ~blpop q 0
    @3 rpush q 1
    ping
  `,
  'CLIENT REPLY OFF does not silence it': `
    hello 3
    client tracking on
    get a
    get b
    ~client reply off
    @3 set a 1
    ~get a
    @3 set a 2
    client reply on
    ~client reply skip
    @3 set b 2
    ~get b
    @3 set b 3
    ping
    @1 subscribe ch
    ~@1 client reply off
    @2 subscribe __redis__:invalidate other
    client tracking on redirect $id2
    get a
    @3 set a 3
    ping
  `,
  'CLIENT REPLY and pub/sub': `
    hello 3
    ~client reply off
    subscribe a b
    @3 publish a hello
    unsubscribe a
    psubscribe p*
    ssubscribe s
    @3 publish pq hi
    @3 spublish s hi
    client reply on
    @1 subscribe a
    ~@2 client reply off
    @2 subscribe a
    @3 publish a hello
    ~@2 ping
    ping
  `,
  'scripts: the keys that the caller named, when the script reads': `
    hello 3
    client tracking on
    eval "return 1" 2 a b
    @3 mset a 1 b 1
    eval "redis.call('set', KEYS[1], 2)" 2 a b
    @3 mset a 1 b 1
    eval "return redis.call('get', 'other')" 2 a b
    @3 set other 1
    @3 set b 1
    @3 set a 1
    eval_ro "return redis.call('ping')" 2 a b
    @3 mset a 1 b 1
    eval_ro "return redis.call('get', KEYS[1])" 1 a
    @3 set a 2
    get a
    eval "redis.call('set', KEYS[1], 3) return redis.call('get', KEYS[1])" 1 a
    @3 set a 4
    ping
  `,
  'scripts and NOLOOP': `
    hello 3
    client tracking on noloop
    get a
    eval "return redis.call('set', KEYS[1], 2)" 1 a
    @3 set a 1
    get a
    @3 eval "return redis.call('set', KEYS[1], 2)" 1 a
    ping
  `,
  'reads in a queue that is given up': `
    hello 3
    client tracking on
    multi
    get a
    discard
    @3 set a 1
    watch a
    @3 set a 2
    multi
    get a
    exec
    @3 set a 3
    multi
    get
    get a
    exec
    @3 set a 4
    ping
  `,
  'tracking changed inside a transaction': `
    hello 3
    multi
    client tracking on
    get a
    client tracking off
    exec
    @3 set a 1
    multi
    client tracking on bcast
    set a 2
    exec
    ping
    @3 set b 1
    client tracking off
    multi
    client tracking on optout
    client caching no
    get a
    get b
    exec
    @3 mset a 5 b 5
    get a
    @3 set a 6
    ping
  `,
  'a redirect to itself, in a chain and in a circle': `
    hello 3
    @1 hello 3
    @2 hello 3
    client tracking on redirect $id0
    client getredir
    get a
    @3 set a 1
    client tracking on redirect $id1
    @1 client tracking on redirect $id2
    @2 client tracking on redirect $id0
    get a
    @3 set a 2
    @1 get a
    @3 set a 3
    @1 set a 4
    get a
    @1 set a 5
    @2 ping
    @1 ping
    ping
  `,
  'a target that changes what it is': `
    hello 3
    client tracking on bcast redirect $id1
    @3 set a 1
    @1 subscribe __redis__:invalidate
    @3 set a 2
    @1 reset
    @3 set a 3
    @1 hello 3
    @3 set a 4
    @1 ping
    @1 multi
    @3 set a 5
    @1 exec
    ~@1 blpop q 0
    @3 set a 6
    @3 rpush q 1
    @1 ping
    ping
  `,
  'keys of odd bytes, and long ones': `
    hello 3
    client tracking on
    get ""
    @3 set "" 1
    get "\\x00\\xff\\r\\n"
    @3 set "\\x00\\xff\\r\\n" 1
    client tracking off
    client tracking on bcast prefix "\\x00" prefix "\\xff"
    @3 mset "\\x00\\xff" 1 "\\xfe" 1 "\\xff" 1
    client trackinginfo
    ping
  `,
  'commands that touch keys in odd ways': `
    hello 3
    client tracking on bcast
    @3 rpush l 3 1 2
    @3 sort l store s
    @3 sort nothing store s
    @3 zadd z 1 a 2 b
    @3 zrangestore z2 z 0 -1
    @3 zrangestore z2 z 9 9
    @3 bitop or d l2 l2
    @3 setrange nothing 0 ""
    @3 append e ""
    @3 pfadd p
    @3 pfcount p
    @3 pfcount p
    @3 geoadd g 1 1 a
    @3 geosearchstore g2 g fromlonlat 1 1 byradius 1 km
    @3 xadd x 1-1 f v
    @3 xgroup create x gr 0
    @3 xreadgroup group gr c streams x >
    @3 xack x gr 1-1
    @3 xadd x nomkstream maxlen 0 2-1 f v
    @3 lmpop 1 l left count 9
    @3 spop nothing
    @3 smove a b c
    @3 copy z z3
    @3 renamenx z z3
    @3 hincrbyfloat h f 1.5
    @3 incrbyfloat n 0
    @3 getex n persist
    @3 getex n ex 100
    @3 getdel n
    @3 msetnx n 1 z 1
    @3 touch z
    @3 unlink z z2
    @3 restore r 0 "garbage"
    @3 flushdb async
    ping
  `,
  'a flood of changes in one transaction': `
    hello 3
    client tracking on bcast prefix k
    @1 hello 3
    @1 client tracking on
    @1 mget k1 k2 k3
    @3 multi
    @3 mset k1 1 k2 2 k3 3
    @3 del k1 k2
    @3 set other 1
    @3 flushall
    @3 set k3 1
    @3 exec
    @1 ping
    ping
  `,
};

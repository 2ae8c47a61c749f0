// A chat over sharded pub/sub: a room is a channel, its messages stay in one shard; the last ones are kept in a stream.
import { Cluster } from 'lingcache';
import { startCluster } from 'lingcache/server';

const bundled = await startCluster();

class Chat {
  readonly #cluster = new Cluster(bundled.seeds);
  readonly #user: string;

  constructor(user: string) {
    this.#user = user;
  }

  async join(room: string, onLine: (line: string) => void): Promise<string[]> {
    const channel = `{room:${room}}`;
    this.#cluster.on('smessage', (from: string, line: string) => {
      if (from === channel) onLine(line);
    });
    await this.#cluster.ssubscribe(channel);
    const history = await this.#cluster.xrevrange(`${channel}:history`, '+', '-', 'COUNT', 20);
    return history.map(([, [, line]]) => line!).reverse();
  }

  async say(room: string, text: string): Promise<void> {
    const line = `${this.#user}: ${text}`;
    const channel = `{room:${room}}`;
    // The channel and the stream share a tag, so a transaction holds both.
    const results = await this.#cluster
      .multi()
      .xadd(`${channel}:history`, 'MAXLEN', '~', 100, '*', 'line', line)
      .spublish(channel, line)
      .exec();
    const failed = results?.find(([error]) => error !== null)?.[0];
    if (failed) throw failed;
  }

  leave(): Promise<unknown> {
    return this.#cluster.quit();
  }
}

const heard: string[] = [];
const [ada, bob, eve] = [new Chat('ada'), new Chat('bob'), new Chat('eve')];
await bob.join('lobby', (line) => heard.push(line));
await ada.say('lobby', 'hello');
await ada.say('lobby', 'is anybody here?');
await eve.say('cellar', 'nobody hears this');
while (heard.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
console.log(`bob heard: ${heard.join(' | ')}`);
console.log(`eve reads what she missed: ${(await eve.join('lobby', () => undefined)).join(' | ')}`);

await Promise.all([ada.leave(), bob.leave(), eve.leave()]);
await bundled.close();

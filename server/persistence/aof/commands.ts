// The commands of an append-only file, both ways: arrays of bulk strings, read strictly and at any split of the bytes.
// Knows bytes and words only; what the words do is the loader's affair.
// Invariant: `sound` is the offset behind the last command that was whole and not inside an unfinished transaction.

/** One command as it stands in the file. */
export function printCommand(argv: readonly string[]): string {
  let text = `*${argv.length}\r\n`;
  for (const word of argv) text += `$${word.length}\r\n${word}\r\n`;
  return text;
}

/** A remark between commands: the time, in whole seconds since the epoch. */
export function printTime(seconds: number): string {
  return `#TS:${seconds}\r\n`;
}

/** Texts of more than this are given in pieces: a string has a greatest length. */
const pieceLength = 1024 * 1024;

/** One command as it stands in the file, in pieces: together they may be longer than any string can be. */
export function* printPieces(argv: readonly string[]): Generator<string, void, undefined> {
  let text = `*${argv.length}\r\n`;
  for (const word of argv) {
    text += `$${word.length}\r\n`;
    if (word.length > pieceLength) {
      yield text;
      yield word;
      text = '\r\n';
    } else {
      text += `${word}\r\n`;
      if (text.length > pieceLength) {
        yield text;
        text = '';
      }
    }
  }
  if (text !== '') yield text;
}

const maxWords = 1024 * 1024;
const maxWordBytes = 512 * 1024 * 1024;
const maxLineBytes = 1024;
const cr = 0x0d;
const lf = 0x0a;

export class CommandReader {
  readonly #onCommand: (argv: readonly string[]) => void;
  #bytes: Buffer = Buffer.alloc(0);
  /** Came after #bytes, kept apart until a long word is whole: joining at each chunk would copy it over and over. */
  #late: Buffer[] = [];
  #lateBytes = 0;
  #missing = 0;
  /** Where in the file #bytes starts, and what of it was used. */
  #start: number;
  #at = 0;
  #wanted = 0;
  #words: string[] = [];
  #wordBytes = -1;
  #transaction: (readonly string[])[] | undefined;
  /** Bytes of the file up to which everything is whole. */
  sound: number;

  /** `start`: where in the file the first command stands. A transaction is handed on whole, when its EXEC is there. */
  constructor(onCommand: (argv: readonly string[]) => void, start = 0) {
    this.#onCommand = onCommand;
    this.#start = start;
    this.sound = start;
  }

  /** Takes the next bytes. Throws an Error that says where the file is damaged. */
  feed(chunk: Uint8Array): void {
    this.#late.push(Buffer.from(chunk));
    this.#lateBytes += chunk.length;
    if (this.#lateBytes < this.#missing) return;
    this.#join();
    this.#missing = 0;
    while (this.#step()) {}
  }

  #join(): void {
    this.#start += this.#at;
    this.#bytes = Buffer.concat([this.#bytes.subarray(this.#at), ...this.#late]);
    this.#at = 0;
    this.#late = [];
    this.#lateBytes = 0;
  }

  /** Says that the file ends. Throws an Error when what is left could not have become a command. */
  end(): void {
    this.#join();
    if (this.#wordBytes >= 0 || this.#at === this.#bytes.length) return;
    const mark = this.#wanted > 0 ? '$' : '*';
    const first = String.fromCharCode(this.#bytes[this.#at]!);
    if (first !== mark && !(mark === '*' && first === '#')) throw this.#damage(`'${first}' where ${mark} belongs`);
  }

  /** Whether the file may end here: not within a command or a transaction. */
  get whole(): boolean {
    return this.sound === this.#offset && this.#at === this.#bytes.length && this.#lateBytes === 0;
  }

  get #offset(): number {
    return this.#start + this.#at;
  }

  /** Does one thing; false when that needs more bytes. */
  #step(): boolean {
    if (this.#wordBytes >= 0) return this.#word();
    const line = this.#line();
    if (line === undefined) return false;
    if (this.#wanted > 0) {
      this.#wordBytes = this.#count(line, '$', 0, maxWordBytes);
      return true;
    }
    // Remarks, such as the times that redis-server notes on request.
    if (line.startsWith('#')) this.#settle();
    else this.#wanted = this.#count(line, '*', 1, maxWords);
    return true;
  }

  #line(): string | undefined {
    const end = this.#bytes.indexOf(lf, this.#at);
    if ((end < 0 ? this.#bytes.length : end) - this.#at > maxLineBytes) throw this.#damage('a line without an end');
    if (end < 0) return undefined;
    if (this.#bytes[end - 1] !== cr) throw this.#damage('a line that does not end in CRLF');
    const line = this.#bytes.toString('latin1', this.#at, end - 1);
    this.#at = end + 1;
    return line;
  }

  #word(): boolean {
    const end = this.#at + this.#wordBytes;
    if (end + 2 > this.#bytes.length) {
      this.#missing = end + 2 - this.#bytes.length;
      return false;
    }
    if (this.#bytes[end] !== cr || this.#bytes[end + 1] !== lf)
      throw this.#damage('an argument of another length than its header says');
    this.#words.push(this.#bytes.toString('latin1', this.#at, end));
    this.#at = end + 2;
    this.#wordBytes = -1;
    if (this.#words.length === this.#wanted) this.#command();
    return true;
  }

  #command(): void {
    const argv = this.#words;
    this.#words = [];
    this.#wanted = 0;
    const name = argv[0]!.toLowerCase();
    if (name === 'multi') {
      if (this.#transaction !== undefined) throw this.#damage('MULTI inside MULTI');
      this.#transaction = [];
    } else if (name === 'exec') {
      const commands = this.#transaction;
      if (commands === undefined) throw this.#damage('EXEC without MULTI');
      this.#transaction = undefined;
      for (const command of commands) this.#onCommand(command);
    } else if (this.#transaction !== undefined) this.#transaction.push(argv);
    else this.#onCommand(argv);
    this.#settle();
  }

  #settle(): void {
    if (this.#transaction === undefined) this.sound = this.#offset;
  }

  #count(line: string, mark: string, least: number, most: number): number {
    const digits = line.slice(1);
    const count = line.startsWith(mark) && /^\d{1,10}$/.test(digits) ? Number(digits) : -1;
    if (count < least || count > most) throw this.#damage(`'${line.slice(0, 40)}' where ${mark} and a number belong`);
    return count;
  }

  #damage(why: string): Error {
    return new Error(`${why}, near byte ${this.#offset}`);
  }
}

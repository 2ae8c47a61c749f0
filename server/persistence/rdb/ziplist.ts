// Ziplists and zipmaps, the small encodings of servers before 7.0: read only, for dumps of that age.
// Ziplist: u32 bytes, u32 tail offset, u16 count, entries, 0xff. Entry: length of the previous one (1 byte, or 254 and
// 4 more), encoding, data. Zipmap: count, then length, name, length, free, value, spare bytes; 0xff.

import { ByteReader } from './bytes.ts';

export function readZiplist(bytes: Buffer): string[] {
  const reader = new ByteReader(bytes);
  if (reader.u32() !== bytes.length) throw new Error('ziplist: its length is not that of its bytes');
  const tail = reader.u32();
  const count = reader.u16();
  const items: string[] = [];
  let last = reader.at;
  let previous = 0;
  while (!(reader.left === 1 && reader.bytes[reader.at] === 0xff)) {
    last = reader.at;
    const short = reader.u8();
    if ((short === 254 ? reader.u32() : short) !== previous) {
      throw new Error('ziplist: an entry and the length of the one before it disagree');
    }
    items.push(readZiplistEntry(reader));
    previous = reader.at - last;
  }
  if (tail !== last) throw new Error('ziplist: its last entry is not where it says');
  if (count !== 0xffff && count !== items.length) throw new Error(`ziplist: ${items.length} entries, not ${count}`);
  return items;
}

function readZiplistEntry(reader: ByteReader): string {
  const first = reader.u8();
  if (first < 0x40) return reader.text(first);
  if (first < 0x80) return reader.text(((first & 0x3f) << 8) | reader.u8());
  if (first === 0x80) return reader.text(reader.u32be());
  if (first >= 0xf1 && first <= 0xfd) return String(first - 0xf1);
  switch (first) {
    case 0xc0:
      return String(reader.int(2));
    case 0xd0:
      return String(reader.int(4));
    case 0xe0:
      return String(reader.i64());
    case 0xf0:
      return String(reader.int(3));
    case 0xfe:
      return String(reader.int(1));
    default:
      throw new Error(`ziplist: unknown encoding 0x${first.toString(16)}`);
  }
}

export function readZipmap(bytes: Buffer): string[] {
  const reader = new ByteReader(bytes);
  reader.u8();
  const items: string[] = [];
  for (let first = reader.u8(); first !== 0xff; first = reader.u8()) {
    items.push(reader.text(first === 254 ? reader.u32() : first));
    const length = reader.u8();
    const whole = length === 254 ? reader.u32() : length;
    const spare = reader.u8();
    items.push(reader.text(whole));
    reader.raw(spare);
  }
  if (items.length === 0) throw new Error('zipmap: it is empty');
  if (reader.left !== 0) throw new Error('zipmap: bytes after its end');
  return items;
}

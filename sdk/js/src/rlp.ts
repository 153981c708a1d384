import { concat, fixed, toNumber, uint } from './bytes.js';

export type Item = Uint8Array | Item[];

function prefix(base: number, size: number): Uint8Array {
  if (size < 56) return fixed(base + size, 1);
  const length = uint(BigInt(size));
  return concat(fixed(base + 55 + length.length, 1), length);
}

/** encode returns the one RLP encoding of a string or a list. */
export function encode(item: Item): Uint8Array {
  if (item instanceof Uint8Array) {
    return item.length === 1 && item[0]! < 0x80 ? item : concat(prefix(0x80, item.length), item);
  }
  const content = concat(...item.map(encode));
  return concat(prefix(0xc0, content.length), content);
}

/** decode reads one item, and refuses every form but the shortest, and bytes after the end. */
export function decode(b: Uint8Array): Item {
  const { item, end } = take(b, 0, 0);
  if (end !== b.length) throw new Error(`${b.length - end} bytes after the end`);
  return item;
}

const maxDepth = 8; // an access list has five levels

function take(b: Uint8Array, at: number, depth: number): { item: Item; end: number } {
  const { list, from, end } = span(b, at);
  if (!list) return { item: b.slice(from, end), end };
  if (depth === maxDepth) throw new Error('too many lists in lists');
  const items: Item[] = [];
  for (let next = from; next < end; ) {
    const one = take(b.subarray(0, end), next, depth + 1);
    items.push(one.item);
    next = one.end;
  }
  return { item: items, end };
}

/** span says where the content of the item at a place is. */
function span(b: Uint8Array, at: number): { list: boolean; from: number; end: number } {
  const first = b[at];
  if (first === undefined) throw new Error('ends too early');
  const list = first >= 0xc0;
  if (first < 0x80) return { list, from: at, end: at + 1 };
  const short = first - (list ? 0xc0 : 0x80);
  let from = at + 1;
  let size = short;
  if (short > 55) {
    const digits = b.subarray(from, from + short - 55);
    if (digits.length < short - 55 || digits[0] === 0) throw new Error('length is not in its shortest form');
    from += digits.length;
    size = Number(toNumber(digits));
    if (size < 56) throw new Error('length is not in its shortest form');
  }
  if (size > b.length - from) throw new Error('ends too early');
  if (!list && size === 1 && b[from]! < 0x80) throw new Error('byte is not in its shortest form');
  return { list, from, end: from + size };
}

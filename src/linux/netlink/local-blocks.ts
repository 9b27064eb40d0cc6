// Finds IPv4 blocks that are entirely local, such as 127.0.0.0/8 or a route of type local (AnyIP), so that millions of
// source addresses need not be tested one by one.
import { readText } from "../proc/procfs.js";

/** A range of addresses as unsigned numbers, including both ends. */
export interface Block {
  readonly first: number;
  readonly last: number;
}

/**
 * Returns blocks whose addresses are all local, in ascending order and without overlap; empty if the routing table
 * cannot be read. The part of a block covered by a more specific route of another type is excluded, even if local
 * routes exist within it.
 */
export function readLocalBlocks(text = readText("/proc/net/fib_trie") ?? ""): Block[] {
  const entries = parseTrie(text);
  const locals = entries.filter(({ isLocal }) => isLocal).sort((a, b) => a.first - b.first || b.last - a.last);
  const others = entries.filter(({ isLocal }) => !isLocal).sort((a, b) => a.first - b.first);
  const blocks: Block[] = [];
  let end = -1;
  for (const block of locals) {
    // The previous block contains this one.
    if (block.last <= end) continue;
    end = block.last;
    let first = block.first;
    for (const hole of others) {
      // This is the block's own route in another table, or a wider route.
      if (hole.first < block.first || hole.last > block.last || hole.last - hole.first >= block.last - block.first)
        continue;
      if (hole.first > first) blocks.push({ first, last: hole.first - 1 });
      first = Math.max(first, hole.last + 1);
    }
    if (first <= block.last) blocks.push({ first, last: block.last });
  }
  return blocks;
}

/** Parses the leaves of the trie: an address, followed by prefix lengths with scope and type. */
function parseTrie(text: string): (Block & { readonly isLocal: boolean })[] {
  const entries = [];
  let address = 0;
  for (const line of text.split("\n")) {
    const leaf = /\|-- (\d+)\.(\d+)\.(\d+)\.(\d+)/.exec(line);
    if (leaf) address = leaf.slice(1).reduce((sum, byte) => sum * 256 + Number(byte), 0);
    const prefix = /^\s+\/(\d+) \S+ (\S+)/.exec(line);
    if (!prefix) continue;
    const last = address + 2 ** (32 - Number(prefix[1])) - 1;
    entries.push({ first: address, last, isLocal: prefix[2] === "LOCAL" });
  }
  return entries;
}

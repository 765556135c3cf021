/**
 * The home of a Client Identifier or of a topic: which one of how many nodes keeps its session, or its retained message.
 * Knows a hash; refuses to know which nodes there are. It is part of the layout of files (spec/decisions/0047-workers.md): another hash
 * would leave sessions where nobody looks for them.
 * @module
 */

/** FNV-1a of 32 bits. */
const OFFSET = 0x811c9dc5;
const PRIME = 0x01000193;

/**
 * The index of the home of a text, 0 to `nodes` - 1; `nodes` is 1 or more. FNV-1a over its UTF-16 code units, the low byte of each first,
 * mixed as MurmurHash3 ends, and scaled to `nodes` by multiplication. With another number of nodes most texts have another home.
 */
export function homeOf(text: string, nodes: number): number {
  let hash = OFFSET;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    hash = Math.imul(hash ^ (unit & 0xff), PRIME);
    hash = Math.imul(hash ^ (unit >>> 8), PRIME);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return Math.floor(((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32 * nodes);
}

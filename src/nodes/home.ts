/**
 * Which of several nodes is the home of a text: a Client Identifier or a Topic Name. It is part of the layout of a data directory.
 * Knows the hash; refuses to know nodes.
 * @module
 */
import { hashText, mixed } from "../topic/hash.ts";

/** FNV-1a's offset. */
const SEED = 0x811c_9dc5 | 0;

/** The home of a text among so many nodes: 0 up to `nodes` - 1, the same everywhere and for ever. */
export function homeOf(text: string, nodes: number): number {
  return (mixed(hashText(SEED, text, 0, text.length)) >>> 0) % nodes;
}

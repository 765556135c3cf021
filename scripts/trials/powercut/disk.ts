/**
 * What a disk may have after a power cut: all that was synced, and of the rest what chance has left.
 * Knows writes, names and syncs in their order; refuses to know who made them.
 *
 * A sync of a file makes the content safe that had been written before it began. Names are made safe by a sync of their
 * directory only. Of what is not safe any write may be there or not, whole or in part by sectors, and thus a later one
 * without an earlier one. Names change in their order, as in a journal: one is kept only with all before it.
 * @module
 */
import type { Dice } from "../soak/dice.ts";

/** A file or a directory, whatever it is called. */
export type Node = number;
/** The directory that everything is in. */
export const ROOT_NODE: Node = 0;

/** From its first place on an operation may have taken effect, at the second it had for sure (Infinity: never known). */
interface Place {
  readonly at: number;
  readonly doneAt: number;
}

/** Changes of a file's content. */
export type ContentOp =
  & Place
  & (
    | { readonly kind: "write"; readonly node: Node; readonly offset: number; readonly data: Uint8Array }
    | { readonly kind: "size"; readonly node: Node; readonly size: number }
  );

/** One name in a directory: for this node, or for none any more. */
export interface NameChange {
  readonly directory: Node;
  readonly name: string;
  readonly node: Node | undefined;
}

/** Changes of names that happen together. */
export type NameOp = Place & {
  readonly kind: "name";
  readonly changes: readonly NameChange[];
  /** It makes a directory. */
  readonly isDirectory?: boolean;
};

/** What happens to a disk. */
export type DiskOp =
  | ContentOp
  | NameOp
  /** Ended at `at`; makes safe what was done before `from`. */
  | { readonly kind: "sync"; readonly node: Node; readonly from: number; readonly at: number }
  /** Its writes that have no end never took effect. */
  | { readonly kind: "undone"; readonly node: Node; readonly at: number }
  /** Written past all calls from now on: its content may be anything. */
  | { readonly kind: "mapped"; readonly node: Node; readonly at: number };

/** Paths below the root, and the content of each; undefined for a directory. */
export type Tree = Map<string, Uint8Array | undefined>;

/** How much of what is not safe is kept. */
export type Damage = "nothing" | "all" | "first" | "any";

export const SECTOR_BYTES = 512;

/** A file's content that grows. */
class Content {
  #bytes: Uint8Array;
  #size: number;

  constructor(from: Uint8Array = new Uint8Array()) {
    this.#bytes = from.slice();
    this.#size = from.length;
  }

  get size(): number {
    return this.#size;
  }

  write(offset: number, data: Uint8Array): void {
    if (data.length === 0) return;
    this.resize(Math.max(this.#size, offset + data.length));
    this.#bytes.set(data, offset);
  }

  resize(size: number): void {
    if (size > this.#bytes.length) {
      const bytes = new Uint8Array(size * 2);
      bytes.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = bytes;
    }
    if (size < this.#size) this.#bytes.fill(0, size, this.#size);
    this.#size = size;
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }
}

interface File {
  readonly safe: Content;
  pending: ContentOp[];
  isMapped: boolean;
}

/** Names of one directory that are safe. */
type Names = Map<string, Node>;

/** One. */
export class Disk {
  readonly #files: Map<Node, File> = new Map();
  readonly #directories: Map<Node, Names> = new Map([[ROOT_NODE, new Map()]]);
  #pending: NameOp[] = [];

  /** The next operation, in the order of their places. */
  apply(op: DiskOp): void {
    if (op.kind === "sync") return this.#sync(op.node, op.from);
    if (op.kind === "mapped") {
      this.#file(op.node).isMapped = true;
    } else if (op.kind === "undone") {
      const file = this.#file(op.node);
      file.pending = file.pending.filter(({ doneAt }) => doneAt < Infinity);
    } else if (op.kind === "name") {
      for (const { node } of op.changes) {
        if (node !== undefined && op.isDirectory) this.#directories.set(node, new Map());
      }
      this.#pending.push(op);
    } else this.#file(op.node).pending.push(op);
  }

  #file(node: Node): File {
    let file = this.#files.get(node);
    if (file === undefined) {
      this.#files.set(node, file = { safe: new Content(), pending: [], isMapped: false });
    }
    return file;
  }

  #sync(node: Node, from: number): void {
    const names = this.#directories.get(node);
    if (names === undefined) {
      const file = this.#file(node);
      for (const op of file.pending) if (op.doneAt < from) change(file.safe, op);
      file.pending = file.pending.filter(({ doneAt }) => doneAt >= from);
      return;
    }
    const isSafe = ({ doneAt, changes }: NameOp): boolean =>
      doneAt < from && changes.some(({ directory }) => directory === node);
    for (const op of this.#pending.filter(isSafe)) rename(this.#directories, op);
    this.#pending = this.#pending.filter((op) => !isSafe(op));
  }

  /** How many operations are not safe. */
  get unsafe(): number {
    let count = this.#pending.length;
    for (const { pending } of this.#files.values()) count += pending.length;
    return count;
  }

  /** The files as they are found after a power cut. */
  afterCut(damage: Damage, dice: Dice): Tree {
    const all = [...this.#pending, ...[...this.#files.values()].flatMap(({ pending }) => pending)];
    all.sort((a, b) => a.at - b.at);
    const count = damage === "nothing" ? 0 : damage === "all" ? all.length : dice.below(all.length + 1);
    const kept = new Set<ContentOp | NameOp>(all.slice(0, count));
    const torn = damage === "first" || damage === "any" ? all[count] : undefined;
    const names = new Map([...this.#directories].map(([node, names]) => [node, new Map(names)]));
    const keptNames = damage === "any" ? dice.below(this.#pending.length + 1) : Infinity;
    this.#pending.forEach((op, i) => {
      if (damage === "any" ? i < keptNames : kept.has(op)) rename(names, op);
    });
    const found = (node: Node): Uint8Array => {
      const file = this.#file(node);
      const content = new Content(file.safe.bytes());
      for (const op of file.pending) {
        const fate = damage === "any"
          ? dice.pick(["kept", "dropped", "torn"] as const)
          : op === torn
          ? "torn"
          : kept.has(op)
          ? "kept"
          : "dropped";
        if (fate === "kept") change(content, op);
        else if (fate === "torn") tear(content, op, dice);
      }
      if (file.isMapped && dice.chance(70)) content.write(0, dice.bytes(content.size));
      return content.bytes();
    };
    const tree: Tree = new Map();
    const visit = (node: Node, path: string): void => {
      for (const [name, child] of names.get(node)!) {
        const isDirectory = names.has(child);
        tree.set(path + name, isDirectory ? undefined : found(child));
        if (isDirectory) visit(child, `${path}${name}/`);
      }
    };
    visit(ROOT_NODE, "");
    return tree;
  }
}

function change(content: Content, op: ContentOp): void {
  if (op.kind === "size") content.resize(op.size);
  else content.write(op.offset, op.data);
}

function rename(directories: ReadonlyMap<Node, Names>, { changes }: NameOp): void {
  for (const { directory, name, node } of changes) {
    if (node === undefined) directories.get(directory)!.delete(name);
    else directories.get(directory)!.set(name, node);
  }
}

/** Only some sectors of a write are there: the first ones, or any. */
function tear(content: Content, op: ContentOp, dice: Dice): void {
  if (op.kind === "size") return; // there or not: this one is not
  const { offset, data } = op;
  const first = Math.floor(offset / SECTOR_BYTES);
  const sectors = Math.ceil((offset + data.length) / SECTOR_BYTES) - first;
  const isPrefix = dice.chance(50);
  const count = dice.below(sectors + 1);
  for (let i = 0; i < sectors; i++) {
    if (isPrefix ? i >= count : dice.chance(50)) continue;
    const start = Math.max(offset, (first + i) * SECTOR_BYTES);
    const end = Math.min(offset + data.length, (first + i + 1) * SECTOR_BYTES);
    content.write(start, data.subarray(start - offset, end - offset));
  }
}

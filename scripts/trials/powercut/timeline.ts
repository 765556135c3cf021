/**
 * From system calls to one time line: what happened to the disk, and which bytes were sent to whom before that or after it.
 * Knows descriptors, paths and connections of one broker after the other; refuses to know what a power cut leaves.
 * @module
 */
import { join } from "node:path";
import { type DiskOp, type NameChange, type Node, ROOT_NODE } from "./disk.ts";
import { bytesOf, type Call, quoted, readCalls, textOf } from "./strace.ts";

/** One connection of a broker. */
export interface Sends {
  /** For each send its place, and all bytes that were sent with it or before it. */
  readonly sent: { readonly at: number; readonly bytes: number }[];
  /** Where the broker ended it: Infinity if it did not. */
  closedAt: number;
}

/** One process that served. */
export interface Life {
  /** Its first place, and the first behind it. */
  readonly from: number;
  readonly to: number;
  /** Where it said that it listens. */
  readonly listeningAt: number;
  /** By the port of the Client. */
  readonly connections: ReadonlyMap<number, Sends>;
  /** Whether it is known of every call what came of it, but for writes: `settle()` finds that. */
  readonly isClear: boolean;
}

/** An open file, directory or connection. */
type Opened =
  | { readonly node: Node; position: number; readonly appends: boolean }
  | { readonly sends: Sends };

/** The log line, as strace writes it; runtimes write it in different ways. */
const LISTENING = hex("msg=listening");
/** Calls that are wrong in a data directory: nobody here knows what they would do. */
const STRANGE = new Set([
  "copy_file_range",
  "sendfile",
  "link",
  "linkat",
  "symlink",
  "symlinkat",
  "rmdir",
  "pwritev2",
]);
const SENDS = new Set(["write", "writev", "sendto", "sendmsg"]);
const WRITES = new Set(["write", "writev", "pwrite64", "pwritev"]);

function hex(text: string): string {
  return [...new TextEncoder().encode(text)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join(
    "",
  );
}

/** Reads what strace wrote of each process, in their order. */
export class Timeline {
  /** By their places. */
  readonly ops: DiskOp[] = [];
  readonly lives: Life[] = [];
  readonly #root: string;
  readonly #names: Map<Node, Map<string, Node>> = new Map([[ROOT_NODE, new Map()]]);
  readonly #mapped: Set<Node> = new Set();
  #nodes = ROOT_NODE;
  #end = 0;
  #fds: Map<number, Opened> = new Map();
  #isClear = true;

  /** `root` is an empty directory that is safe. */
  constructor(root: string) {
    this.#root = root;
  }

  /** The first place behind all. */
  get end(): number {
    return this.#end;
  }

  /**
   * Adds a process.
   * @throws if it did what cannot be followed.
   */
  read(text: string): Life {
    const from = this.#end;
    const calls = readCalls(text, from);
    const phases = calls.flatMap((call) => [
      { at: call.enter, call, isEnter: true },
      { at: call.exit, call, isEnter: false },
    ]).filter(({ at }) => at < Infinity).sort((a, b) => a.at - b.at);
    this.#fds = new Map();
    this.#isClear = true;
    const connections = new Map<number, Sends>();
    let listeningAt = Infinity;
    for (const { call, isEnter } of phases) {
      if (call.result.startsWith("-1")) continue;
      if (isEnter) {
        if (call.args.includes(LISTENING)) listeningAt = call.enter;
        this.#enter(call);
      } else this.#exit(call, connections);
    }
    this.#end = (phases.at(-1)?.at ?? from) + 2; // the place between is that of the process's end
    this.ops.sort((a, b) => a.at - b.at);
    const life = { from, to: this.#end, listeningAt, connections, isClear: this.#isClear };
    this.lives.push(life);
    return life;
  }

  /** The last process is over: looks at the files, given by path, for whether the writes that its death interrupted took effect. */
  settle(read: (path: string) => Uint8Array): void {
    const { from, to } = this.lives.at(-1)!;
    const at = to - 1;
    for (const [i, op] of this.ops.entries()) {
      if (op.kind !== "write" || op.at < from || op.doneAt < Infinity) continue;
      const path = this.#pathOf(op.node);
      const content = path === undefined ? new Uint8Array() : read(path).subarray(op.offset);
      const isDone = op.data.every((byte, i) => byte === content[i]);
      if (isDone) this.ops[i] = { ...op, doneAt: at };
      else this.ops.push({ kind: "undone", node: op.node, at });
    }
  }

  /** A file's present path. */
  #pathOf(node: Node): string | undefined {
    for (const [directory, names] of this.#names) {
      for (const [name, one] of names) {
        if (one !== node) continue;
        const folder = directory === ROOT_NODE ? this.#root : this.#pathOf(directory);
        return folder && join(folder, name);
      }
    }
    return undefined;
  }

  #enter(call: Call): void {
    const { name, enter } = call;
    if (/^(open|creat|mkdir|unlink|rename|truncate)/.test(name)) return this.#naming(call);
    const opened = this.#opened(call);
    if (opened === undefined) {
      const isChange = WRITES.has(name) || STRANGE.has(name) || name === "ftruncate" || name === "fallocate";
      if (!isChange || !this.#isOurs(call)) return;
      throw new Error(`${name} by an unknown way: ${call.args.slice(0, 200)}`);
    }
    if (name === "close") this.#fds.delete(fdOf(call));
    if ("node" in opened) return this.#change(call, opened);
    const { sends } = opened;
    if (SENDS.has(name)) {
      const before = sends.sent.at(-1)?.bytes ?? 0;
      const count = call.result === "" ? Infinity : Number.parseInt(call.result);
      sends.sent.push({ at: enter, bytes: before + count });
    } else if (name === "shutdown" || name === "close") sends.closedAt = Math.min(sends.closedAt, enter);
  }

  #exit(call: Call, connections: Map<number, Sends>): void {
    const { name, result, args, enter, exit } = call;
    const opened = this.#opened(call);
    if (name === "open" || name === "openat" || name === "creat") {
      const node = this.#find(pathsOf(call)[0]!);
      if (node === undefined) return;
      this.#fds.set(Number.parseInt(result), { node, position: 0, appends: args.includes("O_APPEND") });
    } else if (name.startsWith("dup")) {
      if (opened !== undefined) this.#fds.set(Number.parseInt(result), opened);
    } else if (name.startsWith("accept")) {
      const port = /sin6?_port=htons\((\d+)\)/.exec(args)?.[1];
      if (port === undefined) return;
      const sends = { sent: [], closedAt: Infinity };
      this.#fds.set(Number.parseInt(result), { sends });
      connections.set(Number(port), sends);
    } else if (name === "fsync" || name === "fdatasync") {
      if (opened !== undefined && "node" in opened) {
        this.ops.push({ kind: "sync", node: opened.node, from: enter, at: exit });
      }
    } else if (name === "lseek" && opened !== undefined && "node" in opened) {
      opened.position = Number.parseInt(result);
    }
  }

  #opened(call: Call): Opened | undefined {
    const fd = call.name === "mmap"
      ? Number(/, (-?\d+)(<[^>]*>)?(\(deleted\))?, \w+$/.exec(call.args)?.[1])
      : fdOf(call);
    return this.#fds.get(fd);
  }

  /** Whether it names a file of ours. */
  #isOurs({ args }: Call): boolean {
    return [...args.matchAll(/["<]((?:\\x[0-9a-f]{2})+)[">]/g)].some(([, text = ""]) =>
      text.startsWith(hex(`${this.#root}/`))
    );
  }

  #doubt(call: Call): void {
    if (call.result === "") this.#isClear = false;
  }

  /** Changes of what stands in an open file. */
  #change(call: Call, opened: Extract<Opened, { node: Node }>): void {
    const { name, args, enter: at, exit: doneAt } = call;
    const { node } = opened;
    if (WRITES.has(name)) {
      const texts = quoted(args);
      if (texts.includes(undefined)) throw new Error(`strace has cut what ${name} wrote`);
      const data = bytesOf(texts.join(""));
      const count = call.result === "" ? data.length : Number.parseInt(call.result);
      const isAt = name.startsWith("p");
      if (opened.appends && !isAt) throw new Error(`${name} appends: ${args.slice(0, 200)}`);
      const offset = isAt ? Number(/, (\d+)$/.exec(args)![1]) : opened.position;
      if (!isAt) opened.position += count;
      this.ops.push({ kind: "write", node, offset, data: data.subarray(0, count), at, doneAt });
    } else if (name === "ftruncate") {
      this.#doubt(call);
      this.ops.push({ kind: "size", node, size: Number(/, (\d+)$/.exec(args)![1]), at, doneAt });
    } else if (name === "mmap" && args.includes("MAP_SHARED") && args.includes("PROT_WRITE")) {
      if (!this.#mapped.has(node)) this.ops.push({ kind: "mapped", node, at });
      this.#mapped.add(node);
    } else if (STRANGE.has(name) || name === "fallocate") {
      throw new Error(`${name}: ${args.slice(0, 200)}`);
    }
  }

  /** Changes of names. */
  #naming(call: Call): void {
    const { name, args } = call;
    const [path = "", other = ""] = pathsOf(call);
    const isNew = name === "creat" || (name.startsWith("open") && args.includes("O_CREAT"));
    if (isNew && this.#place(path) !== undefined && this.#find(path) === undefined) {
      this.#rename(call, [path, ++this.#nodes]);
    } else if (name.startsWith("mkdir") && this.#place(path) !== undefined) {
      const node = ++this.#nodes;
      this.#names.set(node, new Map());
      this.#rename(call, [path, node]);
    } else if (name.startsWith("unlink") && this.#find(path) !== undefined) {
      this.#rename(call, [path, undefined]);
    } else if (name.startsWith("rename") && this.#find(path) !== undefined) {
      if (this.#place(other) === undefined) throw new Error(`${path} leaves the data directory`);
      this.#rename(call, [path, undefined], [other, this.#find(path)]);
    }
    const node = this.#find(path);
    const truncates = name === "truncate" || name === "creat" || args.includes("O_TRUNC");
    if (!truncates || node === undefined || isNew && this.ops.at(-1)?.at === call.enter) return;
    const size = name === "truncate" ? Number(/, (\d+)$/.exec(args)![1]) : 0;
    this.#doubt(call);
    this.ops.push({ kind: "size", node, size, at: call.enter, doneAt: call.exit });
  }

  #rename(call: Call, ...pairs: [string, Node | undefined][]): void {
    this.#doubt(call);
    const changes: NameChange[] = pairs.map(([path, node]) => ({ ...this.#place(path)!, node }));
    for (const { directory, name, node } of changes) {
      if (node === undefined) this.#names.get(directory)!.delete(name);
      else this.#names.get(directory)!.set(name, node);
    }
    this.ops.push({
      kind: "name",
      changes,
      isDirectory: call.name.startsWith("mkdir"),
      at: call.enter,
      doneAt: call.exit,
    });
  }

  /** The directory of a path, and its name in it; undefined if it is none of ours. */
  #place(path: string): { directory: Node; name: string } | undefined {
    if (!path.startsWith(`${this.#root}/`)) return undefined;
    const names = path.slice(this.#root.length + 1).split("/");
    const name = names.pop()!;
    let directory = ROOT_NODE;
    for (const name of names) {
      const next = this.#names.get(directory)?.get(name);
      if (next === undefined || !this.#names.has(next)) return undefined;
      directory = next;
    }
    return { directory, name };
  }

  #find(path: string): Node | undefined {
    if (path === this.#root) return ROOT_NODE;
    const place = this.#place(path);
    return place && this.#names.get(place.directory)!.get(place.name);
  }
}

function fdOf({ args }: Call): number {
  return Number.parseInt(args);
}

/** The paths that a call names, absolute. */
function pathsOf({ name, args }: Call): string[] {
  const texts = quoted(args).map((text) => textOf(text ?? ""));
  const folders = [...args.matchAll(/(?:^|, )(?:AT_FDCWD|\d+)<((?:\\x[0-9a-f]{2})*)>/g)].map(([, text]) =>
    textOf(text!)
  );
  return texts.map((text, i) =>
    text.startsWith("/")
      ? text
      : join(folders[name === "renameat" || name.startsWith("linkat") ? i : 0] ?? "", text)
  );
}

/**
 * What Debian's `strace` writes, as system calls with the places in which they began and ended.
 * Knows the form of its lines; refuses to know what the calls do.
 * @module
 */
import { spawnSync } from "node:child_process";
import process from "node:process";

/** One system call. */
export interface Call {
  readonly name: string;
  /** As strace writes them; texts and bytes are hexadecimal. */
  readonly args: string;
  /** Empty if it has none, since the process was killed. */
  readonly result: string;
  /** Places on the time line: of two calls, the one that ended at a lower place than the other began was over before it. */
  readonly enter: number;
  /** Infinity if it did not end. */
  readonly exit: number;
}

/** Calls that change files, and those that send to Clients. */
const TRACED = [
  "open,openat,creat,close,dup,dup2,dup3,mmap,lseek",
  "write,pwrite64,pwritev,pwritev2,writev,ftruncate,truncate,fallocate,copy_file_range,sendfile",
  "rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat",
  "fsync,fdatasync,accept4,accept,sendto,sendmsg,shutdown",
].join(",");
/** Longer texts are cut, which is noticed where they matter. */
const TEXT_BYTES_MAX = 1 << 20;

/** The command under which a broker is recorded. The tracer is a process of its own, so that signals reach the broker. */
export function straceTo(file: string): string[] {
  return [
    ...["strace", "-D", "-f", "--seccomp-bpf", "-y", "-xx", "-s", `${TEXT_BYTES_MAX}`],
    ...["-e", `trace=${TRACED}`, "-o", file],
  ];
}

/** Why nothing can be recorded; undefined if it can. */
export function whatIsMissing(): string | undefined {
  if (process.platform !== "linux") return "strace is there on Linux alone";
  const { error, status, stderr } = spawnSync("strace", ["-f", "-o", "/dev/null", "true"], {
    encoding: "utf8",
  });
  if (error !== undefined) return "strace not installed (Debian's package: strace)";
  return status === 0 ? undefined : `strace may not trace here: ${stderr.trim()}`;
}

/** Whether strace has written all there was of this process. */
export function isComplete(text: string, pid: number): boolean {
  return new RegExp(`^${pid} +\\+\\+\\+ .*\\n`, "m").test(text.slice(-ENDING_CHARACTERS));
}

/** The last lines of the threads stand in these. */
const ENDING_CHARACTERS = 4_096;

interface Begun {
  readonly name: string;
  readonly args: string;
  readonly enter: number;
}

/** All calls, in the order in which they began; places are counted on from `from`. */
export function readCalls(text: string, from = 0): Call[] {
  const calls: Call[] = [];
  const open = new Map<string, { begun: Begun; at: number }>();
  let place = from;
  const add = (begun: Begun, at: number, ending: string, exit: number): void => {
    const equals = ending.lastIndexOf(" = ");
    const result = equals < 0 ? "" : ending.slice(equals + 3);
    const args = begun.args + (equals < 0 ? ending : ending.slice(0, equals).trimEnd().replace(/\)$/, ""));
    const isOver = result !== "" && !result.startsWith("?");
    calls[at] = { ...begun, args, result: isOver ? result : "", exit: isOver ? exit : Infinity };
  };
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(start, end);
    start = end + 1;
    const space = line.indexOf(" ");
    const thread = line.slice(0, space);
    const rest = line.slice(space).trimStart();
    if (/^(\+\+\+|---)/.test(rest)) continue;
    const resumed = /^<\.\.\. \w+ resumed>/.exec(rest);
    if (resumed !== null) {
      const known = open.get(thread);
      if (known === undefined) continue;
      open.delete(thread);
      add(known.begun, known.at, rest.slice(resumed[0].length), place++);
      continue;
    }
    const bracket = rest.indexOf("(");
    if (bracket < 0) continue;
    const enter = place++;
    const name = rest.slice(0, bracket);
    const at = calls.length;
    const unfinished = rest.lastIndexOf(" <unfinished ...>");
    if (unfinished > 0) {
      const begun = { name, args: rest.slice(bracket + 1, unfinished), enter };
      calls.push({ ...begun, result: "", exit: Infinity });
      if (!/= \?$/.test(rest)) open.set(thread, { begun, at });
    } else {
      calls.length++;
      add({ name, args: "", enter }, at, rest.slice(bracket + 1), place++);
    }
  }
  return calls;
}

/** The bytes of `\x01\x02…`. */
export function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length >> 2);
  for (let i = 0, at = 2; i < bytes.length; i++, at += 4) {
    bytes[i] = digit(text.charCodeAt(at)) << 4 | digit(text.charCodeAt(at + 1));
  }
  return bytes;
}

function digit(code: number): number {
  return code < 0x3a ? code - 0x30 : code - 0x57;
}

/** A text of `\x01\x02…`. */
export function textOf(text: string): string {
  return new TextDecoder().decode(bytesOf(text));
}

/** All texts between quotation marks, undefined for one that strace has cut. */
export function quoted(args: string): (string | undefined)[] {
  return [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?/g)].map(([, text, cut]) =>
    cut === undefined ? text : undefined
  );
}

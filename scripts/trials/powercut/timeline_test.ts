/** What strace writes becomes one time line: of a disk, and of what was sent. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { ROOT_NODE } from "./disk.ts";
import { isComplete, readCalls } from "./strace.ts";
import { Timeline } from "./timeline.ts";

const hex = (text: string): string =>
  [...new TextEncoder().encode(text)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
/** Texts between ' are written as strace does. */
const lines = (...all: string[]): string =>
  all.map((line) => `7  ${line.replaceAll(/'([^']*)'/g, (_, text) => hex(text))}\n`).join("");
const read = (...all: string[]): Timeline => {
  const timeline = new Timeline("/r");
  timeline.read(lines(...all));
  return timeline;
};
/** Without places. */
const kinds = ({ ops }: Timeline): unknown[] =>
  ops.map(({ at: _, ...op }) => {
    const { doneAt: _done, from: _from, ...rest } = op as { doneAt?: number; from?: number };
    return rest;
  });

const OPEN = `openat(AT_FDCWD<'/'>, "'/r/f'", O_RDWR|O_CREAT|O_CLOEXEC, 0644) = 5<'/r/f'>`;

describe("system calls", () => {
  test("of two threads that overlap have their places in the order of the lines", () => {
    const text = `1  pwrite64(5, "\\x41", 1, 0 <unfinished ...>\n` +
      `2  fsync(5)              = 0\n` +
      `1  <... pwrite64 resumed>)   = 1\n`;
    const [write, sync] = readCalls(text);
    assertEquals([write!.enter, sync!.enter, sync!.exit, write!.exit], [0, 1, 2, 3]);
    assertEquals([write!.args, write!.result, sync!.result], [`5, "\\x41", 1, 0`, "1", "0"]);
  });
  test("that a death ended have no end", () => {
    for (const line of ["fsync(5 <unfinished ...>", "fsync(5 <unfinished ...>) = ?", "fsync(5) = ?"]) {
      const [call] = readCalls(lines(line, "+++ killed by SIGKILL +++"));
      assertEquals([call!.result, call!.exit], ["", Infinity], line);
    }
  });
  test("are complete when the end of the process is told", () => {
    assertEquals(isComplete(lines("fsync(5) = 0"), 7), false);
    assertEquals(isComplete(lines("fsync(5) = 0", "+++ exited with 0 +++"), 7), true);
    assertEquals(isComplete(lines("+++ exited with 0 +++"), 77), false);
  });
});

describe("the disk of a time line", () => {
  test("has files, what is written to them, their sizes and syncs", () => {
    const timeline = read(
      OPEN,
      `pwrite64(5<'/r/f'>, "'abc'", 3, 40) = 3`,
      `ftruncate(5<'/r/f'>, 41) = 0`,
      `fdatasync(5<'/r/f'>) = 0`,
      `close(5<'/r/f'>) = 0`,
      `unlink("'/r/f'") = 0`,
    );
    assertEquals(kinds(timeline), [
      { kind: "name", changes: [{ directory: ROOT_NODE, name: "f", node: 1 }], isDirectory: false },
      { kind: "write", node: 1, offset: 40, data: new TextEncoder().encode("abc") },
      { kind: "size", node: 1, size: 41 },
      { kind: "sync", node: 1 },
      { kind: "name", changes: [{ directory: ROOT_NODE, name: "f", node: undefined }], isDirectory: false },
    ]);
  });
  test("goes on where write() and writev() left off, and where lseek() went", () => {
    const timeline = read(
      OPEN,
      `write(5<'/r/f'>, "'abc'", 3) = 2`,
      `writev(5<'/r/f'>, [{iov_base="'d'", iov_len=1}, {iov_base="'e'", iov_len=1}], 2) = 2`,
      `lseek(5<'/r/f'>, 10, SEEK_SET) = 10`,
      `write(5<'/r/f'>, "'f'", 1) = 1`,
    );
    const writes = timeline.ops.flatMap((op) =>
      op.kind === "write" ? [[op.offset, new TextDecoder().decode(op.data)]] : []
    );
    assertEquals(writes, [[0, "ab"], [2, "de"], [10, "f"]]);
  });
  test("has no call that failed, and nothing of other files", () => {
    const timeline = read(
      `openat(AT_FDCWD<'/'>, "'/r/f'", O_RDWR) = -1 ENOENT (No such file or directory)`,
      `openat(AT_FDCWD<'/'>, "'/else'", O_RDWR|O_CREAT, 0644) = 5<'/else'>`,
      `write(5<'/else'>, "'abc'", 3) = 3`,
      `fsync(5<'/else'>) = 0`,
    );
    assertEquals(timeline.ops, []);
  });
  test("knows files in a directory by paths of all kinds, and by a descriptor's copy", () => {
    const timeline = read(
      `mkdir("'/r/d'", 0777) = 0`,
      `openat(AT_FDCWD<'/r'>, "'d'", O_RDONLY) = 4<'/r/d'>`,
      `openat(4<'/r/d'>, "'f'", O_WRONLY|O_CREAT, 0644) = 5<'/r/d/f'>`,
      `dup(5<'/r/d/f'>) = 6<'/r/d/f'>`,
      `close(5<'/r/d/f'>) = 0`,
      `pwrite64(6<'/r/d/f'>, "'a'", 1, 0) = 1`,
      `rename("'/r/d/f'", "'/r/d/g'") = 0`,
      `fsync(4<'/r/d'>) = 0`,
    );
    assertEquals(kinds(timeline), [
      { kind: "name", changes: [{ directory: ROOT_NODE, name: "d", node: 1 }], isDirectory: true },
      { kind: "name", changes: [{ directory: 1, name: "f", node: 2 }], isDirectory: false },
      { kind: "write", node: 2, offset: 0, data: new TextEncoder().encode("a") },
      {
        kind: "name",
        changes: [{ directory: 1, name: "f", node: undefined }, { directory: 1, name: "g", node: 2 }],
        isDirectory: false,
      },
      { kind: "sync", node: 1 },
    ]);
  });
  test("has the old content cut off where a file is opened to be written anew", () => {
    const timeline = read(
      OPEN,
      `openat(AT_FDCWD<'/'>, "'/r/f'", O_WRONLY|O_CREAT|O_TRUNC, 0644) = 6<'/r/f'>`,
    );
    assertEquals(kinds(timeline).at(-1), { kind: "size", node: 1, size: 0 });
  });
  test("tells which file is written past all calls", () => {
    const timeline = read(OPEN, `mmap(NULL, 32768, PROT_READ|PROT_WRITE, MAP_SHARED, 5<'/r/f'>, 0) = 0x7f00`);
    assertEquals(kinds(timeline).at(-1), { kind: "mapped", node: 1 });
  });
  test("is refused where it cannot be followed", () => {
    assertThrows(() => read(`pwrite64(5<'/r/f'>, "'a'", 1, 0) = 1`), Error, "by an unknown way");
    assertThrows(() => read(OPEN, `pwrite64(5<'/r/f'>, "'a'"..., 100, 0) = 100`), Error, "has cut");
    assertThrows(() => read(OPEN, `fallocate(5<'/r/f'>, 0, 0, 100) = 0`), Error, "fallocate");
    assertThrows(() => read(OPEN, `rename("'/r/f'", "'/else'") = 0`), Error, "leaves the data directory");
  });
  test("finds in the files whether a write took effect that a death interrupted", () => {
    for (const [content, isThere] of [["xab", true], ["x", false]] as const) {
      const timeline = read(OPEN, `pwrite64(5<'/r/f'>, "'ab'", 2, 1 <unfinished ...>`);
      const paths: string[] = [];
      timeline.settle((path) => {
        paths.push(path);
        return new TextEncoder().encode(content);
      });
      assertEquals(paths, ["/r/f"]);
      const [, write, undone] = timeline.ops;
      assertEquals(write?.kind === "write" && write.doneAt < Infinity, isThere);
      assertEquals(undone?.kind, isThere ? undefined : "undone");
    }
  });
  test("goes on with the next process, unless one died while a name or a size changed", () => {
    const timeline = new Timeline("/r");
    const first = timeline.read(lines(OPEN, `pwrite64(5<'/r/f'>, "'a'", 1, 0) = 1`, `fsync(5<'/r/f'>) = ?`));
    assertEquals(first.isClear, true);
    const open = `openat(AT_FDCWD<'/'>, "'/r/f'", O_RDWR) = 9<'/r/f'>`;
    const second = timeline.read(
      lines(open, `pwrite64(9<'/r/f'>, "'b'", 1, 1) = 1`, `ftruncate(9<'/r/f'>, 1 <unfinished ...>`),
    );
    assertEquals([second.isClear, second.from], [false, first.to]);
    const writes = timeline.ops.filter(({ kind }) => kind === "write");
    assertEquals(writes.map((op) => "node" in op && op.node), [1, 1]);
  });
});

describe("what was sent", () => {
  const accept = `accept4(3<'socket'>, {sa_family=AF_INET, sin_port=htons(4711)}, [16], 0) = 8<'socket'>`;
  test("is counted for each connection, by the port of its Client", () => {
    const timeline = read(
      `write(2<'pipe'>, "'level=info msg=listening url=x'", 31) = 31`,
      accept,
      `sendto(8<'socket'>, "'ab'", 2, 0, NULL, 0) = 2`,
      `sendto(8<'socket'>, "'ab'", 2, 0, NULL, 0) = -1 EAGAIN (Resource temporarily unavailable)`,
      `writev(8<'socket'>, [], 0) = 3`,
      `shutdown(8<'socket'>, SHUT_WR) = 0`,
      `close(8<'socket'>) = 0`,
    );
    const [life] = timeline.lives;
    assertEquals(life!.listeningAt, 0);
    assertEquals([...life!.connections], [[4711, {
      sent: [{ at: 4, bytes: 2 }, { at: 8, bytes: 5 }],
      closedAt: 10,
    }]]);
  });
});

import { assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { describe, test } from "node:test";

describe("parseArgs()", () => {
  test("reads values in every spelling", () => {
    const options = { string: ["port", "host"], alias: { p: "port" } } as const;
    for (const args of [["--port", "1"], ["--port=1"], ["-p", "1"], ["-p1"], ["-p=1"]]) {
      assertEquals(parseArgs(args, options).port, "1", args.join(" "));
    }
  });
  test("makes numbers of what is no string", () => {
    const { n, x, _ } = parseArgs(["-n", "5", "--x=0x1f", "7", "a"]);
    assertEquals([n, x, ..._], [5, 31, 7, "a"]);
  });
  test("keeps booleans from taking a value", () => {
    const args = parseArgs(["-r", "topic", "--verbose", "more"], { boolean: ["r", "verbose", "quiet"] });
    assertEquals(args, { _: ["topic", "more"], r: true, verbose: true, quiet: false });
  });
  test("reads joined letters", () => {
    const args = parseArgs(["-rqv"], { boolean: ["r", "q", "v"] });
    assertEquals([args.r, args.q, args.v], [true, true, true]);
  });
  test("collects, also under the aliases", () => {
    const { listen, l } = parseArgs(["-l", "a", "--listen=b"], {
      string: ["listen"],
      collect: ["listen"],
      alias: { listen: "l" },
    });
    assertEquals([listen, l], [["a", "b"], ["a", "b"]]);
  });
  test("gives an empty list where nothing was collected", () => {
    assertEquals(parseArgs([], { string: ["listen"], collect: ["listen"] }).listen, []);
  });
  test("takes defaults only for what is absent", () => {
    const args = parseArgs(["--a=1"], { string: ["a", "b"], default: { a: "x", b: "y" } });
    assertEquals([args.a, args.b], ["1", "y"]);
  });
  test("negates what may be negated", () => {
    const args = parseArgs(["--no-color", "--no-cache"], { boolean: ["color"], negatable: ["color"] });
    assertEquals(args, { _: [], color: false, "no-cache": true });
  });
  test("asks about what it does not know", () => {
    const asked: string[] = [];
    const { _ } = parseArgs(["--good", "--bad=1", "file"], {
      boolean: ["good"],
      unknown: (arg) => {
        asked.push(arg);
        return false;
      },
    });
    assertEquals([asked, _], [["--bad=1", "file"], []]);
  });
  test("leaves what is behind -- alone", () => {
    const args = parseArgs(["a", "--", "--b", "1"], { "--": true });
    assertEquals([args._, args["--"]], [["a"], ["--b", "1"]]);
    assertEquals(parseArgs(["a", "--", "--b"])._, ["a", "--b"]);
  });
  test("stops early", () => {
    assertEquals(parseArgs(["-v", "sub", "-t", "x"], { boolean: ["v"], stopEarly: true })._, [
      "sub",
      "-t",
      "x",
    ]);
  });
});

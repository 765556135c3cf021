/** What stands in for `node:test` in browsers and bare engines. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import * as own from "./runner.ts";

/** Runs what `register` registers: the results, in order. */
async function ran(register: () => void): Promise<own.TestResult[]> {
  own.takeTests();
  register();
  const results: own.TestResult[] = [];
  await own.runTests(own.takeTests(), (result) => results.push(result));
  return results;
}

describe("what stands in for node:test", () => {
  test("runs tests in their order, with the names of their groups", async () => {
    const order: string[] = [];
    const results = await ran(() => {
      own.test("first", () => void order.push("first"));
      own.describe("group", () => {
        own.test("inner", { timeout: 5 }, async () => {
          await Promise.resolve();
          order.push("inner");
        });
        own.describe(
          "deeper",
          { timeout: 5 },
          () => own.test("innermost", () => void order.push("innermost")),
        );
      });
      own.test("last", () => void order.push("last"));
    });
    assertEquals(order, ["first", "inner", "innermost", "last"]);
    assertEquals(results.map(({ name, verdict }) => [name, verdict]), [
      ["first", "passed"],
      ["group: inner", "passed"],
      ["group: deeper: innermost", "passed"],
      ["last", "passed"],
    ]);
  });

  test("tells failures, of promises too, and goes on", async () => {
    const results = await ran(() => {
      own.test("throws", () => {
        throw new TypeError("no");
      });
      own.test("rejects", () => Promise.reject(new Error("never")));
      own.test("throws a text", () => {
        throw "text";
      });
      own.test("passes", () => {});
    });
    assertEquals(results.map(({ verdict }) => verdict), ["failed", "failed", "failed", "passed"]);
    assertEquals(results.map(({ message }) => message?.split("\n")[0]), [
      "TypeError: no",
      "Error: never",
      "text",
      undefined,
    ]);
  });

  test("skips tests, and those of groups that are skipped, with the reason", async () => {
    const never = (): never => {
      throw new Error("It was run");
    };
    const results = await ran(() => {
      own.test("one", { skip: "no browser" }, never);
      own.test("not skipped", { skip: false }, () => {});
      own.describe("group", { skip: true }, () => own.test("inner", never));
    });
    assertEquals(results.map(({ verdict, message }) => [verdict, message]), [
      ["skipped", "no browser"],
      ["passed", undefined],
      ["skipped", "skipped"],
    ]);
  });

  test("runs hooks of the group around its tests, and no others", async () => {
    const order: string[] = [];
    const note = (what: string) => () => void order.push(what);
    await ran(() => {
      own.describe("group", () => {
        own.before(note("before"));
        own.after(note("after"));
        own.beforeEach(note("before each"));
        own.afterEach(note("after each"));
        own.test("a", note("a"));
        own.describe("inner", () => {
          own.after(note("after inner"));
          own.test("b", note("b"));
        });
      });
      own.test("outside", note("outside"));
    });
    assertEquals(order, [
      ...["before", "before each", "a", "after each"],
      ...["before each", "b", "after each", "after inner", "after"],
      "outside",
    ]);
  });

  test("fails the tests of a group whose hook fails", async () => {
    const broken = (): never => {
      throw new Error("broken");
    };
    const results = await ran(() => {
      own.describe("before", () => {
        own.before(broken);
        own.test("a", () => {});
        own.test("b", () => {});
      });
      own.describe("after", () => {
        own.after(broken);
        own.test("c", () => {});
        own.test("d", () => {});
      });
    });
    assertEquals(results.map(({ verdict }) => verdict), ["failed", "failed", "passed", "failed"]);
  });
});

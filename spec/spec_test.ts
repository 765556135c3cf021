import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { EQUIVALENTS } from "./equivalents.ts";
import { STATEMENTS } from "./statements.ts";
import { UNNUMBERED } from "./unnumbered.ts";

/** Sections by number, names without a number last. */
function order(a: string, b: string): number {
  const parts = (id: string) =>
    id.split("/")[0]?.split(".").map((part) => /^\d+$/.test(part) ? Number(part) : 999) ?? [];
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? -1) - (right[i] ?? -1);
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : 1;
}

describe("statements", () => {
  test("are those of both tables", () => {
    const versions = Object.values(STATEMENTS).map(({ version }) => version);
    assertEquals(versions.filter((version) => version === "5.0").length, 251);
    assertEquals(versions.filter((version) => version === "3.1.1").length, 141);
  });
  test("spell the version in the id", () => {
    for (const [id, { version }] of Object.entries(STATEMENTS)) {
      assertEquals(id.startsWith("MQTT311-"), version === "3.1.1", id);
    }
  });
});

describe("unnumbered duties", () => {
  test("are sorted by section", () => {
    const ids = Object.keys(UNNUMBERED);
    assertEquals(ids, ids.toSorted(order));
  });
  test("begin with their section", () => {
    for (const [id, { section }] of Object.entries(UNNUMBERED)) {
      const [place = ""] = id.split("/");
      assert(!/^\d/.test(place) || place === section || place === `${section}.0`, id);
    }
  });
});

describe("equivalents", () => {
  test("are in the order of the standard", () => {
    const ids = Object.keys(EQUIVALENTS);
    assertEquals(ids, Object.keys(STATEMENTS).filter((id) => ids.includes(id)));
  });
});

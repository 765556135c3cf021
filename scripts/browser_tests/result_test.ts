/** What the page of the browser tests makes of results. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { engineOf, linkOf, PartResult, reportOf, sharedBy, withoutSecrets } from "./page/result.ts";
import type { Section } from "./section.ts";

const USER_AGENTS: Readonly<Record<string, string>> = {
  "Chromium 156.0.0.0":
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
  "Firefox 153.0": "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0",
  "WebKit 26.0":
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
};

function part(id: string, more: Partial<Section> = {}): Section {
  return { id, title: id, about: "", run: () => Promise.resolve(), ...more };
}

function result(status: PartResult["status"], passed: number, failed = 0, reason = ""): PartResult {
  const made = new PartResult();
  for (let i = 0; i < passed; i++) made.add({ name: `${i}`, verdict: "passed" });
  for (let i = 0; i < failed; i++) made.add({ name: `bad ${i}`, verdict: "failed", message: "why\nwhere" });
  return Object.assign(made, { status, reason });
}

const ABOUT = {
  userAgent: USER_AGENTS["Firefox 153.0"]!,
  broker: "ws://127.0.0.1:8083/mqtt",
  chance: { seed: 7, seeds: 20 },
  date: "2026-11-30T18:00:00.000Z",
};

describe("the report of the page", () => {
  test("names the engine", () => {
    for (const [name, userAgent] of Object.entries(USER_AGENTS)) {
      const { name: engine, version } = engineOf(userAgent);
      assertEquals(`${engine} ${version}`, name);
    }
  });

  test("has a cell for each row, of the last part that was run, or the reason", () => {
    const { cells } = reportOf(
      new Map([
        [part("codec", { row: "codec properties" }), result("failed", 3, 1)],
        [part("memory", { row: "audit of client" }), result("passed", 5)],
        [part("outside", { row: "audit of client" }), result("not run", 0, 0, "no auditor")],
        [part("broker", { row: "audit of broker" }), result("not run", 0, 0, "no broker")],
        [part("speed"), result("passed", 1)],
      ]),
      ABOUT,
    );
    assertEquals(cells, {
      "codec properties": { passed: 3, failed: 1, skipped: 0, seed: 7, failures: ["bad 0: why"] },
      "audit of client": { passed: 5, failed: 0, skipped: 0 },
      "audit of broker": { reason: "no broker" },
    });
  });

  test("goes into a link and comes out of it", () => {
    const report = reportOf(
      new Map([[part("codec"), result("passed", 3)], [part("speed"), result("failed", 1, 2)], [
        part("hidden"),
        result("waiting", 0),
      ]]),
      ABOUT,
    );
    const link = linkOf("http://host/test/#old", report);
    assert(link.startsWith("http://host/test/#") && !link.includes("old"));
    assertEquals(sharedBy(new URL(link).hash), {
      seed: 7,
      seeds: 20,
      broker: ABOUT.broker,
      engine: "Firefox 153.0",
      date: "2026-11-30",
      parts: [["codec", "passed", 3, 0], ["speed", "failed", 1, 2]],
    });
  });

  test("takes from a link nothing that is not of its form", () => {
    assertEquals(sharedBy("#seed=x&seeds=-1&parts=<b>.0.1.1~codec.0.1~codec.9.1.1"), {
      parts: [["codec", "", 1, 1]],
    });
    assertEquals(sharedBy(""), { parts: [] });
  });

  test("has no password", () => {
    assertEquals(withoutSecrets("wss://user:secret@host:8084/mqtt"), "wss://host:8084/mqtt");
    assertEquals(withoutSecrets("no address"), "");
  });
});

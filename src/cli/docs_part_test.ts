/** The documentation, as a broker serves it. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { serve } from "../server/serve.ts";
import { patient } from "../testing/patience.ts";
import { docsSite } from "./docs_part.ts";

const FILES = new Map([
  ["index.html", "<title>Plumb</title>"],
  ["style.css", "p {}"],
  ["statements/index.html", "<title>Statements</title>"],
  ["statements/5.0/3.1.html", "<title>CONNECT</title>"],
  [
    "redirects.json",
    JSON.stringify({
      "statements": "statements/index.html",
      "statements/mqtt-3.1.2-25": "statements/5.0/3.1.html#mqtt-312-25",
      "statements/limit/queue": "statements/plumb.html#limitqueue",
    }),
  ],
]);

async function withDocs(body: (origin: string) => Promise<void>): Promise<void> {
  const server = await serve({
    listen: ["ws://127.0.0.1:0/mqtt"],
    webSocket: { http: docsSite(() => Promise.resolve(FILES)) },
  });
  try {
    await body(new URL(server.addresses[0]!.replace(/^ws/, "http")).origin);
  } finally {
    await server.close();
  }
}

/** Where a path leads: its status, and what it names as its location. */
async function leads(origin: string, path: string): Promise<readonly [number, string | null]> {
  const { status, headers, body } = await fetch(origin + path, { redirect: "manual" });
  await body?.cancel();
  return [status, headers.get("location")];
}

describe("the documentation", () => {
  test(
    "is at /docs/, runs nothing and loads nothing from elsewhere",
    patient,
    () =>
      withDocs(async (origin) => {
        assertEquals(await leads(origin, "/docs"), [308, "/docs/"]);
        const page = await fetch(`${origin}/docs/`);
        assertEquals([page.status, await page.text()], [200, FILES.get("index.html")]);
        const policy = page.headers.get("content-security-policy")!;
        assert(policy.startsWith("default-src 'none'; style-src 'self';"), policy);
        const below = await fetch(`${origin}/docs/statements/5.0/3.1.html`);
        assertEquals([below.status, await below.text()], [200, FILES.get("statements/5.0/3.1.html")]);
        assertEquals(below.headers.get("content-type"), "text/html; charset=utf-8");
      }),
  );

  test("leads from an id to its statement, however it is written", patient, () =>
    withDocs(async (origin) => {
      const there = "/docs/statements/5.0/3.1.html#mqtt-312-25";
      for (const id of ["MQTT-3.1.2-25", "mqtt-3.1.2-25", "MQTT-3.1.2-25?from=log"]) {
        assertEquals(await leads(origin, `/docs/statements/${id}`), [302, there]);
      }
      for (const id of ["limit/queue", "limit%2Fqueue"]) {
        assertEquals(await leads(origin, `/docs/statements/${id}`), [
          302,
          "/docs/statements/plumb.html#limitqueue",
        ]);
      }
      assertEquals(await leads(origin, "/docs/statements"), [302, "/docs/statements/index.html"]);
    }));

  test("is all that there is", patient, () =>
    withDocs(async (origin) => {
      for (
        const path of ["/docs/statements/MQTT-9", "/docs/constructor", "/docs/%", "/docs/../x", "/other"]
      ) {
        assertEquals((await leads(origin, path))[0], 404, path);
      }
      const { status, body } = await fetch(`${origin}/docs/`, { method: "POST", body: "x" });
      await body?.cancel();
      assertEquals(status, 405);
    }));
});

/** The page of the browser tests, as a broker serves it. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { serve } from "../server/serve.ts";
import { patient } from "../testing/patience.ts";
import { testPage } from "./test_page.ts";

const FILES = new Map([["index.html", "<title>page</title>"], ["page.js", "run()"]]);

async function withPage(body: (origin: string, reads: () => number) => Promise<void>): Promise<void> {
  let reads = 0;
  const http = testPage(() => {
    reads++;
    return Promise.resolve(FILES);
  });
  const server = await serve({ listen: ["ws://127.0.0.1:0/mqtt"], webSocket: { http } });
  try {
    await body(new URL(server.addresses[0]!.replace(/^ws/, "http")).origin, () => reads);
  } finally {
    await server.close();
  }
}

describe("the page of the browser tests", () => {
  test(
    "is at /test/, with its program beside it; its files are read once",
    patient,
    () =>
      withPage(async (origin, reads) => {
        assertEquals(reads(), 0);
        const page = await fetch(`${origin}/test?a=b`); // is led to /test/
        assertEquals([page.status, new URL(page.url).pathname], [200, "/test/"]);
        assertEquals(page.headers.get("content-type"), "text/html; charset=utf-8");
        assert(page.headers.get("content-security-policy")!.includes("default-src 'self'"));
        assertEquals(await page.text(), FILES.get("index.html"));
        const plain = await fetch(`${origin}/test/page.js`, { headers: { "accept-encoding": "identity" } });
        assertEquals(plain.headers.get("content-encoding"), null);
        assertEquals(await plain.text(), FILES.get("page.js"));
        const head = await fetch(`${origin}/test/index.html`, { method: "HEAD" });
        assertEquals([head.status, await head.text()], [200, ""]);
        assertEquals(reads(), 1);
      }),
  );

  test("is all that there is", patient, () =>
    withPage(async (origin) => {
      for (const path of ["/", "/test/other.js", "/test/../page.js", "/test//", "//", "/test/page.js/"]) {
        const { status, body } = await fetch(`${origin}${path}`);
        await body?.cancel();
        assertEquals(status, 404, path);
      }
      const { status, body } = await fetch(`${origin}/test/`, { method: "POST", body: "x" });
      await body?.cancel();
      assertEquals(status, 405);
    }));
});

/** The page of the broker, as it is served. @module */
import { assert, assertEquals } from "@std/assert";
import type { RequestListener } from "node:http";
import { test } from "node:test";
import { serve } from "../server/serve.ts";
import { patient } from "../testing/patience.ts";
import { brokerPage, pagePartOf } from "./broker_page.ts";

const FILES = new Map([["index.html", "<title>Plumb</title>"], ["page.js", "run()"], ["style.css", "p {}"]]);

/** Serves it behind which another part answers 418. */
async function withPage(body: (origin: string) => Promise<void>): Promise<void> {
  const part = pagePartOf(brokerPage(() => Promise.resolve(FILES)));
  const http: RequestListener = (request, response) =>
    part(request, response) || void response.writeHead(418).end();
  const server = await serve({ listen: ["ws://127.0.0.1:0"], webSocket: { http } });
  try {
    await body(new URL(server.addresses[0]!.replace(/^ws/, "http")).origin);
  } finally {
    await server.close();
  }
}

async function ask(url: string, init?: RequestInit): Promise<Response & { readonly said: string }> {
  const response = await fetch(url, init);
  return Object.assign(response, { said: await response.text() });
}

test(
  "The page of the broker is at /, and lets nothing come from elsewhere",
  patient,
  () =>
    withPage(async (origin) => {
      const page = await ask(`${origin}/?a=b`);
      assertEquals([page.status, page.said], [200, FILES.get("index.html")]);
      const policy = page.headers.get("content-security-policy")!.split("; ");
      for (
        const one of [
          "default-src 'none'",
          "script-src 'self'",
          "connect-src 'self'",
          "frame-ancestors 'none'",
        ]
      ) {
        assert(policy.includes(one), one);
      }
      assertEquals(page.headers.get("x-content-type-options"), "nosniff");
      assertEquals(page.headers.get("referrer-policy"), "no-referrer");
      const style = await ask(`${origin}/style.css`);
      assertEquals([style.said, style.headers.get("content-type")], ["p {}", "text/css; charset=utf-8"]);
    }),
);

test(
  "A file of the page that a browser has already is not sent again",
  patient,
  () =>
    withPage(async (origin) => {
      const tag = (await ask(`${origin}/page.js`)).headers.get("etag")!;
      const again = await ask(`${origin}/page.js`, { headers: { "if-none-match": tag } });
      assertEquals([again.status, again.said], [304, ""]);
      const other = await ask(`${origin}/page.js`, { headers: { "if-none-match": '"other"' } });
      assertEquals([other.status, other.said], [200, "run()"]);
    }),
);

test("The page takes no other path than its own", patient, () =>
  withPage(async (origin) => {
    for (const path of ["/api/v1", "/metrics", "/test/", "/docs/", "/page/", "/page.html"]) {
      assertEquals((await ask(origin + path)).status, 418, path);
    }
    assertEquals((await ask(`${origin}/other.js`)).status, 404);
    assertEquals((await ask(`${origin}/`, { method: "POST", body: "x" })).status, 405);
  }));

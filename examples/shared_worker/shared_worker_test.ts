/** Tabs of a browser that share one connection: they get each other's messages and those of others, as Clients of their own. @module */
import { assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { connect, text } from "../../src/client_api/mod.ts";
import { inBrowser, type Tab } from "../../src/testing/browsers.ts";
import { closePages, withPages } from "../../src/testing/pages.ts";
import { patient, until } from "../../src/testing/patience.ts";

const SOURCES = {
  "/": readFileSync(new URL("index.html", import.meta.url), "utf8"),
  "/tab.js": `export * from "./examples/shared_worker/tab.ts";`,
  "/worker.js": `import "./examples/shared_worker/worker.ts";`,
};

declare const document: {
  querySelector(selector: string): { readonly textContent: string; value: string; click(): void } | null;
};

/** The list of the page has this as its last line. */
async function shows(page: Tab, line: string): Promise<void> {
  await page.waitFor((line) => document.querySelector("li:last-child")?.textContent === line, line);
}

async function publish(page: Tab, payload: string): Promise<void> {
  await page.evaluate((payload) => { // in the background too
    document.querySelector("[name=payload]")!.value = payload;
    document.querySelector("button")!.click();
  }, payload);
}

inBrowser("chromium", "The example shared_worker", () => {
  after(closePages);

  test(
    "has one connection for all tabs, also when the first one has gone",
    patient,
    () =>
      withPages(SOURCES, {}, async ({ server, url, open }) => {
        const outside = await connect(url, { clientId: "outside" });
        const messages = await outside.subscribe("home/#", { qos: 1 });
        const got: string[] = [];
        void (async () => {
          for await (const { topic, bytes } of messages) got.push(`${topic} ${text.decode(bytes)}`);
        })();
        const one = await open();
        await one.waitFor(`document.title === "joined"`);
        const other = await open();
        await other.waitFor(`document.title === "joined"`);

        await publish(one, "from one");
        for (const page of [one, other]) await shows(page, "home/kitchen from one");
        await until(() => got.length === 1, "the message outside");
        await outside.publish("home/door", "open", { qos: 1, retain: true });
        for (const page of [one, other]) await shows(page, "home/door open");
        assertEquals(server.broker.stats.connections, 2);

        await one.close();
        await publish(other, "from the other");
        await shows(other, "home/kitchen from the other");
        const third = await open(); // what is retained is there for a tab that comes later
        await shows(third, "home/door open");
        await until(() => got.length === 3, "the messages outside");
        assertEquals(got, ["home/kitchen from one", "home/door open", "home/kitchen from the other"]);
        assertEquals(server.broker.stats.connections, 2);
        await outside.close();
      }),
  );
});

/** Tabs of a browser that share one connection: they get each other's messages and those of others, as Clients of their own. @module */
import { assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import type { Page } from "puppeteer-core";
import { connect, text } from "../../src/client_api/mod.ts";
import { closeChromium, inChromium, POLLING, withPages } from "../../src/testing/chromium.ts";
import { patient, until } from "../../src/testing/patience.ts";

const SOURCES = {
  "/": readFileSync(new URL("index.html", import.meta.url), "utf8"),
  "/tab.js": `export * from "./examples/shared_worker/tab.ts";`,
  "/worker.js": `import "./examples/shared_worker/worker.ts";`,
};

declare const document: { querySelector(selector: string): { readonly textContent: string } | null };

/** The list of the page has this as its last line. */
async function shows(page: Page, line: string): Promise<void> {
  await page.waitForFunction(
    (line) => document.querySelector("li:last-child")?.textContent === line,
    POLLING,
    line,
  );
}

async function publish(page: Page, payload: string): Promise<void> {
  await page.$eval(
    "[name=payload]",
    (input, payload) => (input as { value: string }).value = payload,
    payload,
  );
  await page.$eval("button", (button) => (button as unknown as { click(): void }).click()); // in the background too
}

inChromium("The example shared_worker", () => {
  after(closeChromium);

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
        await one.waitForFunction(`document.title === "joined"`, POLLING);
        const other = await open();
        await other.waitForFunction(`document.title === "joined"`, POLLING);

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

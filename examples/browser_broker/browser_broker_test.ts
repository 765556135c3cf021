/** The widgets of a page go on without a network, and what they said meanwhile is outside once there is one again. @module */
import { assertEquals } from "@std/assert";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { after, test } from "node:test";
import { connect, text } from "../../src/client_api/mod.ts";
import { serve } from "../../src/server/serve.ts";
import { inBrowser, type Tab } from "../../src/testing/browsers.ts";
import { closePages, withPages } from "../../src/testing/pages.ts";
import { patient, until } from "../../src/testing/patience.ts";

const SOURCES = {
  "/": readFileSync(new URL("index.html", import.meta.url), "utf8"),
  "/page.js": `import "./examples/browser_broker/page.js";`,
  "/worker.js": `import "./examples/browser_broker/worker.ts";`,
};

interface Shown {
  value: string;
  readonly textContent: string;
  click(): void;
  dispatchEvent(event: Event): void;
}
declare const document: { getElementById(id: string): Shown };

async function shows(tab: Tab, id: string, said: string): Promise<void> {
  await tab.waitFor((id, said) => document.getElementById(id).textContent.includes(said), id, said);
}

async function setTarget(tab: Tab, target: string): Promise<void> {
  await tab.evaluate((target: string) => {
    const input = document.getElementById("target");
    input.value = target;
    input.dispatchEvent(new Event("change"));
  }, target);
}

/** With PLUMB_SHOTS=DIR, for people to look at. */
async function shot(tab: Tab, name: string): Promise<void> {
  const folder = process.env["PLUMB_SHOTS"];
  if (folder !== undefined) writeFileSync(`${folder}/${name}.png`, await tab.screenshot());
}

inBrowser("chromium", "The example browser_broker", () => {
  after(closePages);

  test(
    "goes on without a network, keeps what waits, and brings it outside once",
    patient,
    () =>
      withPages(SOURCES, {}, async ({ origin, browser }) => {
        const listen = ["mqtt://127.0.0.1:0", "ws://127.0.0.1:0"];
        await using remote = await serve({ listen });
        const [tcp, ws] = remote.addresses as [string, string];
        const outside = await connect(tcp, { clientId: "outside" });
        const got: string[] = [];
        const messages = await outside.subscribe("home/#", { qos: 1 });
        void (async () => {
          for await (const { topic, bytes } of messages) got.push(`${topic} ${text.decode(bytes)}`);
        })();
        const tab = await browser.open(`${origin}/?remote=${encodeURIComponent(`${ws}/mqtt`)}`);
        await shows(tab, "bridge", "Connected to the broker outside.");
        await setTarget(tab, "21");
        await until(() => got.length === 1, "the target outside");
        await outside.publish("home/lamp", "on", { qos: 1, retain: true });
        await shows(tab, "lamp-is", "on");
        await shot(tab, "connected");

        await remote.reconfigure({ listen, admit: () => false }); // the network is gone
        const bridge = [...remote.broker.clientIds()].find((id) => id.startsWith("bridge-"))!;
        remote.disconnect(bridge, { code: 0x98, rule: "policy/banned", message: "no network" });
        await shows(tab, "bridge", "Not connected.");
        await outside.publish("home/door", "open", { qos: 1 }); // waits outside
        await tab.evaluate(() => document.getElementById("lamp").click());
        await shows(tab, "lamp-is", "off");
        for (const target of ["22", "23"]) {
          await setTarget(tab, target);
          await shows(tab, "messages", `home/heating/target${target}`);
        }
        await shows(tab, "bridge", "3 messages wait for the network.");
        await shot(tab, "offline");

        await tab.reload();
        await shows(tab, "target-is", "23 °C");
        await shows(tab, "lamp-is", "off");
        await shows(tab, "bridge", "3 messages wait for the network.");

        await remote.reconfigure({ listen });
        await shows(tab, "messages", "home/door");
        await shows(tab, "bridge", "Connected to the broker outside.");
        await until(() => got.length >= 6, () => `${got}`);
        await outside.publish("home/end", "", { qos: 1 });
        await shows(tab, "messages", "home/end");
        await until(() => got.at(-1) === "home/end ", () => `${got}`);
        assertEquals(got, [
          "home/heating/target 21",
          "home/lamp on",
          "home/door open",
          "home/lamp off",
          "home/heating/target 22",
          "home/heating/target 23",
          "home/end ",
        ]);
        assertEquals(tab.faults, []);
        await tab.resize(390, 844);
        await shot(tab, "phone");
        await outside.close();
      }),
  );
});

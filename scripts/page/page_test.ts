/** The page of the broker, view by view, by what a person does in a browser. `deno task page -- --shots` photographs it. @module */
import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { after, before, test } from "node:test";
import { type Browser, closeBrowsers, inBrowser, launch, type Tab } from "../../src/testing/browsers.ts";
import { patient } from "../../src/testing/patience.ts";
import { buildBrokerPage, tellSizes } from "./bundle.ts";
import { Person } from "./person.ts";
import { ADMIN, AWAY, Scene } from "./scene.ts";
import { connectConsole, LOGIN, type Sight, SIGHTS } from "./views.ts";

/** Width of the narrowest phone: CSS pixels. */
const NARROW = 320;
const [WIDE, HIGH] = [1280, 900];
/** axe-core looks at each scheme: both in one engine, where colours are the same, and by the tests on Bun, since the page is. */
const SCHEMES: Readonly<Record<"chromium" | "firefox", readonly ("light" | "dark")[]>> = {
  chromium: "Bun" in globalThis ? ["light", "dark"] : [],
  firefox: ["dark"],
};

let built: ReturnType<typeof buildBrokerPage> | undefined;

for (const engine of ["chromium", "firefox"] as const) {
  // One engine on every runtime, since it is the runtime's broker that the page asks.
  inBrowser(engine, "The page of the broker", () => tests(engine), engine === "chromium");
}

inBrowser("chromium", "The page of a broker of several workers", () => {
  const isSpread = process.platform === "linux"; // elsewhere there is one worker
  test(
    "shows how many there are, and what all of them have",
    { ...patient, skip: !isSpread && "connections are not spread here" },
    async () => {
      await (built ??= buildBrokerPage());
      const scene = await Scene.start(2);
      const browser = await launch("chromium");
      try {
        await scene.fill();
        const tab = await browser.open(`${scene.origin}/#token=${scene.token()}`);
        const person = new Person(tab);
        await person.sees("Workers", "2, and all answer");
        await person.goes("#/clients", "Clients");
        await person.sees("kitchen-sensor", "bath-sensor", "attic-sensor", "garden-sensor", "hub");
        await person.presses("hub");
        await person.sees("home/+/set", "Keep Alive");
        await person.goes("#/topics", "Topics");
        await person.sees("home", "pictures");
        assertEquals(tab.faults, []);
      } finally {
        await browser.close();
        await scene.close();
      }
    },
  );
});

function tests(engine: keyof typeof SCHEMES): void {
  let scene: Scene;
  let browser: Browser;
  let tab: Tab;
  let person: Person;
  /** Addresses that were asked for. */
  const asked: string[] = [];
  /** What the browser has complained of. */
  const complaints: string[] = [];

  before(async () => {
    await (built ??= buildBrokerPage());
    scene = await Scene.start();
    await scene.fill();
    browser = await launch(engine);
    tab = await browser.open(`${scene.origin}/`);
    person = new Person(tab);
    tab.puppeteer!.on("request", (request) => asked.push(request.url()));
    tab.puppeteer!.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await tab.resize(WIDE, HIGH);
  });
  after(async () => {
    await browser?.close();
    await closeBrowsers(); // here: Deno calls none that stands outside of a group
    await scene?.close();
  });

  /** Nothing serious by axe-core, and nothing wider than a phone. */
  async function isClean({ name }: Sight): Promise<void> {
    for (const scheme of SCHEMES[engine]) {
      await person.prefers(scheme);
      assertEquals(await person.faults(), [], `${name}, ${scheme}`);
    }
    await tab.resize(NARROW, HIGH);
    assertEquals(await person.isTooWide(), false, `${name} at ${NARROW} px`);
    await tab.resize(WIDE, HIGH);
  }

  const count = (path: RegExp) => asked.filter((url) => path.test(new URL(url).pathname)).length;

  test("asks who it is, in words for a person", patient, async () => {
    await LOGIN.show(person);
    await isClean(LOGIN);
    await person.writes("Token", "not-the-token-of-this-broker");
    await person.presses("Use this token");
    await person.sees("The token is not the broker's");
    await person.writes("User", ADMIN.user);
    await person.writes("Password", "wrong");
    await person.presses("Sign in");
    await person.sees("another password");
    await person.writes("Password", ADMIN.password);
    await person.presses("Sign in");
    await person.sees("Messages each second", ADMIN.user);
    await tab.reload(); // the cookie is still good
    await person.sees("Messages each second");
    await person.presses("Sign out");
    await person.sees("You have signed out");
  });

  test(
    "takes the token of the address that plumb page prints, and keeps it out of sight",
    patient,
    async () => {
      await tab.goto("about:blank");
      await tab.goto(`${scene.origin}/#token=${scene.token()}`);
      await person.sees("Messages each second");
      assertEquals(await tab.evaluate("location.hash"), "#/");
      await tab.reload();
      await person.sees("Messages each second");
    },
  );

  for (const sight of SIGHTS) {
    test(
      `shows ${sight.name}: narrow${
        SCHEMES[engine].map((one) => `, nothing serious by axe-core: ${one}`).join("")
      }`,
      patient,
      async () => {
        await sight.show(person);
        await isClean(sight);
      },
    );
  }

  test("finds Clients by their names, and disconnects one behind a question", patient, async () => {
    await person.goes("#/clients", "Clients");
    await person.sees("kitchen-sensor", "attic-sensor");
    await person.writes("Search", "attic");
    await person.seesNoMore("kitchen-sensor");
    await person.presses("attic-sensor");
    await person.sees("Keep Alive", "by WebSocket");
    await person.presses("Disconnect …");
    await person.sees("Most Clients connect again at once");
    await person.presses("Cancel");
    await person.seesNoMore("Most Clients connect again at once");
    await person.goes(`#/clients/${AWAY}`, "Clients");
    await person.presses("End the session …");
    await person.presses("End the session");
    await person.sees("There is no Client and no session of this name");
    assertEquals(
      (await scene.call("GET", "/sessions?search=garden-display") as { items: unknown[] }).items,
      [],
    );
    await person.goes("#/clients/bath-sensor", "Clients");
    await person.presses("Disconnect …");
    await person.ticks("End its session too: its subscriptions, and the messages that wait for it, are lost");
    await person.presses("Disconnect");
    await person.sees("Done.");
  });

  test("reads a level of topics when it is opened, and clears a retained message", patient, async () => {
    await person.goes("#/", "Overview");
    const before = count(/\/topics$/);
    await person.goes("#/topics", "Topics");
    await person.sees("home", "pictures");
    assertEquals(count(/\/topics$/), before + 1);
    await person.presses("Levels below pictures");
    await person.presses("door");
    await person.sees("ff d8 ff e0", "No text");
    assertEquals(count(/\/topics$/), before + 2);
    await person.presses("Clear …");
    await person.presses("Clear");
    await person.sees("The retained message of pictures/door is cleared", "No message is retained here");
    await person.writes("Topic Filter", "home/+/state");
    await person.presses("Find");
    await person.presses("home/hub/state");
    await person.sees("here");
  });

  test("publishes and subscribes by a Client of its own", patient, async () => {
    await connectConsole(person);
    await person.writes("Topic Filter", "try/#");
    await person.presses("Subscribe");
    await person.sees("subscribed to try/#, QoS 1");
    await person.writes("Topic", "try/it");
    await person.writes("Payload", "a few words");
    await person.chooses("QoS", "1");
    await person.presses("Properties");
    await person.writes("Content Type", "text/plain");
    await person.writes("User properties, one “name: value” a line", "from: a person");
    await person.presses("Publish");
    await person.sees("The broker has it.", "a few words", "content type: text/plain", "from: a person");
    await person.writes("Topic", "try/+");
    await person.presses("Publish");
    await person.sees("Topic Name");
    await person.presses("Unsubscribe from try/#");
    await person.sees("unsubscribed from try/#");
    await person.presses("Disconnect");
    await person.sees("Not connected.");
  });

  test("explains why a Client gets a message, and why not", patient, async () => {
    await person.goes("#/clients/hub", "Clients");
    await person.presses("Explain");
    await person.writes("Topic", "home/kitchen/temperature");
    await person.presses("Explain");
    await person.sees('"hub" gets it', "home/+/temperature");
    await person.writes("Topic", "home/kitchen");
    await person.presses("Explain");
    await person.sees('"hub" does not get it', "keeps it away");
    await person.writes("Topic", "home/+");
    await person.presses("Explain");
    await person.sees("wildcard");
  });

  test("adds and removes users, and shows what is wrong with permissions where it is", patient, async () => {
    await person.goes("#/users", "Users and permissions");
    await person.presses("Add a user …");
    await person.writes("User", "bob");
    await person.writes("Password", "battery staple");
    await person.presses("Add");
    await person.sees("The user is added.", "bob");
    await person.writes(
      "What Clients may publish and subscribe to",
      "[everyone]\nallow = [{ publish = 1 }]\n",
    );
    await person.presses("Check and save");
    await person.sees("Line 2", "allow = [{ publish = 1 }]");
    assertEquals(await tab.evaluate("document.activeElement.getAttribute('aria-invalid')"), "true");
    const all = '[everyone]\nallow = [{ publish = "#", subscribe = ["#", "$SYS/#"], share = ["*"] }]\n';
    await person.writes("What Clients may publish and subscribe to", all);
    await person.presses("Check and save");
    await person.sees("The permissions hold from now on");
    assertEquals((await scene.call("GET", "/permissions") as { text: string }).text, all);
  });

  test("tells limits that were reached from those that were not", patient, async () => {
    await person.goes("#/limits", "Limits and settings");
    await person.sees("connectingMax");
    await person.ticks("Only limits that were reached");
    await person.seesNoMore("connectingMax");
    await person.sees("queuedMessagesMax");
  });

  test("audits this broker at a click, and stops", patient, async () => {
    await person.goes("#/audit", "Audit");
    await person.presses("Audit this broker");
    await tab.waitFor(() => {
      const { document } = globalThis as unknown as {
        document: { querySelector(of: string): { value: number } | null };
      };
      return (document.querySelector("progress")?.value ?? 0) > 5;
    });
    await person.presses("Stop");
    await person.sees("Stopped: the rest was not looked at.");
  });

  test("is worked by keys alone", patient, async () => {
    await tab.goto("about:blank");
    await tab.goto(`${scene.origin}/#/clients/hub`);
    await person.sees("home/+/set", "Disconnect …"); // each is asked for on its own
    await person.keys("Tab");
    assertEquals(await tab.evaluate("document.activeElement.textContent"), "Skip to the content");
    await person.keys("Enter", "Tab");
    assertEquals(await tab.evaluate("document.activeElement.textContent"), "All Clients");
    await person.keys("Tab", "Tab", "Enter");
    await person.sees("Disconnect hub?");
    await person.keys("Escape");
    await person.seesNoMore("Disconnect hub?");
    assertEquals(await tab.evaluate("document.activeElement.textContent"), "Disconnect …");
  });

  test("says that the broker is away, and goes on by itself when it is back", patient, async () => {
    await person.goes("#/clients", "Clients");
    await person.sees("hub");
    await scene.stopBroker();
    await person.sees("The broker does not answer since");
    await scene.startBroker();
    await person.sees("The broker is back since");
    await person.goes("#/topics", "Topics");
    await person.sees("home");
  });

  test("asks nobody else, and breaks no rule of its policy", patient, () => {
    assertEquals(
      asked.filter((url) =>
        ![scene.origin, "null"].includes(new URL(url).origin) && !url.startsWith("data:")
      ),
      [],
    );
    assertEquals(complaints.filter((text) => /policy/i.test(text)), []);
    // Firefox counts a WebSocket that finds no broker, as there was none for a while.
    const faults = tab.faults.map(String).filter((text) =>
      !/establish a connection|was interrupted/.test(text)
    );
    assertEquals(faults, []);
  });
}

test("is light enough for a first look", async () => {
  const { sizes } = await (built ??= buildBrokerPage());
  const { text, isTooMuch } = tellSizes(sizes);
  assert(!isTooMuch, text);
});

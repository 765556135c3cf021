/**
 * Pages that try the broker of a browser and its store: the contract of every store, kills of the worker, tabs that go.
 * Knows what a page does, and what must come of it; refuses to know which browser it is.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { Client, Dialer } from "../client_api/mod.ts";
import type { Engine } from "./browsers.ts";
import type { PageResult } from "./page_tests.ts";
import { PAGE, withPages } from "./pages.ts";

const CONTRACT = (durabilities: readonly string[]) => `
  const DURABILITIES = ${JSON.stringify(durabilities)};
  import { storeContract } from "./src/testing/store_contract.ts";
  import { run } from "./src/testing/page_tests.ts";
  import { openBrowserStore } from "./src/browser/mod.ts";
  let count = 0;
  for (const durability of DURABILITIES) {
    storeContract("IndexedDB, " + durability, async () => {
      const name = "contract-" + ++count;
      let open = await openBrowserStore(name, { durability });
      return {
        store: open,
        async reopen() {
          await open.close();
          return open = await openBrowserStore(name, { durability });
        },
        async close() {
          await open.close();
          indexedDB.deleteDatabase("plumb-broker:" + name);
        },
      };
    });
  }
  run((result) => globalThis.last = result.name).then((results) => globalThis.results = results);
`;

/** Every test of the contract of a store, in a page. */
export async function contractInPage(
  engine: Engine,
  durabilities: readonly string[] = ["fsync", "os"],
): Promise<readonly PageResult[]> {
  let results: readonly PageResult[] = [];
  await withPages(
    { "/": PAGE, "/page.js": CONTRACT(durabilities) },
    {},
    async ({ open }) => {
      const tab = await open();
      await tab.waitFor("globalThis.results !== undefined");
      results = await tab.evaluate<readonly PageResult[], []>("globalThis.results");
    },
    engine,
  );
  return results;
}

/** What the programs of the pages have for `evaluate()`. */
interface InPage {
  connect(url: string, options: object): Promise<Client>;
  dialWorker(worker: unknown): Dialer;
  client: Client;
  got: string[];
  start(): unknown;
  random(): number;
  join(options: object): Promise<{ worker: WorkerOfPage; dial: Dialer; client: Client }>;
  session: object;
  serial: number;
  acknowledged: number[];
}
declare const plumb: InPage;

const WORKER = `
  import { openBrowserStore, servePorts } from "./src/browser/mod.ts";
  const signal = AbortSignal.timeout(60_000);
  await servePorts({ store: openBrowserStore("home", { signal }) });
`;

const START = (kind: string) => `
  import { connect } from "./src/client_api/browser.ts";
  import { dialWorker } from "./src/runtime/in_process.ts";
  const start = () => ${kind}("/worker.js", { type: "module" });
  const session = { clientId: "receiver", cleanStart: false, sessionExpiry: 86_400 };
  globalThis.plumb = { connect, dialWorker, start, session, got: [], serial: 0, acknowledged: [] };
`;

/** What came of `killsInPage()`. */
export interface Kills {
  readonly kills: number;
  /** Kills that came before all that was sent was acknowledged. */
  readonly midst: number;
  readonly acknowledged: number;
  readonly delivered: number;
  /** Serial numbers of messages that were acknowledged, and never came. */
  readonly lost: readonly number[];
  /** Serial numbers that came more than once. */
  readonly repeated: readonly number[];
}

interface WorkerOfPage {
  terminate(): void;
}

/**
 * Kills the worker of a broker again and again while messages of QoS 1 and 2 are published to a session that waits; then its Client comes.
 */
export async function killsInPage(engine: Engine, kills: number, seed = 1): Promise<Kills> {
  let outcome: Kills | undefined;
  await withPages(
    { "/": PAGE, "/page.js": START("new Worker"), "/worker.js": WORKER },
    {},
    async ({ open }) => {
      const tab = await open();
      await tab.waitFor("globalThis.plumb !== undefined");
      await tab.evaluate(async (seed: number) => {
        plumb.random = () => (seed = seed * 48_271 % 2_147_483_647) / 2_147_483_647;
        plumb.join = async (options) => {
          const worker = plumb.start() as WorkerOfPage;
          const dial = plumb.dialWorker(worker);
          const client = await plumb.connect("worker://home", { dial, connectTimeoutMs: 60_000, ...options });
          return { worker, dial, client };
        };
        const { worker, client } = await plumb.join(plumb.session);
        await client.subscribe("q", { qos: 2, ack: "manual" });
        await client.close();
        worker.terminate();
      }, seed);
      let midst = 0;
      for (let i = 0; i < kills; i++) {
        const open = await tab.evaluate(async () => {
          // Its session goes with the Client: another one would begin with Packet Identifiers that are still in use there.
          const sender = { clientId: "sender", cleanStart: true, reconnect: false };
          const { worker, client } = await plumb.join(sender);
          const end = performance.now() + 5 + plumb.random() * 60;
          let isOver = false;
          let open = 0;
          const send = async () => {
            while (!isOver) {
              const own = plumb.serial++;
              open++;
              await client.publish("q", `${own}`, { qos: own % 3 === 0 ? 2 : 1 });
              open--;
              plumb.acknowledged.push(own);
            }
          };
          for (let j = 0; j < 16; j++) send().catch(() => {});
          const count = plumb.acknowledged.length;
          while (performance.now() < end || plumb.acknowledged.length === count) {
            await new Promise((resolve) => setTimeout(resolve));
          }
          isOver = true;
          worker.terminate();
          client.close({ timeoutMs: 0 }).catch(() => {});
          return open;
        });
        if (open > 0) midst++;
      }
      outcome = await tab.evaluate(
        async (kills: number, midst: number): Promise<Kills> => {
          const { worker, dial, client } = await plumb.join({ clientId: "sender", cleanStart: true });
          const last = plumb.serial++; // of QoS 2, since one of QoS 1 may overtake those whose PUBREL is on its way
          await client.publish("q", `${last}`, { qos: 2 });
          const got: number[] = [];
          const receiver = await plumb.connect("worker://home", { dial, ...plumb.session });
          for await (const { bytes } of await receiver.subscribe("q", { qos: 2 })) {
            got.push(Number(new TextDecoder().decode(bytes)));
            if (got.at(-1) === last) break;
          }
          worker.terminate();
          const all = new Set(got);
          return {
            kills,
            midst,
            acknowledged: plumb.acknowledged.length,
            delivered: got.length,
            lost: plumb.acknowledged.filter((serial) => !all.has(serial)),
            repeated: got.filter((serial, i) => got.indexOf(serial) !== i),
          };
        },
        kills,
        midst,
      );
    },
    engine,
  );
  return outcome!;
}

/** Two tabs and one broker in a SharedWorker: they hear of each other, and one hears of the other's end. */
export async function tabsInPage(engine: Engine): Promise<void> {
  await withPages(
    { "/": PAGE, "/page.js": START("new SharedWorker"), "/worker.js": WORKER },
    {},
    async ({ open }) => {
      const join = async (clientId: string) => {
        const tab = await open();
        await tab.waitFor("globalThis.plumb !== undefined");
        await tab.evaluate(async (clientId: string) => {
          const { port } = plumb.start() as { port: unknown };
          plumb.client = await plumb.connect("worker://home", {
            dial: plumb.dialWorker(port),
            clientId,
            will: { topic: `gone/${clientId}`, payload: "", qos: 1 },
          });
          const messages = await plumb.client.subscribe("#", { qos: 1, noLocal: true });
          void (async () => {
            for await (const { topic, bytes } of messages) {
              plumb.got.push(`${topic} ${new TextDecoder().decode(bytes)}`);
            }
          })();
        }, clientId);
        return tab;
      };
      const one = await join("one");
      const other = await join("other");
      await one.evaluate(() => plumb.client.publish("hello", "from one", { qos: 1 }).then(() => {}));
      await other.waitFor(`plumb.got.length === 1`);
      await one.close();
      await other.waitFor(`plumb.got.length === 2`);
      assertEquals(await other.evaluate<string[], []>("plumb.got"), ["hello from one", "gone/one "]);
    },
    engine,
  );
}

/** Fails if a kill has cost something, or if none came in the midst of commits. */
export function assertNothingLost({ midst, lost, repeated }: Kills): void {
  assertEquals([lost, repeated], [[], []]);
  assert(midst > 0, "no kill came in the midst of commits");
}

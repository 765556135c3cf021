/**
 * A Client's messages in IndexedDB: in a copy of it on the runtime of the test, and in a browser.
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { IDBFactory } from "fake-indexeddb";
import { after, describe, test } from "node:test";
import { type Client, connect, type Dialer, text } from "../client_api/mod.ts";
import { clientStoreContract } from "../testing/client_store_contract.ts";
import { inBrowser, type Tab } from "../testing/browsers.ts";
import { closePages, PAGE, withPages } from "../testing/pages.ts";
import { patient, until } from "../testing/patience.ts";
import { ClientStoreError, type IndexedDbClientStore, openClientStore } from "./indexed_db.ts";

const page = globalThis as unknown as { indexedDB?: InstanceType<typeof IDBFactory> };

/** Other databases from here on. */
function anew(): void {
  page.indexedDB = new IDBFactory();
}

/** Deno has Web Locks, Bun has none: until the end of the block neither has. */
function withoutLocks(): Disposable {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator")!;
  Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  return { [Symbol.dispose]: () => void Object.defineProperty(globalThis, "navigator", before) };
}

for (const durability of ["fsync", "os"] as const) {
  clientStoreContract(`IndexedDB, ${durability}`, () => {
    anew();
    return { open: () => openClientStore("kitchen", { durability }) };
  });
}

describe("A store of a Client in IndexedDB", () => {
  test("keeps the records of two names apart", patient, async () => {
    anew();
    const [one, other] = [await openClientStore("one"), await openClientStore("other")];
    one.put(1, Uint8Array.of(1));
    await one.commit();
    assertEquals(await other.load(), []);
    one.close();
    other.close();
  });

  test(
    "fails the commits of the Client that had it before, where no lock keeps the second one out",
    patient,
    async () => {
      anew();
      using _ = withoutLocks();
      const one = await openClientStore("kitchen");
      one.put(1, Uint8Array.of(1));
      await one.commit();
      const other = await openClientStore("kitchen");
      one.put(2, Uint8Array.of(2));
      await assertRejects(() => one.commit(), ClientStoreError, "kitchen was opened by another Client");
      other.put(3, Uint8Array.of(3));
      await other.commit();
      assertEquals((await other.load()).map(([key]) => key), [1, 3]);
      one.close();
      other.close();
    },
  );

  test("says why it cannot be opened", patient, async () => {
    anew();
    const opened = new Promise<{ close(): void }>((resolve) => {
      const request = page.indexedDB!.open("plumb:newer", 2);
      request.onsuccess = () => resolve(request.result);
    });
    (await opened).close();
    await assertRejects(() => openClientStore("newer"), ClientStoreError, "newer is of a later version");
    delete page.indexedDB;
    await assertRejects(() => openClientStore("kitchen"), ClientStoreError, "kitchen needs IndexedDB");
  });
});

/** What the program of the page has for `evaluate()`. */
interface InPage {
  readonly openClientStore: typeof openClientStore;
  readonly connect: typeof connect;
  readonly dialWebSocket: Dialer;
  store: IndexedDbClientStore;
  client: Client;
  isMute?: boolean;
}
declare const plumb: InPage;

const PROGRAM = `
  import { connect } from "./src/client_api/browser.ts";
  import { dialWebSocket } from "./src/client_api/web_socket.ts";
  import { openClientStore } from "./src/client_store/indexed_db.ts";
  globalThis.plumb = { connect, dialWebSocket, openClientStore };
`;
const SOURCES = { "/": PAGE, "/page.js": PROGRAM };

/** The program of a page has been loaded. */
async function loaded(page: Tab): Promise<Tab> {
  await page.waitFor("globalThis.plumb !== undefined");
  return page;
}

async function reloaded(page: Tab): Promise<Tab> {
  await page.reload();
  return await loaded(page);
}

inBrowser("chromium", "A store of a Client in IndexedDB", () => {
  after(closePages);

  test(
    "is one tab's at a time, and the next one has what was committed",
    patient,
    () =>
      withPages(SOURCES, {}, async ({ open }) => {
        const one = await loaded(await open());
        await one.evaluate(async () => {
          plumb.store = await plumb.openClientStore("kitchen");
          for (const key of [7, -5, 2 ** 40]) plumb.store.put(key, Uint8Array.of(1, 2, key & 255));
          await plumb.store.commit();
        });
        const other = await loaded(await open());
        const refused = other.evaluate(() =>
          plumb.openClientStore("kitchen").then(() => "", ({ name, message }) => `${name}: ${message}`)
        );
        assertEquals(await refused, "ClientStoreError: kitchen is in use by another Client");
        await one.close();
        const records = other.evaluate(async () => {
          const store = await plumb.openClientStore("kitchen", { signal: new AbortController().signal });
          return (await store.load()).map(([key, record]) => [key, ...record]);
        });
        assertEquals(await records, [[-5, 1, 2, 251], [7, 1, 2, 7], [2 ** 40, 1, 2, 0]]);
      }),
  );

  test(
    "tells that there is no room, and a later commit has it all",
    patient,
    () =>
      withPages(SOURCES, {}, async ({ open, origin }) => {
        const page = await loaded(await open());
        const browser = await page.puppeteer!.createCDPSession();
        await browser.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1_000_000 });
        const said = await page.evaluate(async () => {
          plumb.store = await plumb.openClientStore("kitchen");
          plumb.store.put(1, new Uint8Array(3_000_000));
          return await plumb.store.commit().then(() => "", ({ message }) => message);
        });
        assertEquals(said, "kitchen is full: the browser gives this origin no more room");
        await browser.send("Storage.overrideQuotaForOrigin", { origin });
        const lengths = await page.evaluate(async () => {
          plumb.store.put(2, new Uint8Array(2));
          await plumb.store.commit();
          return (await plumb.store.load()).map(([, { length }]) => length);
        });
        assertEquals(lengths, [3_000_000, 2]);
      }),
  );

  test(
    "brings each QoS 2 message of a page to its reader once, in order, however often it is loaded anew",
    patient,
    () =>
      withPages(SOURCES, { limits: { receiveMaximum: 3 } }, async ({ url, open }) => {
        const count = 200;
        const reader = await connect(url, { clientId: "reader" });
        const messages = await reader.subscribe("out", { qos: 2 });
        const got: string[] = [];
        const reading = (async () => {
          for await (const { bytes } of messages) if (got.push(text.decode(bytes)) === count + 1) break;
        })();
        const page = await loaded(await open());
        /** Publishes numbers; the page goes on until it has written so often, and then nothing leaves it any more. */
        const begin = (first: number, end: number, writes: number) =>
          page.evaluate(
            async (url, first, end, writes) => {
              const { signal } = new AbortController();
              const store = await plumb.openClientStore("page", { signal });
              const client = plumb.client = await plumb.connect(url, {
                clientId: "page",
                store,
                async dial(url, options) {
                  const transport = await plumb.dialWebSocket(url, options);
                  const write = transport.write.bind(transport);
                  transport.write = (chunk) => {
                    if (writes-- > 0) return write(chunk);
                    plumb.isMute = true;
                    return chunk.length;
                  };
                  return transport;
                },
              });
              for (let i = first; i < end; i++) client.publish("out", `${i}`, { qos: 2 }).catch(() => {});
            },
            url,
            first,
            end,
            writes,
          );
        await begin(0, count, 20);
        for (const writes of [21, 22, 23, 1_000_000]) {
          await page.waitFor("plumb.isMute === true");
          await reloaded(page);
          assert(got.length < count, "the page was loaded anew in the midst of them");
          await begin(0, 0, writes);
        }
        await until(() => got.length >= count, () => `${got.length} messages`);
        await page.evaluate((count) => plumb.client.publish("out", `${count}`, { qos: 2 }), count);
        await reading;
        assertEquals(got, Array.from({ length: count + 1 }, (_, i) => `${i}`));
        await reader.close();
      }),
  );

  test(
    "does not hand on a QoS 2 message again that the page has acknowledged before it was loaded anew",
    patient,
    () =>
      withPages(SOURCES, {}, async ({ url, open }) => {
        const count = 20;
        const page = await loaded(await open());
        /** Takes messages into what outlives the page; from the acknowledgement of the one numbered `last` on nothing leaves the page. */
        const begin = (last: number) =>
          page.evaluate(
            async (url, last) => {
              const { signal } = new AbortController();
              const store = await plumb.openClientStore("page", { signal });
              let isLast = false;
              const until = {
                load: () => store.load(),
                put: (key: number, record: Uint8Array) => store.put(key, record),
                delete: (key: number) => store.delete(key),
                async commit() {
                  const hasLast = isLast;
                  await store.commit();
                  if (hasLast) localStorage["isOver"] = "yes";
                },
              };
              const client = await plumb.connect(url, {
                clientId: "page",
                store: until,
                async dial(url, options) {
                  const transport = await plumb.dialWebSocket(url, options);
                  const write = transport.write.bind(transport);
                  transport.write = (chunk) => isLast ? chunk.length : write(chunk);
                  return transport;
                },
              });
              const messages = await client.subscribe("in", { qos: 2, ack: "manual" });
              void (async () => {
                for await (const message of messages) {
                  const got = new TextDecoder().decode(message.bytes);
                  localStorage["got"] = `${localStorage["got"] ?? ""}${got} `;
                  isLast = got === `${last}`;
                  message.ack();
                  if (isLast) break;
                }
              })();
            },
            url,
            last,
          );
        const writer = await connect(url, { clientId: "writer" });
        await begin(7);
        for (let i = 0; i < count; i++) void writer.publish("in", `${i}`, { qos: 2 });
        await page.waitFor(() => localStorage["isOver"] === "yes");
        await reloaded(page);
        await begin(-1);
        const all = Array.from({ length: count }, (_, i) => `${i} `).join("");
        await page.waitFor((length) => localStorage["got"].length >= length, all.length);
        await writer.publish("in", "end", { qos: 2 });
        await page.waitFor(() => localStorage["got"].endsWith("end "));
        assertEquals(await page.evaluate(() => localStorage["got"]), `${all}end `);
        await writer.close();
      }),
  );
});

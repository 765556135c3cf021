/** §4.1 A snapshot brings the content of a store to another one of whatever kind, and makes the same bytes there. @module */
import { assertEquals } from "@std/assert";
import { IDBFactory, IDBKeyRange } from "fake-indexeddb";
import fc from "fast-check";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { SessionKey, SessionStore } from "../broker/mod.ts";
import { openStore, STORE_FILE, type StoreClock } from "../store/mod.ts";
import { exportStore, importStore } from "../store/snapshot_file.ts";
import { compareTexts } from "../store/snapshot.ts";
import { verifyStore } from "../store/verify.ts";
import { patient } from "../testing/patience.ts";
import { inDirectory } from "../testing/store_files.ts";
import {
  type Found,
  keyOf,
  type Live,
  message,
  record,
  Scene,
  shownFound,
  subscription,
} from "../testing/store_scene.ts";
import { type BrowserStore, importSnapshot, openBrowserStore } from "./store.ts";

Object.assign(globalThis, { IDBKeyRange });

/** Texts whose order as UTF-16 is not that as UTF-8, among others. */
const names = fc.constantFrom("a", "A", "\uFFFD", "😀", "é", "e\u0301", "a/b", "z".repeat(300));
const flag = fc.boolean();
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const);
const messages = fc.record({
  topic: names,
  bytes: fc.oneof(fc.nat(40), fc.constantFrom(3_000, 70_000)),
  level: fc.constantFrom(4 as const, 5 as const),
  qos,
  retain: flag,
  expiresAt: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 2 ** 31 - 1 }).map((s) => s * 1_000)),
  publisher: fc.option(names, { nil: undefined }),
}).map(({ topic, ...init }) => message(topic, init));

/** What a store is told: each fact picks among the sessions and deliveries that there are. */
const facts = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("session" as const),
        name: names,
        expiresAt: fc.constantFrom(undefined, 1_700_000_000_123, Infinity),
        will: fc.option(messages, { nil: undefined }),
        dueAt: fc.constantFrom(undefined, 1_800_000_000_000),
        level: fc.constantFrom(3 as const, 4 as const, 5 as const),
      }),
    },
    fc.record({
      kind: fc.constant("subscribed" as const),
      which: fc.nat(9),
      filter: names,
      share: flag,
      qos,
      identifier: fc.nat(268_435_455),
    }),
    fc.record({ kind: fc.constant("unsubscribed" as const), which: fc.nat(9), filter: names }),
    fc.record({
      kind: fc.constant("received" as const),
      which: fc.nat(9),
      packetId: fc.integer({ min: 1, max: 20 }),
      open: flag,
    }),
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("queued" as const),
        which: fc.nat(9),
        message: messages,
        all: flag,
        share: flag,
        qos: fc.constantFrom(1 as const, 2 as const),
        identifiers: fc.constantFrom([], [1], [7, 268_435_455]),
      }),
    },
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant("step" as const),
        step: fc.constantFrom("sent", "released", "released", "finished"),
        which: fc.nat(5),
      }),
    },
    fc.record({ kind: fc.constant("dropped" as const), which: fc.nat(9) }),
    fc.record({ kind: fc.constant("retained" as const), message: messages, gone: flag }),
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("commit" as const) }) },
  ),
  { minLength: 20, maxLength: 80, size: "max" },
);
type Fact = typeof facts extends fc.Arbitrary<(infer F)[]> ? F : never;

/** Tells a store these facts, as a broker would. */
async function tell(store: SessionStore, told: readonly Fact[]): Promise<void> {
  const scene = new Scene({ store, reopen: () => store, close: () => {} });
  const sessions = new Map<string, SessionKey>();
  let deliveries: { readonly key: SessionKey; readonly live: Live }[] = [];
  let packetId = 0;
  for (const fact of told) {
    const all = [...sessions.values()];
    const key = "which" in fact ? all[fact.which % all.length] : undefined;
    switch (fact.kind) {
      case "session": {
        const { name, expiresAt, will, dueAt, level } = fact;
        const own = sessions.get(name) ?? keyOf(name);
        sessions.set(name, own);
        const due = will && { message: will, delaySeconds: 9, dueAt };
        store.saved(own, record(name, { expiresAt, level, will: due }));
        break;
      }
      case "retained":
        store.retained(fact.message.topic, fact.gone ? undefined : fact.message);
        break;
      case "commit":
        await store.commit();
        break;
      case "step": {
        const one = deliveries[fact.which % deliveries.length];
        if (one === undefined) break;
        const { key, live } = one;
        if (fact.step === "finished") {
          store.finished(key, live);
          deliveries.splice(deliveries.indexOf(one), 1);
        } else if (live.packetId === 0) scene.send(key, live, ++packetId);
        else if (fact.step === "released" && live.qos === 2 && live.released === 0) scene.release(key, live);
        break;
      }
      case "subscribed": {
        const { filter, share, qos, identifier } = fact;
        const whole = share ? `$share/g/${filter}` : filter;
        if (key !== undefined) store.subscribed(key, subscription(whole, { qos, identifier }));
        break;
      }
      case "unsubscribed":
        if (key !== undefined) store.unsubscribed(key, fact.filter);
        break;
      case "received":
        if (key !== undefined) store.received(key, fact.packetId, fact.open);
        break;
      case "dropped":
        if (key === undefined) break;
        store.dropped(key);
        sessions.delete(key.clientId);
        deliveries = deliveries.filter((each) => each.key !== key);
        break;
      case "queued": {
        if (key === undefined) break;
        const { message, qos, share, identifiers: subscriptionIdentifiers } = fact;
        const init = { message, qos, subscriptionIdentifiers, ...share && { share: "$share/g/a" } };
        for (const each of fact.all ? all : [key]) {
          deliveries.push({ key: each, live: scene.queue(each, init) });
        }
      }
    }
  }
  await store.commit();
}

/** What a broker finds, in one order: that of filters and topics is nobody's duty. */
function foundIn(store: SessionStore): Found {
  const { found } = new Scene({ store, reopen: () => store, close: () => {} });
  return {
    lastOrder: 0, // one that is over may have had a higher one
    sessions: found.sessions.map((session) => ({
      ...session,
      subscriptions: [...session.subscriptions].sort((a, b) => compareTexts(a.filter, b.filter)),
    })),
    retained: [...found.retained].sort((a, b) => compareTexts(a.topic, b.topic)),
  };
}

/** The first moment of everything: the clock of every store here stands still. */
const NOW = 1_700_000_000_000;
const CLOCK: StoreClock = { now: () => NOW, after: () => () => {} };

describe("A snapshot", () => {
  const { now } = Date;
  before(() => {
    Date.now = () => NOW;
  });
  after(() => {
    Date.now = now;
  });

  test(
    "has the same bytes wherever the content has been: SQLite, IndexedDB, and SQLite again",
    patient,
    () =>
      inDirectory(async (directory) => {
        let run = 0;
        const exported = (from: string): Uint8Array => {
          const file = join(directory, `snapshot-${run}`);
          exportStore(join(from, STORE_FILE), file);
          return new Uint8Array(readFileSync(file));
        };
        const ofBrowser = async (act: (store: BrowserStore) => unknown): Promise<Uint8Array> => {
          const store = await openBrowserStore("home");
          await act(store);
          const bytes = new Uint8Array(await (await store.snapshot()).arrayBuffer());
          await store.close();
          return bytes;
        };
        await fc.assert(
          fc.asyncProperty(facts, async (told) => {
            const [one, other] = ["one", "other"].map((name) => join(directory, `${name}-${++run}`));
            const store = openStore(one!, { durability: "os", worker: false, clock: CLOCK });
            await tell(store, told);
            await store.close();
            const bytes = exported(one!);

            Object.assign(globalThis, { indexedDB: new IDBFactory() });
            await importSnapshot("home", bytes);
            let inBrowser: unknown;
            const second = await ofBrowser((store) => inBrowser = shownFound(foundIn(store)));
            assertEquals(second, bytes, "by a browser");

            const file = join(directory, "snapshot");
            writeFileSync(file, second);
            importStore(file, other!, false);
            assertEquals(exported(other!), bytes, "by SQLite");
            const faults: string[] = [];
            verifyStore(join(other!, STORE_FILE), (fault) => faults.push(fault));
            assertEquals(faults, []);

            const first = openStore(one!, { durability: "os", worker: false, clock: CLOCK });
            const last = openStore(other!, { durability: "os", worker: false, clock: CLOCK });
            const found = shownFound(foundIn(first));
            assertEquals([shownFound(foundIn(last)), inBrowser], [found, found]);
            await first.close();
            await last.close();

            Object.assign(globalThis, { indexedDB: new IDBFactory() });
            assertEquals(
              await ofBrowser((store) => tell(store, told)),
              bytes,
              "by a browser that was told the same",
            );
          }),
          { numRuns: 40, endOnFailure: true },
        );
      }),
  );

  test("is what it was when the format was made", patient, async () => {
    Object.assign(globalThis, { indexedDB: new IDBFactory() });
    const store = await openBrowserStore("home");
    const scene = new Scene({ store, reopen: () => store, close: () => {} });
    const will = { message: message("w", { level: 4 }), delaySeconds: 5, dueAt: undefined };
    const key = scene.begin("c", { will });
    scene.fill(key);
    store.retained("r", message("r", { retain: true, expiresAt: 2_000_000_000_000 }));
    await store.commit();
    const bytes = new Uint8Array(await (await store.snapshot()).arrayBuffer());
    await store.close();
    assertEquals(createHash("sha256").update(bytes).digest("hex"), DIGEST);
  });
});

/** Of the content above, version 1. */
const DIGEST = "4ebaabd04aeec602cca5e97cdacc089f68356ba0cc3ff53c1f26c58bb22b588f";

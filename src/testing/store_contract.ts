/**
 * What every `SessionStore` must bring back: one suite, many subjects.
 * Knows the facts and their order; refuses to know where they are kept.
 * @module
 */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { SessionKey } from "../broker/mod.ts";
import { EXPIRY_STEP_MS } from "../delivery/message.ts";
import {
  bytesOf,
  contents,
  FILLED,
  keyOf,
  type Live,
  message,
  NOTHING,
  record,
  Scene,
  sent,
  shown,
  shownDelivery,
  shownFound,
  shownSession,
  type StoreSubject,
  subscription,
  waiting,
} from "./store_scene.ts";

/** Where `storeContract` commits between the facts: at each choice of places, or only at none, at all, and at each alone. */
export type Commits = "everyChoice" | "fewChoices";

/** Runs the suite; `open` makes an empty subject each time. */
export function storeContract(
  name: string,
  open: () => StoreSubject | Promise<StoreSubject>,
  commits: Commits = "everyChoice",
): void {
  async function run(act: (scene: Scene) => Promise<void>): Promise<void> {
    const subject = await open();
    try {
      await act(new Scene(subject));
    } finally {
      await subject.close();
    }
  }

  function check(title: string, act: (scene: Scene) => Promise<void>): void {
    test(title, () => run(act));
  }

  /** The same with a commit, and without one, at each of so many places between the facts. */
  function checkCommits(
    title: string,
    places: number,
    act: (scene: Scene, place: () => Promise<void>) => Promise<void>,
  ): void {
    test(`${title}, wherever there is a commit between`, async () => {
      const all = 2 ** places - 1;
      for (let which = 0; which <= all; which++) {
        const isOne = (which & which - 1) === 0; // none, or one
        if (commits === "fewChoices" && !isOne && which !== all) continue;
        let place = 0;
        await run((scene) =>
          act(scene, async () => {
            if ((which >> place++ & 1) !== 0) await scene.store.commit();
          })
        );
      }
    });
  }

  describe(`${name}: sessions`, () => {
    check("there is nothing at first", async (scene) => {
      assertEquals(scene.found, { sessions: [], retained: [], lastOrder: 0 });
      assertEquals(await scene.reopen(), { sessions: [], retained: [], lastOrder: 0 });
    });

    check("each comes back with every field, and with its will", async (scene) => {
      const will = message("w", { bytes: 200_000, retain: true, properties: { contentType: "text" } });
      const will4 = message("w", { level: 4, qos: 0, publisher: undefined });
      const sessions = [
        record("connected", { level: 3, expiresAt: undefined, user: undefined, address: undefined }),
        record("delayed", { will: { message: will, delaySeconds: 0xffff_ffff, dueAt: 1_800_000_000_000 } }),
        record("ends", {
          expirySeconds: 0,
          expiresAt: undefined,
          will: { message: will4, delaySeconds: 0, dueAt: undefined },
        }),
        record("later", { expiresAt: 1_700_000_000_123 }),
        record("never", { level: 4, expirySeconds: 0xffff_ffff, expiresAt: Infinity }),
      ];
      for (const one of sessions) scene.store.saved(keyOf(one.clientId), one);
      const found = await scene.reopen();
      assertEquals(found.sessions.map(({ session }) => shownSession(session)), sessions.map(shownSession));
      for (const one of found.sessions) {
        assertEquals([one.subscriptions, one.deliveries, one.received], [[], [], []]);
        assertEquals(one.waiting, { count: 0, bytes: 0, from: Infinity });
      }
    });

    check("Client Identifiers and topics are what they are, character for character", async (scene) => {
      const ids = [
        "a",
        "A",
        "a ",
        "",
        "é",
        "e\u0301",
        "\uFEFFa",
        "__proto__",
        "constructor",
        "'; --",
        "%_",
        "😀",
        "a/b",
      ].sort();
      for (const id of ids) {
        const key = scene.begin(id);
        scene.store.subscribed(key, subscription(`${id}/#`));
        scene.store.queued(key, sent(scene.order(), 1, { message: message(`t${id}`, { publisher: id }) }));
        scene.store.retained(`r${id}`, message(`r${id}`));
      }
      const { sessions, retained } = await scene.reopen();
      assertEquals(sessions.map(({ session }) => session.clientId), ids);
      assertEquals(sessions.map(({ subscriptions }) => subscriptions[0]?.filter), ids.map((id) => `${id}/#`));
      assertEquals(
        sessions.map(({ deliveries: [first] }) => [first?.message.topic, first?.message.publisher]),
        ids.map((id) => [`t${id}`, id]),
      );
      assertEquals(retained.map(({ topic }) => topic).sort(), ids.map((id) => `r${id}`).sort());
    });

    checkCommits("saved again it is changed, and keeps what is in it", 1, async (scene, place) => {
      const will = { message: message("w"), delaySeconds: 5, dueAt: undefined };
      const key = scene.begin("c", { will });
      scene.fill(key);
      await place();
      const changed = record("c", { level: 4, expiresAt: 5, expirySeconds: 9, user: "u", address: "::1" });
      scene.store.saved(key, changed);
      const { sessions } = await scene.reopen();
      assertEquals(sessions.map(({ session }) => session), [changed]);
      assertEquals(contents(sessions[0]!), FILLED);
    });

    checkCommits("dropped it is gone with all that was in it", 2, async (scene, place) => {
      const [key, other] = [scene.begin("c"), scene.begin("d")];
      scene.fill(key);
      scene.fill(other);
      await place();
      scene.store.dropped(key);
      await place();
      assertEquals(await scene.loaded(key), []);
      const { sessions } = await scene.reopen();
      assertEquals(sessions.map(({ session }) => session.clientId), ["d"]);
      assertEquals(contents(sessions[0]!), FILLED);
    });

    checkCommits("begun anew under its identifier it is another one", 4, async (scene, place) => {
      const key = scene.begin("c", { will: { message: message("w"), delaySeconds: 0, dueAt: undefined } });
      scene.fill(key);
      await place();
      scene.store.dropped(key);
      await place();
      const fresh = scene.begin("c");
      await place();
      assertEquals(await scene.loaded(fresh), []);
      scene.store.received(fresh, 9, true);
      const queued = waiting(scene.order());
      scene.store.queued(fresh, queued);
      await place();
      assertEquals([await scene.loaded(key), await scene.loaded(fresh)], [[], [queued.order]]);
      const { sessions: [found, ...more] } = await scene.reopen();
      assertEquals([more, found!.session.will], [[], undefined]);
      assertEquals(contents(found!), { filters: [], deliveries: [], waiting: 1, received: [9] });
      assertEquals(await scene.loaded(keyOf("c", found!)), [queued.order]);
    });

    checkCommits("facts about one that is dropped are nothing", 3, async (scene, place) => {
      const key = scene.begin("c");
      const { sent, waiting } = scene.fill(key);
      await place();
      scene.store.dropped(key);
      const fresh = scene.begin("c");
      const filled = scene.fill(fresh);
      await place();
      scene.fill(key);
      scene.store.unsubscribed(key, "f");
      scene.store.received(key, 7, false);
      sent.released = scene.order();
      scene.store.advanced(key, sent);
      scene.store.finished(key, waiting);
      scene.store.dropped(key);
      await place();
      assertEquals(await scene.loaded(key), []);
      const { sessions } = await scene.reopen();
      assertEquals(sessions.map(contents), [FILLED]);
      assertEquals(await scene.loaded(keyOf("c", sessions[0]!)), [filled.waiting.order]);
    });

    check("facts about one that was never saved are nothing", async (scene) => {
      const key = keyOf("nobody");
      const { sent, waiting } = scene.fill(key);
      scene.store.advanced(key, sent);
      scene.store.finished(key, waiting);
      scene.store.unsubscribed(key, "f");
      scene.store.received(key, 7, false);
      scene.store.dropped(key);
      assertEquals(await scene.loaded(key), []);
      assertEquals((await scene.reopen()).sessions, []);
    });
  });

  describe(`${name}: what is in a session`, () => {
    check("subscriptions come back with all options, the last one of each filter", async (scene) => {
      const subscriptions = [
        subscription("$share/group/c", { identifier: 268_435_455 }),
        subscription("+/b/#", { qos: 0, retainAsPublished: true, retainHandling: 2 }),
        subscription("/"),
        subscription("a", { qos: 1, noLocal: true, retainHandling: 1 }),
      ];
      const [key, other] = [scene.begin("c"), scene.begin("d")];
      scene.store.subscribed(key, subscription("a", { identifier: 5 }));
      scene.store.subscribed(key, subscription("gone"));
      for (const one of subscriptions) scene.store.subscribed(key, one);
      scene.store.subscribed(other, subscription("a"));
      await scene.store.commit();
      scene.store.unsubscribed(key, "gone");
      scene.store.unsubscribed(key, "never");
      const { sessions: [found, second] } = await scene.reopen();
      const byFilter = [...found!.subscriptions].sort((a, b) => a.filter < b.filter ? -1 : 1);
      assertEquals([byFilter, second!.subscriptions], [subscriptions, [subscription("a")]]);
    });

    checkCommits("the identifiers received are those that are open", 2, async (scene, place) => {
      const key = scene.begin("c");
      for (const id of [1, 5, 65_535, 300, 5]) scene.store.received(key, id, true);
      await place();
      for (const id of [1, 300, 17]) scene.store.received(key, id, false);
      await place();
      scene.store.received(key, 300, true);
      const { sessions: [found] } = await scene.reopen();
      assertEquals([...found!.received].sort((a, b) => a - b), [5, 300, 65_535]);
    });

    check("deliveries come back whole, at each step, in ascending order", async (scene) => {
      const key = scene.begin("c");
      const large = message("large", {
        bytes: 200_000,
        properties: { userProperties: [["a", "1"], ["a", "1"]] },
      });
      const all = [
        sent(9, 65_535),
        sent(10, 1, { message: large, qos: 1, subscriptionIdentifiers: [1, 268_435_455, 2] }),
        waiting(11, { share: "$share/g/t", retain: true }),
        sent(100, 7, { message: message("t", { level: 4, qos: 1, publisher: undefined }) }),
        sent(101, 8, { message: message("t", { expiresAt: 1_700_000_000_001 }), share: "$share/g/#" }),
        sent(102, 9, { released: 103 }),
        sent(2_000_000_000_000, 10, { message: message("t", { bytes: 0 }), retain: true }),
      ];
      for (const one of [...all].reverse()) scene.store.queued(key, one);
      const { sessions: [found] } = await scene.reopen();
      assertEquals(found!.deliveries.map(shownDelivery), all.map(shownDelivery));
      assertEquals(found!.waiting.count, 0);
    });

    check("what waits comes back as a number, its bytes, and where it begins", async (scene) => {
      const [key, other] = [scene.begin("c"), scene.begin("d")];
      const all = [3, 7, 8].map((order) =>
        waiting(order, { message: message("t", { bytes: order * 1000 }) })
      );
      for (const one of all) scene.store.queued(key, one);
      scene.store.queued(key, waiting(4, { share: "$share/g/t" }));
      scene.store.queued(key, sent(2, 1));
      scene.store.queued(other, waiting(9));
      const { sessions: [found] } = await scene.reopen();
      assertEquals(found!.waiting, { count: 3, bytes: bytesOf(all), from: 3 });
      assertEquals(found!.deliveries.map(({ order }) => order), [2, 4]);
    });

    checkCommits("what has expired while it waited is over, the rest stays", 2, async (scene, place) => {
      const key = scene.begin("c");
      const expiring = (expiresAt: number, init = {}) =>
        scene.queue(key, { message: message("t", { expiresAt }), ...init });
      expiring(1_000);
      expiring(2_000);
      const sooner = expiring(1_500);
      const [later, never, shared] = [
        expiring(3_000),
        scene.queue(key),
        expiring(1, { share: "$share/g/t" }),
      ];
      await place();
      scene.send(key, sooner, 1);
      scene.store.expired(key, 2_000);
      await place();
      const { sessions: [found] } = await scene.reopen();
      assertEquals(found!.deliveries.map(({ order }) => order), [sooner.order, shared.order]);
      const { count, expiring: some = [] } = found!.waiting;
      const isOver = (at: number) => Math.ceil(2_000 / EXPIRY_STEP_MS) * EXPIRY_STEP_MS >= at;
      const left = some.filter(({ at }) => isOver(at)).length; // a store may take its time over rows
      assertEquals(some.length - left, 1);
      assertEquals(count, 2 + left);
      const key2 = keyOf("c", found);
      scene.store.expired(key2, 2_000);
      await scene.store.commit();
      const loaded = await scene.loaded(key2);
      assertEquals(loaded.slice(-2), [later.order, never.order]);
    });

    checkCommits("a delivery waits, is sent, is released, is over", 4, async (scene, place) => {
      const key = scene.begin("c");
      const steps = [scene.queue(key), scene.queue(key), scene.queue(key), scene.queue(key)];
      await place();
      for (const [i, one] of steps.slice(1).entries()) scene.send(key, one, i + 1);
      await place();
      for (const one of steps.slice(2)) scene.release(key, one);
      await place();
      scene.store.finished(key, steps[3]!);
      await place();
      assertEquals(await scene.loaded(key), [steps[0]!.order]);
      const { sessions: [found] } = await scene.reopen();
      assertEquals(found!.deliveries.map(shownDelivery), steps.slice(1, 3).map(shownDelivery));
      assertEquals(found!.waiting, { count: 1, bytes: bytesOf(steps.slice(0, 1)), from: steps[0]!.order });
    });

    check("one that is over before it is safe leaves nothing", async (scene) => {
      const key = scene.begin("c");
      await scene.store.commit();
      const [one, shared, released] = [
        scene.queue(key),
        scene.queue(key, { share: "$share/g/t" }),
        scene.queue(key),
      ];
      scene.send(key, released, 1);
      scene.release(key, released);
      for (const each of [one, shared, released]) scene.store.finished(key, each);
      assertEquals(await scene.loaded(key), []);
      const { sessions: [found], lastOrder } = await scene.reopen();
      assertEquals([contents(found!), lastOrder], [NOTHING, 0]);
    });

    check("one that has gone on before the commit is safe as it is then", async (scene) => {
      const key = scene.begin("c");
      const [first, second] = [scene.queue(key), scene.queue(key)];
      scene.send(key, first, 5);
      scene.send(key, second, 6);
      scene.release(key, second);
      const { sessions: [found] } = await scene.reopen();
      assertEquals(found!.deliveries.map(shownDelivery), [first, second].map(shownDelivery));
    });

    check("the last order is the highest that a delivery or its PUBREC has", async (scene) => {
      const [key, other] = [scene.begin("c"), scene.begin("d")];
      scene.store.queued(key, waiting(5));
      scene.store.queued(other, sent(3, 1));
      assertEquals((await scene.reopen()).lastOrder, 5);
      const [first, second] = scene.found.sessions.map((one) => keyOf(one.session.clientId, one));
      const [released] = scene.found.sessions[1]!.deliveries as Live[];
      released!.released = 2_000_000_000_000;
      scene.store.advanced(second!, released!);
      scene.store.queued(first!, sent(6, 1));
      assertEquals((await scene.reopen()).lastOrder, 2_000_000_000_000);
    });
  });

  for (const size of [3, 20_000, 200_000]) {
    describe(`${name}: one message of ${size} bytes that many sessions get`, () => {
      checkCommits("comes back whole for each of them that still needs it", 3, async (scene, place) => {
        const shared = message("t", { bytes: size });
        const keys = ["a", "b", "c", "d", "e"].map((id) => scene.begin(id));
        const deliveries = keys.map((key) => scene.queue(key, { message: shared }));
        await place();
        scene.store.finished(keys[0]!, deliveries[0]!);
        scene.send(keys[1]!, deliveries[1]!, 1);
        scene.store.dropped(keys[2]!);
        await place();
        const later = scene.begin("f");
        keys.push(later);
        deliveries.push(scene.queue(later, { message: shared }));
        await place();
        const { sessions } = await scene.reopen();
        assertEquals(sessions.map(({ session }) => session.clientId), ["a", "b", "d", "e", "f"]);
        assertEquals(sessions.map(({ waiting }) => waiting.count), [0, 0, 1, 1, 1]);
        assertEquals(sessions[1]!.deliveries.map(shownDelivery), [shownDelivery(deliveries[1]!)]);
        for (const [at, index] of [[2, 3], [3, 4], [4, 5]] as const) {
          const found = await scene.load(keyOf(keys[index]!.clientId, sessions[at]!));
          assertEquals(found.map(shownDelivery), [shownDelivery(deliveries[index]!)]);
        }
      });

      check("comes back whole for who is left after others have come to their end", async (scene) => {
        const shared = message("t", { bytes: size });
        const orders = ["a", "b", "c"].map((id) => scene.queue(scene.begin(id), { message: shared }).order);
        for (let left = 3; left > 0; left--) {
          const { sessions } = await scene.reopen();
          const [first, last] = [sessions[0]!, sessions.at(-1)!];
          const found = await scene.load(keyOf(last.session.clientId, last));
          assertEquals(found.map(shownDelivery), [shownDelivery(waiting(orders[2]!, { message: shared }))]);
          const key = keyOf(first.session.clientId, first);
          for (const one of await scene.load(key)) scene.store.finished(key, one);
          scene.store.dropped(key);
        }
        assertEquals((await scene.reopen()).sessions, []);
      });
    });
  }

  describe(`${name}: load()`, () => {
    /** A session with waiting messages of 1,000 bytes each, and between them what is not to be loaded. */
    async function queueOf(scene: Scene, count: number): Promise<{ key: SessionKey; all: Live[] }> {
      const [key, other] = [scene.begin("c"), scene.begin("d")];
      const all: Live[] = [];
      for (let i = 0; i < count; i++) {
        all.push(scene.queue(key, { message: message("t", { bytes: 980 }), qos: i % 2 === 0 ? 1 : 2 }));
        scene.queue(key, { share: "$share/g/t" });
        scene.send(key, scene.queue(key), i + 1);
        scene.queue(other);
      }
      await scene.store.commit();
      return { key, all };
    }

    for (const reopens of [false, true]) {
      const when = `${reopens ? "after" : "before"} a restart`;
      check(`brings back what waits, whole and in order, ${when}`, async (scene) => {
        const { key } = await queueOf(scene, 1);
        const all = [
          scene.queue(key, { message: message("é", { bytes: 200_000, level: 4 }), retain: true }),
          scene.queue(key, {
            message: message("t", {
              expiresAt: 1_800_000_000_001,
              properties: { correlationData: Uint8Array.of(0, 255, 0x80, 10) },
            }),
            subscriptionIdentifiers: [3, 268_435_455],
            qos: 1,
          }),
          scene.queue(key, {
            message: message("t", { qos: 1, retain: true, publisher: undefined }),
            qos: 1,
          }),
        ];
        if (reopens) await scene.reopen();
        const again = reopens ? keyOf("c", scene.found.sessions[0]!) : key;
        const found = await scene.load(again, all[0]!.order);
        assertEquals(found.map(shownDelivery), all.map(shownDelivery));
      });

      check(`brings back up to so many messages, page by page, ${when}`, async (scene) => {
        const { key, all } = await queueOf(scene, 25);
        if (reopens) await scene.reopen();
        const again = reopens ? keyOf("c", scene.found.sessions[0]!) : key;
        const expected = all.map(({ order }) => order);
        for (const page of [1, 4, 25, 26]) {
          const orders: number[] = [];
          for (let from = 0;;) {
            const found = await scene.loaded(again, from, page);
            if (found.length === 0) break;
            assertEquals(found, expected.slice(orders.length, orders.length + page));
            orders.push(...found);
            from = found.at(-1)! + 1;
          }
          assertEquals(orders, expected);
        }
      });
    }

    check("stops before the message that is too much in bytes, but never before the first", async (scene) => {
      const { key, all } = await queueOf(scene, 6);
      const size = bytesOf(all.slice(0, 1));
      const orders = all.map(({ order }) => order);
      for (const [bytes, count] of [[1, 1], [size, 1], [2 * size - 1, 1], [2 * size, 2], [5 * size + 1, 5]]) {
        assertEquals(await scene.loaded(key, 0, 1000, bytes), orders.slice(0, count), `${bytes} bytes`);
      }
      assertEquals(await scene.loaded(key, orders[2], 1000, 2 * size), orders.slice(2, 4));
      assertEquals(await scene.loaded(key, orders[2]! + 1, 2, 1e9), orders.slice(3, 5));
      assertEquals(await scene.loaded(key, orders[5]! + 1), []);
    });

    check("sees what is queued and not yet safe, behind what is", async (scene) => {
      const { key, all } = await queueOf(scene, 2);
      const more = [scene.queue(key), scene.queue(key)];
      const orders = [...all, ...more].map(({ order }) => order);
      assertEquals(await scene.loaded(key), orders);
      assertEquals(await scene.loaded(key, 0, 3), orders.slice(0, 3));
      assertEquals(await scene.loaded(key, more[0]!.order, 1), orders.slice(2, 3));
      const commit = scene.store.commit(); // and while that is under way
      const last = scene.queue(key);
      assertEquals(await scene.loaded(key, all[1]!.order), [...orders.slice(1), last.order]);
      await commit;
      assertEquals(await scene.loaded(key, all[1]!.order), [...orders.slice(1), last.order]);
    });

    checkCommits("does not bring what is sent or over", 2, async (scene, place) => {
      const key = scene.begin("c");
      const all = [scene.queue(key), scene.queue(key), scene.queue(key), scene.queue(key)];
      await place();
      scene.send(key, all[0]!, 1);
      scene.store.finished(key, all[2]!);
      await place();
      assertEquals(await scene.loaded(key), [all[1]!.order, all[3]!.order]);
      assertEquals(await scene.loaded(key, 0, 1), [all[1]!.order]);
    });

    check("what it gives can go its way: what is told of it counts", async (scene) => {
      let { key } = await queueOf(scene, 6);
      for (const _again of [1, 2]) { // once more after a restart
        const [first, second, third] = await scene.load(key) as Live[];
        scene.send(key, first!, 100);
        scene.release(key, first!);
        scene.store.finished(key, second!);
        scene.send(key, third!, 101);
        scene.store.finished(key, third!);
        const { sessions: [found] } = await scene.reopen();
        key = keyOf("c", found!);
        const [released] = found!.deliveries.filter((one) => one.released > 0) as Live[];
        assertEquals([released!.order, released!.packetId], [first!.order, 100]);
        scene.store.finished(key, released!);
      }
      const { sessions: [found] } = await scene.reopen();
      assertEquals(found!.waiting, { count: 0, bytes: 0, from: Infinity });
      assertEquals(found!.deliveries.filter((one) => one.packetId >= 100), []);
    });

    check("a queue of thousands comes back once, in order, while it is sent", async (scene) => {
      const key = scene.begin("c");
      const orders = Array.from({ length: 2_500 }, () => scene.queue(key).order);
      const { sessions: [found] } = await scene.reopen();
      assertEquals(found!.waiting.count, orders.length);
      const again = keyOf("c", found!);
      const got: number[] = [];
      for (let from = found!.waiting.from;;) {
        const page = await scene.load(again, from, 500) as Live[];
        if (page.length === 0) break;
        for (const one of page) {
          got.push(one.order);
          scene.send(again, one, 1);
          scene.store.finished(again, one);
        }
        await scene.store.commit();
        from = got.at(-1)! + 1;
      }
      assertEquals(got, orders);
      assertEquals((await scene.reopen()).sessions.map(contents), [NOTHING]);
    });
  });

  describe(`${name}: after a restart`, () => {
    check("facts about what was brought back count", async (scene) => {
      scene.fill(scene.begin("c"));
      scene.fill(scene.begin("d"));
      scene.fill(scene.begin("e"));
      const [c, d, e] = (await scene.reopen()).sessions;
      const [first, second, third] = [keyOf("c", c!), keyOf("d", d!), keyOf("e", e!)];
      scene.release(first, c!.deliveries[0] as Live);
      scene.store.subscribed(first, subscription("g"));
      scene.store.unsubscribed(first, "f");
      scene.store.received(first, 7, false);
      scene.store.received(first, 8, true);
      scene.store.saved(first, record("c", { expirySeconds: 1 }));
      scene.store.finished(second, d!.deliveries[0]!);
      scene.store.finished(second, (await scene.load(second))[0]!);
      scene.store.dropped(third);
      const fresh = scene.begin("e");
      scene.store.received(fresh, 3, true);
      const { sessions } = await scene.reopen();
      assertEquals(sessions.map(contents), [
        { filters: ["g"], deliveries: ["2 released"], waiting: 1, received: [8] },
        { filters: ["f"], deliveries: [], waiting: 0, received: [7] },
        { filters: [], deliveries: [], waiting: 0, received: [3] },
      ]);
      assertEquals(sessions[0]!.session.expirySeconds, 1);
    });

    check("sessions have other numbers than those there are", async (scene) => {
      scene.begin("a");
      scene.begin("b");
      await scene.reopen();
      const fresh = scene.begin("c");
      scene.fill(fresh);
      scene.store.dropped(keyOf("b", scene.found.sessions[1]!));
      const { sessions } = await scene.reopen();
      assertEquals(sessions.map(({ session }) => session.clientId), ["a", "c"]);
      assertEquals(sessions.map(contents), [NOTHING, FILLED]);
      assertEquals(new Set(sessions.map(({ storeId }) => storeId)).size, 2);
    });

    check("what is told later does not change what was brought back before", async (scene) => {
      scene.fill(scene.begin("c"));
      scene.store.retained("x", message("x"));
      const found = await scene.reopen();
      const before = shownFound(found);
      const key = keyOf("c", found.sessions[0]!);
      scene.store.subscribed(key, subscription("more"));
      scene.store.advanced(key, { ...found.sessions[0]!.deliveries[0]!, released: 99 });
      scene.store.received(key, 9, true);
      scene.store.retained("x", undefined);
      await scene.store.commit();
      assertEquals(shownFound(found), before);
    });
  });

  describe(`${name}: retained messages`, () => {
    checkCommits("a topic has one, the last, or none", 2, async (scene, place) => {
      const { store } = scene;
      for (const topic of ["a", "b", "a/", "A", "gone"]) store.retained(topic, message(topic));
      await place();
      const last = message("a", {
        bytes: 70_000,
        expiresAt: 1_700_000_000_000,
        publisher: "c",
        retain: true,
      });
      store.retained("a", last);
      for (const topic of ["b", "gone", "never", "A"]) store.retained(topic, undefined);
      await place();
      store.retained("A", message("A", { bytes: 20, level: 4, qos: 0, retain: true, publisher: undefined }));
      store.retained("b", message("b", { bytes: 0, qos: 1 }));
      const { retained } = await scene.reopen();
      const expected = [
        message("A", { bytes: 20, level: 4, qos: 0, retain: true, publisher: undefined }),
        last,
        message("a/"),
        message("b", { bytes: 0, qos: 1 }),
      ];
      const byTopic = [...retained].sort((a, b) => a.topic < b.topic ? -1 : 1);
      assertEquals(byTopic.map(shown), expected.map(shown));
    });
  });

  describe(`${name}: commit()`, () => {
    check("is done at once when there is nothing to do, and facts go on behind it", async (scene) => {
      assertEquals(scene.store.commit(), undefined);
      scene.begin("c");
      await scene.store.commit();
      assertEquals(scene.store.commit(), undefined);
      scene.begin("d");
      assertEquals((await scene.reopen()).sessions.length, 2);
    });
  });
}

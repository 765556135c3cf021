/** Looks at a broker in pages, while it goes on. @module */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { encodeUtf8 } from "../codec/utf8.ts";
import { patient } from "../testing/patience.ts";
import { Pair } from "../testing/pair.ts";
import { Inspector, WALK_IDLE_MS, WALKS_MAX } from "./inspect.ts";
import { Broker, MemoryStore, type Page, type PageAsk, type QueuedMessageView } from "./mod.ts";

const EXPIRY = { sessionExpiryInterval: 100 };
const ALL = { limit: 1_000, looks: 10_000 };

/** All items, page by page; `between` is called between two pages. */
function gathered<T>(
  page: (ask: PageAsk) => Page<T> | undefined,
  ask: PageAsk = ALL,
  between: () => void = () => {},
): T[] {
  const items: T[] = [];
  let after: string | undefined;
  for (;;) {
    const got = page({ ...ask, after });
    assert(got !== undefined, "the cursor is good");
    assert(got.items.length <= ask.limit);
    items.push(...got.items);
    if (got.next === null) return items;
    after = got.next;
    between();
  }
}

describe("an inspector", () => {
  test("shows Clients and sessions as they are", () => {
    const pair = new Pair({}, 5_000);
    const inspector = new Inspector(pair.broker);
    const properties = { ...EXPIRY, receiveMaximum: 7 };
    const will = { topic: "gone", payload: new Uint8Array(), qos: 0, retain: false } as const;
    const one = pair.connect({ clientId: "one", username: "ann", keepAlive: 30, properties, will });
    one.subscribe("a", "b");
    const away = pair.connect({ clientId: "away", level: 4, cleanStart: false });
    away.disconnect();
    pair.advance(1_000);
    assertEquals(inspector.client("one"), {
      clientId: "one",
      user: "ann",
      address: "192.0.2.1",
      port: 40_000,
      transport: "tcp",
      level: 5,
      keepAlive: 30,
      cleanStart: true,
      since: 5_000,
      subscriptions: 2,
      queued: 0,
      inFlight: 0,
      receiveMaximum: 7,
      bytesOut: inspector.client("one")!.bytesOut,
      waitingBytes: 0,
    });
    assert(inspector.client("one")!.bytesOut > 10);
    assertEquals([inspector.client("away"), inspector.client("none")], [undefined, undefined]);
    const sessions = gathered((ask) => inspector.sessions(ask, pair.now));
    assertEquals(sessions, [inspector.session("one")!, inspector.session("away")!]);
    assertEquals(sessions[0], {
      clientId: "one",
      user: "ann",
      address: "192.0.2.1",
      level: 5,
      connected: true,
      expiry: 100,
      expiresAt: null,
      subscriptions: 2,
      queued: 0,
      queuedBytes: 0,
      stored: 0,
      exchanges: 0,
      will: "gone",
    });
    const { connected, expiry, will: none } = sessions[1]!;
    assertEquals([connected, expiry, none], [false, null, null], "level 4 without Clean Session never ends");
    const found = (search?: string, connected?: boolean) =>
      gathered((ask) => inspector.sessions(ask, pair.now, search, connected)).map(({ clientId }) => clientId);
    assertEquals(found("nn"), ["one"]);
    assertEquals(found("192.0"), ["one", "away"]);
    assertEquals(found(undefined, false), ["away"]);
    assertEquals(found("one", false), []);
    assertEquals(gathered((ask) => inspector.clients(ask, pair.now, "a")).length, 1);
  });

  test("says when a session ends whose Client is away", () => {
    const pair = new Pair({}, 1_000);
    const inspector = new Inspector(pair.broker);
    pair.connect({ clientId: "c", properties: EXPIRY }).disconnect();
    assertEquals(inspector.session("c")!.expiresAt, 101_000);
  });

  test("shows subscriptions of one session, of all, and of those that get a topic", () => {
    const pair = new Pair();
    const inspector = new Inspector(pair.broker);
    const one = pair.connect({ clientId: "one" });
    one.subscribe("a/+", "b");
    const two = pair.connect({ clientId: "two" });
    two.subscribe("$share/g/a/#");
    pair.connect({ clientId: "three" }).subscribe("$share/g/a/#", "#", "+/+");
    const own = gathered((ask) => inspector.subscriptionsOf("one", ask, pair.now));
    assertEquals(own.map(({ filter, clientId }) => [clientId, filter]), [["one", "a/+"], ["one", "b"]]);
    const { share, identifier, qos } = gathered((ask) => inspector.subscriptionsOf("two", ask, pair.now))[0]!;
    assertEquals([share, identifier, qos], ["g", null, 2]);
    assertEquals(inspector.subscriptionsOf("none", ALL, pair.now), undefined);
    const all = (about?: { filter?: string; search?: string }) =>
      gathered((ask) => inspector.subscriptions(ask, pair.now, about)).map(({ filter }) => filter);
    assertEquals(all(), ["a/+", "b", "$share/g/a/#", "$share/g/a/#", "#", "+/+"]);
    assertEquals(all({ filter: "$share/g/a/#" }).length, 2);
    assertEquals(all({ search: "one" }), ["a/+", "b"]);
    const sorted = (looks: number) =>
      gathered((ask) => inspector.subscribers({ ...ask, looks }, pair.now, "a/x"))
        .map(({ clientId, filter }) => `${clientId} ${filter}`).sort();
    const who = ["one a/+", "three #", "three $share/g/a/#", "three +/+", "two $share/g/a/#"];
    assertEquals(sorted(1_000), who);
    assertEquals(sorted(3), who, "more match than may be looked at: all are gone through");
    assertEquals(inspector.receivers("a/x"), { sessions: 2, groups: 1 });
    assertEquals(gathered((ask) => inspector.subscribers(ask, pair.now, "$SYS/x")), []);
  });

  test("does not show a subscription that went between two pages", () => {
    const pair = new Pair();
    const inspector = new Inspector(pair.broker);
    const [a, b] = ["a", "b"].map((clientId) => pair.connect({ clientId }));
    a!.subscribe("t");
    b!.subscribe("t");
    const first = inspector.subscribers({ limit: 1, looks: 10 }, pair.now, "t")!;
    b!.unsubscribe("t");
    assertEquals(
      inspector.subscribers({ limit: 9, looks: 10, after: first.next! }, pair.now, "t")!.items,
      [],
    );
  });

  test("shows retained messages, and the levels of topics", () => {
    const pair = new Pair();
    const inspector = new Inspector(pair.broker);
    const client = pair.connect({ clientId: "c" });
    const properties = { messageExpiryInterval: 60 };
    client.publish({ topic: "a/b", payload: "12345", retain: true, qos: 1, packetId: 1, properties });
    client.publish({ topic: "a/b/c", payload: "x", retain: true });
    client.publish({ topic: "a/d/e", payload: "", retain: false });
    client.publish({ topic: "f", payload: "x".repeat(20_000), retain: true });
    pair.broker.publish({ topic: "$own/x", payload: "y", retain: true }, pair.now);
    pair.settle();
    const topics = (filter?: string) =>
      gathered((ask) => inspector.retained(ask, pair.now, filter)).map(({ topic }) => topic);
    assertEquals(topics(), ["a/b", "a/b/c", "f"]);
    assertEquals(topics("$own/#"), ["$own/x"]);
    assertEquals(topics("a/+"), ["a/b"]);
    pair.advance(10_000);
    const { payload, ...view } = inspector.retainedMessage("a/b", pair.now)!;
    assertEquals(view, { topic: "a/b", qos: 1, bytes: 5, expiry: 50, publisher: "c" });
    assertEquals(payload, encodeUtf8("12345"));
    assertEquals(inspector.retainedMessage("f", pair.now)!.payload.length, 20_000);
    assertEquals(inspector.retainedMessage("a", pair.now), undefined);
    const levels = (under?: string) =>
      gathered((ask) => inspector.topics(ask, pair.now, under)).map((level) => ({ ...level, under }));
    assertEquals(levels(), [
      { name: "a", topic: "a", hasChildren: true, retained: 2, bytes: null, under: undefined },
      { name: "f", topic: "f", hasChildren: false, retained: 1, bytes: 20_000, under: undefined },
      { name: "$own", topic: "$own", hasChildren: true, retained: 1, bytes: null, under: undefined },
    ]);
    assertEquals(levels("a"), [
      { name: "b", topic: "a/b", hasChildren: true, retained: 2, bytes: 5, under: "a" },
      { name: "d", topic: "a/d", hasChildren: true, retained: 0, bytes: null, under: "a" },
    ]);
    assertEquals(levels("a/d").map(({ topic }) => topic), ["a/d/e"], "of topics that were used lately");
    assertEquals(levels("none"), []);
  });

  test("shows the queue of a session in its order, page by page", () => {
    const pair = new Pair();
    const inspector = new Inspector(pair.broker);
    const properties = { ...EXPIRY, receiveMaximum: 2 };
    const client = pair.connect({ clientId: "c", properties });
    client.subscribe("t/#");
    for (let i = 0; i < 7; i++) {
      pair.broker.publish({
        topic: `t/${i}`,
        payload: `${i}`,
        qos: 1,
        properties: { messageExpiryInterval: 9 },
      }, pair.now);
    }
    pair.settle();
    const queue = (limit: number) =>
      gathered((ask) => inspector.queue("c", ask, pair.now), { limit, looks: 1 });
    const shown = ({ topic, state }: QueuedMessageView) => `${topic} ${state}`;
    const all = queue(100);
    assertEquals(all.map(shown), [
      "t/0 sent",
      "t/1 sent",
      ...[2, 3, 4, 5, 6].map((i) => `t/${i} waiting`),
    ]);
    assertEquals(queue(2), all);
    const { payload, ...first } = all[0]!;
    const packetId = first.packetId!;
    assert(packetId > 0);
    const expected = {
      topic: "t/0",
      qos: 1,
      retain: false,
      bytes: 1,
      expiry: 9,
      publisher: null,
      share: null,
    };
    assertEquals([first, payload], [
      { ...expected, state: "sent", packetId } as typeof first,
      encodeUtf8("0")!,
    ]);
    assertEquals([all[2]!.packetId, inspector.queue("none", ALL, pair.now)], [null, undefined]);
    client.lose();
    assertEquals(inspector.queue("c", ALL, pair.now)!.items.map(({ state }) => state).slice(0, 3), [
      "sent",
      "sent",
      "waiting",
    ]);
  });

  test("counts what is in the store alone", () => {
    const pair = new Pair({ store: new MemoryStore() });
    const inspector = new Inspector(pair.broker);
    const client = pair.connect({ clientId: "c", properties: EXPIRY });
    client.subscribe("t");
    client.disconnect();
    for (let i = 0; i < 3; i++) pair.broker.publish({ topic: "t", payload: "x", qos: 1 }, pair.now);
    pair.settle();
    const { queued, stored } = inspector.session("c")!;
    assertEquals([queued, stored], [3, 3]);
    assertEquals(inspector.queue("c", ALL, pair.now)!.items, []);
  });
});

describe("a page", () => {
  const crowd = (count: number): [Pair, Inspector] => {
    const pair = new Pair();
    for (let i = 0; i < count; i++) pair.connect({ clientId: `c${i}`, properties: EXPIRY });
    return [pair, new Inspector(pair.broker)];
  };

  test("looks at no more entries than it may", () => {
    const [pair, inspector] = crowd(25);
    const first = inspector.sessions({ limit: 100, looks: 10 }, pair.now, "c24")!;
    assertEquals(first.items, []);
    const second = inspector.sessions({ limit: 100, looks: 10, after: first.next! }, pair.now, "c24")!;
    const third = inspector.sessions({ limit: 100, looks: 10, after: second.next! }, pair.now, "c24")!;
    assertEquals([third.items.length, third.next], [1, null]);
  });

  test("is gone on with once, by the question that began it", () => {
    const [pair, inspector] = crowd(5);
    const { next } = inspector.sessions({ limit: 2, looks: 10 }, pair.now)!;
    const again = { limit: 2, looks: 10, after: next! };
    assertEquals(inspector.clients(again, pair.now), undefined);
    assertEquals(inspector.sessions(again, pair.now, "c"), undefined);
    assert(inspector.sessions(again, pair.now) !== undefined);
    assertEquals(inspector.sessions(again, pair.now), undefined);
    assertEquals(inspector.sessions({ ...again, after: "zz" }, pair.now), undefined);
  });

  test("is given up when nobody goes on with it, and when there are too many", () => {
    const [pair, inspector] = crowd(5);
    const ask = { limit: 1, looks: 10 };
    const first = inspector.sessions(ask, pair.now)!.next!;
    for (let i = 0; i < WALKS_MAX; i++) inspector.retained({ limit: 1, looks: 0 }, pair.now);
    assertEquals(inspector.walks, WALKS_MAX);
    assertEquals(inspector.sessions({ ...ask, after: first }, pair.now), undefined);
    pair.advance(WALK_IDLE_MS - 1);
    assertEquals(inspector.walks, WALKS_MAX);
    const late = inspector.sessions(ask, pair.now)!.next!;
    pair.settle();
    pair.advance(1);
    assertEquals(inspector.walks, 1);
    assert(inspector.sessions({ ...ask, after: late }, pair.now) !== undefined);
  });

  test("of a walk over retained messages holds no topic when it is given up", () => {
    const pair = new Pair();
    const inspector = new Inspector(pair.broker);
    for (const topic of ["a", "b", "c"]) pair.broker.publish({ topic, payload: "x", retain: true }, pair.now);
    inspector.retained({ limit: 1, looks: 10 }, pair.now);
    inspector.topics({ limit: 1, looks: 10_000 }, pair.now);
    const { retained } = pair.broker.inside.router;
    assertEquals(retained.walks, 1, "both stand on the first");
    pair.settle();
    pair.advance(WALK_IDLE_MS);
    assertEquals([retained.walks, inspector.walks], [0, 0]);
  });

  /** What happens between two pages: entries come and go, by their numbers. */
  const changes = fc.array(
    fc.array(fc.record({ isThere: fc.boolean(), which: fc.nat({ max: 30 }) }), { maxLength: 8 }),
    { maxLength: 12 },
  );

  /** Whether each entry that stays is given once, and none twice. */
  function check(
    stays: ReadonlySet<string>,
    items: readonly string[],
    ever: ReadonlySet<string>,
    mayComeAgain: ReadonlySet<string>,
  ): void {
    const counts = new Map<string, number>();
    for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
    for (const one of stays) assertEquals(counts.get(one), 1, `${one} stays, and is given once`);
    for (const [one, count] of counts) {
      assert(ever.has(one), `${one} was there`);
      assert(count === 1 || mayComeAgain.has(one), `${one} is given ${count} times`);
    }
  }

  /** Pages over what `show` lists, while `put` brings entries and takes them away. */
  function changing(
    put: (which: string, isThere: boolean) => void,
    show: (ask: PageAsk) => Page<string> | undefined,
    rounds: readonly (readonly { isThere: boolean; which: number }[])[],
    limit: number,
  ): void {
    const present = new Set<string>();
    for (let i = 0; i <= 30; i += 2) {
      put(`e${i}`, true);
      present.add(`e${i}`);
    }
    const stays = new Set(present);
    const ever = new Set(present);
    const gone = new Set<string>();
    let round = 0;
    const items = gathered(show, { limit, looks: limit + 2 }, () => {
      for (const { isThere, which } of rounds[round++] ?? []) {
        const name = `e${which}`;
        if (present.has(name) === isThere) continue;
        put(name, isThere);
        if (isThere) present.add(name);
        else present.delete(name);
        if (!isThere) gone.add(name);
        ever.add(name);
        stays.delete(name);
      }
    });
    check(stays, items, ever, gone);
  }

  test("gives each session once that stays, whatever comes and goes", patient, () => {
    fc.assert(
      fc.property(changes, fc.integer({ min: 1, max: 9 }), (rounds, limit) => {
        const pair = new Pair();
        const inspector = new Inspector(pair.broker);
        const put = (clientId: string, isThere: boolean) => {
          if (isThere) pair.connect({ clientId, properties: EXPIRY }).disconnect();
          else {assert(
              pair.broker.endSession(
                clientId,
                { code: 0x98, rule: "policy/administrative", message: "" },
                pair.now,
              ),
            );}
          pair.settle();
        };
        const show = (ask: PageAsk) => {
          const page = inspector.sessions(ask, pair.now);
          return page && { ...page, items: page.items.map(({ clientId }) => clientId) };
        };
        changing(put, show, rounds, limit);
      }),
      { numRuns: 60 },
    );
  });

  test("gives each topic once that stays, as a message and as a level", patient, () => {
    fc.assert(
      fc.property(changes, fc.integer({ min: 1, max: 9 }), fc.boolean(), (rounds, limit, isLevel) => {
        const broker = new Broker({ limits: { knownTopicsMax: 16 } });
        const inspector = new Inspector(broker);
        const put = (name: string, isThere: boolean) =>
          broker.publish({ topic: `top/${name}`, payload: isThere ? "x" : "", retain: true }, 0);
        const show = (ask: PageAsk): Page<string> | undefined => {
          if (!isLevel) {
            const page = inspector.retained(ask, 0, "top/+");
            return page && { ...page, items: page.items.map(({ topic }) => topic.slice(4)) };
          }
          const page = inspector.topics(ask, 0, "top");
          return page && { ...page, items: page.items.map(({ name }) => name) };
        };
        changing(put, show, rounds, limit);
      }),
      { numRuns: 200 },
    );
  });

  test("gives all of ten thousand sessions", patient, () => {
    const pair = new Pair();
    const inspector = new Inspector(pair.broker);
    const { sessions } = pair.broker.inside;
    for (let i = 0; i < 10_000; i++) sessions.make(`c${i}`, 5, pair.broker.limits);
    let pages = 0;
    const all = gathered((ask) => (pages++, inspector.sessions(ask, pair.now)), { limit: 700, looks: 1_000 });
    assertEquals([new Set(all.map(({ clientId }) => clientId)).size, all.length, pages], [
      10_000,
      10_000,
      15,
    ]);
  });
});

describe("the owner", () => {
  const REASON = { code: 0x98, rule: "policy/administrative", message: "Ended" } as const;

  test("ends a session, its connection before, and publishes its Will", () => {
    const pair = new Pair();
    const other = pair.connect({ clientId: "other" });
    other.subscribe("gone");
    const will = {
      topic: "gone",
      payload: new Uint8Array(),
      qos: 0,
      retain: false,
      properties: { willDelayInterval: 50 },
    } as const;
    const client = pair.connect({ clientId: "c", properties: EXPIRY, will });
    client.subscribe("a");
    assertEquals(pair.broker.endSession("c", REASON, pair.now), true);
    pair.settle();
    assertEquals([client.over, pair.broker.session("c")], [true, undefined]);
    assertEquals(other.takePublishes().map(({ topic }) => topic), ["gone"]);
    assertEquals(pair.broker.endSession("c", REASON, pair.now), false);
    pair.broker.assertInvariants();
  });

  test("ends the session of a Client that is away, and one that ends with its connection", () => {
    const pair = new Pair();
    pair.connect({ clientId: "away", properties: EXPIRY }).disconnect();
    pair.connect({ clientId: "here" });
    assertEquals(["away", "here"].map((one) => pair.broker.endSession(one, REASON, pair.now)), [true, true]);
    pair.settle();
    assertEquals(pair.broker.stats.sessions, 0);
    pair.broker.assertInvariants();
  });
});

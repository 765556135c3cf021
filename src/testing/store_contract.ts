/**
 * What every `SessionStore` must bring back: one suite, many subjects.
 * Knows the facts and their order; refuses to know where they are kept.
 * @module
 */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type {
  DeliveryRecord,
  SessionRecord,
  SessionStore,
  StoredMessage,
  StoredSession,
  SubscriptionRecord,
} from "../broker/mod.ts";
import { encodePacket } from "../codec/encode.ts";
import { PacketType } from "../codec/packet_type.ts";

/** A store under test. */
export interface StoreSubject {
  readonly store: SessionStore;
  /** The same facts in the hands of another store, as a new process would open them. The first is not used any more. */
  reopen(): SessionStore | Promise<SessionStore>;
  /** Throws everything away. */
  close(): void | Promise<void>;
}

/** Runs the suite; `open` makes an empty subject each time. */
export function storeContract(name: string, open: () => StoreSubject | Promise<StoreSubject>): void {
  /** Tells facts, commits them, and gives what another store then finds. */
  async function after(...tell: ((store: SessionStore) => void)[]): Promise<Found> {
    const subject = await open();
    try {
      for (const facts of tell) {
        facts(subject.store);
        await subject.store.commit();
      }
      return found(await subject.reopen());
    } finally {
      await subject.close();
    }
  }

  describe(name, () => {
    test("is empty at first", async () => {
      assertEquals(await after(() => {}), { sessions: [], retained: [] });
    });

    test("a session comes back with every field", async () => {
      const sessions = [
        session("connected", { level: 3, expiresAt: undefined }),
        session("never", { level: 4, expirySeconds: 0xffff_ffff, expiresAt: Infinity }),
        session("later", { expiresAt: 1_700_000_000_123 }),
        session("will", { will: { message: message("w"), delaySeconds: 0, dueAt: undefined } }),
        session("delay", {
          will: { message: message("w", 1), delaySeconds: 0xffff_ffff, dueAt: 1_800_000_000_000 },
        }),
      ];
      const { sessions: got } = await after((store) => sessions.forEach((one) => store.saved(one)));
      assertEquals(got.map((one) => one.session), inOrder(sessions));
    });

    test("Client Identifiers and topics are what they are, character for character", async () => {
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
      ];
      const { sessions, retained } = await after((store) => {
        for (const id of ids) {
          store.saved(session(id));
          store.subscribed(id, subscription(`${id}/#`));
          store.retained(`r${id}`, message(`r${id}`));
        }
      });
      assertEquals(sessions.map((one) => one.session.clientId), [...ids].sort());
      assertEquals(
        sessions.map((one) => one.subscriptions[0]?.filter),
        [...ids].sort().map((id) => `${id}/#`),
      );
      assertEquals(retained.length, ids.length);
    });

    test("saved again it is changed, and keeps what is in it", async () => {
      const { sessions } = await after((store) => {
        store.saved(session("c", { will: { message: message("w"), delaySeconds: 5, dueAt: undefined } }));
        fill(store, "c");
      }, (store) => store.saved(session("c", { level: 4, expiresAt: 5, expirySeconds: 9 })));
      assertEquals(sessions.map((one) => one.session), [
        session("c", { level: 4, expiresAt: 5, expirySeconds: 9 }),
      ]);
      assertEquals(
        [sessions[0]!.subscriptions.length, sessions[0]!.deliveries.length, sessions[0]!.received],
        [1, 1, [7]],
      );
    });

    test("dropped it is gone with all that was in it, also when it begins anew", async () => {
      for (const commits of [1, 2, 3]) {
        const steps = [
          (
            store: SessionStore,
          ) => (store.saved(session("c")), fill(store, "c"), store.saved(session("d")), fill(store, "d")),
          (store: SessionStore) => store.dropped("c"),
          (store: SessionStore) => store.saved(session("c")),
        ];
        const { sessions } = await after(...inCommits(steps, commits));
        assertEquals(sessions.map((one) => one.session.clientId), ["c", "d"]);
        const [c, d] = sessions;
        assertEquals([c!.subscriptions, c!.deliveries, c!.received], [[], [], []]);
        assertEquals([d!.subscriptions.length, d!.deliveries.length, d!.received.length], [1, 1, 1]);
      }
      assertEquals(
        (await after((store) => (store.saved(session("c")), store.dropped("c"), store.dropped("x"))))
          .sessions,
        [],
      );
    });

    test("facts about a session that is not there are nothing", async () => {
      const { sessions } = await after((store) => {
        fill(store, "nobody");
        store.advanced("nobody", 1, "sent", 5);
        store.finished("nobody", 1);
        store.unsubscribed("nobody", "f");
        store.received("nobody", 5, false);
        store.saved(session("c"));
        store.advanced("c", 99, "released", 5);
        store.finished("c", 99);
        store.unsubscribed("c", "f");
        store.received("c", 5, false);
      });
      assertEquals(sessions, [{ session: session("c"), subscriptions: [], deliveries: [], received: [] }]);
    });

    test("subscriptions come back with all options; a later one of the same filter replaces", async () => {
      const subscriptions = [
        subscription("a", { qos: 1, noLocal: true, retainHandling: 1 }),
        subscription("+/b/#", { qos: 0, retainAsPublished: true, retainHandling: 2 }),
        subscription("$share/group/c", { identifier: 268_435_455 }),
        subscription("/"),
      ];
      const { sessions } = await after((store) => {
        store.saved(session("c"));
        store.saved(session("d"));
        store.subscribed("c", subscription("a", { identifier: 5 }));
        store.subscribed("c", subscription("gone"));
        for (const one of subscriptions) store.subscribed("c", one);
        store.subscribed("d", subscription("a"));
      }, (store) => store.unsubscribed("c", "gone"));
      const byFilter = (all: readonly SubscriptionRecord[]) =>
        [...all].sort((a, b) => a.filter < b.filter ? -1 : 1);
      assertEquals(byFilter(sessions[0]!.subscriptions), byFilter(subscriptions));
      assertEquals(sessions[1]!.subscriptions, [subscription("a")]);
    });

    test("deliveries come back in their order, at their step, with their message", async () => {
      const large = message("large", 200_000);
      const { sessions } = await after((store) => {
        store.saved(session("c"));
        store.queued(
          "c",
          delivery(10, { message: large, qos: 1, subscriptionIdentifiers: [1, 268_435_455, 2] }),
        );
        store.queued("c", delivery(2_000_000_000_000, { retain: true, share: "$share/g/t" }));
        store.queued("c", delivery(9));
        store.queued("c", delivery(11));
        store.queued(
          "c",
          delivery(100, { message: { ...message("t"), level5: false, publisher: undefined } }),
        );
      }, (store) => {
        store.advanced("c", 9, "sent", 65_535);
        store.advanced("c", 11, "sent", 1);
      }, (store) => {
        store.advanced("c", 11, "released", 1);
        store.finished("c", 100);
        store.queued("c", delivery(101, { message: { ...message("t"), expiresAt: 1_700_000_000_001 } }));
      });
      const expected = [
        { ...delivery(9), step: "sent", packetId: 65_535 },
        {
          ...delivery(10, { message: large, qos: 1, subscriptionIdentifiers: [1, 268_435_455, 2] }),
          step: "queued",
          packetId: 0,
        },
        { ...delivery(11), step: "released", packetId: 1 },
        {
          ...delivery(101, { message: { ...message("t"), expiresAt: 1_700_000_000_001 } }),
          step: "queued",
          packetId: 0,
        },
        {
          ...delivery(2_000_000_000_000, { retain: true, share: "$share/g/t" }),
          step: "queued",
          packetId: 0,
        },
      ];
      assertEquals(sessions[0]!.deliveries.map(plain), expected.map(plain as never));
    });

    test("the identifiers of QoS 2 messages received are those that are open", async () => {
      const { sessions } = await after((store) => {
        store.saved(session("c"));
        for (const id of [1, 5, 65_535, 300]) store.received("c", id, true);
        store.received("c", 5, true);
      }, (store) => {
        store.received("c", 1, false);
        store.received("c", 300, false);
        store.received("c", 300, true);
      });
      assertEquals([...sessions[0]!.received].sort((a, b) => a - b), [5, 300, 65_535]);
    });

    test("a topic has one retained message, the last, or none", async () => {
      const { retained } = await after((store) => {
        store.retained("a", message("a", 1));
        store.retained("b", message("b", 1));
        store.retained("a/", message("a/", 1));
        store.retained("A", message("A", 1));
      }, (store) => {
        store.retained("a", { ...message("a", 70_000), expiresAt: 1_700_000_000_000, publisher: "c" });
        store.retained("b", undefined);
        store.retained("never", undefined);
        store.retained("A", undefined);
        store.retained("A", message("A", 20));
      });
      const expected = [
        message("A", 20),
        { ...message("a", 70_000), expiresAt: 1_700_000_000_000, publisher: "c" },
        message("a/", 1),
      ];
      const bySize = (all: StoredMessage[]) => all.sort((a, b) => a.frame.length - b.frame.length);
      assertEquals(bySize(retained), bySize(expected));
    });

    test("what is told later does not change what was brought back before", async () => {
      const subject = await open();
      try {
        const { store } = subject;
        store.saved(session("c"));
        fill(store, "c");
        await store.commit();
        const next = await subject.reopen();
        const before = found(next);
        const copy = structuredClone(before);
        next.subscribed("c", subscription("more"));
        next.advanced("c", 1, "sent", 4);
        next.received("c", 9, true);
        next.retained("x", undefined);
        await next.commit();
        assertEquals(before, copy);
      } finally {
        await subject.close();
      }
    });

    test("a commit without facts is nothing, and facts go on behind it", async () => {
      const { sessions } = await after(() => {}, () => {}, (store) => store.saved(session("c")), () => {});
      assertEquals(sessions.length, 1);
    });
  });
}

interface Found {
  sessions: StoredSession[];
  retained: StoredMessage[];
}

/** Sessions by Client Identifier; their order is nobody's duty. */
function found(store: SessionStore): Found {
  const sessions = [...store.sessions()].sort((a, b) => a.session.clientId < b.session.clientId ? -1 : 1);
  return { sessions, retained: [...store.retainedMessages()] };
}

function inOrder(sessions: SessionRecord[]): SessionRecord[] {
  return [...sessions].sort((a, b) => a.clientId < b.clientId ? -1 : 1);
}

/** The steps in one, two or three commits: what belongs to one is told before it. */
function inCommits<T>(steps: readonly ((given: T) => void)[], commits: number): ((given: T) => void)[] {
  const first = steps.slice(0, steps.length - commits + 1);
  return [(given) => first.forEach((step) => step(given)), ...steps.slice(first.length)];
}

/** A released message needs its payload no more: a store may forget it. */
function plain(one: StoredSession["deliveries"][number]): unknown {
  const { message: _message, ...rest } = one;
  return one.step === "released" ? rest : one;
}

function session(clientId: string, init: Partial<SessionRecord> = {}): SessionRecord {
  return { clientId, level: 5, expirySeconds: 600, expiresAt: 1_700_000_000_000, will: undefined, ...init };
}

function subscription(filter: string, init: Partial<SubscriptionRecord> = {}): SubscriptionRecord {
  return {
    filter,
    qos: 2,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    identifier: 0,
    ...init,
  };
}

function message(topic: string, bytes = 3): StoredMessage {
  const payload = new Uint8Array(bytes).map((_, i) => i);
  const packet = {
    type: PacketType.PUBLISH,
    dup: false,
    qos: 2,
    retain: false,
    topic,
    packetId: 1,
    payload,
  } as const;
  return { frame: encodePacket(packet, 5), level5: true, expiresAt: Infinity, publisher: "somebody" };
}

function delivery(order: number, init: Partial<DeliveryRecord> = {}): DeliveryRecord {
  return {
    order,
    message: message(`topic/${order}`),
    qos: 2,
    retain: false,
    subscriptionIdentifiers: [],
    share: undefined,
    ...init,
  };
}

/** One of everything. */
function fill(store: SessionStore, clientId: string): void {
  store.subscribed(clientId, subscription("f"));
  store.queued(clientId, delivery(1));
  store.received(clientId, 7, true);
}

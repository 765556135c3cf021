/** §4.1 Which facts are recorded, when a commit is due, and which links wait for it. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { Message } from "../delivery/message.ts";
import type { Link } from "../engine/link.ts";
import { Hand } from "../testing/by_hand.ts";
import type { Delivery } from "./delivery.ts";
import { Journal } from "./journal.ts";
import type { BrokerHooks, SessionRecord, SessionStore, SubscriptionRecord } from "./mod.ts";
import { Observer } from "./observer.ts";
import { policyOf } from "./policy.ts";
import { Session } from "./session.ts";
import { Turn } from "./turn.ts";

const { limits } = policyOf({});

/** A journal on a store that writes down what it is told, and a clock. */
class Scene {
  readonly told: string[] = [];
  readonly hooks: string[] = [];
  readonly turn: Turn = new Turn();
  readonly journal: Journal;
  readonly store: SessionStore;
  /** What the next commits return. */
  commits: (Hand<undefined> | undefined)[] = [];

  constructor(hasStore = true) {
    const tell = (line: string) => () => void this.told.push(line);
    const store = this.store = new Proxy({}, {
      get: (own: Record<string, unknown>, name: string) => {
        if (name !== "commit") return own[name] ?? tell(name);
        return () => {
          this.told.push("commit");
          return this.commits.shift()?.later;
        };
      },
    }) as unknown as SessionStore;
    const hooks: BrokerHooks = {
      storeFailed: (error) => this.hooks.push(`failed: ${(error as Error).message}`),
      storeRecovered: () => this.hooks.push("recovered"),
    };
    const recovered = () => void this.hooks.push("called");
    this.journal = new Journal(hasStore ? store : undefined, this.turn, new Observer(hooks), recovered);
    this.turn.begin(0);
  }

  session(init: Partial<Session> = {}): Session {
    return Object.assign(new Session({ expired: () => {} }, "c", 5, limits), init);
  }

  /** A fact. */
  fact(): void {
    this.journal.retained("t", undefined);
  }

  /** The time passes, and the turn ends: a commit if one is due. */
  endTurn(ms = 0): void {
    this.turn.tick(this.turn.now + ms);
    if (this.journal.isDue) this.journal.commit();
    for (const { later, answered, rejected } of this.turn.takeQuestions()) {
      later.then(answered as (value: unknown) => void, rejected);
    }
    this.journal.assertInvariants();
  }

  /** A commit that the test ends. */
  slow(): Hand<undefined> {
    const hand = new Hand<undefined>();
    this.commits.push(hand);
    return hand;
  }

  get committed(): number {
    return this.told.filter((line) => line === "commit").length;
  }
}

/** A link that writes down what it is told; it is held if it is not. */
function linkOf(calls: string[]): Link {
  let held = false;
  return {
    hold: () => {
      if (held) return false;
      calls.push("hold");
      return held = true;
    },
    commitBegins: () => {
      held = false;
      calls.push("begins");
    },
    committed: () => void calls.push("committed"),
    commitFailed: () => void calls.push("failed"),
  } as Partial<Link> as Link;
}

const DELIVERY = { message: { view: { at: 0, end: 9 } } } as Delivery;
const SUBSCRIPTION = {} as SubscriptionRecord;

describe("facts", () => {
  const facts: Record<string, (journal: Journal, session: Session) => void> = {
    subscribed: (journal, session) => journal.subscribed(session, SUBSCRIPTION),
    unsubscribed: (journal, session) => journal.unsubscribed(session, "t"),
    queued: (journal, session) => journal.queued(session, DELIVERY),
    advanced: (journal, session) => journal.advanced(session, DELIVERY),
    finished: (journal, session) => journal.finished(session, DELIVERY),
    received: (journal, session) => journal.received(session, 1, true),
  };
  for (const [name, record] of Object.entries(facts)) {
    test(`${name}: recorded for a durable session, and for no other`, () => {
      for (const durable of [false, true]) {
        const scene = new Scene();
        const { journal, told, turn } = scene;
        record(journal, scene.session({ durable }));
        assertEquals([told, journal.mark], durable ? [[name], 1] : [[], 0]);
        assertEquals(turn.timers.next(), durable ? 1_000 : Infinity);
      }
    });
  }

  test("saved: of a session that stays, that was recorded, or that has a will; the first is durable from then on", () => {
    for (
      const [init, isSaved] of [
        [{}, false],
        [{ expirySeconds: 1 }, true],
        [{ recorded: true }, true],
        [{ durable: true }, true],
        [{ connection: { will: {} } as Session["connection"] }, true],
        [{ connection: {} as Session["connection"] }, false],
      ] as const
    ) {
      const scene = new Scene();
      const { journal, told } = scene;
      const one = scene.session(init as Partial<Session>);
      if (one.connection?.will !== undefined) {
        Object.assign(one.connection!.will!, { message: {}, delaySeconds: 0 });
      }
      journal.saved(one);
      assertEquals([told.length, one.recorded, journal.mark], [isSaved ? 1 : 0, isSaved, isSaved ? 1 : 0]);
      assertEquals(one.durable, "expirySeconds" in init || "durable" in init);
    }
  });

  test("saved: with the time at which the session ends, while it has no connection", () => {
    const connection = { will: undefined } as Session["connection"];
    for (
      const [init, expiresAt] of [
        [{ heapIndex: 0, heapTime: 5 }, 5],
        [{ heapIndex: -1, heapTime: 5 }, Infinity],
        [{ heapIndex: -1, heapTime: 5, connection }, undefined],
      ] as const
    ) {
      const records: SessionRecord[] = [];
      const scene = new Scene();
      scene.store.saved = (_, record) => void records.push(record);
      scene.journal.saved(scene.session({ ...init, expirySeconds: 1 }));
      assertEquals(records.map((record) => record.expiresAt), [expiresAt]);
    }
  });

  test("dropped: of a session that is recorded; the end of a durable one is unsafe until its commit is done", () => {
    for (const durable of [false, true]) {
      const scene = new Scene();
      const { journal } = scene;
      journal.dropped(scene.session());
      assertEquals(scene.told, []);
      journal.dropped(scene.session({ recorded: true, durable }));
      assertEquals([scene.told, journal.isUnsettled("c"), journal.isUnsettled("other")], [
        ["dropped"],
        durable,
        false,
      ]);
      const hand = scene.slow();
      journal.commitSoon();
      scene.endTurn();
      assertEquals(journal.isUnsettled("c"), durable);
      hand.answer(undefined);
      assertEquals(journal.isUnsettled("c"), false);
    }
  });

  test("without a store there are none", () => {
    const scene = new Scene(false);
    const { journal, told } = scene;
    journal.saved(scene.session({ expirySeconds: 1 }));
    journal.retained("t", {} as Message);
    assertEquals([told, journal.mark, journal.isKept, journal.isUnsafe], [[], 0, false, false]);
  });
});

describe("a commit", () => {
  test("is due a second after the first fact, if no link waits", () => {
    const scene = new Scene();
    const { journal } = scene;
    assertEquals([journal.isKept, journal.isUnsafe], [true, false]);
    scene.fact();
    assertEquals([journal.isDue, journal.isUnsafe], [false, true]);
    scene.endTurn(500);
    scene.fact();
    scene.endTurn(499);
    assertEquals(scene.committed, 0);
    scene.endTurn(1);
    assertEquals([scene.committed, journal.isUnsafe, scene.turn.timers.size], [1, false, 0]);
    scene.endTurn(10_000);
    assertEquals(scene.committed, 1);
  });

  test("is due at the end of the turn if a link is held, if it is to be soon, and always once it is closing", () => {
    for (const why of ["held", "soon", "closing"]) {
      const scene = new Scene();
      const { journal } = scene;
      if (why === "closing") journal.close();
      journal.commitSoon();
      assertEquals(journal.isDue, false, "there are no facts");
      scene.fact();
      if (why === "held") journal.hold(linkOf([]));
      if (why === "soon") journal.commitSoon();
      assertEquals(journal.isDue, true, why);
      scene.endTurn();
      assertEquals([scene.committed, journal.isDue, scene.turn.timers.size], [1, false, 0]);
    }
  });

  test("holds a link only if facts were recorded since the mark", () => {
    const scene = new Scene();
    const { journal } = scene;
    const calls: string[] = [];
    scene.fact();
    const { mark } = journal;
    journal.holdSince(mark, linkOf(calls));
    assertEquals(calls, []);
    scene.fact();
    journal.holdSince(mark, linkOf(calls));
    assertEquals(calls, ["hold"]);
  });

  test("one at a time: what is recorded meanwhile waits for the next one, and so do its links", () => {
    const scene = new Scene();
    const { journal } = scene;
    const [first, second]: [string[], string[]] = [[], []];
    const hand = scene.slow();
    scene.fact();
    journal.hold(linkOf(first));
    scene.endTurn();
    assertEquals([first, journal.isUnsafe], [["hold", "begins"], true]);
    scene.fact();
    const link = linkOf(second);
    journal.hold(link);
    journal.hold(link);
    assertEquals(journal.isDue, false);
    hand.answer(undefined);
    assertEquals([first.at(-1), second], ["committed", ["hold"]]);
    scene.endTurn();
    assertEquals([second, scene.committed, journal.isUnsafe], [["hold", "begins", "committed"], 2, false]);
  });

  test("that fails is told once, tried again each second, and told when one succeeds", () => {
    for (const how of ["rejected", "thrown"]) {
      const scene = new Scene();
      const { journal } = scene;
      const calls: string[] = [];
      const fail = () => {
        if (how === "thrown") {
          scene.commits = [{
            get later(): never {
              throw new Error("disk full");
            },
          } as never];
        }
        const hand = how === "thrown" ? undefined : scene.slow();
        return () => hand?.fail(new Error("disk full"));
      };
      let failed = fail();
      journal.dropped(scene.session({ recorded: true, durable: true }));
      journal.hold(linkOf(calls));
      scene.endTurn();
      failed();
      assertEquals([journal.failing, journal.isUnsafe, journal.isUnsettled("c")], [true, true, true]);
      assertEquals([calls, scene.hooks], [["hold", "begins", "failed"], ["failed: disk full"]]);
      journal.hold(linkOf(calls));
      journal.commitSoon();
      journal.close();
      assertEquals(journal.isDue, false, "not before the second is over");
      failed = fail();
      scene.endTurn(1_000);
      failed();
      assertEquals([scene.committed, scene.hooks.length], [2, 1]);
      scene.endTurn(999);
      assertEquals(scene.committed, 2);
      scene.endTurn(1);
      assertEquals([scene.committed, journal.failing, journal.isUnsafe, journal.isUnsettled("c")], [
        3,
        false,
        false,
        false,
      ]);
      assertEquals(scene.hooks, ["failed: disk full", "recovered", "called"]);
      scene.fact();
      journal.commitSoon();
      scene.endTurn();
      assertEquals(scene.hooks.length, 3);
      assert(scene.turn.timers.size === 0);
    }
  });
});

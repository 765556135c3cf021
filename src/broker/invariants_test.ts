/** Counters that do not agree with what they count are found: each is put wrong here from outside. @module */
import { assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import { PacketType } from "../codec/packet_type.ts";
import { frameOf, MESSAGE_OVERHEAD_BYTES, SHARED_PAYLOAD_BYTES } from "../delivery/message.ts";
import { Queue } from "../delivery/queue.ts";
import { Step } from "../delivery/sender.ts";
import { Pair } from "../testing/pair.ts";
import { Hand } from "../testing/by_hand.ts";
import { parseFilter, type TopicFilter } from "../topic/filter.ts";
import { Backlog } from "./backlog.ts";
import { Connections } from "./connections.ts";
import { Delivery } from "./delivery.ts";
import { Broker, MemoryStore, type SessionKey, type SessionRecord, type Verdict } from "./mod.ts";
import { Deliverer } from "./deliver.ts";
import { Journal } from "./journal.ts";
import { Observer } from "./observer.ts";
import { policyOf } from "./policy.ts";
import { Router } from "./router.ts";
import { NO_IDENTIFIERS, type Serving, Session, type Subscription } from "./session.ts";
import { Turn } from "./turn.ts";

const { limits } = policyOf({});

interface Checked {
  assertInvariants(): void;
}

/** Fails unless exactly this is said to be wrong. */
function assertWrong(checked: Checked, what: string): void {
  assertThrows(() => checked.assertInvariants(), Error, what);
}

function delivery(order: number, payload = "text"): Delivery {
  const topic = "t";
  const view = frameOf({ topic, payload: new TextEncoder().encode(payload), qos: 1, retain: false }, {}, 5);
  return new Delivery(
    order,
    { topic, view, expiresAt: Infinity, publisher: undefined },
    1,
    false,
    NO_IDENTIFIERS,
    undefined,
  );
}

describe("the messages that wait in a session", () => {
  test("are in their order", () => {
    const backlog = new Backlog();
    for (const order of [1, 3]) backlog.push(delivery(order));
    backlog.assertInvariants();
    backlog.push(delivery(3));
    assertWrong(backlog, "messages wait in their order");
  });

  test("count for their bytes", () => {
    const backlog = new Backlog();
    const one = delivery(1);
    backlog.push(one);
    backlog.assertInvariants();
    one.message.view.end++;
    assertWrong(backlog, "bytes of the messages that memory holds");
  });

  test("begin somewhere in the store exactly if some are in the store alone", () => {
    const backlog = new Backlog();
    backlog.pageOut({ count: 1, bytes: 5, from: 7 });
    backlog.assertInvariants();
    const nowhere = new Backlog();
    nowhere.pageOut({ count: 1, bytes: 5, from: Infinity });
    assertWrong(nowhere, "the beginning of what is paged out");
  });

  test("are not fewer than none", () => {
    for (
      const [count, bytes] of [[-1, MESSAGE_OVERHEAD_BYTES + 5], [1, -MESSAGE_OVERHEAD_BYTES - 1]] as const
    ) {
      const backlog = new Backlog();
      backlog.pageOut({ count, bytes, from: 7 });
      assertWrong(backlog, "what is paged out");
    }
  });
});

describe("a session", () => {
  function make(): Session {
    return new Session({ expired: () => {} }, "c", 5, limits);
  }

  function begin(session: Session, step: Step): void {
    const one = delivery(1);
    session.needSender().begin(step, one);
    session.sends(one);
  }

  test("has the bytes of messages in flight that it counts", () => {
    const session = make();
    begin(session, Step.PUBACK);
    session.assertInvariants();
    session.needSender().begin(Step.PUBACK, delivery(2));
    assertWrong(session, "bytes of messages in flight");
  });

  test("has as many messages in flight as it counts", () => {
    const session = make();
    const sender = session.needSender();
    for (const step of [Step.PUBACK, Step.PUBREC, Step.PUBCOMP, Step.RESEND_1, Step.RESEND_2]) {
      begin(session, step);
    }
    session.assertInvariants();
    Object.defineProperty(sender, "inFlight", { value: 4 });
    assertWrong(session, "messages in flight");
  });

  test("[MQTT-3.3.4-9] has no more of them sent than the Client takes, those released apart", () => {
    const session = make();
    session.connection = { sendLimit: 1 } as Serving;
    for (const step of [Step.PUBREC, Step.PUBCOMP]) begin(session, step);
    session.assertInvariants();
    begin(session, Step.PUBACK);
    assertWrong(session, "Receive Maximum of the Client");
  });

  test("sends nothing again, and expires, only as it may", () => {
    const session = make();
    session.heapIndex = 0;
    session.assertInvariants();
    session.resend = new Queue();
    assertWrong(session, "nothing is sent again without a connection");
    session.connection = { sendLimit: 1 } as Serving;
    assertWrong(session, "a session with a connection does not expire");
    session.heapIndex = -1;
    session.assertInvariants();
  });

  test("looks at what waits in it", () => {
    const session = make();
    session.needBacklog().push(delivery(2));
    session.assertInvariants();
    session.needBacklog().push(delivery(1));
    assertWrong(session, "messages wait in their order");
  });
});

describe("connections", () => {
  test("are in one state", () => {
    const one = { giveWay: () => {} };
    const other = { giveWay: () => {} };
    for (const second of ["began", "closes"] as const) {
      const connections = new Connections<{ giveWay(): void }>();
      connections.began(other);
      connections.opened(one);
      connections.assertInvariants();
      if (second === "closes") {
        connections.closes(one);
        connections.opened(one);
      } else connections.began(one);
      assertWrong(connections, "one state");
    }
  });
});

describe("a turn", () => {
  test("leaves nothing undone", () => {
    const turn = new Turn();
    turn.assertInvariants();
    turn.fail({ end: () => {} }, { code: 0x80, rule: "limit/queue", message: "" });
    assertWrong(turn, "what failed has ended at the end of its turn");
    turn.endFailed();
    turn.assertInvariants();
    turn.ask({ kind: "commit", later: new Hand().later, answered: () => {}, rejected: () => {} });
    assertWrong(turn, "what takes time is handed out at the end of the turn");
    turn.takeQuestions();
    turn.assertInvariants();
  });
});

describe("a router", () => {
  test("has no group without members", () => {
    const turn = new Turn();
    const observer = new Observer({});
    const journal = new Journal(undefined, turn, observer, () => {});
    const deliverer = new Deliverer(turn, journal, observer);
    const router = new Router({ turn, journal, observer, deliverer, limits, random: () => 0 });
    const session = new Session({ expired: () => {} }, "c", 5, limits);
    const filter = "$share/g/t";
    const options = {
      filter,
      qos: 0,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
      identifier: 0,
    } as const;
    const member = router.subscribe(session, parseFilter(filter) as TopicFilter, options);
    router.assertInvariants([session]);
    router.group(filter)!.leave(member);
    assertThrows(() => router.assertInvariants([session]), Error, "a group has members");
  });
});

/** Shows the sessions themselves. */
class Showing extends MemoryStore {
  readonly shown: Map<string, Session> = new Map();

  override saved(key: SessionKey, record: SessionRecord): void {
    this.shown.set(key.clientId, key as Session);
    super.saved(key, record);
  }
}

describe("a broker looks at", () => {
  /** A broker with one session, subscribed to `t` and to `$share/g/t`. */
  function begin(): { broker: Broker; session: Session; subscriptions: Subscription[] } {
    const store = new Showing();
    const pair = new Pair({ store });
    const client = pair.connect({ properties: { sessionExpiryInterval: 60 } });
    client.subscribe("t", "$share/g/t");
    pair.broker.assertInvariants();
    const session = store.shown.get("stub")!;
    return { broker: pair.broker, session, subscriptions: [...session.subscriptions.values()] };
  }

  test("its turn", () => {
    const broker = new Broker({ authenticate: () => new Hand<Verdict>().later });
    const transport = {
      label: "",
      start() {},
      pause() {},
      resume() {},
      close() {},
      abort() {},
      write: () => 0,
    };
    const connection = broker.opened(transport, { address: "", port: 1, transport: "tcp" }, 0);
    const connect = {
      type: PacketType.CONNECT,
      level: 5,
      clientId: "c",
      cleanStart: true,
      keepAlive: 0,
    } as const;
    connection.received(encodePacket(connect, 5), 0);
    assertWrong(broker, "what takes time is handed out at the end of the turn");
    broker.flush(0);
    broker.assertInvariants();
  });

  test("its sessions", () => {
    const { broker, session } = begin();
    session.heapIndex = 0;
    assertWrong(broker, "a session with a connection does not expire");
    session.heapIndex = -1;
    session.ended = true;
    assertWrong(broker, "a session that is there has not ended");
  });

  test("the identifiers of its sessions", () => {
    const { broker, session } = begin();
    Object.defineProperty(session, "clientId", { value: "other" });
    assertWrong(broker, "a session that is there has not ended");
  });

  test("its subscriptions", () => {
    const { broker, session, subscriptions } = begin();
    session.subscriptions.delete("t");
    assertWrong(broker, "subscriptions");
    session.subscriptions.set("t", subscriptions[0]!);
    broker.assertInvariants();
  });

  test("the members of its groups", () => {
    const { broker, session, subscriptions: [plain, shared] } = begin();
    session.subscriptions.delete("$share/g/t");
    session.subscriptions.set("other", plain!);
    assertWrong(broker, "members of groups");
    session.subscriptions.delete("other");
    session.subscriptions.set("$share/g/t", shared!);
    broker.assertInvariants();
  });

  test("the bytes of its retained messages", () => {
    const kept: { view: { end: number } }[] = [];
    const store = new MemoryStore();
    store.retained = (_topic, message) => void kept.push(message!);
    const { broker } = new Pair({ store });
    for (const topic of ["t", "u"]) {
      broker.publish({ topic, payload: new Uint8Array(SHARED_PAYLOAD_BYTES), retain: true }, 0);
      broker.assertInvariants();
    }
    for (const change of [1, -1]) {
      kept[0]!.view.end += change;
      assertWrong(broker, change > 0 ? "retained messages" : "bytes of retained messages");
      kept[0]!.view.end -= change;
    }
    broker.assertInvariants();
  });
});

/** Why a Client gets a message or does not: what is foretold in random situations is what then happens, and the words for it. @module */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { UsageError } from "../codec/error.ts";
import type { Connack, ProtocolLevel, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Permissions } from "../permissions/permissions.ts";
import { readPermissions } from "../permissions/toml.ts";
import { type PermissionsData, rulesOf } from "../permissions/rules.ts";
import { HandStore } from "../testing/hand_store.ts";
import { type ConnectInit, Pair, type StubClient } from "../testing/pair.ts";
import { patient } from "../testing/patience.ts";
import { matches } from "../topic/filter.ts";
import { explain, type ExplainQuestion, type ExplainSubject, type Explanation } from "./explain.ts";
import type { BrokerHooks, BrokerOptions, DropReason, MessageInfo, Refusal } from "./options.ts";

const TOPICS = ["a", "a/b", "a/b/c", "b", "$x/a", "long/long/long/long"] as const;
const FILTERS = [
  "a",
  "a/#",
  "+/b",
  "#",
  "a/+/c",
  "b",
  "$x/#",
  "A",
  "+",
  "$share/g/a/#",
  "$share/g/a",
  "$share/h/#",
  "$share/g/+/b",
] as const;
/** Begins the payload of the message that is asked for. */
const MARK = 0xee;

const RULES: Readonly<Record<string, PermissionsData>> = {
  all: { everyone: { allow: [{ publish: ["#", "$x/#"], subscribe: ["#", "$x/#"], share: ["*"] }] } },
  narrow: {
    "wide-filters": "narrow",
    everyone: { allow: [{ publish: "#", subscribe: ["a/b", "b"], share: ["*"] }] },
  },
  denied: {
    "wide-filters": "narrow",
    everyone: {
      allow: [{ publish: "#", subscribe: "#", share: ["g"] }],
      deny: [{ subscribe: "a/b/c" }, { publish: "b" }],
    },
  },
  few: { everyone: { allow: [{ publish: "a/#", qos: 1, retain: false, subscribe: "a/#", share: ["g"] }] } },
};

const anyTopic = fc.constantFrom(...TOPICS, "a", "a/b", "a/b", "a/b/c");
const anyClient = fc.record({
  level: fc.constantFrom<ProtocolLevel>(5, 5, 4),
  user: fc.constantFrom(undefined, "u"),
  keptSeconds: fc.constantFrom(0, 600, 600, 60),
  receiveMaximum: fc.constantFrom(1, 1, 2, 100),
  maximumPacketSize: fc.constantFrom(undefined, undefined, undefined, 40, 60),
  topicAliasMaximum: fc.constantFrom(0, 0, 1, 2),
  /** Stops to read before the others publish. */
  deaf: fc.constantFrom(false, false, true),
  /** Loses its connection before the others publish, after that, or not. */
  leaves: fc.constantFrom("never", "never", "never", "never", "before", "after"),
  acknowledges: fc.boolean(),
  filters: fc.array(
    fc.record({
      filter: fc.constantFrom(...FILTERS),
      qos: fc.constantFrom<QoS>(0, 1, 2),
      noLocal: fc.boolean(),
      retainAsPublished: fc.boolean(),
      identifier: fc.constantFrom(0, 0, 7, 300),
    }),
    { minLength: 1, maxLength: 4 },
  ),
});
type AnyClient = ReturnType<typeof anyClient.generate>["value"];

const anySituation = fc.record({
  clients: fc.oneof(
    { weight: 5, arbitrary: fc.array(anyClient, { minLength: 1, maxLength: 6 }) },
    { weight: 1, arbitrary: fc.array(anyClient, { minLength: 9, maxLength: 12 }) },
  ),
  /** Everybody is in one group: above eight it works another way. */
  crowd: fc.constantFrom(false, false, true),
  limits: fc.record({
    queuedMessagesMax: fc.constantFrom(100, 100, 100, 3, 1, 0),
    queuedBytesMax: fc.constantFrom(1_000_000, 1_000_000, 1_000_000, 2_500, 1_100),
    userQueuedBytesMax: fc.constantFrom(0, 0, 0, 0, 3_000, 1_100),
    outboundBytesMax: fc.constantFrom(4_096, 4_096, 1_000_000),
    residentMessagesMax: fc.constantFrom(2, 1_000),
    inFlightMax: fc.constantFrom(1, 1_000),
    topicLevelsMax: fc.constantFrom(200, 200, 200, 2),
    nameBytesMax: fc.constantFrom(4_096, 4_096, 4_096, 4_096, 16),
    packetBytesMax: fc.constantFrom(
      100_000,
      100_000,
      100_000,
      100_000,
      100_000,
      100_000,
      100_000,
      100_000,
      64,
    ),
    receiveMaximum: fc.constantFrom(100, 100, 100, 100, 1),
    retainedMessagesMax: fc.constantFrom(100, 100, 100, 1, 0),
    topicAliasesOutMax: fc.constantFrom(0, 4),
  }),
  maximumQos: fc.constantFrom<QoS>(2, 2, 2, 2, 2, 2, 2, 1),
  retainAvailable: fc.constantFrom(true, true, true, true, true, true, false),
  rules: fc.constantFrom(undefined, undefined, ...Object.keys(RULES)),
  nextRules: fc.constantFrom(undefined, undefined, undefined, ...Object.keys(RULES)),
  /** The subscriptions are asked for again after the rules have changed. */
  regrants: fc.boolean(),
  store: fc.constantFrom("none", "none", "none", "kept", "kept", "fails"),
  hearsDrops: fc.boolean(),
  /** More memory is held than may be. */
  isAbove: fc.constantFrom(false, false, false, false, true),
  before: fc.array(
    fc.record({
      from: fc.nat(20),
      topic: anyTopic,
      qos: fc.constantFrom<QoS>(0, 1, 2, 2),
      bytes: fc.constantFrom(1, 30, 1_500, 6_000, 6_000),
      expires: fc.constantFrom(false, false, true),
      times: fc.constantFrom(1, 1, 4),
    }),
    { maxLength: 12 },
  ),
  waitMs: fc.constantFrom(0, 0, 2_500, 61_000),
  asked: fc.record({
    from: fc.oneof({ weight: 1, arbitrary: fc.constant(undefined) }, { weight: 3, arbitrary: fc.nat(20) }),
    /** The publisher is one that is connected, if there is any. */
    isThere: fc.constantFrom(true, true, true, true, false),
    topic: anyTopic,
    qos: fc.constantFrom<QoS>(0, 1, 2, 2),
    retain: fc.constantFrom(false, false, true),
    bytes: fc.constantFrom(1, 1, 20, 20, 200, 3_000),
    expirySeconds: fc.constantFrom(undefined, undefined, 100_000),
  }),
});
type Situation = ReturnType<typeof anySituation.generate>["value"];

/** What a Client got of the message that was asked for. */
interface Got {
  sent: string[];
  later: number;
  drops: DropReason[];
}

class World {
  readonly situation: Situation;
  readonly pair: Pair;
  readonly store: HandStore | undefined;
  readonly permissions: Permissions | undefined;
  readonly stubs: (StubClient | undefined)[] = [];
  readonly got: Map<string, Got> = new Map();
  /** The message that is asked for is published. */
  isAsked = false;
  isLater = false;
  refused = false;

  constructor(situation: Situation) {
    this.situation = situation;
    const { limits, maximumQos, retainAvailable, rules, store, hearsDrops } = situation;
    this.permissions = rules === undefined ? undefined : new Permissions(rulesOf(RULES[rules]!));
    this.store = store === "none" ? undefined : new HandStore();
    const isMarked = ({ payload }: MessageInfo) => this.isAsked && payload[0] === MARK;
    const hooks: BrokerHooks = {
      delivered: (message, { clientId }) => {
        if (!isMarked(message)) return;
        const got = this.of(clientId);
        const isAgain = this.pair.broker.inside.sessions.get(clientId)?.resend !== undefined;
        if (this.isLater) got.later += isAgain ? 0 : 1;
        else got.sent.push(`${message.qos} ${message.retain}`);
      },
      denied: (_client, refusal) => this.refuses(refusal),
      discarded: (_client, refusal) => this.refuses(refusal),
      disconnected: (_client, _clean, refusal) => refusal && this.refuses(refusal),
      ...hearsDrops && {
        dropped: (message, who, reason) => {
          if (isMarked(message) && !this.isLater) this.of(who).drops.push(reason);
        },
      },
      storeFailed: () => {},
    };
    const options: BrokerOptions = {
      limits: { ...limits, knownTopicsMax: 16, ...situation.isAbove && { memoryBytesMax: 1_048_576 } },
      maximumQos,
      retainAvailable,
      ...this.permissions && { permissions: this.permissions },
      ...this.store && { store: this.store },
      hooks,
    };
    this.pair = new Pair(options, 1_000_000);
  }

  /** Of what is asked for, unless only receivers have no room for it. */
  refuses({ rule }: Refusal): void {
    if (this.isAsked && !this.isLater && rule !== "limit/queue" && rule !== "limit/memory") {
      this.refused = true;
    }
  }

  of(id: string): Got {
    let got = this.got.get(id);
    if (got === undefined) this.got.set(id, got = { sent: [], later: 0, drops: [] });
    return got;
  }

  connect(index: number, isLater: boolean): StubClient | undefined {
    const { level, user, keptSeconds, ...client } = this.situation.clients[index]!;
    const init: ConnectInit = {
      clientId: `c${index}`,
      level,
      cleanStart: !isLater && (level === 5 || keptSeconds === 0),
      ...user !== undefined && { username: user },
      ...level === 5 && {
        properties: {
          sessionExpiryInterval: keptSeconds,
          ...!isLater && {
            receiveMaximum: client.receiveMaximum,
            topicAliasMaximum: client.topicAliasMaximum,
            ...client.maximumPacketSize !== undefined && { maximumPacketSize: client.maximumPacketSize },
          },
        },
      },
    };
    const stub = this.pair.open(level, client.deaf && !isLater ? { capacityBytes: 7_000 } : {});
    stub.connect(init);
    const connack = stub.inbox.shift() as Connack | undefined;
    return connack?.reasonCode === 0 ? stub : undefined;
  }

  /** Everything up to the question. */
  prepare(): void {
    const { clients, crowd, before, waitMs, nextRules, regrants, store } = this.situation;
    const publishers = clients.map((client, i) => {
      const stub = this.connect(i, false);
      this.stubs.push(stub);
      if (stub === undefined) return undefined;
      for (const { identifier, noLocal, ...filter } of client.filters) {
        if (stub.over) break;
        const options = {
          ...filter,
          noLocal: noLocal && client.level === 5 && !filter.filter.startsWith("$share"),
        };
        const properties = client.level === 5 && identifier > 0 ? { subscriptionIdentifier: identifier } : {};
        stub.subscribeWith(properties, options);
      }
      if (crowd && !stub.over) stub.subscribe({ filter: "$share/crowd/a/#", qos: (i % 3) as QoS });
      return stub;
    });
    clients.forEach(({ leaves, deaf }, i) => {
      if (leaves === "before") this.lose(i);
      else if (deaf) this.stubs[i]?.transport.pause();
    });
    for (const { from, topic, qos, bytes, expires } of before.flatMap((one) => Array(one.times).fill(one))) {
      const stub = publishers[from % publishers.length];
      if (stub === undefined || stub.over || this.stubs[from % publishers.length] === undefined) continue;
      if (stub.session === undefined) continue;
      if (stub.level < 5 && qos > 0 && this.situation.limits.packetBytesMax < bytes) continue;
      const { deaf } = clients[from % clients.length]!;
      if (deaf && bytes > 1_500) continue;
      stub.publish({
        topic,
        qos,
        payload: new Uint8Array(bytes),
        ...stub.level === 5 && expires && { properties: { messageExpiryInterval: 2 } },
      });
      this.acknowledge();
    }
    this.pair.advance(waitMs);
    clients.forEach(({ leaves }, i) => {
      if (leaves === "after") this.lose(i);
    });
    if (store === "fails") {
      this.store!.broken = true;
      this.pair.broker.publish({ topic: "cause", payload: "x", retain: true }, this.pair.now);
      this.pair.advance(1_000);
      if (!this.pair.broker.stats.isFailing) this.store!.broken = false; // nothing was to be stored
    }
    if (nextRules !== undefined && this.permissions !== undefined) {
      this.permissions.replace(rulesOf(RULES[nextRules]!));
      if (regrants) {
        this.pair.broker.permissionsChanged(this.pair.now);
        this.pair.settle();
      }
    }
    this.stubs.forEach((_, i) => {
      if (this.pair.broker.session(`c${i}`)?.isConnected !== true) this.stubs[i] = undefined;
    });
    if (this.situation.isAbove) this.retain(1_200_000);
  }

  retain(bytes: number): void {
    const payload = new Uint8Array(bytes);
    this.pair.broker.publish({ topic: "$much", payload, retain: true }, this.pair.now);
    this.pair.settle();
  }

  lose(index: number): void {
    this.stubs[index]?.lose();
    this.stubs[index] = undefined;
  }

  /** Clients that do acknowledge what has come. */
  acknowledge(isAll = false): boolean {
    let isAny = false;
    this.stubs.forEach((stub, i) => {
      const client = this.situation.clients[i]!;
      if (stub === undefined || stub.over || (!isAll && (!client.acknowledges || client.deaf))) return;
      for (const packet of stub.inbox.splice(0)) {
        if (stub.over) return;
        if (packet.type === PacketType.PUBLISH && packet.qos > 0) {
          stub.acknowledge(packet.qos === 1 ? PacketType.PUBACK : PacketType.PUBREC, packet.packetId!);
        } else if (packet.type === PacketType.PUBREL) stub.acknowledge(PacketType.PUBCOMP, packet.packetId);
        else if (packet.type === PacketType.PUBREC) stub.acknowledge(PacketType.PUBREL, packet.packetId);
        else continue;
        isAny = true;
      }
    });
    return isAny;
  }

  get publisher(): number | undefined {
    const { asked: { from, isThere }, clients } = this.situation;
    if (from === undefined) return undefined;
    const there = clients.map((_, i) => i).filter((i) => this.stubs[i] !== undefined);
    return isThere && there.length > 0 ? there[from % there.length] : from % clients.length;
  }

  question(index: number): ExplainQuestion {
    const { topic, qos, retain, bytes, expirySeconds } = this.situation.asked;
    const from = this.publisher;
    return {
      client: `c${index}`,
      topic,
      ...from !== undefined && { publisher: `c${from}` },
      qos,
      retain,
      payloadBytes: bytes,
      expirySeconds,
    };
  }

  ask(): Explanation[] {
    return this.situation.clients.map((_, i) => explain(this.pair.broker, this.question(i), this.pair.now));
  }

  /** §4.8.2 what waits for a Client that is away would go to another member that connects before. */
  takeShared(index: number): void {
    const session = this.pair.broker.inside.sessions.get(`c${index}`);
    if (session?.connection !== undefined) return;
    const taken = session?.backlog?.extract(({ share, message: { view } }) =>
      share !== undefined && view.bytes[view.payloadAt] === MARK
    );
    this.of(`c${index}`).later += taken?.length ?? 0;
  }

  /** The message is published; then all that waits is brought. */
  publish(): void {
    const { asked: { topic, qos, retain, bytes, expirySeconds }, clients } = this.situation;
    const from = this.publisher;
    const payload = new Uint8Array(bytes).fill(MARK);
    const expiry = expirySeconds !== undefined && { properties: { messageExpiryInterval: expirySeconds } };
    this.isAsked = true;
    if (from === undefined) {
      this.pair.broker.publish({ topic, qos, retain, payload, ...expiry }, this.pair.now);
      this.pair.settle();
    } else {
      const stub = this.stubs[from];
      if (stub === undefined) this.refused = true; // it cannot
      else stub.publish({ topic, qos, retain, payload, ...stub.level === 5 && expiry });
    }
    this.isLater = true;
    clients.forEach((_, i) => this.takeShared(i));
    if (this.store !== undefined) this.store.broken = false;
    if (this.situation.isAbove) this.retain(0);
    clients.forEach((_, i) => {
      if (this.stubs[i]?.over === false) this.stubs[i]!.transport.resume();
    });
    this.pair.advance(1_000);
    for (let round = 0; round < 3; round++) { // changed rules may end a connection that takes up its session
      clients.forEach((_, i) => {
        if (this.stubs[i] === undefined || this.stubs[i]!.over) this.stubs[i] = this.connect(i, true);
      });
      do this.pair.settle(); while (this.acknowledge(true));
    }
  }
}

/** Why a Client is not to get the message, as `dropped` tells it and as the explanation does. */
const STEP_OF: Readonly<Record<string, ExplainSubject>> = {
  "packet too large": "packet size",
  outboundBytesMax: "flow control",
  queuedMessagesMax: "queue",
  queuedBytesMax: "queue",
  userQueuedBytesMax: "queue",
};

interface Tally {
  sure: number;
  unsure: number;
  yes: number;
  waits: number;
  no: Map<string, number>;
}

function holds(situation: Situation, tally: Tally): void {
  const world = new World(situation);
  world.prepare();
  const first = world.ask();
  const answers = world.ask();
  assertEquals(answers, first, "the question changes nothing");
  const { clients, asked } = situation;
  const own = clients.map((_, i) => {
    const filters = [...world.pair.broker.inside.sessions.get(`c${i}`)?.subscriptions.keys() ?? []];
    return filters.filter((filter) => matches(filter.replace(/^\$share\/\w+\//, ""), asked.topic));
  });
  world.publish();
  const isRefused = answers[0]!.steps.some(({ what, result }) =>
    result === "no" && ["publisher", "permission to publish", "store"].includes(what)
  );
  assertEquals(isRefused, world.refused, "whether it is published");
  const reached = clients.filter((_, i) => {
    const { sent, later } = world.of(`c${i}`);
    return sent.length + later > 0;
  }).length;
  answers.forEach((answer, i) => {
    const { sent, later, drops } = world.of(`c${i}`);
    const because = `${answer.because} ${JSON.stringify({ sent, later, drops })} ${
      answer.steps.map((step) => `\n${JSON.stringify(step)}`)
    }`;
    assertEquals(
      answer.steps.some(({ result }) => result === "unknown"),
      answer.steps.some(({ what, result }) => result === "unknown" && what === "shared group") ||
        answer.steps.some(({ what, result }) => result === "unknown" && what === "packet size"),
      "nothing else is unknown",
    );
    if (answer.gets === null) {
      tally.unsure++;
      return;
    }
    tally.sure++;
    assertEquals(answer.gets, sent.length + later > 0, because);
    const isGroupSure = answer.steps.every(({ result }) => result !== "unknown");
    if (isGroupSure) {
      const foretold = answer.copies.filter(({ how }) => how === "sent").map(({ qos, retain }) =>
        `${qos} ${retain}`
      );
      assertEquals(foretold, sent.slice(0, foretold.length), because);
      // What waits for room in an outbox goes out at the end of the turn.
      assertEquals(answer.copies.length, sent.length + later, because);
    }
    if (answer.gets) {
      tally.yes++;
      if (answer.copies.some(({ how }) => how === "waits")) tally.waits++;
      return;
    }
    const why = answer.steps.find(({ result }) => result === "no");
    assert(why !== undefined, because);
    tally.no.set(why.what, (tally.no.get(why.what) ?? 0) + 1);
    for (const reason of drops) {
      const step = STEP_OF[reason];
      if (step === undefined) continue;
      assert(answer.steps.some(({ what, result }) => what === step && result === "no"), because);
      if (reason !== "packet too large") {
        assert(answer.steps.some(({ limit }) => limit === reason), `${reason}: ${because}`);
      }
    }
    // The plain definition of a match, by which the broker's tree is held.
    if (why.what === "filters") assertEquals(own[i], [], because);
    else if (why.what !== "session" && !isRefused) assert(own[i]!.length > 0, because);
  });
  const isWhole = answers.every(({ steps }) => steps.every(({ result }) => result !== "unknown"));
  if (isWhole) assertEquals(answers[0]!.receivers, reached, "sessions that get it");
}

describe("explain", patient, () => {
  test("is right in 1,000 random situations", patient, () => {
    const tally: Tally = { sure: 0, unsure: 0, yes: 0, waits: 0, no: new Map() };
    fc.assert(fc.property(anySituation, (situation) => holds(situation, tally)), {
      numRuns: 1_000,
    });
    assert(tally.unsure < tally.sure / 50, `${tally.unsure} of ${tally.sure} are not foretold`);
    assert(tally.yes > 500 && tally.waits > 100, `${tally.yes} get it, ${tally.waits} of them later`);
    for (
      const what of [
        "publisher",
        "permission to publish",
        "store",
        "session",
        "filters",
        "no local",
        "shared group",
        "permission to receive",
        "queue",
        "packet size",
      ]
    ) {
      assert((tally.no.get(what) ?? 0) > 0, `${what} never was the reason`);
    }
  });

  /** The text of one step. */
  function stepOf(answer: Explanation, what: ExplainSubject): string {
    const step = answer.steps.find((step) => step.what === what);
    return step === undefined ? "none" : `${step.result}: ${step.detail}`;
  }

  test("says why a filter does not match: letters, $, the nearest one", () => {
    const pair = new Pair();
    const client = pair.connect({ clientId: "c" });
    const why = (topic: string) => stepOf(explain(pair.broker, { client: "c", topic }, pair.now), "filters");
    assertEquals(why("a"), 'no: "c" has not subscribed to anything');
    client.subscribe("home/Kitchen/+", "#", { filter: "a/b/c", qos: 1 });
    assertEquals(why("home/kitchen/t"), 'yes: "#" (QoS 2) matches');
    assertMatch(
      why("$SYS/x"),
      /^no: A filter that begins with a wildcard, as "#", matches no topic that begins with \$/,
    );
    client.unsubscribe("#");
    assertMatch(why("home/kitchen/t"), /"home\/Kitchen\/\+" would, but for capital and small letters/);
    assertEquals(why("a/b/d"), 'no: None of its 2 subscriptions matches "a/b/d"; the nearest is "a/b/c"');
  });

  test("names the rules by file and line, for publisher and receiver", async () => {
    const text =
      '[everyone]\nallow = [{ publish = "a/#", subscribe = "#" }]\n[user.bob]\ndeny = [{ publish = "a/x" }]\n';
    const permissions = new Permissions(await readPermissions(text, "p.toml"));
    const pair = new Pair({ permissions });
    pair.connect({ clientId: "c" }).subscribe("#");
    pair.connect({ clientId: "p", username: "bob" });
    const ask = (topic: string) => explain(pair.broker, { client: "c", topic, publisher: "p" }, pair.now);
    assertEquals(ask("a/y").gets, true);
    assertEquals(
      stepOf(ask("a/y"), "permission to publish"),
      'yes: "p" may publish it: p.toml:2: allow publish a/#',
    );
    assertEquals(
      stepOf(ask("a/y"), "permission to receive"),
      'yes: "c" may receive it: p.toml:2: allow subscribe #',
    );
    assertEquals(
      ask("a/x").because,
      '"c" does not get it. "p" may not publish "a/x" at QoS 0: p.toml:4: deny publish a/x.',
    );
    assertEquals(
      ask("b").because,
      '"c" does not get it. "p" may not publish "b" at QoS 0: no rule allows it.',
    );
  });

  test("does not foretell a function of the owner, and does not call it", () => {
    let calls = 0;
    const pair = new Pair({ authorize: () => (calls++, 0) });
    pair.connect({ clientId: "c" }).subscribe("a");
    const [before, answer] = [
      calls,
      explain(pair.broker, { client: "c", topic: "a", publisher: "c" }, pair.now),
    ];
    assertEquals([answer.gets, calls], [null, before]);
    assertMatch(answer.because, /^Whether "c" gets it cannot be foretold\./);
  });

  test("does not foretell which of many members of a group gets it where none can be sent it at once", () => {
    const pair = new Pair();
    for (let i = 0; i < 9; i++) {
      const client = pair.connect({ clientId: `c${i}`, properties: { sessionExpiryInterval: 60 } });
      client.subscribe("$share/g/a");
      client.lose();
    }
    assertEquals(explain(pair.broker, { client: "c1", topic: "a", qos: 1 }, pair.now).gets, null);
    assertEquals(explain(pair.broker, { client: "c1", topic: "a", qos: 0 }, pair.now).gets, false);
  });

  test("tells of the last message that was dropped, and of what was not acknowledged", () => {
    const pair = new Pair({ limits: { queuedMessagesMax: 1 } });
    const properties = { sessionExpiryInterval: 60, receiveMaximum: 2 };
    const client = pair.connect({ clientId: "c", properties });
    client.subscribe("#");
    const publish = (topic: string) => {
      pair.broker.publish({ topic, payload: "x", qos: 1 }, pair.now);
      pair.settle();
    };
    publish("a");
    pair.advance(5_000);
    const past = () => explain(pair.broker, { client: "c", topic: "a", qos: 1 }, pair.now).past;
    assertEquals(past(), {
      heardAt: pair.now - 5_000,
      unacknowledged: 1,
      queued: 0,
      drops: 0,
      lastDrop: undefined,
    });
    client.lose();
    publish("b");
    publish("c");
    const at = pair.now;
    pair.advance(1_000);
    const lastDrop = { at, reason: "queuedMessagesMax" as const, topic: "c" };
    assertEquals(past(), { heardAt: undefined, unacknowledged: 1, queued: 1, drops: 1, lastDrop });
    assertMatch(
      stepOf(explain(pair.broker, { client: "c", topic: "a", qos: 1 }, pair.now), "last"),
      /1 message dropped, the last one 1 s ago on "c" \(queuedMessagesMax\)/,
    );
  });

  test("knows the size of each packet to the byte: level, identifiers, alias, expiry", () => {
    for (const level of [4, 5] as const) {
      for (let maximumPacketSize = 28; maximumPacketSize < 60; maximumPacketSize++) {
        for (const topicAliasMaximum of [0, 1]) {
          const pair = new Pair();
          const client = pair.connect({
            clientId: "c",
            level,
            ...level === 5 && { properties: { maximumPacketSize, topicAliasMaximum, receiveMaximum: 100 } },
          });
          client.subscribeWith(level === 5 ? { subscriptionIdentifier: 300 } : {}, "topic/+");
          client.subscribe({ filter: "topic/#", retainAsPublished: true });
          const publisher = pair.connect({ clientId: "p" });
          for (let i = 0; i < 3; i++) {
            const message = {
              topic: "topic/abcdefghij",
              payload: "01234",
              qos: (i % 2) as QoS,
              retain: true,
            };
            const question = { ...message, client: "c", publisher: "p", payloadBytes: 5, expirySeconds: 100 };
            const answer = explain(pair.broker, question, pair.now);
            publisher.publish({ ...message, properties: { messageExpiryInterval: 100 } });
            const taken = client.takePublishes();
            assertEquals(
              answer.gets,
              taken.length > 0,
              `${level} ${maximumPacketSize} ${i}: ${answer.because}`,
            );
          }
        }
      }
    }
  });

  test("a message of QoS 0 is dropped where more waits for the Client than may", () => {
    const pair = new Pair({ limits: { outboundBytesMax: 4_096 } });
    const client = pair.open(5, { capacityBytes: 100 });
    client.connect({ clientId: "c" });
    client.subscribe("#");
    client.transport.pause();
    const ask = () => explain(pair.broker, { client: "c", topic: "t", payloadBytes: 3_000 }, pair.now);
    for (const gets of [true, true, false]) {
      const answer = ask();
      assertEquals(answer.gets, gets, answer.because);
      if (!gets) assertEquals(answer.steps.find(({ result }) => result === "no")!.limit, "outboundBytesMax");
      pair.broker.publish({ topic: "t", payload: new Uint8Array(3_000) }, pair.now);
      pair.settle();
    }
    assertEquals(ask().past!.lastDrop, { at: pair.now, reason: "outboundBytesMax", topic: "t" });
    client.transport.resume();
    assertEquals(client.takePublishes().length, 2);
    assertEquals(ask().gets, true);
  });

  test("knows at which packet a publisher is stopped: Receive Maximum, and the size of a packet to the byte", () => {
    const pair = new Pair({ limits: { receiveMaximum: 2, packetBytesMax: 64 } });
    const client = pair.connect({ clientId: "c" });
    client.subscribe("#");
    const publisher = pair.connect({ clientId: "p" });
    const ask = (qos: QoS, payloadBytes: number) =>
      explain(pair.broker, { client: "c", topic: "t", publisher: "p", qos, payloadBytes }, pair.now);
    // Header 2, topic 3, Packet Identifier 2, no properties 1.
    assertEquals([ask(1, 56).gets, ask(1, 57).gets, ask(0, 58).gets, ask(0, 59).gets], [
      true,
      false,
      true,
      false,
    ]);
    assertEquals(ask(0, 59).steps.find(({ result }) => result === "no")!.limit, "packetBytesMax");
    for (const gets of [true, true, false]) {
      assertEquals(ask(2, 1).gets, gets);
      publisher.publish({ topic: "t", qos: 2, payload: "x" });
    }
    assertEquals(client.takePublishes().length, 2);
    assert(publisher.over);
  });

  test("what is not published gets nobody, whatever a group would choose", () => {
    const pair = new Pair();
    for (let i = 0; i < 9; i++) {
      const client = pair.connect({ clientId: `c${i}`, properties: { sessionExpiryInterval: 60 } });
      client.subscribe("$share/g/a");
      client.lose();
    }
    const answer = explain(pair.broker, { client: "c1", topic: "a", qos: 1, publisher: "nobody" }, pair.now);
    assertEquals([answer.gets, answer.receivers], [false, 0]);
    assertEquals(answer.because, '"c1" does not get it. "nobody" is not connected, so it publishes nothing.');
  });

  test("of a group a connected member that has to wait goes before one that is away", () => {
    const pair = new Pair();
    const away = pair.connect({ clientId: "away", properties: { sessionExpiryInterval: 60 } });
    const busy = pair.connect({ clientId: "busy", properties: { receiveMaximum: 1 } });
    for (const client of [away, busy]) client.subscribe("$share/g/t");
    busy.subscribe("u");
    away.lose();
    pair.broker.publish({ topic: "u", payload: "x", qos: 1 }, pair.now);
    pair.settle();
    const ask = (client: string) => explain(pair.broker, { client, topic: "t", qos: 1 }, pair.now);
    assertEquals([ask("away").gets, ask("busy").gets], [false, true]);
    assertEquals(ask("busy").copies.map(({ how, share }) => [how, share]), [["waits", "$share/g/t"]]);
    assertMatch(ask("away").because, /this time it is the turn of "busy"/);
    busy.lose();
    assertEquals([ask("away").gets, ask("busy").because], [
      true,
      '"busy" does not get it. There is no session of "busy": it has not connected, or its session has ended.',
    ]);
  });

  test("of a group a member gets nothing that changed rules forbid it", () => {
    const permissions = new Permissions(rulesOf(RULES["all"]!));
    const pair = new Pair({ permissions });
    for (const clientId of ["c", "d"]) pair.connect({ clientId, username: clientId }).subscribe("$share/g/t");
    permissions.replace(rulesOf({ ...RULES["all"]!, user: { c: { deny: [{ subscribe: "t" }] } } }));
    const ask = (client: string) => explain(pair.broker, { client, topic: "t" }, pair.now).gets;
    assertEquals([ask("c"), ask("d")], [false, true]);
  });

  test("what has expired gives way for what comes, where it is full", () => {
    for (const [queuedMessagesMax, bytes] of [[2, 1_000_000], [100, 2_500]] as const) {
      const pair = new Pair({ limits: { queuedMessagesMax, queuedBytesMax: bytes } });
      const client = pair.connect({ clientId: "c", properties: { sessionExpiryInterval: 600 } });
      client.subscribe("#");
      client.lose();
      const publish = (expiry: number) => {
        const message = { topic: "t", payload: "x", qos: 1 as const };
        const answer = explain(pair.broker, { client: "c", topic: "t", qos: 1, payloadBytes: 1 }, pair.now);
        pair.broker.publish({ ...message, properties: { messageExpiryInterval: expiry } }, pair.now);
        pair.settle();
        return [answer.gets, answer.past!.drops, pair.broker.session("c")!.queued];
      };
      assertEquals(publish(1), [true, 0, 1]);
      assertEquals(publish(100), [true, 0, 2]);
      assertEquals(publish(100), [false, 0, 2]);
      pair.advance(1_001);
      assertEquals(publish(100), [true, 1, 2]);
      assertEquals(publish(100), [false, 2, 2]);
    }
  });

  test("takes no question that is none", () => {
    const { broker } = new Pair();
    for (
      const question of [
        { client: 1, topic: "a" },
        { client: "c", topic: undefined },
        { client: "c", topic: "a", qos: 3 },
        { client: "c", topic: "a", payloadBytes: -1 },
        { client: "c", topic: "a", expirySeconds: 1.5 },
      ]
    ) assertThrows(() => explain(broker, question as unknown as ExplainQuestion, 0), UsageError);
    for (const topic of ["", "a/+", "a\0", "\ud800", "x".repeat(65_536)]) {
      const answer = explain(broker, { client: "c", topic }, 0);
      assertEquals([answer.gets, answer.steps[0]!.what, answer.steps[0]!.result], [false, "topic", "no"]);
    }
  });
});

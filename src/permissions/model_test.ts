/**
 * §5.4.2 Every delivery and every refusal of a broker with rules is what a plain reading of the rules says, also after the rules have
 * changed. The plain reading asks each rule about each name of a small universe. @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import type { ClientInfo, PermissionSource } from "../broker/mod.ts";
import type { ProtocolLevel, Publish, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Pair, type StubClient } from "../testing/pair.ts";
import { patient } from "../testing/patience.ts";
import { matches } from "../topic/filter.ts";
import type { Subject } from "./pattern.ts";
import { Permissions } from "./permissions.ts";
import { type Action, type PermissionsData, type RuleData, rulesOf } from "./rules.ts";

const { PUBACK, PUBREC, PUBREL, PUBCOMP, CONNACK, DISCONNECT } = PacketType;

// The plain reading.

/** Of the third level patterns have only `#`. */
const NAMES: readonly string[] = (() => {
  const first = ["a", "b", "c1", "c2", "u1", "k1", "$x", "$SYS", "z", "pre-c1", "pre-c2", "other", ""];
  const second = first.flatMap((name) => first.map((level) => `${name}/${level}`));
  const third = second.map((name) => `${name}/z`);
  return [...first, ...second, ...third].filter((name) => name !== "");
})();

interface Plain {
  readonly effect: "allow" | "deny";
  readonly action: Action;
  readonly filter: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly share: readonly string[];
}

/** The rules of one Client, filled in. */
function plainRules(data: PermissionsData, client: Subject): Plain[] {
  const own = client.username === undefined ? data.anonymous : data.user?.[client.username];
  const holders = [data.everyone, own];
  const groups = [
    ...client.groups ?? [],
    ...(client.username === undefined ? [] : data.user?.[client.username]?.groups ?? []),
  ];
  for (const name of groups) holders.push(data.group?.[name]);
  for (const holder of [...holders]) for (const role of holder?.roles ?? []) holders.push(data.role?.[role]);
  return holders.flatMap((holder) => [
    ...(holder?.allow ?? []).flatMap((rule) => plain("allow", rule, client)),
    ...(holder?.deny ?? []).flatMap((rule) => plain("deny", rule, client)),
  ]);
}

function plain(effect: "allow" | "deny", rule: RuleData, client: Subject): Plain[] {
  const out: Plain[] = [];
  for (const action of ["publish", "subscribe", "receive"] as const) {
    for (const pattern of [rule[action] ?? []].flat()) {
      const filter = filledPlainly(pattern, client, effect);
      if (filter === undefined) continue;
      const { qos = 2, retain = true, share = [] } = rule;
      out.push({ effect, action, filter, qos, retain, share });
    }
  }
  return out;
}

function filledPlainly(pattern: string, client: Subject, effect: "allow" | "deny"): string | undefined {
  const levels: string[] = [];
  const values: Record<string, string | undefined> = {
    "%c": client.clientId,
    "%u": client.username,
    "%{k}": client.claims?.["k"],
  };
  if (Object.entries(values).some(([name, value]) => value === undefined && pattern.includes(name))) {
    return undefined;
  }
  for (const level of pattern.split("/")) {
    let filled = level;
    let isBad = false;
    for (const [variable, value] of Object.entries(values)) {
      if (!level.includes(variable)) continue;
      if (/[+/#]/.test(value!)) isBad = true;
      filled = filled.replace(variable, () => value!);
    }
    if (isBad && effect === "allow") return undefined;
    if (isBad) return [...levels, "#"].join("/");
    levels.push(filled);
  }
  const filter = levels.join("/");
  return effect === "allow" && filter.startsWith("$") && !pattern.startsWith("$") ? undefined : filter;
}

class Reading {
  readonly #rules: readonly Plain[];
  readonly #narrows: boolean;

  constructor(data: PermissionsData, client: Subject) {
    this.#rules = plainRules(data, client);
    this.#narrows = data["wide-filters"] === "narrow";
  }

  #some(effect: "allow" | "deny", action: Action, topic: string): Plain[] {
    return this.#rules.filter((rule) =>
      rule.effect === effect && rule.action === action && matches(rule.filter, topic)
    );
  }

  publish(topic: string, qos: number, retain: boolean): boolean {
    if (/^\$(SYS|share)(\/|$)/.test(topic)) return false;
    if (this.#some("deny", "publish", topic).length > 0) return false;
    return this.#some("allow", "publish", topic).some((rule) => qos <= rule.qos && (rule.retain || !retain));
  }

  receive(topic: string): boolean {
    const is = (effect: "allow" | "deny") =>
      [...this.#some(effect, "subscribe", topic), ...this.#some(effect, "receive", topic)].length > 0;
    return is("allow") && !is("deny");
  }

  /** The QoS that is granted, or -1. */
  subscribe(filter: string, asked: number): number {
    const [, share, inner] = /^\$share\/([^/]*)\/(.*)$/.exec(filter) ?? [undefined, undefined, filter];
    const names = NAMES.filter((name) => matches(inner!, name));
    const narrows = this.#narrows && share === undefined;
    let least = 2;
    let isInside = true;
    for (const name of names) {
      const allowing = this.#some("allow", "subscribe", name).filter((rule) =>
        share === undefined || rule.share.some((each) => each === "*" || each === share)
      ).map(({ qos }) => qos);
      if (narrows) { for (const _ of this.#some("allow", "receive", name)) allowing.push(2); }
      if (allowing.length === 0) isInside = false;
      else least = Math.min(least, Math.max(...allowing));
      if (!narrows && this.#some("deny", "subscribe", name).length > 0) isInside = false;
      if (share !== undefined && this.#some("deny", "receive", name).length > 0) isInside = false;
    }
    if (isInside) return Math.min(asked, least);
    if (!narrows) return -1;
    let most = -1;
    for (const name of names) {
      for (const { qos } of this.#some("allow", "subscribe", name)) most = Math.max(most, qos);
      if (this.#some("allow", "receive", name).length > 0) most = 2;
    }
    return most < 0 ? asked : Math.min(asked, most);
  }
}

// The world.

interface Identity {
  readonly username: string | undefined;
  readonly groups: readonly string[];
  readonly claims: Readonly<Record<string, string>>;
}

type Step =
  | {
    readonly step: "connect";
    client: number;
    who: Identity;
    level: ProtocolLevel;
    keeps: boolean;
    will: string;
  }
  | { readonly step: "subscribe"; client: number; filter: string; qos: QoS }
  | { readonly step: "publish"; client: number; topic: string; qos: QoS; retain: boolean; count: number }
  | { readonly step: "lose"; client: number }
  | { readonly step: "replace"; data: PermissionsData };

const CLIENT_IDS = ["c1", "c2", "a/b"];

interface Modelled {
  who: Identity;
  level: ProtocolLevel;
  isConnected: boolean;
  keeps: boolean;
  will: string;
  readonly filters: Map<string, number>;
  /** What waits while it is away; `share` is the filter of the group it is for. */
  queue: { readonly text: string; readonly topic: string; readonly share?: string }[];
}

class World {
  #data: PermissionsData;
  readonly #permissions: Permissions;
  readonly #who: Map<string, Identity> = new Map();
  readonly #pair: Pair;
  readonly #stubs: Map<string, StubClient> = new Map();
  readonly #sessions: Map<string, Modelled> = new Map();
  readonly #retained: Map<string, { readonly text: string; readonly qos: number }> = new Map();
  /** Copies that must come, by Client: payload and QoS. */
  readonly #expected: Map<string, string[]> = new Map();
  /** Copies that came. */
  readonly #came: Map<string, string[]> = new Map();
  #serial = 0;
  /** Copies and refusals that were compared. */
  compared = 0;

  constructor(data: PermissionsData) {
    this.#data = data;
    this.#permissions = new Permissions(rulesOf(data));
    const source: PermissionSource = {
      of: (client) => this.#permissions.of({ ...client, ...this.#who.get(client.clientId) } as ClientInfo),
    };
    this.#pair = new Pair({ permissions: source, takeoverByOthers: true });
  }

  do(step: Step): void {
    if (step.step === "connect") this.#connect(step);
    else if (step.step === "replace") this.#replace(step.data);
    else {
      const clientId = CLIENT_IDS[step.client]!;
      const stub = this.#stubs.get(clientId);
      if (stub === undefined) return;
      if (step.step === "subscribe") this.#subscribe(clientId, stub, step.filter, step.qos);
      else if (step.step === "publish") {
        for (let i = 0; i < step.count; i++) this.#publish(clientId, stub, step);
      } else this.#lose(clientId);
    }
    this.#compare();
  }

  #reading(clientId: string): Reading {
    return new Reading(this.#data, { clientId, ...this.#sessions.get(clientId)!.who });
  }

  #connect({ client, who, level, keeps, will }: Step & { step: "connect" }): void {
    const clientId = CLIENT_IDS[client]!;
    if (this.#sessions.get(clientId)?.isConnected === true) this.#lose(clientId);
    this.#who.set(clientId, who);
    const stub = this.#pair.open(level);
    const { username } = who;
    stub.connect({
      clientId,
      level,
      cleanStart: !keeps,
      ...(username !== undefined && { username }),
      ...(level === 5 && keeps && { properties: { sessionExpiryInterval: 1_000 } }),
      ...(will !== "" && {
        will: { topic: will, qos: 1, retain: false, payload: new TextEncoder().encode(`will ${clientId}`) },
      }),
    });
    const connack = stub.take(CONNACK);
    const reading = new Reading(this.#data, { clientId, ...who });
    const isWillAllowed = will === "" || reading.publish(will, 1, false);
    this.compared++;
    if (!isWillAllowed && !will.startsWith("$")) {
      assertEquals(connack.reasonCode, level === 5 ? 0x87 : 5, `the Will of ${clientId} on ${will}`);
      this.#who.set(clientId, this.#sessions.get(clientId)?.who ?? who);
      return;
    }
    assertEquals(connack.reasonCode, 0, `CONNECT of ${clientId} with a Will on ${will}`);
    const before = keeps ? this.#sessions.get(clientId) : undefined;
    const session: Modelled = {
      filters: new Map(before?.filters),
      queue: [...before?.queue ?? []],
      who,
      level,
      keeps,
      will: isWillAllowed ? will : "",
      isConnected: true,
    };
    this.#sessions.set(clientId, session);
    this.#stubs.set(clientId, stub);
    const lost = this.#regrant(clientId);
    for (const { text, topic } of session.queue.splice(0)) {
      if (reading.receive(topic)) this.#expect(clientId, text);
    }
    if (lost && level === 5) this.#told(clientId);
  }

  /** Asks for each subscription again; true if one is lost. */
  #regrant(clientId: string): boolean {
    const session = this.#sessions.get(clientId)!;
    const { filters } = session;
    const reading = this.#reading(clientId);
    let lost = false;
    for (const [filter, qos] of filters) {
      const granted = reading.subscribe(filter, qos);
      if (granted >= 0) filters.set(filter, granted);
      else {
        lost = filters.delete(filter);
        session.queue = session.queue.filter(({ share }) => share !== filter); // there is no other member
      }
    }
    return lost;
  }

  /** The Client is told that a subscription is over. */
  #told(clientId: string): void {
    const stub = this.#stubs.get(clientId)!;
    this.#acknowledge(stub, clientId);
    assertEquals(stub.take(DISCONNECT).reasonCode, 0x87, clientId);
    assert(stub.over, `the connection of ${clientId} is over`);
    this.#left(clientId);
  }

  #replace(data: PermissionsData): void {
    this.#data = data;
    this.#permissions.replace(rulesOf(data));
    this.#pair.broker.permissionsChanged(this.#pair.now);
    const told = [...this.#sessions].filter(([clientId, { isConnected, level }]) =>
      this.#regrant(clientId) && isConnected && level === 5
    ).map(([clientId]) => clientId);
    for (const clientId of told) this.#told(clientId);
    this.#pair.settle();
  }

  /** Groups have one member each here. */
  #subscribe(clientId: string, stub: StubClient, filter: string, qos: QoS): void {
    const isOthers = [...this.#sessions].some(([other, { filters }]) =>
      other !== clientId && filters.has(filter)
    );
    if (filter.startsWith("$share/") && isOthers) return;
    const [code] = stub.subscribe({ filter, qos });
    const granted = this.#reading(clientId).subscribe(filter, qos);
    const refusal = stub.level === 5 ? 0x87 : 0x80;
    assertEquals(code, granted < 0 ? refusal : granted, `${clientId} subscribes to ${filter} at ${qos}`);
    this.compared++;
    if (granted < 0) return;
    this.#sessions.get(clientId)!.filters.set(filter, granted);
    if (filter.startsWith("$share/")) return;
    for (const [topic, message] of this.#retained) {
      if (!matches(filter, topic) || !this.#reading(clientId).receive(topic)) continue;
      this.#expect(clientId, `${message.text} ${Math.min(message.qos, granted)}`);
    }
  }

  #publish(clientId: string, stub: StubClient, step: Step & { step: "publish" }): void {
    const { topic, qos, retain } = step;
    const text = `${++this.#serial}`;
    const packetId = stub.publish({ topic, qos, retain, payload: text });
    this.#drain(stub, clientId); // its own copy: PUBACK may wait for the acknowledgement of that
    const isAllowed = this.#reading(clientId).publish(topic, qos, retain);
    if (qos > 0) {
      const { reasonCode } = stub.take(qos === 1 ? PUBACK : PUBREC);
      const isRefused = stub.level === 5 ? reasonCode >= 0x80 : undefined;
      if (isRefused !== undefined) {
        assertEquals(isRefused, !isAllowed, `${clientId} publishes to ${topic} at ${qos}, RETAIN ${retain}`);
        if (isRefused) assertEquals(reasonCode, 0x87);
      }
      if (qos === 2 && reasonCode < 0x80) {
        stub.acknowledge(PUBREL, packetId);
        stub.take(PUBCOMP);
      }
    }
    this.compared++;
    if (isAllowed) this.#route(topic, text, qos, retain);
  }

  #route(topic: string, text: string, qos: number, retain: boolean): void {
    if (retain) this.#retained.set(topic, { text, qos });
    for (const [clientId, { filters, isConnected, queue, keeps }] of this.#sessions) {
      if (!isConnected && !keeps) continue;
      const take = (granted: number, share?: string) => {
        const atQos = Math.min(granted, qos);
        const copy = `${text} ${atQos}`;
        if (isConnected) this.#expect(clientId, copy);
        else if (atQos > 0) queue.push({ text: copy, topic, ...(share !== undefined && { share }) });
      };
      let best = -1;
      for (const [filter, granted] of filters) {
        const [, inner] = /^\$share\/[^/]*\/(.*)$/.exec(filter) ?? [];
        if (inner === undefined) best = matches(filter, topic) ? Math.max(best, granted) : best;
        else if (matches(inner, topic)) take(granted, filter);
      }
      if (best >= 0 && this.#reading(clientId).receive(topic)) take(best);
    }
  }

  #lose(clientId: string): void {
    this.#compare();
    this.#stubs.get(clientId)!.lose();
    this.#left(clientId);
  }

  #left(clientId: string): void {
    const session = this.#sessions.get(clientId)!;
    session.isConnected = false;
    this.#stubs.delete(clientId);
    const reading = this.#reading(clientId);
    if (!session.keeps) this.#sessions.delete(clientId);
    const { will } = session;
    if (will !== "" && reading.publish(will, 1, false)) this.#route(will, `will ${clientId}`, 1, false);
  }

  #expect(clientId: string, copy: string): void {
    this.#expected.set(clientId, [...this.#expected.get(clientId) ?? [], copy]);
  }

  /** What came is what was expected. */
  #compare(): void {
    for (const [clientId, stub] of this.#stubs) this.#acknowledge(stub, clientId);
  }

  #acknowledge(stub: StubClient, clientId: string): void {
    this.#drain(stub, clientId);
    const came = this.#came.get(clientId) ?? [];
    const expected = this.#expected.get(clientId) ?? [];
    this.#came.delete(clientId);
    this.#expected.delete(clientId);
    this.compared += came.length;
    assertEquals(came.sort(), expected.sort(), `messages of ${clientId}`);
  }

  /** Acknowledges all that has come, until nothing more comes. */
  #drain(stub: StubClient, clientId: string): void {
    for (let some = stub.takePublishes(); some.length > 0; some = stub.takePublishes()) {
      for (const packet of some) {
        this.#came.set(clientId, [...this.#came.get(clientId) ?? [], copyOf(packet)]);
        const { qos, packetId = 0, topic } = packet;
        if (stub.over) { // what is not acknowledged comes again
          if (qos > 0) this.#sessions.get(clientId)!.queue.push({ text: copyOf(packet), topic });
          continue;
        }
        if (qos === 1) stub.acknowledge(PUBACK, packetId);
        if (qos !== 2) continue;
        stub.acknowledge(PUBREC, packetId);
        stub.take(PUBREL);
        stub.acknowledge(PUBCOMP, packetId);
      }
    }
  }
}

function copyOf({ payload, qos }: Publish): string {
  return `${new TextDecoder().decode(payload)} ${qos}`;
}

// Arbitraries.

const patternLevel = fc.constantFrom("a", "a", "b", "+", "%c", "%u", "%{k}", "pre-%c", "c1");
const pattern = fc.record({
  first: fc.constantFrom("a", "a", "b", "+", "%c", "%u", "$x", "%{k}"),
  more: fc.array(patternLevel, { maxLength: 1 }),
  isOpen: fc.boolean(),
}).map(({ first, more, isOpen }) => [first, ...more, ...isOpen ? ["#"] : []].join("/"));
const anyPattern = fc.oneof(
  { weight: 8, arbitrary: pattern },
  { weight: 1, arbitrary: fc.constantFrom("#", "a/#", "+/#") },
);
const qos = fc.constantFrom<QoS[]>(0, 1, 2);
const allow: fc.Arbitrary<RuleData> = fc.oneof(
  fc.record({ publish: anyPattern, qos, retain: fc.boolean() }),
  fc.record({
    subscribe: fc.oneof(anyPattern, fc.array(anyPattern, { minLength: 1, maxLength: 3 })),
    qos: fc.constantFrom<QoS[]>(2, 2, 1, 0),
    share: fc.constantFrom([], ["g"], ["*"]),
  }),
  fc.record({ receive: anyPattern }),
  fc.record({ publish: anyPattern, subscribe: anyPattern }),
);
const deny: fc.Arbitrary<RuleData> = fc.oneof(
  fc.record({ publish: anyPattern }),
  fc.record({ subscribe: anyPattern }),
  fc.record({ receive: anyPattern }),
);
const holder = fc.record({
  allow: fc.array(allow, { maxLength: 3 }),
  deny: fc.array(deny, { maxLength: 1 }),
  roles: fc.constantFrom([], ["r"]),
});
/** Rules that let most things happen. */
const broad: fc.Arbitrary<RuleData[]> = fc.constantFrom<RuleData[][]>(
  [],
  [{ publish: ["#", "$x/#"] }],
  [{ publish: "#", subscribe: ["#", "$x/#"], share: ["*"] }],
  [{ publish: "#", subscribe: "#", qos: 1 }],
  [{ publish: ["#", "%c/#"] }, { subscribe: ["a/#", "b/#", "%c/#", "%u/#"], share: ["g"] }],
  [{ publish: "#" }, { subscribe: "a/#" }, { receive: "+" }],
  [{ publish: ["%{k}/#", "+"] }, { subscribe: ["+/#"] }],
);
const everyone = fc.record({ broad, holder }).map(({ broad, holder }) => ({
  ...holder,
  allow: [...broad, ...holder.allow],
}));
const data: fc.Arbitrary<PermissionsData> = fc.record({
  "wide-filters": fc.constantFrom("refuse" as const, "refuse" as const, "narrow" as const),
  everyone,
  anonymous: holder,
  user: fc.record({
    u1: fc.record({ allow: fc.array(allow, { maxLength: 4 }), groups: fc.constantFrom([], ["g1"]) }),
    "u+": holder,
  }),
  group: fc.record({ g1: holder, g2: holder }),
  role: fc.record({ r: fc.record({ allow: fc.array(allow, { maxLength: 2 }) }) }),
});

const who: fc.Arbitrary<Identity> = fc.record({
  username: fc.constantFrom(undefined, "u1", "u1", "u+", "other"),
  groups: fc.constantFrom([], ["g1"], ["g1", "g2"], ["unknown"]),
  claims: fc.constantFrom<Record<string, string>[]>({}, { k: "k1" }, { k: "a/#" }, { k: "$x" }, { k: "+" }),
});
const topic = fc.constantFrom(
  ...["a", "a", "b", "a/b", "a/c1", "c1", "c1/a", "u1/a", "k1", "$x", "$x/a", "z/a", "a/pre-c1", "$SYS/a"],
);
const filter = fc.oneof(
  fc.constantFrom("#", "+", "a/#", "a/+", "+/a", "$x/#", "c1/#", "a", "a/b", "u1/a", "k1", "+/#", "$SYS/#"),
  fc.constantFrom("$share/g/a", "$share/g/a/#", "$share/h/b"),
);
const client = fc.nat({ max: CLIENT_IDS.length - 1 });
const connect: fc.Arbitrary<Step & { step: "connect" }> = fc.record({
  step: fc.constant("connect" as const),
  client,
  who,
  level: fc.constantFrom<ProtocolLevel[]>(5, 5, 4),
  keeps: fc.constantFrom(true, true, false),
  will: fc.constantFrom("", "", "a", "b", "$x", "$SYS/a"),
});
const subscribe: fc.Arbitrary<Step> = fc.record({
  step: fc.constant("subscribe" as const),
  client,
  filter,
  qos,
});
const publish: fc.Arbitrary<Step> = fc.record({
  step: fc.constant("publish" as const),
  client,
  topic,
  qos,
  retain: fc.constantFrom(false, false, true),
  count: fc.constantFrom(1, 1, 2),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: connect },
  { weight: 6, arbitrary: subscribe },
  { weight: 12, arbitrary: publish },
  { weight: 2, arbitrary: fc.record({ step: fc.constant("lose" as const), client }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant("replace" as const), data }) },
);
/** A Client with subscriptions is away while messages come, and the rules change. */
const scene: fc.Arbitrary<Step[]> = fc.tuple(
  ...CLIENT_IDS.map((_, i) => connect.map((each) => ({ ...each, client: i }))),
  fc.array(subscribe, { minLength: 2, maxLength: 8 }),
  fc.array(publish, { maxLength: 4 }),
  fc.array(fc.record({ step: fc.constant("lose" as const), client }), { maxLength: 1 }),
  fc.array(publish, { minLength: 1, maxLength: 5 }),
  fc.array(fc.record({ step: fc.constant("replace" as const), data }), { maxLength: 1 }),
  fc.array(fc.oneof(connect, publish, publish), { minLength: 1, maxLength: 6 }),
).map((parts) => parts.flat() as Step[]);

function holds(steps: fc.Arbitrary<Step[]>, numRuns: number): void {
  let compared = 0;
  fc.assert(
    fc.property(data, steps, (first, steps) => {
      const world = new World(first);
      for (const each of steps) world.do(each);
      compared += world.compared;
    }),
    { numRuns },
  );
  assert(compared > 500, `only ${compared} answers were compared`);
}

describe("a broker with rules delivers and refuses as a plain reading of the rules says", patient, () => {
  test(
    "to Clients that are away, and come back to other rules or as others",
    patient,
    () => holds(scene, 120),
  );

  test(
    "in any order of events",
    patient,
    () => holds(fc.tuple(scene, fc.array(step, { maxLength: 30 })).map((parts) => parts.flat()), 60),
  );
});

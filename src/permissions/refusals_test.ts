/** §5.4.2 What a Client of each level sees of a refusal, and what it does not see. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { ClientInfo, Limits } from "../broker/mod.ts";
import type { ProtocolLevel, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertNotAccepted, Told } from "../testing/assertions.ts";
import { Pair, type StubClient } from "../testing/pair.ts";
import { Life } from "../testing/restarts.ts";
import { Permissions } from "./permissions.ts";
import { type PermissionsData, type RuleData, rulesOf } from "./rules.ts";

const { AUTH, PUBACK, PUBREC, CONNACK, DISCONNECT } = PacketType;

class Ruled {
  readonly told: Told = new Told();
  readonly revoked: string[] = [];
  readonly permissions: Permissions;
  readonly pair: Pair;

  constructor(data: PermissionsData, limits: Partial<Limits> = {}) {
    this.permissions = new Permissions(rulesOf(data));
    this.pair = new Pair({
      limits,
      permissions: this.permissions,
      hooks: Object.assign(Object.create(this.told.hooks), {
        revoked: (clientId: string, filter: string) => void this.revoked.push(`${clientId} ${filter}`),
      }),
    });
  }

  client(clientId: string, level: ProtocolLevel = 5, keeps = false): StubClient {
    return this.pair.connect({
      clientId,
      level,
      cleanStart: !keeps,
      ...(level === 5 && keeps && { properties: { sessionExpiryInterval: 100 } }),
    });
  }

  replace(data: PermissionsData): void {
    this.permissions.replace(rulesOf(data));
    this.pair.broker.permissionsChanged(this.pair.now);
    this.pair.settle();
  }
}

const SOME: PermissionsData = {
  everyone: {
    allow: [
      { publish: "open/#" },
      { publish: "low/#", qos: 0, retain: false },
      { subscribe: ["open/#", "low/#"], share: ["g"] },
      { subscribe: "one/#", qos: 1 },
    ],
    deny: [{ publish: "open/secret", subscribe: "open/secret/#" }],
  },
};

describe("a refused PUBLISH", () => {
  for (const level of [4, 5] as const) {
    for (
      const [topic, qos, retain, is] of [
        ["open/a", 2, true, true],
        ["open/secret", 1, false, false],
        ["open/secret", 2, false, false],
        ["other", 1, false, false],
        ["low/a", 0, false, true],
        ["low/a", 1, false, false],
        ["low/a", 0, true, false],
        ["$x", 1, false, false],
        ["$SYS/a", 1, false, false],
      ] as [string, QoS, boolean, boolean][]
    ) {
      const seen = is ? "taken" : qos === 0 ? "not seen" : level === 5 ? "0x87" : "acknowledged and dropped";
      test(`to ${topic} at QoS ${qos}${retain ? " with RETAIN" : ""} is ${seen} at level ${level}`, () => {
        const { pair } = new Ruled({
          ...SOME,
          user: { watcher: { allow: [{ subscribe: ["#", "$x/#", "$SYS/#"] }] } },
        });
        const watcher = pair.connect({ clientId: "watcher", username: "watcher" });
        watcher.subscribe("$x/#", "$SYS/#", "low/#");
        const client = pair.connect({ clientId: "client", level });
        client.publish({ topic, qos, retain, payload: "x" });
        if (qos > 0) {
          const { reasonCode } = client.take(qos === 1 ? PUBACK : PUBREC);
          if (level === 5) assertEquals(reasonCode >= 0x80 ? reasonCode : 0, is ? 0 : 0x87);
        }
        client.assertSilent();
        assertEquals(pair.broker.stats.retainedMessages, is && retain ? 1 : 0);
        if (!is) assertEquals(watcher.takeTexts(), []);
      });
    }
  }
});

describe("a refused SUBSCRIBE", () => {
  for (
    const [filter, asked, granted] of [
      ["open/a", 2, 2],
      ["open/+", 1, -1], // open/secret is among them
      ["open/#", 0, -1],
      ["low/#", 2, 2],
      ["+/a", 0, -1],
      ["#", 0, -1],
      ["one/x", 2, 1],
      ["$share/g/low/#", 1, 1],
      ["$share/other/low/#", 1, -1],
      ["$share/g/one/x", 1, -1],
      ["$SYS/#", 0, -1],
    ] as const
  ) {
    test(`for ${filter} has ${granted < 0 ? "0x87 at level 5, 0x80 at level 4" : `QoS ${granted}`}`, () => {
      for (const level of [4, 5] as const) {
        const client = new Ruled(SOME).client("client", level);
        const expected = granted >= 0 ? granted : level === 5 ? 0x87 : 0x80;
        assertEquals(client.subscribe({ filter, qos: asked }), [expected]);
      }
    });
  }
});

describe("a Will", () => {
  const willOn = (topic: string) => ({ topic, qos: 1, retain: false, payload: new Uint8Array(1) }) as const;

  test("that may not be published has its CONNECT refused: 0x87 at level 5, return code 5 below", () => {
    for (const level of [4, 5] as const) {
      const { pair } = new Ruled(SOME);
      const client = pair.open(level);
      client.connect({ level, will: willOn("other") });
      assertNotAccepted(client, level === 5 ? 0x87 : 5, "policy/not-authorized");
    }
  });

  test("on a topic that begins with $ is published if a rule names its prefix, else dropped", () => {
    const setup = new Ruled({
      everyone: { allow: [{ publish: ["#", "$x/#"], subscribe: ["$x/#", "$y/#", "$SYS/#"] }] },
    });
    const watcher = setup.client("watcher");
    watcher.subscribe("$x/#", "$y/#", "$SYS/#");
    for (const topic of ["$x/a", "$y/a", "$SYS/a"]) {
      const client = setup.pair.open();
      client.connect({ clientId: "client", will: willOn(topic) });
      assertEquals(client.take(CONNACK).reasonCode, 0);
      client.lose();
    }
    assertEquals(watcher.takePublishes().map(({ topic }) => topic), ["$x/a"]);
  });

  test("that may not be published any more when its connection is lost is not", () => {
    const setup = new Ruled({ everyone: { allow: [{ publish: "a", subscribe: "#" }] } });
    const watcher = setup.client("watcher");
    watcher.subscribe("#");
    const client = setup.pair.connect({ clientId: "client", will: willOn("a") });
    setup.replace({ everyone: { allow: [{ subscribe: "#" }] } });
    client.lose();
    assertEquals(watcher.takeTexts(), []);
  });
});

describe("a subscription that is lost when rules change", () => {
  const all: PermissionsData = { everyone: { allow: [{ publish: "#", subscribe: "#", share: ["*"] }] } };
  const less: PermissionsData = {
    everyone: { allow: [{ publish: "#" }, { subscribe: ["kept", "other"], qos: 1, share: ["*"] }] },
  };

  test("ends, and DISCONNECT 0x87 names it at level 5; the session keeps the others, at the QoS there is", () => {
    const setup = new Ruled(all);
    const client = setup.client("client", 5, true);
    client.subscribe("kept", "lost/#");
    setup.replace(less);
    const { reasonCode, properties } = client.take(DISCONNECT);
    assertEquals(reasonCode, 0x87);
    assert(properties?.reasonString?.includes("lost/#"), properties?.reasonString);
    assertEquals(setup.revoked, ["client lost/#"]);
    const again = setup.client("client", 5, true);
    assertEquals([again.connack?.sessionPresent, setup.pair.broker.session("client")?.subscriptions], [
      true,
      1,
    ]);
    const publisher = setup.client("publisher");
    publisher.publish({ topic: "lost/a", payload: "no" });
    publisher.publish({ topic: "kept", qos: 2, payload: "yes" });
    assertEquals(again.takePublishes().map(({ topic, qos }) => `${topic} ${qos}`), ["kept 1"]);
  });

  test("ends below level 5 without a word to its Client, whose connection stays", () => {
    const setup = new Ruled(all);
    const client = setup.client("client", 4);
    client.subscribe("kept", "lost");
    setup.replace(less);
    client.assertSilent();
    assertEquals([setup.revoked, setup.pair.broker.stats.subscriptions], [["client lost"], 1]);
    setup.client("publisher").publish({ topic: "lost", payload: "no" });
    client.assertSilent();
  });

  test("has nothing delivered between the change and its end, however many sessions there are", () => {
    const setup = new Ruled(all);
    const clients = Array.from({ length: 50 }, (_, i) => {
      const client = setup.client(`client-${i}`, 4);
      client.subscribe(...Array.from({ length: 40 }, (_, k) => `lost/${k}`), "kept");
      return client;
    });
    const publisher = setup.client("publisher");
    setup.permissions.replace(rulesOf(less)); // the broker has not been told yet
    publisher.publish({ topic: "lost/1", payload: "no" });
    publisher.publish({ topic: "kept", payload: "yes" });
    for (const client of clients) assertEquals(client.takeTexts(), ["yes"]);
    assertEquals(setup.revoked, []);
    setup.pair.broker.permissionsChanged(setup.pair.now);
    setup.pair.settle();
    assertEquals([setup.revoked.length, setup.pair.broker.stats.subscriptions], [2_000, 50]);
  });

  test("ends in portions, and all are asked for once more if the rules change meanwhile", () => {
    const setup = new Ruled(all);
    const client = setup.client("client", 4);
    for (let i = 0; i < 12_000; i += 2_000) {
      client.subscribe(
        ...Array.from({ length: 2_000 }, (_, k) => ({ filter: `lost/${i + k}`, qos: 0 as const })),
      );
    }
    client.subscribe("kept");
    const { broker } = setup.pair;
    const change = (data: PermissionsData) => {
      setup.permissions.replace(rulesOf(data));
      broker.permissionsChanged(setup.pair.now);
    };
    change({ everyone: { allow: [{ publish: "#", subscribe: ["lost/#", "kept"] }] } });
    broker.flush(setup.pair.now);
    assertEquals(broker.stats.subscriptions, 12_001);
    change(less);
    setup.pair.settle();
    assertEquals([broker.stats.subscriptions, setup.revoked.length], [1, 12_000]);
    const publisher = setup.client("publisher");
    for (const topic of ["lost/1", "kept"]) publisher.publish({ topic, payload: topic });
    assertEquals(client.takeTexts(), ["kept"]);
  });

  test("of a Client that is away ends too; what waits for it is asked for again before it goes", () => {
    const setup = new Ruled(all);
    setup.client("client", 4, true).subscribe("kept", "lost");
    const client = setup.client("client", 4, true);
    client.lose();
    const publisher = setup.client("publisher");
    for (const topic of ["lost", "kept"]) publisher.publish({ topic, qos: 1, payload: topic });
    assertEquals(setup.pair.broker.session("client")?.queued, 2);
    setup.replace(less);
    assertEquals(setup.revoked, ["client lost"]);
    const dropped = setup.pair.broker.stats.dropped;
    assertEquals(setup.client("client", 4, true).takeTexts(), ["kept"]);
    assertEquals(setup.pair.broker.stats.dropped, dropped + 1);
  });

  test("in a group has what waits for it go to another member", () => {
    const share = { subscribe: "a", share: ["g"] };
    const setup = new Ruled({
      everyone: { allow: [{ publish: "#" }] },
      user: { first: { allow: [share] }, second: { allow: [share] } },
    });
    const member = (username: string) =>
      setup.pair.connect({ clientId: username, username, level: 4, cleanStart: false });
    const members = ["first", "second"].map((username) => {
      const client = member(username);
      client.subscribe({ filter: "$share/g/a", qos: 1 });
      return client;
    });
    for (const client of members) client.lose();
    const publisher = setup.client("publisher");
    for (const payload of ["1", "2"]) publisher.publish({ topic: "a", qos: 1, payload });
    assertEquals(["first", "second"].map((each) => setup.pair.broker.session(each)?.queued), [1, 1]);
    setup.replace({ user: { second: { allow: [share] } } });
    assertEquals([setup.revoked, setup.pair.broker.session("second")?.queued], [["first $share/g/a"], 2]);
    assertEquals(member("second").takeTexts().sort(), ["1", "2"]);
  });

  test("is not a reason to end a connection if it is granted again", () => {
    const setup = new Ruled(all);
    const client = setup.client("client");
    client.subscribe("a", "$share/g/b");
    for (let i = 0; i < 100; i++) {
      setup.replace(all);
      client.assertSilent();
    }
    assertEquals([setup.revoked, setup.pair.broker.stats.connected], [[], 1]);
  });
});

describe("a session that comes back from the store", () => {
  test("has its subscriptions and its messages asked for when its Client connects", () => {
    const permissions = new Permissions(rulesOf({ everyone: { allow: [{ publish: "#", subscribe: "#" }] } }));
    const life = new Life({ permissions });
    const init = { clientId: "client", level: 4, cleanStart: false, properties: {} } as const;
    const client = life.connect(init);
    client.subscribe("kept", "lost");
    client.lose();
    for (const topic of ["lost", "kept"]) life.publish({ topic, qos: 1, payload: topic });
    life.restart();
    permissions.replace(rulesOf({ everyone: { allow: [{ publish: "#", subscribe: "kept" }] } }));
    assertEquals(life.connect(init).takeTexts(), ["kept"]);
    assertEquals(life.pair.broker.session("client")?.subscriptions, 1);
    life.restart();
    permissions.replace(rulesOf({ everyone: { allow: [{ publish: "#", subscribe: "#" }] } }));
    assertEquals(life.connect(init).session?.subscriptions, 1, "the store knows that it has ended");
  });
});

describe("a Client that authenticates anew as another user", () => {
  test("has the permissions of that user from then on, and loses the subscriptions that it may not have", () => {
    const permissions = new Permissions(rulesOf({
      user: {
        one: { allow: [{ publish: "a", subscribe: ["a", "b"] }] },
        other: { allow: [{ publish: "b", subscribe: "b" }] },
      },
    }));
    const pair = new Pair({
      permissions,
      authenticationMethods: ["m"],
      authenticate: ({ kind }) => ({ code: 0, username: kind === "connect" ? "one" : "other" }),
    });
    for (const filter of ["a", "b"]) {
      const client = pair.connect({ clientId: "client", properties: { authenticationMethod: "m" } });
      client.subscribe(filter);
      client.publish({ topic: "b", qos: 1 });
      assertEquals(client.take(PUBACK).reasonCode, 0x87);
      client.send({ type: AUTH, reasonCode: 0x19, properties: { authenticationMethod: "m" } });
      assertEquals(client.take(AUTH).reasonCode, 0);
      if (filter === "a") {
        assertEquals(client.take(DISCONNECT).reasonCode, 0x87);
        continue;
      }
      client.publish({ topic: "b", qos: 1, payload: "x" });
      assertEquals(client.takeTexts(), ["x"]);
      client.lose();
    }
  });
});

describe("a group with a member that has lost its permission", () => {
  test("gives messages to the others, also before the broker has ended the subscription", () => {
    const rules = (who: string): PermissionsData => ({
      everyone: { allow: [{ publish: "#" }] },
      user: {
        [who]: { allow: [{ subscribe: "a", share: ["g"] }] },
        both: { allow: [{ subscribe: "a", share: ["g"] }] },
      },
    });
    for (const count of [2, 12]) {
      for (const qos of [0, 1] as const) {
        const setup = new Ruled(rules("first"));
        const members = Array.from({ length: count }, (_, i) => {
          const username = i === 0 ? "both" : "first";
          const member = setup.pair.connect({ clientId: `member-${i}`, username, level: 4 });
          member.subscribe({ filter: "$share/g/a", qos });
          return member;
        });
        setup.permissions.replace(rulesOf(rules("other")));
        const publisher = setup.client("publisher", 4);
        for (let i = 0; i < 30; i++) publisher.publish({ topic: "a", qos, payload: `${i}` });
        const counts = members.map((member) => member.takeTexts().length);
        assertEquals(
          counts,
          [qos === 0 ? 30 : 20, ...new Array(count - 1).fill(0)],
          `${count} at QoS ${qos}`,
        );
      }
    }
  });
});

describe("a group whose members may have some of its topics", () => {
  test("is not left out for these after a message that none of them may have", () => {
    const rules = (filter: string): PermissionsData => ({
      everyone: { allow: [{ publish: "#" }, { subscribe: filter, share: ["g"] }] },
    });
    for (const count of [1, 3, 12]) {
      const setup = new Ruled(rules("a/+"));
      const members = Array.from({ length: count }, (_, i) => setup.client(`member-${i}`, 4));
      for (const member of members) member.subscribe({ filter: "$share/g/a/+", qos: 1 });
      // Known to the rules, and not to the subscriptions yet: each message is asked for.
      setup.permissions.replace(rulesOf(rules("a/y")));
      const publisher = setup.client("publisher", 4);
      for (const topic of ["a/x", "a/y", "a/x", "a/y"]) publisher.publish({ topic, qos: 1, payload: topic });
      assertEquals(members.flatMap((member) => member.takeTexts()), ["a/y", "a/y"], `${count}`);
    }
  });
});

describe("a group without room", () => {
  const rules = (filter: string): PermissionsData => ({
    everyone: { allow: [{ publish: "#" }, { subscribe: filter, share: ["g"] }] },
  });

  for (const [count, isFull] of [[1, false], [1, true], [12, false], [12, true]] as const) {
    const members = `${count} ${isFull ? "full " : ""}${count === 1 ? "member" : "members"}`;
    test(`[limit/queue] is a reason for 0x97 only if one of its ${members} may have the topic`, () => {
      const setup = new Ruled(rules("a/+"), { queuedMessagesMax: isFull ? 1 : 2 });
      for (let i = 0; i < count; i++) {
        const member = setup.client(`member-${i}`, 4, true);
        member.subscribe({ filter: "$share/g/a/+", qos: 1 });
        member.lose();
      }
      const publisher = setup.client("publisher");
      const publish = (topic: string): number => {
        publisher.publish({ topic, qos: 1 });
        return publisher.take(PUBACK).reasonCode;
      };
      for (let i = 0; i < count; i++) assertEquals(publish("a/y"), 0);
      // Known to the rules, and not to the subscriptions yet: each message is asked for.
      setup.permissions.replace(rulesOf(rules("a/y")));
      assertEquals([publish("a/x"), publish("a/y")], [0, isFull ? 0x97 : 0]);
      assertEquals(publish("a/x"), 0);
    });
  }
});

describe("a Client that authenticates anew with other groups", () => {
  test("has their permissions from then on", () => {
    const permissions = new Permissions(rulesOf({
      group: { staff: { allow: [{ publish: "a", subscribe: "a" }] } },
    }));
    const pair = new Pair({
      permissions,
      authenticationMethods: ["m"],
      authenticate: ({ kind }) => ({ code: 0, ...kind === "connect" && { groups: ["staff"] } }),
    });
    const client = pair.connect({ clientId: "client", properties: { authenticationMethod: "m" } });
    client.publish({ topic: "a", qos: 1 });
    assert(client.take(PUBACK).reasonCode < 0x80);
    client.subscribe("a");
    client.send({ type: AUTH, reasonCode: 0x19, properties: { authenticationMethod: "m" } });
    assertEquals(client.take(AUTH).reasonCode, 0);
    assertEquals(client.take(DISCONNECT).reasonCode, 0x87);
  });
});

describe("a reload that names another authenticator", () => {
  test("has it asked by Clients that authenticate anew, and by those whose CONNECT comes later", () => {
    const options = (code: 0 | 0x87) => ({
      authenticationMethods: ["m"],
      authenticate: () => ({ code }) as const,
    });
    const pair = new Pair(options(0));
    const properties = { authenticationMethod: "m" };
    const client = pair.connect({ clientId: "client", properties });
    const later = pair.open(5);
    const policy = pair.broker.nextPolicy(options(0x87));
    pair.broker.reconfigure(policy, new Map(), {}, pair.now);
    later.connect({ clientId: "later" });
    assertEquals(later.take(CONNACK).reasonCode, 0x87);
    client.send({ type: AUTH, reasonCode: 0x19, properties });
    assertEquals(client.take(DISCONNECT).reasonCode, 0x87);
  });
});

describe("a reload that names other rules", () => {
  const a: PermissionsData = { everyone: { allow: [{ publish: "a", subscribe: "a" }] } };
  const both: PermissionsData = { everyone: { allow: [{ publish: ["a", "b"], subscribe: ["a", "b"] }] } };

  function change(pair: Pair, data: PermissionsData | undefined): void {
    const { broker } = pair;
    const policy = broker.nextPolicy(
      data === undefined ? {} : { permissions: new Permissions(rulesOf(data)) },
    );
    broker.reconfigure(policy, new Map(), {}, pair.now);
    pair.settle();
  }

  for (const limits of [undefined, { topicLevelsMax: 7 }]) {
    const whose = limits === undefined ? "" : ", those too whose login has brought limits";
    test(`is for Clients that are connected${whose}: what they have lost ends`, () => {
      const pair = new Pair({ authenticate: () => ({ code: 0, ...limits && { limits } }) });
      const codeOf = (client: StubClient) => {
        client.publish({ topic: "b", qos: 1 });
        return client.take(PUBACK).reasonCode;
      };
      const [keeps, loses] = [pair.connect({ clientId: "keeps" }), pair.connect({ clientId: "loses" })];
      keeps.subscribe("a");
      loses.subscribe("b");
      assert(codeOf(keeps) < 0x80);
      loses.takeTexts();
      change(pair, both);
      change(pair, a);
      assertEquals(loses.take(DISCONNECT).reasonCode, 0x87);
      assertEquals(codeOf(keeps), 0x87);
      change(pair, undefined);
      assert(codeOf(keeps) < 0x80);
      keeps.assertSilent();
    });
  }
});

describe('with wide-filters = "narrow"', () => {
  const narrow: PermissionsData = {
    "wide-filters": "narrow",
    everyone: { allow: [{ publish: "#" }, { subscribe: "open/#" }, { receive: "seen" }] },
  };

  test("a wider filter is granted, and only messages that may be received come: live, retained, and from the queue", () => {
    const setup = new Ruled(narrow);
    const publisher = setup.client("publisher");
    for (const topic of ["open/a", "seen", "hidden"]) {
      publisher.publish({ topic, qos: 1, retain: true, payload: `old ${topic}` });
    }
    const client = setup.client("client", 4, true);
    assertEquals(client.subscribe({ filter: "#", qos: 1 }), [1]);
    const take = () => {
      const some = client.takePublishes();
      for (const { packetId } of some) client.acknowledge(PUBACK, packetId!);
      return some.map(({ payload }) => new TextDecoder().decode(payload)).sort();
    };
    assertEquals(take(), ["old open/a", "old seen"]);
    for (const topic of ["open/a", "seen", "hidden", "hidden", "seen"]) {
      publisher.publish({ topic, qos: 1, payload: topic });
    }
    assertEquals(take(), ["open/a", "seen", "seen"]);
    client.lose();
    for (const topic of ["open/a", "hidden"]) publisher.publish({ topic, qos: 1, payload: topic });
    assertEquals(setup.pair.broker.session("client")?.queued, 1, "what it may not receive takes no room");
    assertEquals(setup.client("client", 4, true).takeTexts(), ["open/a"]);
  });

  test("a wider filter is granted the highest QoS of a rule that allows something of it, or what it asks for", () => {
    const rules = (...allow: RuleData[]): PermissionsData => ({
      "wide-filters": "narrow",
      everyone: { allow },
    });
    for (
      const [data, filter, granted] of [
        [rules({ subscribe: "a/#", qos: 0 }, { subscribe: "b", qos: 1 }), "#", 1],
        [rules({ subscribe: "a/#", qos: 0 }, { subscribe: "b", qos: 1 }), "a/#", 0],
        [rules({ subscribe: "a/#", qos: 0 }, { subscribe: "b", qos: 1 }), "+/x", 0],
        [rules({ subscribe: "a/#", qos: 0 }, { receive: "b" }), "#", 2],
        [rules({ subscribe: "a/#", qos: 0 }), "b/#", 2],
      ] as const
    ) {
      assertEquals(new Ruled(data).client("client").subscribe({ filter, qos: 2 }), [granted], filter);
    }
  });

  test("a Shared Subscription is refused all the same: a message could be lost to its whole group", () => {
    const setup = new Ruled({
      "wide-filters": "narrow",
      everyone: { allow: [{ subscribe: "open/#", share: ["*"] }] },
    });
    assertEquals(setup.client("client").subscribe("$share/g/open/+", "$share/g/#"), [2, 0x87]);
  });
});

describe("answers for a Client", () => {
  test("are remembered while it is connected, and take no memory of its session when it has gone", () => {
    const permissions = new Permissions(rulesOf({ everyone: { allow: [{ publish: "%c/#" }] } }));
    let asked = 0; // rules are looked for
    const rights = permissions.of({
      get clientId() {
        asked++;
        return "client";
      },
    } as ClientInfo);
    const pair = new Pair({ permissions: { of: () => rights } });
    const publish = () => {
      const client = pair.connect({ clientId: "client", level: 4, cleanStart: false });
      const times = [1, 2].map((packetId) => {
        const before = asked;
        client.publish({ topic: "client/a", qos: 1, packetId });
        client.take(PUBACK);
        return asked > before;
      });
      client.lose();
      return times;
    };
    publish();
    assertEquals([publish(), publish()], [[true, false], [true, false]]);
  });
});

describe("messages that are not acknowledged", () => {
  test("are not sent again to a Client that may not receive them any more", () => {
    const setup = new Ruled({ everyone: { allow: [{ publish: "#", subscribe: "#" }] } });
    const client = setup.client("client", 4, true);
    client.subscribe("a", "b");
    const publisher = setup.client("publisher");
    for (const topic of ["a", "b"]) publisher.publish({ topic, qos: 1, payload: topic });
    assertEquals(client.takeTexts(), ["a", "b"]);
    client.lose();
    setup.replace({ everyone: { allow: [{ subscribe: "b" }] } });
    const again = setup.client("client", 4, true);
    assertEquals(again.takePublishes().map(({ topic, dup }) => `${topic} ${dup}`), ["b true"]);
    assertEquals(again.session?.exchanges, 1);
  });
});

/** Members of a cluster: who starts which shard, when somebody goes, comes, or cannot be heard. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { MemberWorld } from "../testing/member_world.ts";
import { beatBytes, readBeat } from "./beat.ts";
import { CLUSTER } from "./limits.ts";
import { beatSubject } from "./subjects.ts";

const SETTLED_MS = CLUSTER.memberDeadMs + 4 * CLUSTER.beatMs;

function three(shards = 6): MemberWorld {
  const world = new MemberWorld(shards, 1);
  for (const name of ["a", "b", "c"]) world.begin(name);
  world.pass(2 * SETTLED_MS);
  assertEquals(world.fault, undefined);
  return world;
}

describe("members", () => {
  test("that begin share the shards evenly, each is started once, and nobody starts one before it has listened", () => {
    const world = three();
    const starts = world.events.filter(({ what }) => what === "start");
    assertEquals(starts.length, 6);
    const [first] = world.events;
    assert(first!.at - 1_700_000_000_000 >= CLUSTER.memberDeadMs);
  });

  test("take over what a dead one had, within its silence and a start, and move nothing else", () => {
    const world = three();
    const before = world.events.length;
    const [a] = world.members;
    const lost = [...a!.running.keys()].sort();
    a!.crash();
    world.pass(CLUSTER.memberDeadMs + 2 * CLUSTER.beatMs + 500);
    assertEquals(world.fault, undefined);
    const started = world.events.slice(before).filter(({ what }) => what === "start").map(({ shard }) =>
      shard
    );
    assertEquals(started.sort(), lost);
  });

  test("give one that comes its share, one shard after the other, and to nobody else anything", () => {
    const world = three();
    const before = world.events.length;
    world.begin("d");
    world.pass(4 * SETTLED_MS);
    assertEquals(world.fault, undefined);
    const moved = world.events.slice(before).filter(({ what }) => what === "start");
    assertEquals(moved.map(({ member }) => member), ["d"]);
  });

  test("start at once what one gives that leaves", () => {
    const world = three();
    const [a] = world.members;
    const begun = world.net.schedule.now();
    a!.leave();
    world.pass(1_500);
    assertEquals(world.fault, undefined);
    const last = world.events.at(-1)!;
    assert(last.at - begun < CLUSTER.memberDeadMs);
  });

  test("that all begin anew get what they had, by their files", () => {
    const world = three();
    const had = world.owned;
    for (const member of world.alive) member.crash();
    world.pass(1_000);
    for (const name of ["c", "a", "b"]) world.begin(name);
    world.pass(2 * SETTLED_MS);
    assertEquals(world.owned, had);
  });

  test("restart the process of a shard where it was, at once and then more slowly; elsewhere if it cannot be", () => {
    const world = three();
    const [a] = world.members;
    const [shard] = [...a!.running.keys()];
    a!.fail(shard!);
    world.pass(1_000);
    assert((a!.running.get(shard!) ?? 0) > 0);
    a!.broken.add(shard!);
    a!.fail(shard!);
    world.pass(2 * SETTLED_MS);
    assertEquals(a!.running.has(shard!), false);
    assertEquals(world.alive.filter(({ running }) => (running.get(shard!) ?? 0) > 0).length, 1);
  });

  test("end what is another's: whoever was cut off hears of it and gives way", () => {
    const world = three();
    const [a] = world.members;
    for (const other of ["b", "c"]) {
      world.net.cut("a", other);
      world.net.cut(other, "a");
    }
    world.pass(2 * SETTLED_MS);
    world.net.heal();
    world.pass(4 * SETTLED_MS);
    assertEquals(world.fault, undefined);
    assert(a!.running.size > 0);
  });

  test("claim nothing while there is no connection, nor before they have listened behind it", () => {
    const world = three();
    const [a] = world.members;
    const before = world.events.length;
    a!.connect(false);
    world.pass(10 * SETTLED_MS);
    const whileAway = world.events.slice(before).filter(({ member, what }) =>
      member === "a" && what === "start"
    );
    assertEquals(whileAway, []);
    const back = world.events.length;
    a!.connect(true);
    world.pass(CLUSTER.memberDeadMs - CLUSTER.beatMs);
    const soon = world.events.slice(back).filter(({ member, what }) => member === "a" && what === "start");
    assertEquals(soon, []);
    world.pass(4 * SETTLED_MS);
    assertEquals(world.fault, undefined);
  });

  test("of one name: the later one is refused, in words, and disturbs nobody", () => {
    const world = three();
    const before = world.events.length;
    const second = world.begin("a");
    world.pass(SETTLED_MS);
    assertEquals(second.refused, "another member is called a");
    assertEquals(world.events.length, before);
    assertEquals(world.fault, undefined);
  });
});

describe("members that do not hear all", () => {
  /** How often shards were started since. */
  const starts = (world: MemberWorld, before: number): number =>
    world.events.slice(before).filter(({ what }) => what === "start").length;

  test("one that hears nobody, nor itself, takes nothing", () => {
    const world = three();
    const before = world.events.length;
    for (const name of ["a", "b", "c"]) world.net.cut(name, "a");
    world.pass(120_000);
    assertEquals(starts(world, before), 0);
  });

  test("two that do not hear each other take nothing, as a third one hears both", () => {
    const world = three();
    const before = world.events.length;
    world.net.divide(["a"], ["b"]);
    world.pass(120_000);
    assertEquals(starts(world, before), 0);
    const [, b] = world.members;
    b!.crash();
    world.pass(CLUSTER.memberDeadMs + 3 * CLUSTER.beatMs + 500);
    assertEquals(world.unowned, []);
  });

  test("two that nobody else hears take shards from each other ever more seldom", () => {
    const world = new MemberWorld(2, 1);
    for (const name of ["a", "b"]) world.begin(name);
    world.pass(2 * SETTLED_MS);
    world.net.divide(["a"], ["b"]);
    world.pass(120_000);
    const before = world.events.length;
    world.pass(600_000);
    assert(starts(world, before) <= 2 * 600_000 / CLUSTER.startAgainMsMax, `${starts(world, before)} starts`);
    world.net.heal();
    world.pass(60_000);
    assertEquals(world.fault, undefined);
  });

  test("one that was stopped listens first, whatever was due meanwhile", () => {
    const world = three();
    const [a, b] = world.members;
    const lost = [...a!.running.keys()];
    b!.stop(20_000);
    world.pass(1_000);
    a!.crash();
    const before = world.events.length;
    world.pass(19_000 + CLUSTER.memberDeadMs);
    const of = world.events.slice(before).filter(({ what }) => what === "start");
    assertEquals(of.filter(({ member }) => member === "b"), []);
    for (const shard of lost) assert(of.some((one) => one.shard === shard), `shard ${shard} was not started`);
    world.pass(60_000);
    assertEquals(world.fault, undefined);
  });
});

describe("members that cannot do what they should", () => {
  test("a shard whose member begins again and again goes to another one", () => {
    const world = three();
    const lost = [...world.members[0]!.running.keys()];
    for (let i = 0; i < 8; i++) {
      world.alive.find(({ name }) => name === "a")?.crash();
      world.pass(200);
      world.begin("a");
      world.pass(3_800);
    }
    for (const shard of lost) assert(!world.unowned.includes(shard), `shard ${shard} has no owner`);
  });

  test("one that cannot start any shard is given some again only after a long time", () => {
    const world = three();
    const [a] = world.members;
    for (let shard = 1; shard <= 6; shard++) a!.broken.add(shard);
    for (const shard of [...a!.running.keys()]) a!.fail(shard);
    world.pass(300_000);
    assertEquals(world.unowned, []);
    const before = world.events.length;
    world.pass(CLUSTER.failedMs);
    const tried = world.events.slice(before).filter(({ member, what }) => member === "a" && what === "start");
    assert(tried.length <= 12, `${tried.length} starts`);
  });

  test("a shard that nobody can start is started by the first that can", () => {
    const world = three();
    for (const { broken } of world.members) broken.add(1);
    world.members.find(({ running }) => running.has(1))!.fail(1);
    world.pass(200_000);
    assertEquals(world.unowned, [1]);
    const before = world.events.length;
    world.pass(60_000);
    assert(world.events.length - before <= 3 * 2 * 4, "it is tried too often");
    for (const { broken } of world.members) broken.clear();
    world.pass(CLUSTER.startAgainMsMax + CLUSTER.overdueMs);
    assertEquals(world.unowned, []);
  });
});

describe("a cluster that begins anew", () => {
  test("waits for whoever has the file of a shard, though that one is later", () => {
    const world = three();
    const had = world.owned;
    for (const member of world.alive) member.crash();
    world.pass(1_000);
    for (const name of ["a", "b", "c"]) {
      world.begin(name);
      world.pass(4_000);
    }
    world.pass(60_000);
    assertEquals(world.owned, had);
  });

  test("does not wait for ever for one that does not come", () => {
    const world = three();
    for (const member of world.alive) member.crash();
    world.pass(1_000);
    world.begin("b");
    world.pass(CLUSTER.gatherMs + 4 * CLUSTER.beatMs);
    assertEquals(world.unowned, []);
  });

  test("of several with a file of a shard, the one whose file is ahead has it", () => {
    const world = new MemberWorld(2, 1);
    world.begin("a", [{ shard: 1, epoch: 3, number: 10 }, { shard: 2, epoch: 4, number: 1 }]);
    world.begin("b", [{ shard: 1, epoch: 3, number: 11 }, { shard: 2, epoch: 3, number: 90 }]);
    world.pass(2 * SETTLED_MS);
    assertEquals(world.owned, "a: 2, b: 1");
  });
});

test("an owner of whose successor nobody has heard gives way when somebody has a file of a later epoch", () => {
  const world = new MemberWorld(1, 1);
  world.begin("a");
  world.pass(SETTLED_MS);
  assertEquals(world.owned, "a: 1");
  world.begin("b", [{ shard: 1, epoch: 2, number: 5 }]);
  world.pass(SETTLED_MS);
  assertEquals(
    world.events.filter(({ member }) => member === "a").some(({ what }) => what === "stop lost"),
    true,
  );
  assertEquals(world.owned, "a: , b: 1");
});

describe("members of one name", () => {
  test("one that begins again is not refused for what its former life has said, which comes late", () => {
    const world = three();
    const [a, b] = world.members;
    a!.crash();
    world.pass(300);
    const again = world.begin("a");
    world.pass(1_300);
    const late = {
      member: "a",
      incarnation: "a-1",
      program: "1.0.0",
      shards: 6,
      owned: [],
      starting: [],
      hears: true,
      failed: [],
      files: [],
      heard: [],
      given: [],
      isLeaving: false,
    };
    for (let count = 100; count < 110; count++) {
      b!.node.bus.publish(beatSubject("test"), beatBytes({ ...late, count }));
    }
    world.pass(4 * SETTLED_MS);
    assertEquals(again.refused, undefined);
    assertEquals(world.fault, undefined);
  });

  test("of three that begin at once one stays", () => {
    const world = new MemberWorld(3, 1);
    for (let i = 0; i < 3; i++) world.begin("a");
    world.pass(2 * SETTLED_MS);
    assertEquals(world.alive.length, 1);
    assertEquals(world.fault, undefined);
    assertEquals(world.events.filter(({ what }) => what === "start").length, 3);
  });

  test("that do not hear each other do not make others take their shards", () => {
    const world = three();
    world.net.cut("a", "a");
    world.begin("a");
    const before = world.events.length;
    world.pass(60_000);
    assertEquals(world.events.length, before);
  });
});

describe("a view", () => {
  test("takes no more members than there may be, and says how much it has ignored", () => {
    const world = three();
    const [a] = world.members;
    const { view } = a!.member;
    for (let i = 0; i < CLUSTER.membersMax + 10; i++) {
      const beat = {
        plumb: 1,
        member: `m-${i}`,
        incarnation: "1",
        count: 1,
        program: "",
        shards: 6,
        isLeaving: false,
      };
      a!.node.bus.publish(beatSubject("test"), new TextEncoder().encode(JSON.stringify(beat)));
    }
    a!.node.bus.publish(beatSubject("test"), Uint8Array.of(1));
    world.pass(100);
    assertEquals(view.members.length, CLUSTER.membersMax);
    assertEquals(view.ignored, 14);
    world.pass(2 * SETTLED_MS);
    assertEquals(view.members.map(({ beat }) => beat.member), ["a", "b", "c"]);
  });
});

describe("a heartbeat", () => {
  test("is read as it was written; what is none, of another version or too much is left", () => {
    const beat = {
      member: "a",
      incarnation: "1",
      count: 3,
      program: "1.0.0",
      shards: 6,
      owned: [{ shard: 1, epoch: 4, incarnation: "x" }],
      starting: [2],
      hears: true,
      failed: [3],
      files: [{ shard: 5, epoch: 1, number: 9 }],
      heard: [{ shard: 6, epoch: 2, lives: false }],
      given: [{ shard: 1, to: "b" }],
      isLeaving: false,
    };
    assertEquals(readBeat(beatBytes(beat)), beat);
    const of = (change: object) =>
      readBeat(new TextEncoder().encode(JSON.stringify({ plumb: 1, ...beat, ...change })));
    assertEquals(of({ more: "of a later program" }), beat);
    for (
      const change of [
        { plumb: 2 },
        { member: "a b" },
        { count: -1 },
        { owned: [{ shard: 0, epoch: 1, incarnation: "" }] },
        { owned: [{ shard: 65, epoch: 1, incarnation: "" }] },
        { starting: Array.from({ length: 65 }, () => 1) },
        { files: [{ shard: 1 }] },
        { heard: [{ shard: 6, epoch: 2 }] },
        { given: [{ shard: 1, to: "" }] },
      ]
    ) assertEquals(of(change), undefined, JSON.stringify(change));
    assertEquals(readBeat(Uint8Array.of(0xff)), undefined);
  });
});

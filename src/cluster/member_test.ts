/** Members of a cluster: who starts which shard, when somebody goes, comes, or cannot be heard. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { MemberWorld } from "../testing/member_world.ts";
import { beatBytes, readBeat } from "./beat.ts";
import { CLUSTER } from "./limits.ts";

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

/** Faults of all kinds for a minute, then none: gives what is wrong behind that. */
function simulate(seed: number): string | undefined {
  const world = new MemberWorld(1 + seed % 9, seed);
  const names = ["a", "b", "c", "d"].slice(0, 2 + seed % 3);
  for (const name of names) world.begin(name);
  world.net.faults.busLoss = seed % 4 === 0 ? 20 : 0;
  world.net.faults.stalls = seed % 5;
  world.net.faults.stallMs = 2_000;
  for (let step = 0; step < 30; step++) {
    world.pass(world.between(100, 4_000));
    const some = world.alive[world.random() % Math.max(1, world.alive.length)];
    switch (world.random() % 8) {
      case 0:
        some?.crash();
        break;
      case 1:
      case 2: {
        const name = names[world.random() % names.length]!;
        if (!world.alive.some((one) => one.name === name)) world.begin(name);
        break;
      }
      case 3: {
        const [one, other] = [names[world.random() % names.length]!, names[world.random() % names.length]!];
        if (one !== other) world.net.cut(one, other);
        break;
      }
      case 4:
        world.net.heal();
        break;
      case 5:
        if (some !== undefined && some.running.size > 0) {
          const shards = [...some.running.keys()];
          some.fail(shards[world.random() % shards.length]!);
        }
        break;
      case 6:
        some?.connect(world.random() % 2 === 0);
        break;
      default:
        if (world.random() % 3 === 0) some?.leave();
    }
  }
  world.net.heal();
  Object.assign(world.net.faults, { busLoss: 0, stalls: 0 });
  for (const member of world.alive) member.connect(true);
  world.pass(1_000); // who leaves has left
  if (world.alive.length === 0) world.begin("a");
  world.pass(180_000); // pauses behind failures are a minute at most
  const { fault } = world;
  if (fault !== undefined) return `seed ${seed}: ${fault}`;
  const before = world.events.length;
  world.pass(60_000);
  return world.events.length === before ? undefined : `seed ${seed}: shards move without need`;
}

const SEEDS = 60;
test(`${SEEDS} seeds of crashes, cuts, losses and leaving: in the end each shard has one owner, and nothing moves`, () => {
  for (let seed = 1; seed <= SEEDS; seed++) assertEquals(simulate(seed), undefined);
});

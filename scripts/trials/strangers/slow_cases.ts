/**
 * Attacks by taking time and places: half-open connections, bytes that come one by one, a Client that never reads, one that always
 * comes back.
 * Knows what they hold back; refuses to know how the broker counts it.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Attacker } from "../attacks/attacker.ts";
import { connect, crossed, joined, numbers, publish } from "../attacks/bytes.ts";
import { clientHello } from "./bytes_cases.ts";
import type { StrangersCase } from "./case.ts";
import { type Door, HEALTHY, INSIDER, STREET_MS, VICTIM } from "./scene.ts";
import { addressOf, credentials } from "./strangers.ts";

/** Waits until the broker has ended all of them. */
async function ended(all: readonly Attacker[]): Promise<void> {
  for (const one of all) await one.until(() => one.over);
  assert(all.every(({ over }) => over), "all are ended");
}

const HALF_OPEN: StrangersCase = {
  id: "half-open",
  title:
    "half-open connections: silent, in a handshake that does not go on, in a CONNECT, behind a proxy that names as many addresses",
  counts: [2_000, 10_000],
  async run(strangers, count) {
    const hello = (await clientHello()).subarray(0, 50);
    const begin = connect("half-open").subarray(0, 10);
    const ways: ((index: number) => Promise<Attacker>)[] = [
      () => strangers.come("street"),
      () => strangers.come("street with TLS", { bare: true }),
      async () => {
        const one = await strangers.come("street with TLS", { bare: true });
        await one.write(hello);
        return one;
      },
      async (index) => {
        const one = await strangers.come("behind a proxy", {
          from: addressOf(7, index),
        });
        await one.write(begin);
        return one;
      },
    ];
    const all = await strangers.attack.each(count, (index) => ways[index % ways.length]!(index));
    // A newcomer gives way too while newer ones come.
    const tries = await strangers.ownerAtLast("behind a proxy", "owner-half-open", { from: "10.0.0.1" });
    assert(strangers.scene.log.includes("limit=connectingMax"), "the oldest give way");
    // Those of the street are ended by the time, those behind the proxy stay as long as there is room.
    await ended(all.filter((_, index) => index % ways.length !== 3));
    return `${count} connections, above ${strangers.scene.strangersMax} the oldest gave way; the owner came in at try ${tries}`;
  },
};

const SLOWLORIS: StrangersCase = {
  id: "slowloris",
  title: "connections that send a byte now and then: of a CONNECT, of one inside of TLS, of a TLS handshake",
  counts: [120, 2_000],
  async run(strangers, count) {
    // So long that no machine sends all of it in the time that there is.
    const endless = connect("slow", { username: "ann", password: new Uint8Array(60_000) });
    const hello = Buffer.alloc(16_000, await clientHello());
    const ways: readonly (readonly [door: Door, bare: boolean, bytes: Uint8Array])[] = [
      ["street", false, endless],
      ["street with TLS", false, endless],
      ["street with TLS", true, joined([Uint8Array.of(0x16, 3, 1, 0x3f, 0xff), hello])],
    ];
    let sent = 0;
    const all = await strangers.attack.each(count, async (index) => {
      const [door, bare, bytes] = ways[index % ways.length]!;
      const one = await strangers.come(door, { bare });
      return { one, bytes };
    });
    const drip = setInterval(() => {
      for (const { one, bytes } of all) if (!one.over) void one.write(bytes.subarray(sent, sent + 1));
      sent++;
    }, 50);
    try {
      await ended(all.map(({ one }) => one));
    } finally {
      clearInterval(drip);
    }
    return `${count} connections ended after ${STREET_MS / 1000} s`;
  },
};

const STORM: StrangersCase = {
  id: "storm",
  title:
    "connections with one Client Identifier, one behind the other; strangers take those of healthy Clients",
  counts: [300, 10_000],
  async run(strangers, count) {
    const { attack } = strangers;
    const doors: readonly Door[] = ["home", "street"];
    for (const id of HEALTHY) {
      for (const who of [{}, credentials(VICTIM, "wrong"), credentials("nobody")]) {
        const codes = await Promise.all(doors.map((door) => strangers.knock(door, id, who)));
        assert(codes.every((code) => code !== 0), `${id} is not taken over`);
      }
    }
    let left = count;
    await attack.each(20, async () => {
      while (left-- > 0) {
        const one = await strangers.come("home");
        await one.write(connect("storm", { ...credentials(INSIDER), cleanStart: left % 2 === 0 }));
        strangers.mayEnter(one, "storm");
        await one.until(() => one.connack !== undefined);
        if (left % 3 === 0) one.reset();
      }
    });
    return `${count} connections, each took over the one before`;
  },
};

const NEVER_READS: StrangersCase = {
  id: "never reads",
  title: "MiB sent to insiders that never read, and by strangers that do not read their refusals",
  counts: [48, 1_024],
  async run(strangers, count) {
    const { attack } = strangers;
    const deaf = await attack.each(4, async (index) => {
      const one = await strangers.insider(`deaf-${index}`);
      assert(await one.subscribe(["mallory/#"], index % 2 === 0 ? 0 : 1));
      one.read("nothing");
      return one;
    });
    const loud = await strangers.insider("loud");
    const chunk = joined(
      numbers(16).map((id) =>
        publish("mallory/loud", 64 * 1024, { qos: id % 2 === 0 ? 0 : 1, packetId: id + 1 })
      ),
    );
    for (const _ of numbers(count)) await loud.write(chunk);
    assert(await loud.fence(), "who sends is not held up by those who do not read");
    await attack.each(100, async () => {
      const one = await strangers.come("street");
      one.read("nothing");
      await one.write(joined(numbers(100).map(() => connect("deaf", credentials("nobody")))));
    });
    const over = deaf.filter((one) => one.over).length;
    return `${count} MiB sent to 4 that do not read; ${over} of them ended`;
  },
};

const BOMBS: StrangersCase = {
  id: "bombs",
  title: "Topic Filters of an insider with wildcards on many levels, inside of the rights and outside",
  counts: [1_024, 65_536],
  async run(strangers, count) {
    const one = await strangers.insider("bomber");
    const inside = [...crossed(Math.log2(count))].map((filter) => `mallory/${filter}`);
    assert(await one.subscribe(inside), "all are answered");
    const granted = one.granted;
    assert(granted > 0 && granted <= inside.length);
    const outside = [
      "#",
      "+/#",
      "+/clean",
      "healthy/#",
      "healthy/+",
      "$SYS/#",
      "$share/g/#",
      "$share/g/healthy/clean",
    ];
    const crossedOutside = [...crossed(Math.log2(count))].slice(0, count / 2);
    assert(await one.subscribe([...outside, ...crossedOutside]), "all are answered");
    assertEquals(one.granted, granted, "nothing outside of the rights is granted");
    const topic = `mallory/${Array(Math.log2(count)).fill("a").join("/")}`;
    await one.write(joined(numbers(10).map(() => publish(topic))));
    await one.write(joined(["healthy/clean", "healthy/durable", "$SYS/x"].map((topic) => publish(topic))));
    assert(await one.fence());
    return `${granted} of ${inside.length} granted, none of ${
      outside.length + crossedOutside.length
    } outside`;
  },
};

/** In the order of the table. */
export const SLOW_CASES: readonly StrangersCase[] = [HALF_OPEN, SLOWLORIS, NEVER_READS, STORM, BOMBS];

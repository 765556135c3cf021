/**
 * Attacks by work (A): what one Client sends keeps the broker from all others.
 * Knows each attack's packets and their number; refuses to know what is measured.
 * @module
 */
import { type Attack, type Attacker, FLOOD_PATIENCE_MS } from "./attacker.ts";
import {
  connect,
  crossed,
  DISCONNECT,
  long,
  many,
  numbers,
  PINGREQ,
  publish,
  pubrel,
  repeated,
  subscribe,
  subscribeAgain,
  unsubscribe,
} from "./bytes.ts";
import { type Connect, PacketType } from "../../../src/codec/mod.ts";
import type { Case } from "./case.ts";

/** What one write of a flood holds. */
const CHUNK_BYTES = 256 * 1024;
const MIB = 1024 * 1024;
/** §3.1.2.11.2 the session outlives its connection. */
const KEPT = { properties: { sessionExpiryInterval: 3_600 } } as const;

/** As many of one packet as a write holds. */
function chunkOf(packet: Uint8Array): Uint8Array {
  return repeated(packet, Math.max(1, Math.floor(CHUNK_BYTES / packet.length)));
}

/** One sends the same again and again. */
async function floodOf(attack: Attack, packet: Uint8Array): Promise<void> {
  const sender = await attack.open();
  await attack.begins();
  await attack.flood(sender, chunkOf(packet));
  await sender.fence(FLOOD_PATIENCE_MS);
}

/** One write, and the answer to a PINGREQ behind it. */
async function burstOf(attack: Attack, bytes: Uint8Array, sender?: Attacker): Promise<void> {
  const from = sender ?? await attack.open();
  await attack.begins();
  await from.write(bytes);
  await from.fence();
}

/** Clients that have subscribed and are away. */
async function away(attack: Attack, count: number, filter: string): Promise<void> {
  await attack.each(count, async () => {
    const member = await attack.open(KEPT);
    await member.subscribe([filter]);
    member.leave(DISCONNECT);
  });
}

/** One subscribes, the other publishes the same message `count` times in one write. */
async function matching(
  attack: Attack,
  filters: Iterable<string>,
  messages: Uint8Array,
): Promise<void> {
  const subscriber = await attack.open();
  await subscriber.subscribe(filters);
  subscriber.read("bytes");
  await burstOf(attack, messages);
}

/** Durable Clients send the same and wait for no answer. */
async function heedless(attack: Attack, chunk: Uint8Array): Promise<void> {
  const senders = await attack.each(4, () => attack.open(KEPT));
  await attack.begins();
  await Promise.all(senders.map((sender) => attack.flood(sender, chunk)));
  await Promise.all(senders.map((sender) => sender.fence(FLOOD_PATIENCE_MS)));
}

/** A member with many messages leaves; with `KEPT` its session stays. */
async function groupMemberLeaves(attack: Attack, options: Partial<Connect> = {}): Promise<void> {
  const group = "$share/g/t";
  const leaver = await attack.open(options);
  await leaver.subscribe([group], 1);
  leaver.read("nothing");
  const publisher = await attack.open();
  // Never more open than any broker's Receive Maximum allows; a message for each member behind those of the leaver.
  const send = async (count: number): Promise<void> => {
    for (let sent = 0; sent < count && !publisher.over; sent += 20) {
      const before = publisher.came[PacketType.PUBACK]!;
      await publisher.write(many(20, (i) => publish("t", 8, { qos: 1, packetId: i + 1 })));
      await publisher.until(() => publisher.came[PacketType.PUBACK]! - before >= 20);
    }
  };
  await send(attack.count(55_000));
  const members = attack.count(3_000);
  await attack.each(members, async () => {
    const member = await attack.open({ properties: { receiveMaximum: 1 } });
    await member.subscribe([group], 1);
  });
  await send(members);
  await attack.begins();
  leaver.leave(DISCONNECT);
  await publisher.fence();
}

async function wills(attack: Attack): Promise<void> {
  await attack.readers(attack.count(300), "will/#", "bytes");
  const dying = await attack.each(attack.count(3_000), (i) => {
    const payload = new Uint8Array(16);
    return attack.open({ will: { topic: `will/${i}`, payload, qos: 0, retain: false } });
  });
  const [witness] = await attack.readers(1, "will/#", "packets");
  await attack.begins();
  for (const one of dying) one.reset();
  await witness!.until(() => witness!.came[PacketType.PUBLISH]! >= dying.length);
  await witness!.fence();
}

async function sessionChurn(attack: Attack): Promise<void> {
  await attack.begins();
  await attack.again(20, async () => {
    const one = await attack.open(KEPT);
    await one.subscribe([`churn/${attack.id()}`], 1);
    one.leave(DISCONNECT);
    return true;
  });
}

async function leaves(attack: Attack, filters: number, bytes: number): Promise<void> {
  const one = await attack.open();
  await one.subscribe(numbers(filters).values().map((i) => long(bytes, i)));
  const witness = await attack.open();
  await attack.begins();
  one.leave(DISCONNECT);
  await one.until(() => one.over);
  await witness.fence();
}

/** An alias for a topic of that length, then PUBLISH of 8 bytes, 64 KiB of them in one write. */
async function byAlias(attack: Attack, topicBytes: number): Promise<void> {
  const sender = await attack.open();
  const properties = { topicAlias: 1 };
  await sender.write(publish(long(topicBytes, 1), 0, { properties }));
  await sender.fence();
  await burstOf(attack, repeated(publish("", 0, { properties }), attack.count(8_192)), sender);
}

/** A CONNECT whose User Properties are empty. */
function connectWith(clientId: string, userProperties: number): Uint8Array {
  return connect(clientId, { properties: { userProperties: Array(userProperties).fill(["", ""]) } });
}

/** Attacks by work. */
export const WORK_CASES: readonly Case[] = [
  {
    id: "A1",
    title: "one floods QoS 0, 1,000 bytes each",
    run: (attack) => floodOf(attack, publish("flood", 1_000)),
  },
  {
    id: "A1/short",
    title: "one floods QoS 0, empty messages",
    run: (attack) => floodOf(attack, publish("f")),
  },
  {
    id: "A1/retained",
    title: "one floods retained messages of one topic",
    run: (attack) => floodOf(attack, publish("flood", 1_000, { retain: true })),
  },
  { id: "A1/ping", title: "one floods PINGREQ", run: (attack) => floodOf(attack, PINGREQ) },
  {
    id: "A2",
    title: "100,000 $share/gN/t, then 2,000 PUBLISH of 6 bytes in one write",
    run: (attack) =>
      matching(
        attack,
        numbers(attack.count(100_000)).map((i) => `$share/g${i}/t`),
        repeated(publish("t"), attack.count(2_000)),
      ),
  },
  {
    id: "A2/small",
    title: "1,000 $share/gN/t, then 10,000 PUBLISH of 6 bytes in one write",
    run: (attack) =>
      matching(
        attack,
        numbers(attack.count(1_000)).map((i) => `$share/g${i}/t`),
        repeated(publish("t"), attack.count(10_000)),
      ),
  },
  {
    id: "A3",
    title: "65,536 filters of a and +, then 500 PUBLISH of 40 bytes that match none",
    run: (attack) => {
      const levels = attack.levels(16);
      const topic = (i: number): string => "a/".repeat(levels) + i.toString(36).padStart(2, "0");
      return matching(attack, crossed(levels), many(attack.count(500), (i) => publish(topic(i), 1)));
    },
  },
  {
    id: "A3/retained",
    title: "50,000 retained messages, then a SUBSCRIBE with 200 filters +/+/N that match none",
    run: async (attack) => {
      const sender = await attack.open();
      await sender.write(many(attack.count(50_000), (i) => publish(`r${i % 200}/${i}`, 1, { retain: true })));
      await sender.fence();
      await burstOf(attack, subscribe(numbers(attack.count(200)).map((i) => `+/+/${i}`)));
    },
  },
  {
    id: "A4",
    title: "98,304 filters of one session match, 300 PUBLISH",
    run: (attack) => {
      const levels = attack.levels(16);
      const filters = [...crossed(levels), ...crossed(levels - 1, "/#")];
      const topic = Array(levels).fill("a").join("/");
      return matching(attack, filters, repeated(publish(topic), attack.count(300)));
    },
  },
  {
    id: "A4/spread",
    title: "1,000 filters of each of 98 sessions match, 3,000 PUBLISH",
    run: async (attack) => {
      const filters = [...crossed(10)].slice(0, attack.count(1_000));
      await attack.each(attack.count(98), async () => {
        const subscriber = await attack.open();
        await subscriber.subscribe(filters);
        subscriber.read("bytes");
      });
      await burstOf(attack, repeated(publish(Array(10).fill("a").join("/")), attack.count(3_000)));
    },
  },
  {
    id: "A5/away",
    title: "5,000 members of a group, all away, then a QoS 0 flood to it",
    run: async (attack) => {
      await away(attack, attack.count(5_000), "$share/g/t");
      await floodOf(attack, publish("t"));
    },
  },
  {
    id: "A5/left",
    title: "100,000 $share/gN/# of a durable Client that has left; all others publish as usual",
    run: async (attack) => {
      const one = await attack.open(KEPT);
      await one.subscribe(numbers(attack.count(100_000)).map((i) => `$share/g${i}/#`));
      one.leave(DISCONNECT);
      await attack.begins();
      await attack.rest();
    },
  },
  {
    id: "A5/ends",
    title: "a session with 55,000 shared messages ends, 3,000 members can take none",
    run: (attack) => groupMemberLeaves(attack),
  },
  {
    id: "A5/disconnects",
    title: "the same member disconnects, and its session stays",
    run: (attack) => groupMemberLeaves(attack, KEPT),
  },
  {
    id: "A6/subscribe",
    title: "4 durable Clients send SUBSCRIBE and UNSUBSCRIBE and wait for nothing",
    run: (attack) =>
      heedless(
        attack,
        repeated(many(2, (i) => i === 0 ? subscribe(["a/b"], 1) : unsubscribe(["a/b"])), 2_000),
      ),
  },
  {
    id: "A6/qos2",
    title: "4 durable Clients send QoS 2 PUBLISH and PUBREL and wait for nothing",
    run: (attack) =>
      heedless(
        attack,
        many(2_000, (i) =>
          i % 2 === 0 ? publish("q", 8, { qos: 2, packetId: i / 2 + 1 }) : pubrel((i - 1) / 2 + 1)),
      ),
  },
  {
    id: "A6/sessions",
    title: "20 connections at a time make a durable session each, again and again",
    run: sessionChurn,
  },
  {
    id: "A7/subscribe",
    title: "one SUBSCRIBE of 16 MB, 4,000,000 filters",
    run: (attack) => burstOf(attack, subscribeAgain("f", attack.count(4_000_000))),
  },
  {
    id: "A7/subscribe-small",
    title: "250 SUBSCRIBE of 64,000 bytes, 16,000 filters each",
    run: (attack) => burstOf(attack, repeated(subscribeAgain("f", 15_990), attack.count(250))),
  },
  {
    id: "A7/unsubscribe",
    title: "one UNSUBSCRIBE of 15 MB, 5,000,000 filters",
    run: (attack) => burstOf(attack, unsubscribe(Array(attack.count(5_000_000)).fill("f"))),
  },
  {
    id: "A7/connect",
    title: "one CONNECT of 16.5 MB, 3,300,000 User Properties",
    run: async (attack) => {
      const bytes = connectWith("attack", attack.count(3_300_000));
      const one = await attack.dial();
      await attack.begins();
      await one.write(bytes);
      await one.until(() => one.connack !== undefined);
    },
  },
  {
    id: "A7/connect-small",
    title: "250 CONNECT of 65,000 bytes, 13,000 User Properties each",
    run: async (attack) => {
      await attack.begins();
      await attack.each(attack.count(250), async (i) => {
        const one = await attack.dial();
        await one.write(connectWith(`attack-${i}`, 12_990));
        await one.until(() => one.connack !== undefined);
      });
    },
  },
  {
    id: "A7/publish",
    title: "one PUBLISH of 16.5 MB, 3,300,000 User Properties",
    run: (attack) => {
      const userProperties = Array(attack.count(3_300_000)).fill(["", ""]);
      return burstOf(attack, publish("p", 0, { properties: { userProperties } }));
    },
  },
  {
    id: "A8/filters",
    title: "1,000 filters of 20,000 characters of one length",
    run: async (attack) => {
      const one = await attack.open();
      await attack.begins();
      await one.subscribe(numbers(attack.count(1_000)).values().map((i) => long(20_000, i)));
    },
  },
  {
    id: "A8/ids",
    title: "1,000 Client Identifiers of 20,000 characters of one length",
    run: async (attack) => {
      await attack.begins();
      await attack.each(attack.count(1_000), (i) => attack.open({ clientId: long(20_000, i) }));
    },
  },
  {
    id: "A8/topics",
    title: "2,000 PUBLISH to topics of 20,000 characters of one length",
    run: (attack) => burstOf(attack, many(attack.count(2_000), (i) => publish(long(20_000, i)))),
  },
  {
    id: "A8/small",
    title: "10,000 filters and 10,000 topics of 4,000 characters of one length",
    run: async (attack) => {
      const count = attack.count(10_000);
      const one = await attack.open();
      await attack.begins();
      await one.subscribe(numbers(count).values().map((i) => long(4_000, i)));
      one.read("packets");
      await one.write(many(count, (i) => publish(long(4_000, i + count))));
      await one.fence();
    },
  },
  {
    id: "A9",
    title: "PUBLISH of 8 bytes by an alias for a topic of 65,000 bytes, 64 KiB in one write",
    run: (attack) => byAlias(attack, 65_000),
  },
  {
    id: "A9/small",
    title: "the same with a topic of 4,000 bytes",
    run: (attack) => byAlias(attack, 4_000),
  },
  {
    id: "A10/large",
    title: "5 messages of 1 MB to 1,500 readers",
    run: async (attack) => {
      await attack.readers(attack.count(1_500), "big", "bytes");
      await burstOf(attack, repeated(publish("big", MIB), 5));
    },
  },
  {
    id: "A10/many",
    title: "2,000 messages of 16 bytes in one write to 1,500 readers",
    run: async (attack) => {
      await attack.readers(attack.count(1_500), "few", "bytes");
      await burstOf(attack, repeated(publish("few", 16), attack.count(2_000)));
    },
  },
  { id: "A10/wills", title: "3,000 wills at once to 300 readers", run: wills },
  {
    id: "A11",
    title: "retained flood, a new topic each, QoS 0",
    run: async (attack) => {
      const sender = await attack.open();
      await attack.begins();
      await attack.flood(
        sender,
        (round) => many(1_000, (i) => publish(`new/${round}/${i}`, 64, { retain: true })),
      );
      await sender.fence(FLOOD_PATIENCE_MS);
    },
  },
  {
    id: "A12",
    title: "a Client with 10,000 filters of 65,000 bytes leaves",
    run: (attack) => leaves(attack, attack.count(10_000), 65_000),
  },
  {
    id: "A12/small",
    title: "a Client with 100,000 filters of 200 bytes leaves",
    run: (attack) => leaves(attack, attack.count(100_000), 200),
  },
  {
    id: "A12/sessions",
    title: "1,000 Clients with 100 filters each end at once",
    run: async (attack) => {
      const all = await attack.each(attack.count(1_000), async (c) => {
        const one = await attack.open();
        await one.subscribe(numbers(100).map((i) => `c${c}/f${i}/+`));
        return one;
      });
      const witness = await attack.open();
      await attack.begins();
      for (const one of all) one.reset();
      await attack.rest(200);
      await witness.fence();
    },
  },
];

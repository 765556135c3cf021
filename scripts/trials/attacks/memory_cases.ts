/**
 * Attacks by memory and by places (B): what strangers hold, and what keeps others out.
 * Knows each attack's packets and their number; refuses to know what is measured.
 * @module
 */
import { type Attack, type Attacker, FLOOD_PATIENCE_MS } from "./attacker.ts";
import { PacketType } from "../../../src/codec/mod.ts";
import {
  connect,
  crossed,
  DISCONNECT,
  joined,
  long,
  numbers,
  publish,
  repeated,
  userPropertiesOf,
} from "./bytes.ts";
import type { Case } from "./case.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const MB = 1e6;
const PLACES = 50;

/** The healthy Clients have two places. */
const FEW_PLACES = { limits: { connectionsMax: PLACES }, mosquitto: `max_connections ${PLACES}` } as const;

/** Whether somebody new gets in. */
async function newcomer(attack: Attack, clientId: string = attack.id()): Promise<string> {
  const one = await attack.dial();
  await one.write(connect(clientId));
  const answered = await one.until(() => one.connack !== undefined);
  const isIn = answered && one.connack === 0;
  if (isIn) one.leave(DISCONNECT);
  return isIn ? "gets in" : "is kept out";
}

/** Connections that send most of a CONNECT and stay. */
async function unfinished(attack: Attack, count: number, bytes: number, share: number): Promise<void> {
  const whole = connect("attack", { properties: { userProperties: userPropertiesOf(bytes) } });
  const part = whole.subarray(0, Math.floor(whole.length * share));
  await attack.begins();
  const all = await attack.each(count, async () => {
    const one = await attack.dial();
    await one.write(part);
    return one;
  });
  await Promise.all(all.map((one) => one.until(() => one.sentBytes >= part.length, 5_000)));
  attack.notes.push(`a newcomer ${await newcomer(attack)}`);
}

/** Each sets as many aliases as it may, for topics of that length that no other has. */
async function aliases(attack: Attack, connections: number, topicBytes: number): Promise<void> {
  const header = publish(long(topicBytes, 0), 0, { properties: { topicAlias: 1 } });
  const topicAt = header.length - topicBytes - 4; // properties: their length, the identifier, the alias
  await attack.begins();
  for (let c = 0; c < connections && !attack.stopped; c++) {
    const one = await attack.open();
    for (let alias = 1; alias <= 256 && !one.over; alias++) {
      const packet = header.slice();
      packet.set(new TextEncoder().encode(long(12, c * 256 + alias)), topicAt);
      packet[packet.length - 2] = alias >> 8;
      packet[packet.length - 1] = alias & 255;
      await one.write(packet);
    }
    await one.fence(5_000);
  }
}

/** Connections whose Will is as large as a packet may be, by its User Properties. */
async function wills(attack: Attack, count: number, bytes: number): Promise<void> {
  const userProperties = userPropertiesOf(bytes);
  await attack.begins();
  await attack.each(count, async () => {
    const payload = new Uint8Array(1);
    const will = { topic: "will", payload, qos: 0, retain: false, properties: { userProperties } } as const;
    return await attack.open({ will });
  });
}

async function holds(attack: Attack, filters: number, bytes: number): Promise<void> {
  const one = await attack.open();
  await attack.begins();
  await one.subscribe(numbers(filters).values().map((i) => long(bytes, i)));
}

async function slowReaders(attack: Attack, payload: number): Promise<void> {
  await attack.readers(attack.count(100), "slow", "nothing");
  const sender = await attack.open();
  await attack.begins();
  await attack.flood(sender, repeated(publish("slow", payload), Math.ceil(256 * KIB / payload)));
  await sender.fence(FLOOD_PATIENCE_MS);
}

async function goesOn(attack: Attack): Promise<void> {
  const ended: Attacker[] = await attack.each(attack.count(20), () => attack.open());
  await attack.begins();
  const zeros = new Uint8Array(MIB);
  await Promise.all(ended.map(async (one) => {
    one.stubborn = true;
    await one.write(connect("again")); // [MQTT-3.1.0-2] it is ended for that
    await one.until(() => one.came[PacketType.DISCONNECT]! > 0);
  }));
  const before = ended.map(({ sentBytes }) => sentBytes);
  const began = performance.now();
  await Promise.all(ended.map((one) => attack.flood(one, zeros)));
  const seconds = (performance.now() - began) / 1_000;
  const taken = ended.reduce((sum, { sentBytes }, i) => sum + sentBytes - before[i]!, 0) / MB;
  attack.notes.push(`${Math.round(taken)} MB taken behind the end in ${seconds.toFixed(1)} s`);
}

async function expired(attack: Attack): Promise<void> {
  const clientId = attack.id();
  const kept = { clientId, properties: { sessionExpiryInterval: 3_600 } } as const;
  const absent = await attack.open(kept);
  await absent.subscribe(["late"], 1);
  absent.leave(DISCONNECT);
  const sender = await attack.open();
  await attack.begins();
  const properties = { messageExpiryInterval: 1 };
  await sender.write(joined(
    numbers(5).map((i) => publish("late", 8, { qos: 1, packetId: i + 1, properties })),
  ));
  await sender.fence();
  await attack.rest(2_300); // the expiry and the second in which a broker may look
  await sender.write(publish("late", 8, { qos: 1, packetId: 6 }));
  await sender.fence();
  const back = await attack.dial();
  await back.hello(clientId, { cleanStart: false, properties: kept.properties });
  const arrives = await back.until(() => back.came[PacketType.PUBLISH]! > 0);
  attack.notes.push(`a message behind five that are expired ${arrives ? "arrives" : "is lost"}`);
}

/** Attacks by memory and places. */
export const MEMORY_CASES: readonly Case[] = [
  {
    id: "B1/silent",
    title: "60 silent connections where there are 50 places",
    ...FEW_PLACES,
    run: async (attack) => {
      await attack.begins();
      await attack.each(60, () => attack.dial());
      attack.notes.push(`a newcomer ${await newcomer(attack)}`);
    },
  },
  {
    id: "B1/hundred",
    title: "100 connections, then 100 CONNECT, where there are 50 places",
    ...FEW_PLACES,
    run: async (attack) => {
      const all = await attack.each(100, () => attack.dial());
      await attack.begins();
      const answers = await Promise.all(all.map((one) => one.hello(attack.id())));
      attack.notes.push(
        `${answers.filter((isIn) => isIn).length} of 100 get in, ${PLACES - 2} places are free`,
      );
    },
  },
  {
    id: "B1/takeover",
    title: "50 places are taken; a Client comes again whose old connection is half open",
    ...FEW_PLACES,
    run: async (attack) => {
      const all = await attack.each(PLACES - 2, (i) => attack.open({ clientId: `holder-${i}` }));
      all[0]!.read("nothing");
      await attack.begins();
      attack.notes.push(
        `a stranger ${await newcomer(attack)}, the Client ${await newcomer(attack, "holder-0")}`,
      );
    },
  },
  {
    id: "B1/flood",
    title: "11,000 silent connections with default limits",
    run: async (attack) => {
      await attack.begins();
      await attack.each(attack.count(11_000), () => attack.dial());
      attack.notes.push(`a newcomer ${await newcomer(attack)}`);
    },
  },
  {
    id: "B2",
    title: "60 connections send 15.9 MB of a CONNECT",
    run: (attack) => unfinished(attack, attack.count(60), 16.2 * MB, 0.98),
  },
  {
    id: "B2/small",
    title: "2,000 connections send 60,000 bytes of a CONNECT",
    run: (attack) => unfinished(attack, attack.count(2_000), 63_000, 0.95),
  },
  {
    id: "B3/aliases",
    title: "50 connections set 256 aliases for topics of 65,000 bytes each",
    run: (attack) => aliases(attack, attack.count(50), 65_000),
  },
  {
    id: "B3/aliases-small",
    title: "200 connections set 256 aliases for topics of 4,000 bytes each",
    run: (attack) => aliases(attack, attack.count(200), 4_000),
  },
  {
    id: "B3/wills",
    title: "40 wills of 16 MB",
    run: (attack) => wills(attack, attack.count(40), 16 * MB),
  },
  {
    id: "B3/wills-small",
    title: "3,000 wills of 63,000 bytes",
    run: (attack) => wills(attack, attack.count(3_000), 63_000),
  },
  {
    id: "B3/filters",
    title: "one Client has 10,000 filters of 65,000 bytes",
    run: (attack) => holds(attack, attack.count(10_000), 65_000),
  },
  {
    id: "B3/filters-small",
    title: "one Client has 100,000 filters of 4,000 bytes",
    run: (attack) => holds(attack, attack.count(100_000), 4_000),
  },
  {
    id: "B3/readers",
    title: "100 subscribers that read nothing, a QoS 0 flood of 16 KB messages",
    run: (attack) => slowReaders(attack, 16 * KIB),
  },
  {
    id: "B3/readers-short",
    title: "100 subscribers that read nothing, a QoS 0 flood of 16 byte messages",
    run: (attack) => slowReaders(attack, 16),
  },
  {
    id: "B4",
    title: "5,000 Clients with two QoS 2 PUBLISH open, identifiers 1 and 32769",
    run: async (attack) => {
      const two = joined([1, 32_769].map((packetId) => publish("two", 0, { qos: 2, packetId })));
      await attack.begins();
      await attack.each(attack.count(5_000), async () => {
        const one = await attack.open();
        await one.write(two);
        await one.fence();
      });
    },
  },
  {
    id: "B5",
    title: "131,072 filters of one session match (limit raised); another one publishes",
    limits: { subscriptionsPerSessionMax: 200_000, subscriptionBytesMax: 2 ** 30 },
    run: async (attack) => {
      const levels = attack.levels(17);
      const one = await attack.open();
      await one.subscribe(crossed(levels));
      const publisher = await attack.open();
      await attack.begins();
      await publisher.write(publish(Array(levels).fill("a").join("/")));
      const answered = await publisher.fence();
      const waits = answered ? "stays" : "has no answer";
      attack.notes.push(`the publisher ${publisher.over ? `ends: ${publisher.ended}` : waits}`);
    },
  },
  {
    id: "B6",
    title: "the log at its lowest level goes to a pipe that nothing reads; connections come and go",
    deafLog: true,
    run: async (attack) => {
      await attack.begins();
      await attack.again(20, async () => {
        const one = await attack.open();
        one.leave(DISCONNECT);
        return one.connack !== undefined; // or it answers no more
      });
    },
  },
  {
    id: "B7",
    title: "a queue of 5 is full of messages that expire, then comes one that does not",
    limits: { queuedMessagesMax: 5 },
    mosquitto: "max_queued_messages 5",
    run: expired,
  },
  { id: "B8", title: "20 connections that were ended go on sending", run: goesOn },
];

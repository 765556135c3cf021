/**
 * Attacks by bytes that are no MQTT, no TLS, or too long.
 * Knows what is wrong with them; refuses to know what the broker says of it, but that it ends them.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import { encodePacket, type ProtocolLevel } from "../../../src/codec/mod.ts";
import { connectOf } from "../../lib/raw_client.ts";
import type { Attacker } from "../attacks/attacker.ts";
import { joined } from "../attacks/bytes.ts";
import { Dice } from "../soak/dice.ts";
import { mutate } from "../soak/mutate.ts";
import { conversation } from "../soak/packets.ts";
import type { StrangersCase } from "./case.ts";
import { VICTIM } from "./scene.ts";
import { addressOf, credentials, headerOf } from "./strangers.ts";

const SEED = 20_261_130;
const text = (characters: string) => new TextEncoder().encode(characters);

/** The first bytes of a Client's TLS. */
export async function clientHello(): Promise<Uint8Array> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { readonly port: number };
  const hello = new Promise<Uint8Array>((resolve) =>
    server.on("connection", (socket) =>
      socket.on("error", () => {}).once("data", (chunk: Uint8Array) => {
        resolve(chunk.slice());
        socket.destroy();
      }))
  );
  const client = connectTls({ port, host: "127.0.0.1" }).on("error", () => {});
  const bytes = await hello;
  client.destroy();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return bytes;
}

/** A conversation of strangers: some have a name and a password, none that the broker knows. */
function talk(dice: Dice): Uint8Array[] {
  const level = dice.pick<ProtocolLevel>([3, 4, 5]);
  const [, ...rest] = conversation(level, dice);
  const who = dice.chance(50) ? credentials(VICTIM, "wrong") : {};
  return [encodePacket(connectOf(level, `stranger-${dice.below(9)}`, who), level), ...rest];
}

/** Says it all, and waits for the end. */
async function say(one: Attacker, bytes: Uint8Array): Promise<void> {
  one.leave(bytes);
  await one.until(() => one.over);
  assertEquals(one.unanswered, 0, "it is ended");
}

const GARBAGE: StrangersCase = {
  id: "garbage",
  title:
    "connections with random and mutated bytes: before, in and behind the TLS handshake, for PROXY headers, after the login",
  counts: [160, 8_000],
  async run(strangers, count) {
    const hello = await clientHello();
    const ways: ((dice: Dice, index: number) => Promise<void>)[] = [
      async (dice) => say(await strangers.come("street"), dice.bytes(dice.between(1, 3_000))),
      async (dice) => say(await strangers.come("street"), mutate(talk(dice), dice)),
      async (dice) => say(await strangers.come("home", { bare: true }), dice.bytes(dice.between(1, 3_000))),
      async (dice) => say(await strangers.come("home", { bare: true }), mutate([hello], dice)),
      async (dice) => say(await strangers.come("home"), dice.bytes(dice.between(1, 3_000))),
      async (dice) => say(await strangers.come("home"), mutate(talk(dice), dice)),
      async (dice) => {
        const frames = [text(headerOf(addressOf(9, dice.below(65_536)))), ...talk(dice)];
        await say(await strangers.come("behind a proxy"), mutate(frames, dice));
      },
      async (dice, index) => {
        const [, ...frames] = conversation(5, dice);
        await say(await strangers.insider(`insider-${index % 20}`), mutate(frames, dice));
      },
    ];
    await strangers.attack.each(count, (index) => ways[index % ways.length]!(new Dice(SEED + index), index));
    return `${count} connections ended`;
  },
};

/** A Remaining Length of 256 MiB. */
const GIANT = [0xff, 0xff, 0xff, 0x7f];
/** One of five bytes, which no packet has. */
const ENDLESS = [0xff, 0xff, 0xff, 0xff, 0x7f];
const FILLING = new Uint8Array(64 * 1024);

/** A CONNECT of level 5, whose parts are longer than it. */
const connectWith = (...rest: readonly number[]) =>
  Uint8Array.of(0x10, 100, 0, 4, ...text("MQTT"), 5, 0xc2, 0, 0, ...rest);

const GIANTS: StrangersCase = {
  id: "giants",
  title:
    "rounds of lengths of up to 256 MiB: of packets, properties, strings, TLS records, before and after the login",
  counts: [3, 100],
  async run(strangers, count) {
    const before: readonly Uint8Array[] = [
      joined([Uint8Array.of(0x10, ...GIANT), connectWith(0).subarray(2)]),
      Uint8Array.of(0x10, ...ENDLESS),
      Uint8Array.of(0x30, ...GIANT),
      Uint8Array.of(0xf0, ...GIANT),
      joined([Uint8Array.of(0x10, ...GIANT), FILLING]),
      Uint8Array.of(0x10, 100, 0xff, 0xff, ...text("MQTT")),
      joined([connectWith(...GIANT), new Uint8Array(100)]),
      joined([connectWith(0, 0xff, 0xff), new Uint8Array(100)]),
      joined([connectWith(0, 0, 1, 0x61, 0xff, 0xff), new Uint8Array(100)]),
    ];
    const after: readonly Uint8Array[] = [
      Uint8Array.of(0x30, ...GIANT),
      Uint8Array.of(0x32, ...ENDLESS),
      joined([Uint8Array.of(0x82, ...GIANT), FILLING]),
      Uint8Array.of(0x30, 10, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0),
      Uint8Array.of(0x30, 10, 0, 1, 0x61, ...GIANT, 0, 0, 0),
      Uint8Array.of(0x82, 10, 0, 1, 0, 0xff, 0xff, 0x61, 0, 0, 0, 0),
    ];
    const record = joined([Uint8Array.of(0x16, 3, 1, 0xff, 0xff), FILLING]);
    const all: Attacker[] = [];
    const send = async (one: Attacker, bytes: Uint8Array) => {
      all.push(one);
      await one.write(bytes);
    };
    await strangers.attack.each(count, async (round) => {
      for (const bytes of before) {
        await send(await strangers.come("home"), bytes);
        await send(await strangers.come("behind a proxy", { from: addressOf(8, round) }), bytes);
      }
      await send(await strangers.come("home", { bare: true }), record);
      for (const [at, bytes] of after.entries()) {
        await send(await strangers.insider(`insider-${round}-${at}`), bytes);
      }
    });
    // No time ends a connection there: it is the length.
    for (const one of all) await one.until(() => one.over);
    assert(all.every(({ over }) => over), "all are ended");
    return `${all.length} connections ended: ${
      Object.entries(strangers.attack.ends()).map((end) => end.join(" ×")).join(", ")
    }`;
  },
};

/** In the order of the table. */
export const BYTES_CASES: readonly StrangersCase[] = [GARBAGE, GIANTS];

/**
 * The name that a target gives itself.
 * Knows the topic where brokers keep it; refuses to judge.
 * @module
 */
import { Finding } from "../verdict.ts";
import { type Level, options, pingreq, subscribe, TYPE } from "../wire/bytes.ts";
import { type Declared, type Dial, knock, Unreachable } from "./profile.ts";

/** Mosquitto's, and that of brokers which follow it. */
const TOPIC = "$SYS/broker/version";
const CHARACTERS_MAX = 80;
/** Of a target that sends without end no more is read. */
const PACKETS_MAX = 16;

/** What the target keeps in `$SYS/broker/version`, as `mosquitto version 2.0.11`; undefined if it says nothing that can be shown. */
export async function productOf(
  dial: Dial,
  level: Level,
  declared: Declared,
  patienceMs: number,
): Promise<string | undefined> {
  try {
    const { peer, answer } = await knock(dial, level, declared, patienceMs);
    try {
      if (answer === undefined || answer.type !== TYPE.CONNACK || answer.code !== 0) return undefined;
      peer.send(subscribe(level, 1, [[TOPIC, options(0)]]), pingreq());
      for (let packets = 0; packets < PACKETS_MAX; packets++) {
        const seen = await peer.next();
        if (seen === undefined || seen.type === "end" || seen.type === TYPE.PINGRESP) return undefined;
        if (seen.type !== TYPE.PUBLISH || seen.topic !== TOPIC) continue;
        const text = new TextDecoder().decode(seen.payload).trim();
        return /^[\x20-\x7e]+$/.test(text) && text.length <= CHARACTERS_MAX ? text : undefined;
      }
      return undefined;
    } finally {
      peer.abort();
    }
  } catch (error) {
    if (error instanceof Unreachable || error instanceof Finding) return undefined;
    throw error;
  }
}

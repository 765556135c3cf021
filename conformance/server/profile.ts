/**
 * What the target can do: probed with a CONNECT, and what cannot be probed from a file of the user.
 * Knows capabilities; refuses to judge.
 * @module
 */
import { dialTrouble } from "../../src/runtime/dial.ts";
import type { Transport } from "../../src/transport/transport.ts";
import { connect, type Level, options, pingreq, subscribe, TYPE } from "../wire/bytes.ts";
import type { Capability } from "../capability.ts";
import { describe } from "../wire/describe.ts";
import { numberOf, type Seen, textOf } from "../wire/parse.ts";
import { type End, hexCode, Peer, type Transcript } from "../wire/peer.ts";
import { Finding, type UnreachableKind } from "../verdict.ts";

/** Opens a new stream to the target. */
export type Dial = () => Promise<Transport>;

/** What is known of a target at one level. */
export interface Profile {
  readonly level: Level;
  readonly username?: string;
  readonly password?: string;
  readonly missing: ReadonlySet<Capability>;
  /** §3.2.2.3 of a plain CONNACK; what is absent there has its default here. */
  readonly receiveMaximum: number;
  readonly maximumPacketSize: number | undefined;
  readonly topicAliasMaximum: number;
  readonly maximumQos: number;
  readonly serverKeepAlive: number | undefined;
  /** An Authentication Method that the user's file names. */
  readonly authenticationMethod?: string;
  /** Authentication Data that is right with it: that of CONNECT, then that of each AUTH of the Client. */
  readonly authenticationData?: readonly string[];
  /** A topic that the Client may not publish to, as the user's file says. */
  readonly forbiddenTopic?: string;
}

/** What a user's file adds. */
export interface Declared {
  /** Of every CONNECT that is to be accepted. */
  readonly username?: string;
  /** It stands in no report. */
  readonly password?: string;
  /** §4.12 a method that the target knows. */
  readonly authenticationMethod?: string;
  /** Authentication Data that is right with it: that of CONNECT, then that of each AUTH of the Client. */
  readonly authenticationData?: readonly string[];
  /** A topic that the Client may not publish to. */
  readonly forbiddenTopic?: string;
  /** Deviations that its owner has switched on: the cases that find them are lenient. */
  readonly tolerates?: readonly string[];
}

/** Why the target cannot be audited at this level. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
  readonly kind: UnreachableKind;

  constructor(kind: UnreachableKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** CONNACK codes that say "not this level": the codes of both versions, since the answer may be in the form of the other. */
const OTHER_LEVEL: readonly number[] = [0x01, 0x84];

/** Connects once and reads the CONNACK. Throws `Unreachable` if there is none that accepts. */
export async function probe(
  dial: Dial,
  level: Level,
  declared: Declared,
  patienceMs: number,
  isWebSocket = false,
): Promise<Profile> {
  const { peer, answer: seen } = await knock(dial, level, declared, patienceMs);
  try {
    if (seen === undefined) {
      throw new Unreachable(
        "silent",
        `It does not answer a CONNECT of level ${level} within ${patienceMs} ms`,
      );
    }
    if (seen.type === "end") {
      throw new Unreachable("silent", `It ends the connection (${seen.how}) on a CONNECT of level ${level}`);
    }
    if (seen.type !== TYPE.CONNACK) {
      const came = describe(seen.raw, level);
      throw new Unreachable("silent", `It answers a CONNECT of level ${level} with ${came}`);
    }
    if (seen.code !== 0) {
      const reason = textOf(seen, 0x1f);
      const why = reason === undefined ? "" : ` (${reason})`;
      const code = seen.code ?? 0;
      throw new Unreachable(
        OTHER_LEVEL.includes(code) ? "level" : "refused",
        `It refuses a CONNECT of level ${level} with ${hexCode(code)}${why}`,
      );
    }
    const { username } = declared;
    const missing = new Set<Capability>(["enhanced authentication", "authentication", "forbidden topic"]);
    if (declared.authenticationMethod !== undefined) missing.delete("enhanced authentication");
    if (username !== undefined) missing.delete("authentication");
    if (declared.forbiddenTopic !== undefined) missing.delete("forbidden topic");
    if (!isWebSocket) missing.add("websocket");
    const maximumQos = numberOf(seen, 0x24) ?? 2;
    const topicAliasMaximum = numberOf(seen, 0x22) ?? 0;
    if (maximumQos < 2) missing.add("qos 2");
    if (maximumQos < 1) missing.add("qos 1");
    if (numberOf(seen, 0x25) === 0) missing.add("retain");
    if (numberOf(seen, 0x28) === 0) missing.add("wildcards");
    if (numberOf(seen, 0x29) === 0) missing.add("identifiers");
    if (numberOf(seen, 0x2a) === 0) missing.add("shared");
    if (topicAliasMaximum === 0) missing.add("topic alias");
    const maximumPacketSize = numberOf(seen, 0x27);
    if (maximumPacketSize === undefined) missing.add("maximum packet size");
    const receiveMaximum = numberOf(seen, 0x21);
    if (receiveMaximum === undefined) missing.add("receive maximum");
    return {
      level,
      ...declared,
      missing,
      receiveMaximum: receiveMaximum ?? 65_535,
      maximumPacketSize,
      topicAliasMaximum,
      maximumQos,
      serverKeepAlive: numberOf(seen, 0x13),
    };
  } finally {
    peer.abort();
  }
}

/** Whether it still answers anything behind its CONNACK: SUBSCRIBE or PINGREQ. */
export async function isAlive(
  dial: Dial,
  level: Level,
  declared: Declared,
  patienceMs: number,
): Promise<boolean> {
  try {
    const { peer, answer } = await knock(dial, level, declared, patienceMs);
    try {
      if (answer === undefined || answer.type !== TYPE.CONNACK) return false;
      peer.send(subscribe(level, 1, [["plumb-audit/probe", options(0)]]), pingreq());
      const next = await peer.next();
      return next !== undefined && next.type !== "end";
    } finally {
      peer.abort();
    }
  } catch {
    return false;
  }
}

/** Sends a CONNECT; the answer may be anything. */
export async function knock(
  dial: Dial,
  level: Level,
  { username, password }: Declared,
  patienceMs: number,
): Promise<{ readonly peer: Peer; readonly answer: Seen | End | undefined }> {
  let transport;
  try {
    transport = await dial();
  } catch (error) {
    throw new Unreachable("host", `It cannot be reached: ${dialTrouble(error)}`);
  }
  const transcript: Transcript = [];
  const peer = new Peer(transport, { name: "probe", level, patienceMs, transcript, clock: () => 0 });
  peer.send(connect({
    level,
    clientId: "plumbauditprobe",
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  }));
  try {
    return { peer, answer: await peer.next() };
  } catch (error) {
    peer.abort();
    if (!(error instanceof Finding)) throw error;
    throw new Unreachable("silent", `It does not speak MQTT: ${error.message}`);
  }
}

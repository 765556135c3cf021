/**
 * Every number of a bridge: its default, range, unit and meaning, in one table.
 * Knows the numbers; refuses to know where they are enforced.
 * @module
 */

/** One of them. */
export interface BridgeNumberRow {
  readonly default: number;
  readonly least: number;
  readonly most: number;
  readonly unit: string;
  readonly about: string;
}

/** The Client Identifiers and user names of bridges at this broker begin with it. */
export const OWN_PREFIX = "$bridge/";

/** One of their names. */
export type BridgeNumber =
  | "keepAliveSeconds"
  | "reconnectMsMin"
  | "reconnectMsMax"
  | "receiveMaximum"
  | "messagesMax"
  | "bytesMax";

/** By name. */
export const BRIDGE_NUMBERS: Readonly<Record<BridgeNumber, BridgeNumberRow>> = {
  keepAliveSeconds: {
    default: 60,
    least: 0,
    most: 65_535,
    unit: "s",
    about: "Keep Alive towards the other broker; 0 for none",
  },
  reconnectMsMin: {
    default: 250,
    least: 1,
    most: 3_600_000,
    unit: "ms",
    about: "the first attempt to connect again waits up to so long; each one after it doubles that",
  },
  reconnectMsMax: {
    default: 30_000,
    least: 1,
    most: 3_600_000,
    unit: "ms",
    about: "no attempt waits longer",
  },
  receiveMaximum: {
    default: 200,
    least: 1,
    most: 65_535,
    unit: "messages",
    about:
      "messages of QoS 1 and 2 in each direction that may be unacknowledged on their way into the bridge",
  },
  messagesMax: {
    default: 1_000,
    least: 1,
    most: 1_000_000,
    unit: "messages",
    about:
      "messages of QoS 1 and 2 in each direction that the bridge has taken and that have not arrived; all others stay in the session of the broker they come from",
  },
  bytesMax: {
    default: 16_777_216,
    least: 1,
    most: 4_294_967_295,
    unit: "bytes",
    about: "bytes of their payloads; the message that reaches it is taken",
  },
};

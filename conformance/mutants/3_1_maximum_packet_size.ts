/**
 * Breaks of Maximum Packet Size.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const CONNECTION = "src/broker/connection.ts";
const DELIVER = "src/broker/deliver.ts";
const OUTFLOW = "src/engine/outflow.ts";
const TOO_LARGE = "if (head + payload > link.maximumPacketSize) return false;";

/** For the cases of `cases/3_1_maximum_packet_size.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.1.2.11.4/nothing-larger",
    file: OUTFLOW,
    find: TOO_LARGE,
    replace: "if (head + payload > link.maximumPacketSize + 1) return false;",
  },
  {
    kills: "3.1.2.11.4/nothing-larger",
    file: CONNECTION,
    find: "properties.maximumPacketSize ?? Infinity;",
    replace: "(properties.maximumPacketSize ?? Infinity) - 1;",
  },
  {
    kills: "3.1.2.11.4/nothing-larger",
    file: OUTFLOW,
    find: TOO_LARGE,
    replace: "if (head + payload > link.maximumPacketSize && !owned) return false;",
  },
  {
    kills: "3.1.2.11.4/acknowledgement-that-does-not-fit",
    file: "src/broker/subscribe.ts",
    find: "requireFit(link, PacketType.SUBACK, packet.packetId, packet.subscriptions.length);",
    replace: "",
  },
  {
    kills: "3.1.2.11.4/acknowledgement-that-does-not-fit",
    file: "src/broker/subscribe.ts",
    find: "requireFit(link, PacketType.UNSUBACK, packetId, filters.length);",
    replace: "",
  },
  {
    kills: "3.2.2.3.6/connect-larger-than-announced",
    file: CONNECTION,
    find:
      "if (body === 0 || until - body < CONNECT_LEVEL_BYTES) return true;\n    this.#link.level = levelAsked(bytes, body, until);",
    replace: "",
  },
  {
    kills: "3.1.2.11.4/no-place-is-blocked",
    file: DELIVER,
    find: "sender.end(id);",
    replace: "",
  },
  {
    kills: "3.1.2.11.4/dropped-from-the-session",
    file: DELIVER,
    find: "sender.end(packetId);\n      session.sent(delivery);",
    replace:
      "sender.advance(packetId, qos === 1 ? Step.PUBACK : Step.PUBREC, delivery);\n      session.sent(delivery);",
  },
  {
    kills: "3.1.2.11.4/retained-messages",
    file: OUTFLOW,
    find: TOO_LARGE,
    replace: "if (head + payload > link.maximumPacketSize && (stamp.first & 1) === 0) return false;",
  },
  {
    kills: "3.2.2.3.6/larger-than-announced",
    file: CONNECTION,
    find: "limitFrames(this.#policy.limits.packetBytesMax,",
    replace: "limitFrames(this.#policy.limits.packetBytesMax + 9,",
  },
];

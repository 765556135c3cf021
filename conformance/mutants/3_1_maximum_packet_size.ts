/**
 * Breaks of Maximum Packet Size.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const DELIVER = "src/broker/deliver.ts";

/** For the cases of `cases/3_1_maximum_packet_size.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.1.2.11.4/nothing-larger",
    file: DELIVER,
    find: "if (head + payload > connection.maximumPacketSize) return false;",
    replace: "if (head + payload > connection.maximumPacketSize + 1) return false;",
  },
  {
    kills: "3.1.2.11.4/nothing-larger",
    file: DELIVER,
    find: "if (head + payload > connection.maximumPacketSize) return false;",
    replace: "if (head + payload >= connection.maximumPacketSize) return false;",
  },
  {
    kills: "3.1.2.11.4/nothing-larger",
    file: DELIVER,
    find: "if (head + payload > connection.maximumPacketSize) return false;",
    replace: "if (head + payload > connection.maximumPacketSize && !owned) return false;",
  },
  {
    kills: "3.1.2.11.4/no-place-is-blocked",
    file: DELIVER,
    find:
      'sender.end(id);\n  drop(connection.broker, topic, view, connection.session!.clientId, "packet too large");',
    replace: "connection.open++;",
  },
  {
    kills: "3.1.2.11.4/dropped-from-the-session",
    file: DELIVER,
    find: "sender.end(packetId);",
    replace: "sender.advance(packetId, qos === 1 ? Step.PUBACK : Step.PUBREC, delivery);",
  },
  {
    kills: "3.1.2.11.4/retained-messages",
    file: DELIVER,
    find: "if (head + payload > connection.maximumPacketSize) return false;",
    replace: "if (head + payload > connection.maximumPacketSize && (stamp.first & 1) === 0) return false;",
  },
  {
    kills: "3.2.2.3.6/larger-than-announced",
    file: "src/broker/connection.ts",
    find: "this.deframer = new Deframer(broker.limits.packetBytesMax);",
    replace: "this.deframer = new Deframer(broker.limits.packetBytesMax + 9);",
  },
];

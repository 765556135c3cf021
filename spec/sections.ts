/**
 * The sections of MQTT 5.0 that a broker, a client and a codec must follow, and the files that follow them.
 * Knows titles and paths; refuses to know statements. Sections without a file of ours are not here.
 * @module
 */

/** One section. */
export interface Section {
  readonly title: string;
  /** Paths from the root of the project. */
  readonly files: readonly string[];
}

/** The sections, in the order of the standard. */
export const SECTIONS: Readonly<Record<string, Section>> = {
  "1.5.2": { title: "Two Byte Integer", files: ["src/codec/reader.ts", "src/codec/writer.ts"] },
  "1.5.3": { title: "Four Byte Integer", files: ["src/codec/reader.ts", "src/codec/writer.ts"] },
  "1.5.4": { title: "UTF-8 Encoded String", files: ["src/codec/utf8.ts"] },
  "1.5.5": { title: "Variable Byte Integer", files: ["src/codec/varint.ts"] },
  "1.5.6": { title: "Binary Data", files: ["src/codec/reader.ts", "src/codec/writer.ts"] },
  "1.5.7": { title: "UTF-8 String Pair", files: ["src/codec/reader.ts", "src/codec/writer.ts"] },
  "2.1.2": { title: "MQTT Control Packet type", files: ["src/codec/packet_type.ts", "src/codec/decode.ts"] },
  "2.1.3": { title: "Flags", files: ["src/codec/packet_type.ts", "src/codec/decode.ts"] },
  "2.1.4": { title: "Remaining Length", files: ["src/codec/deframer.ts"] },
  "2.2.1": { title: "Packet Identifier", files: ["src/delivery/sender.ts"] },
  "2.2.2": { title: "Properties", files: ["src/codec/property.ts"] },
  "2.4": { title: "Reason Code", files: ["src/codec/reason_code.ts"] },
  "3.1": { title: "CONNECT", files: ["src/codec/connect.ts", "src/broker/connect.ts"] },
  "3.2": { title: "CONNACK", files: ["src/codec/connack.ts", "src/broker/connect.ts"] },
  "3.3": {
    title: "PUBLISH",
    files: ["src/codec/publish.ts", "src/broker/publish.ts", "src/broker/run.ts", "src/broker/alias.ts"],
  },
  "3.4": { title: "PUBACK", files: ["src/codec/acknowledgement.ts", "src/broker/acknowledge.ts"] },
  "3.5": { title: "PUBREC", files: ["src/codec/acknowledgement.ts", "src/broker/acknowledge.ts"] },
  "3.6": { title: "PUBREL", files: ["src/codec/acknowledgement.ts", "src/broker/acknowledge.ts"] },
  "3.7": { title: "PUBCOMP", files: ["src/codec/acknowledgement.ts", "src/broker/acknowledge.ts"] },
  "3.8": { title: "SUBSCRIBE", files: ["src/codec/subscribe.ts", "src/broker/subscribe.ts"] },
  "3.9": { title: "SUBACK", files: ["src/codec/suback.ts", "src/broker/subscribe.ts"] },
  "3.10": { title: "UNSUBSCRIBE", files: ["src/codec/unsubscribe.ts", "src/broker/subscribe.ts"] },
  "3.11": { title: "UNSUBACK", files: ["src/codec/unsuback.ts", "src/broker/subscribe.ts"] },
  "3.12": { title: "PINGREQ", files: ["src/codec/ping.ts"] },
  "3.13": { title: "PINGRESP", files: ["src/codec/ping.ts"] },
  "3.14": { title: "DISCONNECT", files: ["src/codec/disconnect.ts", "src/broker/connection.ts"] },
  "3.15": { title: "AUTH", files: ["src/codec/auth.ts", "src/broker/connect.ts"] },
  "4.1": {
    title: "Session State",
    files: ["src/broker/session.ts", "src/broker/store.ts", "src/store/schema.ts"],
  },
  "4.2": { title: "Network Connections", files: ["src/transport/transport.ts"] },
  "4.3": {
    title: "Quality of Service",
    files: [
      "src/delivery/sender.ts",
      "src/delivery/receiver.ts",
      "src/broker/acknowledge.ts",
      "src/broker/publish.ts",
    ],
  },
  "4.4": { title: "Message delivery retry", files: ["src/delivery/sender.ts"] },
  "4.5": {
    title: "Message receipt",
    files: ["src/broker/publish.ts", "src/broker/run.ts", "src/broker/deliver.ts"],
  },
  "4.6": { title: "Message ordering", files: ["src/delivery/sender.ts"] },
  "4.7": {
    title: "Topic Names and Topic Filters",
    files: ["src/topic/name.ts", "src/topic/filter.ts", "src/topic/tree.ts", "src/topic/name_tree.ts"],
  },
  "4.8": {
    title: "Subscriptions",
    files: ["src/broker/subscribe.ts", "src/topic/filter.ts", "src/broker/shared.ts"],
  },
  "4.9": { title: "Flow Control", files: ["src/delivery/sender.ts"] },
  "4.12": { title: "Enhanced authentication", files: ["src/broker/connect.ts"] },
  "4.13": { title: "Handling errors", files: ["src/codec/error.ts", "src/broker/connection.ts"] },
};

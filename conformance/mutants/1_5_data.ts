/**
 * Breaks of §1.5.
 * @module
 */
import { bytes } from "../wire/bytes.ts";
import type { Mutant, SourceMutant } from "./mutant.ts";

const CONNECT = "src/codec/connect.ts";
const PROPERTY = "src/codec/property.ts";
const VIEW = "src/codec/publish_view.ts";
const READER = "src/codec/reader.ts";
const DEFRAMER = "src/codec/deframer.ts";
const TOPICS = "src/broker/known_topics.ts";

/** Reads a text that is not one as one that is. */
const LOSSY = 'new TextDecoder().decode(reader.binary()).replaceAll("\\0", "")';

/** One patch that lets both ill-formed texts and U+0000 pass. */
function text(field: string, file: string, find: string, replace: string): SourceMutant[] {
  return ["ill-formed", "nul-in"].map((what) => ({ kills: `1.5.4/${what}-${field}`, file, find, replace }));
}

/** Texts of properties of one packet. */
function propertyText(field: string, place: string): SourceMutant[] {
  const find = 'case "utf8": {\n      const text = reader.utf8();';
  return text(
    field,
    PROPERTY,
    find,
    find.replace("reader.utf8()", `place === ${place} ? ${LOSSY} : reader.utf8()`),
  );
}

/** User Properties of one packet. */
function pair(name: string, place: string): SourceMutant {
  return {
    kills: `1.5.7/pair-in-${name}`,
    file: PROPERTY,
    find: "return reader.pair();",
    replace: `return place === ${place} ? [${LOSSY}, ${LOSSY}] : reader.pair();`,
  };
}

/** For the cases of `cases/1_5_data.ts`. */
export const MUTANTS: readonly Mutant[] = [
  ...text("client-id", CONNECT, "packet.clientId = reader.utf8();", `packet.clientId = ${LOSSY};`),
  ...text("will-topic", CONNECT, "const topic = reader.utf8();", `const topic = ${LOSSY};`),
  ...text("user-name", CONNECT, "packet.username = reader.utf8();", `packet.username = ${LOSSY};`),
  {
    kills: "1.5.4/ill-formed-topic-name",
    file: TOPICS,
    find: "const name = decodeUtf8(bytes, at, end);",
    replace: "const name: string | undefined = new TextDecoder().decode(bytes.subarray(at, end));",
  },
  {
    kills: "1.5.4/nul-in-topic-name",
    file: TOPICS,
    find: 'if (name.includes("\\0")) throw malformed("MQTT-1.5.4-2", "Topic Name with U+0000");',
    replace: "",
  },
  ...text(
    "topic-filter",
    "src/codec/subscribe.ts",
    "const filter = reader.utf8();",
    `const filter = ${LOSSY};`,
  ),
  ...text(
    "filter-to-unsubscribe",
    "src/codec/unsubscribe.ts",
    "const filter = reader.utf8();",
    `const filter = ${LOSSY};`,
  ),
  ...text(
    "content-type",
    VIEW,
    'return this.#text(at, end, "Content Type");',
    'return this.#sized(at, end, "Content Type");',
  ),
  ...text(
    "response-topic",
    VIEW,
    'const next = this.#text(at, end, "Response Topic");',
    'const next = this.#sized(at, end, "Response Topic");',
  ),
  ...propertyText("will-content-type", "WILL"),
  ...propertyText("reason-string", "PacketType.PUBACK"),
  {
    kills: "1.5.4/bom-is-kept",
    file: "src/codec/utf8.ts",
    find: "{ fatal: true, ignoreBOM: true });",
    replace: "{ fatal: true, ignoreBOM: false });",
  },
  {
    kills: "1.5.5/server-writes-the-shortest",
    toAuditor: (
      raw,
    ) => [raw[0]! >> 4 === 3 && raw[1]! < 128 ? bytes(raw[0]!, raw[1]! | 128, 0, raw.subarray(2)) : raw],
  },
  {
    kills: "1.5.5/over-long-remaining-length",
    file: DEFRAMER,
    find: "if (size > 2 && bytes[at + size - 1] === 0) {",
    replace: "if (size > 5 && bytes[at + size - 1] === 0) {",
  },
  {
    kills: "1.5.5/over-long-property-length",
    file: READER,
    find: "if (byte === 0 && shift > 0) {",
    replace: "if (byte === 0 && shift > 28) {",
  },
  {
    kills: "1.5.5/fifth-byte-of-remaining-length",
    file: DEFRAMER,
    find: 'throw malformed("1.5.5/fifth-byte");',
    replace: "return 0;",
  },
  {
    kills: "1.5.5/fifth-byte-of-property-length",
    file: READER,
    find: 'throw malformed("1.5.5/fifth-byte");',
    replace: "return value + this.u8() * 2 ** 28;",
  },
  pair("connect", "PacketType.CONNECT"),
  pair("will", "WILL"),
  {
    kills: "1.5.7/pair-in-publish",
    file: VIEW,
    find: 'return this.#text(this.#text(at, end, "User Property"), end, "User Property");',
    replace: 'return this.#sized(this.#sized(at, end, "User Property"), end, "User Property");',
  },
  pair("puback", "PacketType.PUBACK"),
  pair("pubrec", "PacketType.PUBREC"),
  pair("pubrel", "PacketType.PUBREL"),
  pair("pubcomp", "PacketType.PUBCOMP"),
  pair("subscribe", "PacketType.SUBSCRIBE"),
  pair("unsubscribe", "PacketType.UNSUBSCRIBE"),
];

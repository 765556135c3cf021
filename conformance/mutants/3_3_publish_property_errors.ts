/**
 * Breaks of §3.3.2.3 in what is refused.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const VIEW = "src/codec/publish_view.ts";

/** A property that may come twice. */
function twice(name: string, id: string): Mutant {
  return {
    kills: `3.3.2/${name}-twice`,
    file: VIEW,
    find: "if ((seen & (1 << id)) !== 0) throw twice(id);",
    replace: `if ((seen & (1 << id)) !== 0 && id !== ${id}) throw twice(id);`,
  };
}

/** For the cases of `cases/3_3_publish_property_errors.ts`. */
export const MUTANTS: readonly Mutant[] = [
  twice("payload-format", "0x01"),
  {
    kills: "3.3.2/payload-format-2",
    file: VIEW,
    find: "if (bytes[at]! > 1) throw",
    replace: "if (bytes[at]! > 2) throw",
  },
  twice("message-expiry", "0x02"),
  {
    kills: "3.3.2/topic-alias-twice",
    file: VIEW,
    find: "if (this.topicAlias !== 0) throw twice(id);",
    replace: "",
  },
  twice("response-topic", "0x08"),
  twice("correlation-data", "0x09"),
  twice("content-type", "0x03"),
  {
    kills: "3.3.2/subscription-identifier-from-client",
    file: "src/broker/batch.ts",
    find: "if (came.subscriptionIdentifier) {",
    replace: "if (came.subscriptionIdentifier && open.link.level !== 5) {",
  },
  {
    kills: "3.3.2/subscription-identifier-0",
    file: VIEW,
    find:
      'if (varint(bytes, at, next) === 0) throw protocolError("3.3.2.3.8/zero", "Subscription Identifier 0");\n' +
      "        this.subscriptionIdentifier = true;",
    replace: "this.subscriptionIdentifier = varint(bytes, at, next) !== 0;",
  },
  {
    kills: "3.3.2/response-topic-not-utf-8",
    file: VIEW,
    find: 'const next = this.#text(at, end, "Response Topic");',
    replace: 'const next = this.#sized(at, end, "Response Topic");',
  },
  {
    kills: "3.3.2/content-type-not-utf-8",
    file: VIEW,
    find: 'return this.#text(at, end, "Content Type");',
    replace: 'return this.#sized(at, end, "Content Type");',
  },
  {
    kills: "3.3.2/response-topic-empty",
    file: VIEW,
    find: 'if (next === at + 2) throw protocolError("MQTT-4.7.3-1", "Property responseTopic is empty");',
    replace: "",
  },
  {
    kills: "3.3.2/response-topic-with-wildcard",
    file: VIEW,
    find: "if (bytes[i] === 0x23 || bytes[i] === 0x2b) {",
    replace: "if (bytes[i]! > 255) {",
  },
];

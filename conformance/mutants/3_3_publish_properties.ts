/**
 * Breaks of §3.3.2.3 in what is passed on.
 * @module
 */
import { payloadText, type SeenProperty, valuesOf } from "../wire/parse.ts";
import type { Mutant } from "./mutant.ts";
import { changedProperty, republished } from "./changed_publish.ts";

const lower = (value: SeenProperty["value"]) => String(value).toLowerCase();

/** For the cases of `cases/3_3_publish_properties.ts`. */
export const MUTANTS: readonly Mutant[] = [
  { kills: "3.3.2/payload-format", toAuditor: changedProperty(0x01, () => undefined) },
  { // what is no UTF-8 is made UTF-8
    kills: "3.3.2/payload-not-utf-8",
    toAuditor: republished((seen) =>
      valuesOf(seen, 0x01)[0] === 1 ? { payload: payloadText(seen) } : undefined
    ),
  },
  { kills: "3.3.2/response-topic", toAuditor: changedProperty(0x08, lower) },
  {
    kills: "3.3.2/correlation-data",
    toAuditor: changedProperty(0x09, (value) => String(value).slice(0, 510)),
  },
  { kills: "3.3.2/correlation-data-empty", toAuditor: changedProperty(0x09, (value) => value || undefined) },
  { // names as keys: the last one of a name stays
    kills: "3.3.2/user-properties",
    toAuditor: republished((seen) => ({
      properties: seen.properties.filter(({ id, value }, at) =>
        id !== 0x26 ||
        !seen.properties.slice(at + 1).some((later) =>
          String(later.value).split(",")[0] === String(value).split(",")[0]
        )
      ),
    })),
  },
  {
    kills: "3.3.2/user-properties-in-order",
    toAuditor: republished((seen) => ({ properties: [...seen.properties].reverse() })),
  },
  { kills: "3.3.2/content-type", toAuditor: changedProperty(0x03, lower) },
  {
    kills: "3.3.2/properties-of-retained",
    toAuditor: republished((seen) =>
      seen.retain === true ? { properties: seen.properties.filter(({ id }) => id === 0x0b) } : undefined
    ),
  },
  { // the last byte of the last property of what waited in a queue
    kills: "3.3.2/properties-of-queued",
    file: "src/broker/deliver.ts",
    find: "if (session.durable && delivery.qos === 2)",
    replace: "if (message.view.propertiesEnd > message.view.propertiesAt) {\n        " +
      "message.view.bytes[message.view.propertiesEnd - 1]! ^= 1;\n      }\n      " +
      "if (session.durable && delivery.qos === 2)",
  },
];

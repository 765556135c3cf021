/**
 * A PUBLISH towards the auditor with other properties or another payload, for breaks by a proxy.
 * Knows how to put one together; refuses to know what is wrong with it then.
 * @module
 */
import { type Part, property, publish, TYPE } from "../wire/bytes.ts";
import type { Seen, SeenProperty } from "../wire/parse.ts";
import type { ProxyMutant } from "./mutant.ts";
import { remade } from "./changed_packet.ts";

/** What is to be another; the rest stays as it came. */
export interface Change {
  readonly properties?: readonly SeenProperty[];
  readonly payload?: Part;
}

/** Every PUBLISH of level 5 as `change` makes it; undefined leaves it as it is. */
export function republished(
  change: (seen: Seen) => Change | undefined,
): NonNullable<ProxyMutant["toAuditor"]> {
  return remade(TYPE.PUBLISH, (seen, level) => {
    const other = level === 5 ? change(seen) : undefined;
    if (other === undefined) return undefined;
    return publish({
      level,
      headerFlags: seen.flags,
      qos: seen.qos!,
      ...(seen.id === undefined ? {} : { id: seen.id }),
      topic: seen.topic!,
      payload: other.payload ?? seen.payload!,
      properties: (other.properties ?? seen.properties).map(encoded),
    });
  });
}

/** One property of every PUBLISH as `change` makes it; undefined takes it away. */
export function changedProperty(
  id: number,
  change: (value: SeenProperty["value"], seen: Seen) => SeenProperty["value"] | undefined,
): NonNullable<ProxyMutant["toAuditor"]> {
  return republished((seen) => ({
    properties: seen.properties.flatMap((one) => {
      const value = one.id === id ? change(one.value, seen) : one.value;
      return value === undefined ? [] : [{ id: one.id, value }];
    }),
  }));
}

function encoded({ id, value }: SeenProperty): Uint8Array {
  if (typeof value === "object") return property.userProperty(...value);
  if (typeof value === "number") return NUMBERS[id]!(value);
  if (id === 0x09) {
    return property.correlationData(value.match(/../g)?.map((pair) => parseInt(pair, 16)) ?? []);
  }
  return id === 0x03 ? property.contentType(value) : property.responseTopic(value);
}

const NUMBERS: Readonly<Record<number, (value: number) => Uint8Array>> = {
  0x01: property.payloadFormat,
  0x02: property.messageExpiry,
  0x0b: property.subscriptionIdentifier,
  0x23: property.topicAlias,
};

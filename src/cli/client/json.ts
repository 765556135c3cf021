/**
 * Messages as lines of JSON.
 * Knows the keys; refuses to know where the lines go.
 * @module
 */
import { Buffer } from "node:buffer";
import type { PublishProperties, UserProperties } from "../../codec/packet.ts";
import { NAMES } from "./properties.ts";
import type { Moment, Shown } from "./shown.ts";
import { strftime } from "./strftime.ts";

/**
 * A message with everything that it has. A payload that is no UTF-8 stands as Base64 under `payload-base64`, and so does Correlation Data;
 * User Properties are pairs, in their order.
 */
export function messageJson(
  { topic, payload, qos, retain, dup, properties }: Shown,
  { time }: Moment,
): string {
  return JSON.stringify({
    time: time.toISOString(),
    topic,
    qos,
    retain,
    dup,
    ...textOr("payload", payload),
    ...properties !== undefined && { properties: propertiesJson(properties) },
  });
}

function propertiesJson(
  { subscriptionIdentifiers, userProperties, correlationData, ...rest }: Readonly<PublishProperties>,
): Readonly<Record<string, unknown>> {
  return {
    ...named(rest),
    ...correlationData && textOr("correlation-data", correlationData),
    ...subscriptionIdentifiers && { "subscription-identifier": subscriptionIdentifiers[0] },
    ...userProperties && { "user-property": userProperties },
  };
}

function textOr(name: string, bytes: Uint8Array): Readonly<Record<string, string>> {
  const text = textOf(bytes);
  return text === undefined
    ? { [`${name}-base64`]: Buffer.from(bytes).toString("base64") }
    : { [name]: text };
}

/** Undefined if it is no UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * The same as mosquitto_sub has it: %j, and with `payload` %J. Where it would write a payload that is no text as text, as of 2.1 it stands
 * as its bytes.
 */
export function mosquittoJson(
  { topic, payload, qos, retain, packetId, properties }: Shown,
  { time, ns }: Moment,
  value: unknown = payload.length === 0 ? null : textOf(payload) ?? [...payload],
): string {
  const micro = String(Math.floor(ns / 1000)).padStart(6, "0");
  return JSON.stringify({
    tst: `${strftime("F", time)}T${strftime("T", time)}.${micro}Z${strftime("z", time)}`,
    topic,
    qos,
    retain: retain ? 1 : 0,
    payloadlen: payload.length,
    ...qos > 0 && { mid: packetId },
    ...properties !== undefined && Object.keys(properties).length > 0 &&
      { properties: mosquittoProperties(properties) },
    payload: value,
  });
}

/** In the order in which they came. */
function mosquittoProperties(properties: Readonly<PublishProperties>): Readonly<Record<string, unknown>> {
  const shown = Object.entries(properties).map(([key, value]: [string, unknown]): [string, unknown] => {
    switch (key) {
      case "correlationData":
        return ["correlation-data", Buffer.from(value as Uint8Array).toString()];
      case "subscriptionIdentifiers":
        return ["subscription-identifier", (value as readonly number[])[0]];
      case "userProperties":
        return ["user-properties", Object.fromEntries(value as UserProperties)];
      default:
        return [NAMES.get(key) ?? key, value];
    }
  });
  return Object.fromEntries(shown);
}

function named(properties: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(properties).map(([key, value]) => [NAMES.get(key) ?? key, value]));
}

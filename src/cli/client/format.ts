/**
 * -F: the forms of output that mosquitto_sub has, byte for byte.
 * Knows the language of forms; refuses to know where the bytes go.
 * @module
 */
import { Buffer } from "node:buffer";
import { CallError } from "../error.ts";
import { mosquittoJson } from "./json.ts";
import { strftime } from "./strftime.ts";
import type { Moment, Shown } from "./shown.ts";

type Make = (message: Shown, moment: Moment) => Uint8Array;

/** A part of the form. */
export interface Part {
  /** It stands in the form, and not in a message. */
  readonly isOwn: boolean;
  /** Its bytes. @throws {NotJsonError} */
  readonly make: Make;
}

/** A payload that %J cannot show. */
export class NotJsonError extends Error {
  override readonly name = "NotJsonError";
}

/** How wide, and on which side. */
interface Field {
  readonly isLeft: boolean;
  readonly pad: " " | "0";
  /** Bytes; 0 is as wide as it gets. */
  readonly width: number;
  /** Bytes that are shown of a text, at most. */
  readonly precision: number | undefined;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\",
  "0": "\0",
  a: "\x07",
  e: "\x1b",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/**
 * The parts of a form.
 * @throws {CallError} for a sequence that means nothing.
 */
export function partsOf(format: string): readonly Part[] {
  const parts: Part[] = [];
  const sequence = /%(-?)(0?)(\d*)(?:\.(\d*))?(.?)|@(.?)|\\(.?)|[^%@\\]+/gsu;
  for (const found of format.matchAll(sequence)) {
    const [all, minus, zero, width = "", precision, letter, time, escape] = found;
    if (letter !== undefined && all.startsWith("%")) {
      const make = valueOf(letter, all, {
        isLeft: minus === "-",
        pad: zero === "0" ? "0" : " ",
        width: Number(width),
        precision: precision === undefined ? undefined : Number(precision),
      });
      parts.push({ isOwn: false, make });
    } else if (time !== undefined) parts.push({ isOwn: true, make: timeOf(time, all) });
    else if (escape !== undefined) {
      if (!Object.hasOwn(ESCAPES, escape)) throw meaningless(all);
      parts.push({ isOwn: true, make: constant(ESCAPES[escape]!) });
    } else parts.push({ isOwn: true, make: constant(all) });
  }
  return parts;
}

function meaningless(sequence: string): CallError {
  return new CallError(
    `-F: ${sequence} means nothing; there are %t %p %q %r %l %m %x %X %j %J %I %U %A %C %D %E %F %P %R %S %%, ` +
      "@ with a letter of strftime, @N, @@, and \\\\ \\0 \\a \\e \\n \\r \\t \\v",
  );
}

function constant(text: string): Make {
  const bytes = Buffer.from(text);
  return () => bytes;
}

function timeOf(letter: string, sequence: string): Make {
  if (letter === "@") return constant("@");
  if (letter === "N") return (_, { ns }) => Buffer.from(nanoseconds(ns));
  if (letter === "" || strftime(letter, new Date(0)) === undefined) throw meaningless(sequence);
  return (_, { time }) => Buffer.from(strftime(letter, time)!);
}

function nanoseconds(ns: number): string {
  return String(ns).padStart(9, "0");
}

function valueOf(letter: string, sequence: string, field: Field): Make {
  switch (letter) {
    case "%":
      return constant("%");
    case "A": // the Client resolves aliases
    case "S":
      return ({ properties }) =>
        integer(letter === "A" ? undefined : properties?.subscriptionIdentifiers?.[0], field);
    case "C":
      return ({ properties }) => optionalText(properties?.contentType, field);
    case "D":
      return ({ properties }) => properties?.correlationData ?? NOTHING;
    case "E":
      return ({ properties }) => integer(properties?.messageExpiryInterval, field);
    case "F":
      return ({ properties }) => integer(properties?.payloadFormatIndicator, field);
    case "I":
      return (_, { time }) =>
        text(`${strftime("F", time)}T${strftime("T", time)}${strftime("z", time)}`, field);
    case "j":
      return (message, moment) => Buffer.from(mosquittoJson(message, moment));
    case "J":
      return (message, moment) => Buffer.from(mosquittoJson(message, moment, jsonOf(message)));
    case "l":
      return ({ payload }) => integer(payload.length, field);
    case "m":
      return ({ packetId }) => integer(packetId, field);
    case "P":
      return ({ properties }) =>
        Buffer.from((properties?.userProperties ?? []).map(([name, value]) => `${name}:${value}`).join(" "));
    case "p":
      return ({ payload }) => bytesOf(payload, field);
    case "q":
      return ({ qos }) => Buffer.from(String(qos));
    case "R":
      return ({ properties }) =>
        properties?.responseTopic === undefined ? NOTHING : text(properties.responseTopic, field);
    case "r":
      return ({ retain }) => Buffer.from(retain ? "1" : "0");
    case "t":
      return ({ topic }) => text(topic, field);
    case "U":
      return (_, { time, ns }) => Buffer.from(`${strftime("s", time)}.${nanoseconds(ns)}`);
    case "x":
    case "X":
      return ({ payload }) => hex(payload, field, letter === "X");
    default:
      throw meaningless(sequence);
  }
}

const NOTHING = new Uint8Array(0);

function jsonOf({ topic, payload }: Shown): unknown {
  if (payload.length === 0) return null;
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload));
  } catch {
    throw new NotJsonError(`${topic}: the payload is no JSON`);
  }
}

/** As printf's `%d`; without a value as many pads as the field is wide. */
function integer(value: number | undefined, { isLeft, pad, width }: Field): Uint8Array {
  if (value === undefined) return Buffer.from(pad.repeat(width));
  const digits = String(value);
  return Buffer.from(isLeft ? digits.padEnd(width) : digits.padStart(width, pad));
}

/** As printf's `%s`: width and precision count bytes. */
function text(value: string, { isLeft, width, precision }: Field): Uint8Array {
  const bytes = Buffer.from(value).subarray(0, precision);
  const blanks = Buffer.from(" ".repeat(Math.max(0, width - bytes.length)));
  return Buffer.concat(isLeft ? [bytes, blanks] : [blanks, bytes]);
}

function optionalText(value: string | undefined, field: Field): Uint8Array {
  return value === undefined ? Buffer.from(" ".repeat(field.width)) : text(value, field);
}

/** A payload is cut to the width of its field. */
function bytesOf(payload: Uint8Array, { isLeft, pad, width }: Field): Uint8Array {
  if (width === 0) return payload;
  const shown = payload.subarray(0, width);
  return aligned(shown, width - shown.length, isLeft, pad);
}

/** mosquitto_sub cuts a payload of more bytes than the field is wide to that many, and then of them shows the half. */
function hex(payload: Uint8Array, { isLeft, pad, width }: Field, isUpper: boolean): Uint8Array {
  const length = width === 0 ? payload.length : Math.floor(Math.min(payload.length, width) / 2);
  const digits = Buffer.from(payload.buffer, payload.byteOffset, length).toString("hex");
  const shown = Buffer.from(isUpper ? digits.toUpperCase() : digits);
  return width === 0 ? shown : aligned(shown, width - shown.length, isLeft, pad);
}

/** On the left side pads, on the right side always blanks. */
function aligned(shown: Uint8Array, missing: number, isLeft: boolean, pad: string): Uint8Array {
  const pads = Buffer.from((isLeft ? " " : pad).repeat(missing));
  return Buffer.concat(isLeft ? [shown, pads] : [pads, shown]);
}

/**
 * The sections of both standards that reports group by: two numbers and a title.
 * Knows titles; refuses to know statements.
 * @module
 */
import type { Level } from "../wire/bytes.ts";

const COMMON: Readonly<Record<string, string>> = {
  "1.5": "Data representation",
  "3.1": "CONNECT",
  "3.2": "CONNACK",
  "3.3": "PUBLISH",
  "3.4": "PUBACK",
  "3.5": "PUBREC",
  "3.6": "PUBREL",
  "3.7": "PUBCOMP",
  "3.8": "SUBSCRIBE",
  "3.9": "SUBACK",
  "3.10": "UNSUBSCRIBE",
  "3.11": "UNSUBACK",
  "3.12": "PINGREQ",
  "3.13": "PINGRESP",
  "3.14": "DISCONNECT",
  "4.2": "Network connections",
  "4.3": "Quality of Service",
  "4.4": "Message delivery retry",
  "4.5": "Message receipt",
  "4.6": "Message ordering",
  "4.7": "Topic names and filters",
  "6": "WebSocket",
};

const TITLES: Readonly<Record<Level, Readonly<Record<string, string>>>> = {
  4: {
    ...COMMON,
    "2.2": "Fixed header",
    "2.3": "Variable header",
    "4.1": "Storing state",
    "4.8": "Handling errors",
    "7": "Conformance",
    "7.1": "Conformance",
  },
  5: {
    ...COMMON,
    "2.1": "Structure of a packet",
    "2.2": "Variable header",
    "2.4": "Reason Code",
    "3.15": "AUTH",
    "4.1": "Session state",
    "4.8": "Subscriptions",
    "4.9": "Flow control",
    "4.12": "Enhanced authentication",
    "4.13": "Handling errors",
  },
};

/** The group of duties that have no section in the version. */
export const DUTIES = "duties";

/** `3.3` for `3.3.2.1`; `6` for `6`. */
export function topSection(section: string): string {
  return section.split(".").slice(0, 2).join(".");
}

/** Its title in that version; empty if there is none. */
export function titleOf(section: string, level: Level): string {
  return section === DUTIES ? "without a number" : TITLES[level][section] ?? "";
}

/** Sections in the order of the standard. */
export function compareSections(a: string, b: string): number {
  const [left, right] = [a, b].map((section) => section.split(".").map(Number));
  for (let i = 0; i < Math.max(left!.length, right!.length); i++) {
    const [one = -1, other = -1] = [left![i], right![i]];
    if (Number.isNaN(one) || Number.isNaN(other)) {
      return Number(Number.isNaN(one)) - Number(Number.isNaN(other));
    }
    if (one !== other) return one - other;
  }
  return 0;
}

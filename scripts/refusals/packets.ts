/**
 * Packets by hand at each level, right but for what a scene changes; and scenes that are no more than such a packet.
 * Knows layouts; refuses to know rules.
 * @module
 */
import type { BrokerOptions, Rule } from "../../src/broker/mod.ts";
import type { ProtocolLevel } from "../../src/codec/packet.ts";
import { frame, type Part, properties, utf8 } from "../../src/testing/frame.ts";
import type { ConnectInit } from "../../src/testing/pair.ts";
import type { Scene } from "./stage.ts";

/** A CONNECT; what is left out is right. */
export interface ConnectParts {
  readonly first?: number;
  readonly name?: string;
  readonly version?: number;
  readonly flags?: number;
  readonly properties?: readonly Part[];
  readonly payload?: readonly Part[];
}

/** §3.1 */
export function connectFrame(level: ProtocolLevel, parts: ConnectParts = {}): Uint8Array {
  const { first = 0x10, name = level === 3 ? "MQIsdp" : "MQTT", version = level, flags = 2 } = parts;
  const own = level === 5 ? properties(...parts.properties ?? []) : [];
  return frame(first, utf8(name), version, flags, [0, 0], own, ...parts.payload ?? [utf8("stub")]);
}

/** A PUBLISH; what is left out is right. */
export interface PublishParts {
  readonly flags?: number;
  readonly topic?: string | readonly number[];
  readonly id?: number;
  readonly properties?: readonly Part[];
}

/** §3.3 */
export function publishFrame(level: ProtocolLevel, parts: PublishParts = {}): Uint8Array {
  const { flags = 0, topic = "t", id } = parts;
  const identifier = id === undefined ? [] : [id >> 8, id & 255];
  return frame(
    0x30 | flags,
    utf8(topic),
    identifier,
    level === 5 ? properties(...parts.properties ?? []) : [],
  );
}

/** §3.8, §3.10 with Packet Identifier 1. */
export function requestFrame(
  level: ProtocolLevel,
  first: number,
  own: readonly Part[],
  ...payload: readonly Part[]
): Uint8Array {
  return frame(first, [0, 1], level === 5 ? properties(...own) : [], ...payload);
}

/** Where a packet is sent. */
export interface Setting {
  readonly levels?: readonly ProtocolLevel[];
  readonly options?: BrokerOptions;
  readonly init?: ConnectInit;
}

/** What makes a scene of a packet. */
export type PacketScene = readonly [
  rule: Rule,
  when: string,
  bytes: (level: ProtocolLevel) => Uint8Array,
  setting?: Setting | undefined,
];

/** Scenes in which these are the first bytes of a connection. */
export function firstPackets(on: string, scenes: readonly PacketScene[]): Scene[] {
  return scenes.map(([rule, when, bytes, { levels, options } = {}]) => ({
    rule,
    on,
    when,
    ...(levels && { levels }),
    run: (stage) => {
      if (options !== undefined) stage.broker(options);
      stage.open().write(bytes(stage.level));
    },
  }));
}

/** Scenes in which a Client that is connected sends these bytes. */
export function laterPackets(on: string, scenes: readonly PacketScene[]): Scene[] {
  return scenes.map(([rule, when, bytes, { levels, options, init } = {}]) => ({
    rule,
    on,
    when,
    ...(levels && { levels }),
    run: (stage) => {
      if (options !== undefined) stage.broker(options);
      stage.connect(init).write(bytes(stage.level));
    },
  }));
}

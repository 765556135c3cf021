/**
 * How a connection ended, for tests: by which packet, for which rule, and that nothing came behind it.
 * Knows the Reason String's form; refuses to know why a rule was broken.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { BrokerHooks, LimitName, Refusal } from "../broker/mod.ts";
import type { Rule } from "../codec/error.ts";
import type { Connack, Disconnect } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import type { StubClient } from "./pair.ts";

/** Fails unless DISCONNECT with this code and rule was the last packet, and then the connection was closed. */
export function assertEnded(client: StubClient, code: number, rule: Rule): Disconnect {
  const packet = client.take(PacketType.DISCONNECT);
  assertEquals(packet.reasonCode, code, packet.properties?.reasonString);
  assertRule(packet.properties?.reasonString, rule);
  assertClosed(client);
  return packet;
}

/** Fails unless CONNACK with this code and rule was the only packet, and then the connection was closed. */
export function assertNotAccepted(client: StubClient, code: number, rule: Rule): Connack {
  const packet = client.take(PacketType.CONNACK);
  assertEquals(packet.reasonCode, code, packet.properties?.reasonString);
  assertEquals(packet.sessionPresent, false); // [MQTT-3.2.2-6]
  if (client.level === 5) assertRule(packet.properties?.reasonString, rule);
  assertClosed(client);
  return packet;
}

/** Fails unless the Server has ended the connection, and every packet before that was taken. */
export function assertClosed(client: StubClient): void {
  client.pair.settle();
  assertEquals(client.inbox, []);
  assert(client.over, "the connection is still open");
}

/** Fails unless the Reason String names the rule. */
export function assertRule(reasonString: string | undefined, rule: Rule): void {
  assertEquals(reasonString?.slice(0, rule.length + 2), `${rule}: `, reasonString);
}

/** What hooks were told, in order. */
export class Told {
  readonly refusals: Refusal[] = [];
  readonly ends: { clientId: string; clean: boolean; refusal: Refusal | undefined }[] = [];
  readonly limits: { limit: LimitName; who: string }[] = [];
  readonly failures: unknown[] = [];
  readonly sessionsEnded: string[] = [];
  readonly connects: { clientId: string; sessionPresent: boolean }[] = [];
  readonly drops: { topic: string; clientId: string; reason: string }[] = [];
  readonly hooks: BrokerHooks = {
    refused: (_peer, refusal) => this.refusals.push(refusal),
    connected: ({ clientId }, sessionPresent) => this.connects.push({ clientId, sessionPresent }),
    disconnected: ({ clientId }, clean, refusal) => this.ends.push({ clientId, clean, refusal }),
    limited: (limit, who) => this.limits.push({ limit, who }),
    failed: (error) => this.failures.push(error),
    sessionEnded: (clientId) => this.sessionsEnded.push(clientId),
    dropped: ({ topic }, clientId, reason) => this.drops.push({ topic, clientId, reason }),
  };

  /** Takes the one connection that was not accepted; fails unless it was refused for this rule. */
  assertRefused(code: number, rule: Rule): void {
    assertEquals(this.refusals.splice(0).map((told) => [told.code as number, told.rule]), [[code, rule]]);
  }

  /** Takes the one connection that ended; fails unless we ended it for this rule. */
  assertEnded(clientId: string, code: number, rule: Rule): void {
    const ends = this.ends.splice(0);
    assertEquals(ends.map((end) => [end.clientId, end.clean]), [[clientId, false]]);
    assertEquals([ends[0]?.refusal?.code as number, ends[0]?.refusal?.rule], [code, rule]);
  }
}

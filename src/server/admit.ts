/**
 * Whether a connection is admitted at all: asked when it is accepted, before TLS and before a byte is read.
 * Knows the owner's answer; refuses to know what follows from it.
 * @module
 */
import type { PeerInfo, Refusal } from "../broker/mod.ts";

/**
 * True admits the peer; false, or a refusal, which the hook `refused` is told, closes its connection at once and without a word. An
 * exception counts as false, and is reported. It must be quick: addresses are counted or looked up here, credentials in `authenticate`.
 */
export type Admit = (peer: PeerInfo) => boolean | Refusal;

/** What follows; neither function throws. */
export interface AdmitEvents {
  refused(peer: PeerInfo, refusal: Refusal): void;
  failed(error: unknown): void;
}

const NOT_ADMITTED: Refusal = { code: 0x8a, rule: "policy/banned", message: "The peer is not admitted" };

/** Asks the owner, and tells of a refusal. */
export function isAdmitted(admit: Admit | undefined, peer: PeerInfo, events: AdmitEvents): boolean {
  if (admit === undefined) return true;
  let answer: boolean | Refusal;
  try {
    answer = admit(peer);
  } catch (error) {
    events.failed(error);
    answer = false;
  }
  if (answer === true) return true;
  const refusal = typeof answer === "object" && answer !== null && "code" in answer ? answer : NOT_ADMITTED;
  events.refused(peer, refusal);
  return false;
}

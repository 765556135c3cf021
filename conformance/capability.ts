/**
 * What the standard lets a Server leave out, and so what a case may need.
 * Knows their names; refuses to know how they are probed.
 * @module
 */

/** What the standard lets a Server leave out; probed before the cases run. */
export const CAPABILITIES = [
  "qos 1",
  "qos 2",
  "retain",
  "wildcards",
  "shared",
  "identifiers",
  "topic alias",
  "enhanced authentication",
  "authentication",
  "receive maximum",
  "maximum packet size",
  "forbidden topic",
  "websocket",
] as const;

/** One of them. */
export type Capability = typeof CAPABILITIES[number];

/** Why a case is not run that needs what is missing. */
export function whyUnsupported(missing: Capability): string {
  return missing === "websocket"
    ? "The audit does not go over WebSocket; one of ws://HOST or wss://HOST does"
    : `The target does not offer: ${missing}`;
}

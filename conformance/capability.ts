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
] as const;

/** One of them. */
export type Capability = typeof CAPABILITIES[number];

/**
 * Our Client as the auditor starts it on this runtime.
 * Knows its name and its `connect()`; refuses to know what is right.
 * @module
 */
import { type Driver, SKILLS } from "../../../conformance/mod.ts";
import { connect } from "../../client_api/mod.ts";
import { startAudited } from "./audited.ts";

/** Starts our Client. */
export const auditedClient: Driver = {
  name: "plumb",
  skills: new Set(SKILLS),
  port: 0,
  connectMs: 5_000,
  flags: "--client --driver plumb",
  start: (order, where) =>
    Promise.resolve(
      // Whom it trusts is not under audit.
      startAudited(order, where, (url, options) => connect(url, { ...options, tls: { insecure: true } })),
    ),
};

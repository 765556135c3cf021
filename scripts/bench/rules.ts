/**
 * A thousand rules for what the broker's cost is measured with: those that decide stand among them.
 * Knows the topics of the measurements; refuses to know what is measured.
 * @module
 */
import type { PermissionSource } from "../../src/broker/mod.ts";
import { Permissions, type PermissionsData, type RuleData, rulesOf } from "../../src/permissions/mod.ts";

const OTHERS: readonly RuleData[] = Array.from({ length: 998 }, (_, i) => ({
  publish: `plant/${i % 31}/device/${i}/#`,
}));

/** They allow what measurements do. */
export const RULES_DATA: PermissionsData = {
  everyone: {
    allow: [
      ...OTHERS,
      { publish: ["bench/#", "site/#"] },
      { subscribe: ["bench/#", "site/#"], share: ["*"] },
    ],
  },
};

/** The same, as a broker takes them. */
export const RULES: Permissions = new Permissions(rulesOf(RULES_DATA));

/** The same rules, as if each subscription reached further than they allow: each delivery is checked. */
export const CHECKED: PermissionSource = {
  of(client) {
    const rights = RULES.of(client);
    return {
      version: rights.version,
      isNarrowed: true,
      publish: (topic, qos, retain) => rights.publish(topic, qos, retain),
      subscribe: (filter, qos) => rights.subscribe(filter, qos),
      receive: (topic) => rights.receive(topic),
    };
  },
};

/** §4.7.2 Who may read `$SYS` under rules: by default nobody, and then only whom a rule names it for. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { systemTopics } from "../broker/mod.ts";
import { Pair } from "../testing/pair.ts";
import { readMosquittoAcl } from "./mosquitto_acl.ts";
import { Permissions } from "./permissions.ts";
import { type PermissionsData, type Rules, rulesOf } from "./rules.ts";

/** Whether a Client gets a `$SYS` topic under these rules. */
function isShown(rules: Rules): boolean {
  const pair = new Pair({ permissions: new Permissions(rules), systemTopics: systemTopics() });
  const reader = pair.connect({ clientId: "reader" });
  reader.subscribe("$SYS/broker/uptime", "#");
  pair.settle();
  return reader.takePublishes().length > 0;
}

describe("$SYS under rules", () => {
  const cases: readonly (readonly [string, PermissionsData, boolean])[] = [
    ["is read by nobody without a rule", {}, false],
    ["is not in # or +", { everyone: { allow: [{ subscribe: ["#", "+/#"] }] } }, false],
    ["is read by whom a rule names it for", { everyone: { allow: [{ subscribe: ["#", "$SYS/#"] }] } }, true],
    ["may be allowed in part", { everyone: { allow: [{ subscribe: "$SYS/broker/uptime" }] } }, true],
    [
      "may be denied",
      { everyone: { allow: [{ subscribe: "$SYS/#" }], deny: [{ subscribe: "$SYS/#" }] } },
      false,
    ],
  ];
  for (const [what, data, shown] of cases) {
    test(what, () => assertEquals(isShown(rulesOf(data)), shown));
  }

  test("is as in mosquitto's file", () => {
    const { rules } = readMosquittoAcl("topic read #\n", "acl");
    assert(!isShown(rules));
    assert(isShown(readMosquittoAcl("topic read #\ntopic read $SYS/#\n", "acl").rules));
  });
});

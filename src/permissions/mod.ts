/**
 * §5.4.2 What Clients may do, by rules: users, groups and roles, from a file or as data.
 * Knows the parts that programs may use; refuses to know their work.
 *
 * @example
 * ```ts
 * import { Permissions, rulesOf } from "@plumb/mqtt/permissions";
 * import { serve } from "@plumb/mqtt/serve";
 *
 * const permissions = new Permissions(rulesOf({
 *   everyone: { allow: [{ publish: "devices/%c/#" }, { subscribe: "devices/%c/#" }] },
 *   user: { alice: { allow: [{ subscribe: "devices/#" }] } },
 * }));
 * await using server = await serve({ permissions });
 * ```
 * @module
 */
export type { Explained } from "./verdict.ts";
export { type MosquittoAcl, readMosquittoAcl } from "./mosquitto_acl.ts";
export { Permissions } from "./permissions.ts";
export {
  type Action,
  type Holder,
  type HolderData,
  type Path,
  type PermissionsData,
  PermissionsError,
  type Rule,
  type RuleData,
  type Rules,
  rulesOf,
  type UserData,
} from "./rules.ts";
export type { Part, Pattern, Subject, Variable } from "./pattern.ts";
export { type Authorize, remember, type RememberOptions } from "./remember.ts";
export { readPermissions } from "./toml.ts";
export { writePermissions } from "./write_toml.ts";

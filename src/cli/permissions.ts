/**
 * The files of permissions: read at the start, and again at SIGHUP.
 * Knows the two kinds of files; refuses to know what rules mean.
 * @module
 */
import { readFile } from "node:fs/promises";
import type { Permissions, Rules } from "../permissions/mod.ts";
import { CallError } from "./error.ts";
import type { OptionRow } from "./flags.ts";
import type { Log } from "./log.ts";

/** The flags that name the file of permissions; `plumb serve` has them too. */
export const PERMISSION_ROWS: readonly OptionRow[] = [
  {
    name: "permissions",
    kind: "text",
    value: "FILE",
    about: "what Clients may do, in TOML; default everything",
  },
  {
    name: "mosquitto-acl",
    kind: "text",
    value: "FILE",
    rare: true,
    about: "the same from an ACL file of mosquitto's",
  },
];

/** Where permissions are: at most one of the two. */
export interface PermissionFiles {
  /** A file of ours, TOML. */
  readonly permissions: string | undefined;
  /** An ACL file of mosquitto's. */
  readonly mosquittoAcl: string | undefined;
}

/**
 * The rules of the file that is named; undefined if none is. The module is loaded only then.
 * @throws {CallError}
 */
export async function readRules({ permissions, mosquittoAcl }: PermissionFiles): Promise<Rules | undefined> {
  if (permissions !== undefined && mosquittoAcl !== undefined) {
    throw new CallError(
      "--permissions and --mosquitto-acl exclude each other; plumb acl import turns one into the other",
    );
  }
  const file = permissions ?? mosquittoAcl;
  if (file === undefined) return undefined;
  const text = await textOf(file);
  const { PermissionsError, readMosquittoAcl, readPermissions } = await import("../permissions/mod.ts");
  try {
    return permissions === undefined ? readMosquittoAcl(text, file).rules : await readPermissions(text, file);
  } catch (error) {
    if (!(error instanceof PermissionsError)) throw error;
    throw new CallError(error.message);
  }
}

/**
 * The text of a file.
 * @throws {CallError}
 */
export async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as { readonly code?: string };
    throw new CallError(
      `${file} cannot be read: ${code === "ENOENT" ? "there is no such file" : code ?? error}`,
    );
  }
}

/**
 * Permissions by the file that is named; undefined if none is.
 * @throws {CallError}
 */
export async function permissionsOf(files: PermissionFiles): Promise<Permissions | undefined> {
  const rules = await readRules(files);
  return rules && new (await import("../permissions/mod.ts")).Permissions(rules);
}

/** SIGHUP: the rules that the file has now hold from now on; a file that is not right changes nothing. */
export async function renewPermissions(
  permissions: Permissions,
  files: PermissionFiles,
  log: Log,
): Promise<void> {
  const file = files.permissions ?? files.mosquittoAcl;
  try {
    const rules = await readRules(files);
    if (rules === undefined) return;
    permissions.replace(rules);
    log.info("permissions read again", { file });
  } catch (error) {
    log.error("permissions not read again, the old ones stay", { why: (error as Error).message });
  }
}

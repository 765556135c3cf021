/**
 * Files of permissions.
 * Knows the two kinds of files; refuses to know what rules mean, and when files are read again.
 * @module
 */
import { readFile } from "node:fs/promises";
import type { Rules } from "../permissions/mod.ts";
import { CallError } from "./error.ts";

/** Where permissions are: at most one of the two. */
export interface PermissionFiles {
  /** A file of ours, TOML. */
  readonly permissions: string | undefined;
  /** An ACL file of mosquitto's. */
  readonly mosquittoAcl: string | undefined;
}

/** The text of the file that is named, and the rules in it. */
export interface PermissionText {
  readonly file: string;
  readonly text: string;
  readonly rules: Rules;
}

/**
 * Reads the file that is named; undefined if none is. The module is loaded only then. `where` stands before an error about both.
 * @throws {CallError}
 */
export async function readRules(
  { permissions, mosquittoAcl }: PermissionFiles,
  where = "",
): Promise<PermissionText | undefined> {
  if (permissions !== undefined && mosquittoAcl !== undefined) {
    throw new CallError(
      `${where}permissions and mosquitto-acl exclude each other; plumb acl import turns one into the other`,
    );
  }
  const file = permissions ?? mosquittoAcl;
  if (file === undefined) return undefined;
  const text = await textOf(file);
  const { PermissionsError, readMosquittoAcl, readPermissions } = await import("../permissions/mod.ts");
  try {
    const isOurs = permissions !== undefined;
    const rules = isOurs ? await readPermissions(text, file) : readMosquittoAcl(text, file).rules;
    return { file, text, rules };
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

/**
 * The files that the HTTP API changes: users and permissions.
 * Knows what is written; refuses to know requests. A file is replaced in one step, and read again before the answer.
 * @module
 */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { ApiError } from "../api/error.ts";
import type { PermissionFile, UserFile, UserView } from "../api/host.ts";
import { HashPool } from "../login/hash_pool.ts";
import { faultOfName, hasUser, readPasswordLines, withUser } from "../login/password_lines.ts";
import { PermissionsError, readMosquittoAcl, readPermissions } from "../permissions/mod.ts";
import { CallError } from "./error.ts";
import { linksOf, type LoginSettings } from "./login.ts";
import { replace, verifiersOf, withFakeSaltKey } from "./passwd.ts";
import type { PermissionFiles } from "./permissions.ts";

/** Changes to the files of one process, one after the other: none writes over another one's. */
let last: Promise<unknown> = Promise.resolve();

function inTurn<T>(change: () => Promise<T>): Promise<T> {
  const next = last.then(change);
  last = next.catch(() => {});
  return next;
}

/** @throws {ApiError} */
function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new ApiError("conflict", `${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** @throws {ApiError} */
function write(file: string, text: string, mode: number): void {
  try {
    replace(file, text, mode);
  } catch (error) {
    throw error instanceof CallError ? new ApiError("conflict", error.message) : error;
  }
}

/** The password file of the broker's login chain; undefined if it has none. `reload` has it read again. */
export function userFileOf(login: LoginSettings, reload: () => Promise<void>): UserFile | undefined {
  const link = linksOf(login).find((link) => link.kind === "password-file");
  return link && userFile(link.file, reload);
}

function userFile(file: string, reload: () => Promise<void>): UserFile {
  return {
    file,
    all() {
      const { users } = readPasswordLines(textOf(file));
      return [...users].map(([name, { verifier, scram }]): UserView => ({
        name,
        password: verifier !== undefined,
        scram: scram.size > 0,
      })).sort((one, other) => one.name < other.name ? -1 : 1);
    },
    set: (name, password, scram) =>
      inTurn(async () => {
        const fault = faultOfName(name);
        if (fault !== undefined) throw new ApiError("bad-request", `name is ${fault}`);
        const user = readPasswordLines(textOf(file)).users.get(name);
        const hasScram = scram || (user !== undefined && user.scram.size > 0);
        const pool = new HashPool({ hashesMax: 1 }); // no thread that serves Clients hashes
        try {
          const verifiers = await verifiersOf(password, hasScram, async (job, bytes) =>
            (await pool.do(job, bytes))!);
          const text = textOf(file); // perhaps another one by now
          write(file, withUser(hasScram ? withFakeSaltKey(text) : text, name, verifiers), 0o600);
        } catch (error) {
          throw error instanceof CallError ? new ApiError("bad-request", error.message) : error;
        } finally {
          await pool.close();
        }
        await reload();
        return user === undefined;
      }),
    delete: (name) =>
      inTurn(async () => {
        const text = textOf(file);
        if (faultOfName(name) !== undefined || !hasUser(text, name)) return false;
        write(file, withUser(text, name, []), 0o600);
        await reload();
        return true;
      }),
  };
}

function versionOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}

/** The file of permissions of the broker; undefined if it has none. `reload` has it read again. */
export function permissionFileOf(
  { permissions, mosquittoAcl }: PermissionFiles,
  reload: () => Promise<void>,
): PermissionFile | undefined {
  const file = permissions ?? mosquittoAcl;
  if (file === undefined) return undefined;
  return {
    file,
    kind: permissions === undefined ? "mosquitto-acl" : "toml",
    read() {
      const text = textOf(file);
      return { text, version: versionOf(text) };
    },
    replace: (text, version) =>
      inTurn(async () => {
        const before = textOf(file);
        if (version !== undefined && version !== versionOf(before)) {
          throw new ApiError("conflict", `${file} is another one by now: read it again, and change that`);
        }
        try {
          if (permissions === undefined) readMosquittoAcl(text, file);
          else await readPermissions(text, file);
        } catch (error) {
          throw error instanceof PermissionsError ? notUsable(error.message, file) : error;
        }
        write(file, text, statSync(file).mode & 0o777);
        await reload();
        return { version: versionOf(text) };
      }),
  };
}

/** With the line and the key that a message names: `FILE:LINE: KEY: what`. */
function notUsable(message: string, file: string): ApiError {
  const rest = message.startsWith(`${file}:`) ? message.slice(file.length + 1) : message;
  const [, line, said = rest] = /^(\d+): (.*)$/s.exec(rest) ?? [];
  const [, key] = /^((?:[\w-]+|"[^"]*"|\[\d+\])(?:\.(?:[\w-]+|"[^"]*")|\[\d+\])*): /.exec(said) ?? [];
  return new ApiError("not-usable", said, {
    ...line !== undefined && { line: Number(line) },
    ...key !== undefined && { key },
  });
}

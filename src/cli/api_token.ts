/**
 * The token of a broker's owner, in a file that nobody else may read.
 * Knows where it is and how it is made; refuses to know who asks for it.
 * @module
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import type { Environment } from "./environment.ts";
import { CallError } from "./error.ts";
import type { Settings } from "./options.ts";
import { isPermitted } from "./permitted.ts";

/** The name of the file of the token. */
const TOKEN_FILE = "api-token";
const TOKEN_BYTES = 32;
const TOKEN = /^[\w-]{22,200}$/;

/**
 * Where the token is: a setting says so, or beside the data, or where the system keeps what is the user's own.
 * @throws {CallError} where Deno does not let us know, or write there: nobody is asked for a file that no call names.
 */
export function tokenFileOf({ web: { tokenFile }, data }: Settings, environment: Environment): string {
  if (tokenFile !== undefined) return tokenFile;
  if (data !== undefined) return join(data, TOKEN_FILE);
  const runtime = environment("XDG_RUNTIME_DIR");
  const isKnown = runtime || isPermitted({ name: "sys", kind: "homedir" });
  const directory = isKnown ? join(runtime || homedir(), runtime ? "plumb" : ".plumb") : "";
  if (!isKnown || !isPermitted({ name: "write", path: directory })) {
    throw new CallError("with --memory the token of the page needs a file: --api-token-file names one");
  }
  return join(directory, TOKEN_FILE);
}

/**
 * The token in a file, as plumb page reads it.
 * @throws {CallError} if there is none.
 */
export function readToken(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8").trim();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CallError(
      code === "ENOENT"
        ? `there is no token in ${file}: the broker makes it when it starts with a page`
        : `${file} cannot be read: ${message}`,
    );
  }
  if (TOKEN.test(text)) return text;
  throw new CallError(
    `${file} has no token: 22 letters, digits, - and _ or more; delete it, and the broker makes one`,
  );
}

/** As far as the system lets us: the file may be another's, which a container was given. */
function closeToOthers(file: string): void {
  try {
    if (process.platform !== "win32" && (statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
  } catch { // readToken() says what is wrong, if anything is
  }
}

/**
 * The same, made if it is not there. Nobody but its owner may read it.
 * @throws {CallError} for a file that cannot be read, written or used.
 */
export function tokenIn(file: string): string {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const place = openSync(file, "wx", 0o600);
    try {
      writeSync(place, Buffer.from(`${randomBytes(TOKEN_BYTES).toString("base64url")}\n`));
    } finally {
      closeSync(place);
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "EEXIST") {
      throw new CallError(`${file} cannot be written: ${message}; --api-token-file names another`);
    }
    closeToOthers(file);
  }
  return readToken(file);
}

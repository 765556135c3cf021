/**
 * Who may come in, as the flags of `plumb serve` say.
 * Knows flags; refuses to know how a link decides.
 * @module
 */
import type { LinkOptions, Login, LoginEvent } from "../login/mod.ts";
import { CallError } from "./error.ts";
import type { Fields, Log } from "./log.ts";
import type { Settings } from "./options.ts";

/**
 * Reads the password file, if there is one.
 * @throws {CallError} if it cannot be read.
 */
export async function loginOf(
  { passwordFile, anonymous }: Pick<Settings, "passwordFile" | "anonymous">,
  log: Log,
): Promise<Login> {
  const { openLogin } = await import("../login/open.ts");
  const onEvent = ({ level, message, fields }: LoginEvent) => log[level](message, cut(fields, log));
  const isAlone = passwordFile === undefined;
  const links: LinkOptions[] = [
    ...isAlone ? [] : [{ kind: "password-file", file: passwordFile } as const],
    { kind: "anonymous", from: anonymous, credentials: isAlone ? "ignored" : "passed on" },
  ];
  return await openLogin({ links, onEvent }).catch((error: Error) => {
    throw new CallError(`--password-file ${passwordFile}: ${error.message}`);
  });
}

function cut(fields: LoginEvent["fields"], log: Log): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === "string" ? log.cut(value) : value]),
  );
}

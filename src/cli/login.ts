/**
 * Who may come in, as settings say.
 * Knows settings; refuses to know how a link decides.
 * @module
 */
import { kebab } from "../config/setting.ts";
import type { FailedLogins } from "../login/failed_logins.ts";
import type { LinkOptions, Login, LoginEvent } from "../login/mod.ts";
import { CallError } from "./error.ts";
import type { Fields, Log } from "./log.ts";
import type { Settings } from "./options.ts";

/** The settings that make a chain. */
export type LoginSettings = Pick<Settings, "passwordFile" | "anonymous" | "login" | "loginLimits">;

/** The links that settings ask for, in their order. */
export function linksOf(
  { passwordFile: file, anonymous: from, login }: LoginSettings,
): readonly LinkOptions[] {
  if (login !== undefined) return login.map(({ options }) => options);
  if (file === undefined) return [{ kind: "anonymous", from, credentials: "ignored" }];
  return [{ kind: "password-file", file }, { kind: "anonymous", from, credentials: "passed on" }];
}

/** Whether Clients of other machines may come in by one of the links. */
export function letsInOthers(settings: LoginSettings): boolean {
  return linksOf(settings).some((link) => link.kind !== "anonymous" || link.from === "always");
}

/**
 * Makes the chain, which counts failed logins with others, and reads its files.
 * @throws {CallError} for a file that cannot be read, and for options that do not go together.
 */
export async function loginOf(
  settings: LoginSettings,
  log: Log,
  failedLogins?: FailedLogins,
): Promise<Login> {
  const { LinkError, openLogin } = await import("../login/open.ts");
  const onEvent = ({ level, message, fields }: LoginEvent) => log[level](message, cut(fields, log));
  const counted = failedLogins && { failedLogins };
  return await openLogin({ links: linksOf(settings), ...settings.loginLimits, ...counted, onEvent }).catch(
    (error: Error) => {
      const link = settings.login?.[error instanceof LinkError ? error.index : 0];
      const where = link?.where ?? `--password-file ${settings.passwordFile}`;
      const said = error.message.replace(/(?<![^ ])[a-z]+(?:[A-Z][a-z]+)+(?![^ ,:])/g, kebab); // options as they are written in a file; no paths
      throw new CallError(`${where}: ${settings.login === undefined ? error.message : said}`);
    },
  );
}

function cut(fields: LoginEvent["fields"], log: Log): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === "string" ? log.cut(value) : value]),
  );
}

/**
 * Who may come in, as the flags of `plumb serve` say.
 * Knows flags and files; refuses to know how a link decides. What is not asked for is not loaded.
 * @module
 */
import type { LoginChain, LoginEvent, LoginLink } from "../login/mod.ts";
import { CallError } from "./error.ts";
import type { Fields, Log } from "./log.ts";
import type { Settings } from "./options.ts";

/** The login of a broker. */
export interface Login {
  /** For `serve()`. */
  readonly chain: Pick<LoginChain, "authenticate" | "authenticationMethods">;
  /** Reads its files now. */
  reload(): Promise<void>;
  /** Ends what it has begun. */
  close(): Promise<void>;
}

/**
 * Reads the password file, if there is one.
 * @throws {CallError} if it cannot be read.
 */
export async function openLogin({ passwordFile, anonymous }: Settings, log: Log): Promise<Login> {
  const { loginChain } = await import("../login/chain.ts");
  const { anonymousLink } = await import("../login/anonymous.ts");
  const onEvent = ({ level, message, fields }: LoginEvent) => log[level](message, cut(fields, log));
  const links: LoginLink[] = [];
  let reload = async (): Promise<void> => {};
  let close = async (): Promise<void> => {};
  if (passwordFile !== undefined) {
    const { HashPool } = await import("../login/hash_pool.ts");
    const { passwordLink } = await import("../login/password.ts");
    const { PasswordFile } = await import("../login/password_file.ts");
    const { scramLink } = await import("../login/scram.ts");
    const file = await PasswordFile.open(passwordFile, { onEvent }).catch((error: Error) => {
      throw new CallError(`--password-file ${passwordFile}: ${error.message}`);
    });
    const pool = new HashPool({ onEvent });
    links.push(passwordLink(file, pool), scramLink(file));
    log.info("password file read", { file: passwordFile, users: file.users.size });
    reload = () => file.reload();
    close = async () => {
      file.close();
      await pool.close();
    };
  }
  links.push(anonymousLink(anonymous, passwordFile === undefined ? "ignored" : "passed on"));
  const { authenticate, authenticationMethods } = loginChain(links, { onEvent });
  return { chain: { authenticate, authenticationMethods }, reload: () => reload(), close: () => close() };
}

function cut(fields: LoginEvent["fields"], log: Log): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === "string" ? log.cut(value) : value]),
  );
}

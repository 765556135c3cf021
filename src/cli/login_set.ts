/**
 * The login chains of all listeners: that of the broker, and those of listeners with settings of their own.
 * Knows which chain goes on when settings change; refuses to know how a link decides.
 * @module
 */
import type { Broker } from "../broker/mod.ts";
import { FailedLogins } from "../login/failed_logins.ts";
import type { Login } from "../login/mod.ts";
import { FAILED_LOGIN_NUMBERS } from "../login/numbers.ts";
import type { Log } from "./log.ts";
import { linksOf, loginOf, type LoginSettings } from "./login.ts";
import type { Listen, Settings } from "./options.ts";

/** The settings of a listener: its own in place of those of the broker. */
export function loginSettings(
  { passwordFile, anonymous, login, loginLimits }: Settings,
  own: Listen["own"] = {},
): LoginSettings {
  if (own.login !== undefined) return { passwordFile: undefined, anonymous, loginLimits, login: own.login };
  const isShort = own.passwordFile !== undefined || own.anonymous !== undefined;
  return {
    passwordFile: own.passwordFile ?? passwordFile,
    anonymous: own.anonymous ?? anonymous,
    loginLimits,
    ...!isShort && login && { login },
  };
}

/** Whether a listener has a chain of its own. */
export function hasOwnLogin({ own }: Listen): boolean {
  return own?.passwordFile !== undefined || own?.anonymous !== undefined || own?.login !== undefined;
}

/** Chains of the same links are one. */
function nameOf(settings: LoginSettings): string {
  return JSON.stringify([linksOf(settings), settings.loginLimits]);
}

/** The chains of one configuration, by their settings. */
export class LoginSet {
  readonly #logins: ReadonlyMap<string, Login>;
  /** Of all chains together, and of those that follow them: another listener gives nobody more guesses, and a reload neither. */
  readonly #failedLogins: FailedLogins;

  private constructor(logins: ReadonlyMap<string, Login>, failedLogins: FailedLogins) {
    this.#logins = logins;
    this.#failedLogins = failedLogins;
  }

  /**
   * Opens the chains that these settings need; those that `before` has already go on.
   * @throws {CallError} for a file that cannot be read; then none is opened.
   */
  static async open(settings: Settings, log: Log, before?: LoginSet): Promise<LoginSet> {
    const logins = new Map<string, Login>();
    const failedLogins = before === undefined ? new FailedLogins() : before.#failedLogins;
    const needed = [undefined, ...settings.listen.map(({ own }) => own)].map((own) =>
      loginSettings(settings, own)
    );
    try {
      for (const one of needed) {
        const name = nameOf(one);
        if (!logins.has(name)) logins.set(name, before?.find(name) ?? await loginOf(one, log, failedLogins));
      }
    } catch (error) {
      await new LoginSet(logins, failedLogins).close(before);
      throw error;
    }
    return new LoginSet(logins, failedLogins);
  }

  /** Users of sessions that are kept have logged in from where they made them: guesses from elsewhere do not hold them back. */
  knows(broker: Pick<Broker, "clientIds" | "session">, { loginLimits }: Settings): void {
    const most = loginLimits.loginsRememberedMax ?? FAILED_LOGIN_NUMBERS.loginsRememberedMax.default;
    let left = most;
    for (const clientId of broker.clientIds()) {
      if (left-- === 0) break;
      const { user, address } = broker.session(clientId)!;
      if (user !== undefined && address !== undefined) this.#failedLogins.knows(address, user, most);
    }
  }

  private find(name: string): Login | undefined {
    return this.#logins.get(name);
  }

  /** The options of `serve()` for these settings. */
  of(settings: LoginSettings): Pick<Login, "authenticate" | "authenticationMethods" | "authorize"> {
    const { authenticate, authenticationMethods, authorize } = this.#logins.get(nameOf(settings))!;
    return { authenticate, authenticationMethods, ...authorize && { authorize } };
  }

  /** Reads all files again. */
  async reload(): Promise<void> {
    for (const login of this.#logins.values()) await login.reload();
  }

  /** Ends what the chains have begun, but for those that `next` goes on with. */
  async close(next?: LoginSet): Promise<void> {
    for (const [name, login] of this.#logins) {
      if (next?.find(name) !== login) await login.close();
    }
  }
}

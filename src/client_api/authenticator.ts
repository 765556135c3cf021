/**
 * §4.12 Enhanced authentication by the method of the options.
 * Knows promises; refuses to know packets.
 * @module
 */
import {
  Authentication,
  type AuthenticationHost,
  type AuthenticationOwner,
} from "../client/authentication.ts";
import { ConnectionError, type MqttError } from "../client/error.ts";
import type { Credentials } from "../client/options.ts";
import type { ConnackProperties } from "../codec/packet.ts";
import type { Authentication as Method } from "./options.ts";

/** The driver, for its authentication. */
export interface AuthenticatorHost {
  /** Calls the engine, and has the turn end. */
  run<T>(action: (engine: unknown, now: number) => T): T;
}

/** Asks the method, and tells the engine what it answers. */
export class Authenticator implements AuthenticationOwner {
  readonly #method: Method;
  readonly #host: AuthenticatorHost;
  #engine!: Authentication;

  constructor(method: Method, host: AuthenticatorHost) {
    this.#method = method;
    this.#host = host;
  }

  /** For the engine's options. */
  readonly make = (host: AuthenticationHost): Authentication => this.#engine = new Authentication(host, this);

  /** What CONNECT says. */
  async credentials(): Promise<Credentials> {
    const data = await this.#method.initial?.();
    return {
      authenticationMethod: this.#method.method,
      ...data !== undefined && { authenticationData: data },
    };
  }

  challenged(data: Uint8Array | undefined): void {
    Promise.resolve(data ?? new Uint8Array()).then((data) => this.#method.next(data)).then(
      (next) => this.#host.run((_engine, now) => this.#engine.next(next, now)),
      (error) => this.#host.run((_engine, now) => this.#engine.failed(error, now)),
    );
  }

  /** Why the Server of a CONNACK is not who it should be. */
  refuses({ authenticationData }: Readonly<ConnackProperties>): MqttError | undefined {
    try {
      this.#method.verify?.(authenticationData);
    } catch (error) {
      return new ConnectionError("The Server has not proved who it is", error);
    }
    return undefined;
  }

  /** §4.12.1 */
  async again(): Promise<void> {
    const data = await this.#method.initial?.();
    await new Promise((done, failed) => {
      this.#host.run((_engine, now) => this.#engine.again(data, { done, failed }, now));
    });
  }
}

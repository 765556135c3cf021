/**
 * The errors of a cluster's NATS, in one line for a person.
 * Knows what can be wrong and what would be right; refuses to know how an error is dealt with, and to repeat a secret.
 * @module
 */

/**
 * The kind of an error.
 * - `package`: the npm package is not installed.
 * - `options`: what was asked for makes no sense.
 * - `unreachable`: no server answers.
 * - `tls`: there is no TLS, or a certificate is not trusted.
 * - `login`: the server refuses user, password, token, key or credentials.
 * - `permission`: the user may not do what is needed.
 * - `version`: the server is too old.
 * - `no-jetstream`: JetStream is off.
 * - `replicas`: there are not enough servers, or a stream is kept by another number of them.
 * - `stream`: a stream is there that is made in another way.
 * - `unavailable`: JetStream does not answer.
 */
export type NatsTrouble =
  | "package"
  | "options"
  | "unreachable"
  | "tls"
  | "login"
  | "permission"
  | "version"
  | "no-jetstream"
  | "replicas"
  | "stream"
  | "unavailable";

/** NATS cannot be used. The message is one line, and says what would be right. */
export class NatsError extends Error {
  /** Always `NatsError`. */
  override readonly name = "NatsError";
  /** Its kind: a remedy depends on that. */
  readonly trouble: NatsTrouble;

  /** @internal */
  constructor(trouble: NatsTrouble, message: string) {
    super(message);
    this.trouble = trouble;
  }
}

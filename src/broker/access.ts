/**
 * §5.4.2 What a session's Client may be sent, as rules say that may change at any time.
 * Knows since when its subscriptions are known to be granted; refuses to know rules and subscriptions.
 *
 * Where every subscription is granted by the present rules, and none of them reaches further than the Client may see, nothing is asked
 * for a message. Otherwise each is.
 * @module
 */
import type { ClientPermissions } from "./options.ts";

/** `version` of none. */
const NEVER = -1;

/** The access of one session; one that knows no rules has none. */
export class Access {
  /** The answers for the Client that connected last. */
  readonly rights: ClientPermissions;
  /** `rights.version` at which every subscription is known to be granted. */
  grantedAt: number;
  /** The one at which every message that waits was taken. */
  readonly #takenAt: number;

  /** `isNew`: the session has no subscriptions and no messages yet. */
  constructor(rights: ClientPermissions, isNew: boolean) {
    this.rights = rights;
    this.grantedAt = this.#takenAt = isNew ? rights.version : NEVER;
  }

  /** Rules have changed, and the subscriptions have not all been asked for again. */
  get isUnsettled(): boolean {
    return this.rights.version !== this.grantedAt;
  }

  /** Whether a message that the subscriptions match may be delivered. */
  mayReceive(topic: string): boolean {
    const { rights } = this;
    return (rights.version === this.grantedAt && !rights.isNarrowed) || rights.receive(topic);
  }

  /** Whether a message that has waited may still be delivered. */
  mayStillReceive(topic: string): boolean {
    const { rights } = this;
    return (rights.version === this.#takenAt && !rights.isNarrowed) || rights.receive(topic);
  }
}

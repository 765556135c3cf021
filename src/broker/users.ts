/**
 * What all Clients with one user name have together: their sessions, and the bytes of the messages that wait in these.
 * Knows the counts of each user; refuses to know the limits that they are compared with.
 * @module
 */
import { invariant } from "../codec/error.ts";
import { type Ledger, OBJECT_BYTES } from "./ledger.ts";

/** The counts of one user, who has at least one session. */
export class UserAccount {
  readonly name: string;
  /** Sessions, of connected and of disconnected Clients. */
  sessions = 0;
  /** The bytes that the messages which wait in them count for in `queuedBytesMax`. */
  queuedBytes = 0;

  constructor(name: string) {
    this.name = name;
  }
}

/** A session, as far as its user's counts go. */
export interface Charged {
  /** Undefined without a user name, and once the session has ended. */
  account: UserAccount | undefined;
  /** The bytes that its messages that wait count for. */
  readonly queuedBytes: number;
}

/** The users of one broker who have sessions. */
export class Users {
  readonly #ledger: Ledger;
  readonly #byName: Map<string, UserAccount> = new Map();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** How many sessions a user has. */
  sessionsOf(name: string): number {
    return this.#byName.get(name)?.sessions ?? 0;
  }

  /** The session counts for this user from now on; undefined for none. */
  charge(session: Charged, name: string | undefined): void {
    const before = session.account;
    if (before?.name === name) return;
    session.account = name === undefined ? undefined : this.#accountOf(name);
    if (before?.sessions !== 0) return;
    this.#byName.delete(before.name);
    this.#ledger.sessions -= OBJECT_BYTES.user;
  }

  #accountOf(name: string): UserAccount {
    let account = this.#byName.get(name);
    if (account === undefined) {
      account = new UserAccount(name);
      this.#byName.set(name, account);
      this.#ledger.sessions += OBJECT_BYTES.user;
    }
    return account;
  }

  /** Counts anew what all sessions that have not ended have, and compares. */
  assertInvariants(sessions: Iterable<Charged>): void {
    const found = new Map<UserAccount, { sessions: number; bytes: number }>();
    for (const { account, queuedBytes } of sessions) {
      if (account === undefined) continue;
      const { sessions, bytes } = found.get(account) ?? { sessions: 0, bytes: 0 };
      found.set(account, { sessions: sessions + 1, bytes: bytes + queuedBytes });
    }
    invariant(found.size === this.#byName.size, "users that have sessions");
    for (const [account, { sessions, bytes }] of found) {
      invariant(this.#byName.get(account.name) === account, "the account of a user");
      invariant(account.sessions === sessions, "sessions of a user");
      invariant(account.queuedBytes === bytes, "bytes that wait in the sessions of a user");
    }
  }
}

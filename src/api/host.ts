/**
 * What the API works on: the broker that runs, and the program around it.
 * Knows what it needs of them; refuses to know where files and settings are.
 * @module
 */
import type {
  BrokerStats,
  ExplainQuestion,
  Explanation,
  Inspector,
  Limits,
  MessageInit,
  Refusal,
  Trace,
  TraceEvents,
  TraceOptions,
} from "../broker/mod.ts";
import type { Figures } from "../server/open_metrics.ts";
import type { ApiNumber } from "./numbers.ts";

/** A trace that is under way. */
export type Traced = Pick<Trace, "end" | "packets">;

/** A broker that takes Clients. */
export interface ApiServer {
  readonly broker: { readonly stats: BrokerStats; readonly limits: Limits };
  readonly inspector: Inspector;
  /** @throws {UsageError} for what cannot be sent. */
  publish(message: MessageInit): void;
  /** False if the Client has no connection. @throws {UsageError} for a reason that DISCONNECT cannot carry. */
  disconnect(clientId: string, reason: Refusal): boolean;
  /** False if the Client has no session. @throws {UsageError} as `disconnect()` does. */
  endSession(clientId: string, reason: Refusal): boolean;
  /** @throws {UsageError} for a question that is none. */
  explain(question: ExplainQuestion, now: number): Explanation;
  /** @throws {UsageError} for options that say not what, or too much. */
  trace(options: TraceOptions, events: TraceEvents, now: number): Traced;
}

/** An answer to user and password. */
export type LoginAnswer = "let in" | "refused" | "not now";

/** A setting that holds. */
export interface SettingView {
  /** The dotted path in plumb.toml. */
  readonly key: string;
  /** As in the environment; secrets are masked. */
  readonly values: readonly string[];
  readonly isDefault: boolean;
  readonly unit: string | null;
  readonly about: string;
  /** When a change holds. */
  readonly reload: string;
}

/** A listener. */
export interface ListenerView {
  /** As it was asked for. */
  readonly url: string;
  /** Where it is open: none if it could not be opened. */
  readonly addresses: readonly string[];
  readonly tls: boolean;
  /** It shows the page. */
  readonly page: boolean;
  /** It shows this API. */
  readonly api: boolean;
  readonly metrics: boolean;
  /** The links of its login chain, in the order in which they are asked. */
  readonly login: readonly string[];
}

/** A user of the password file. */
export interface UserView {
  readonly name: string;
  /** It has a password for CONNECT. */
  readonly password: boolean;
  /** It has keys for SCRAM. */
  readonly scram: boolean;
}

/** The password file. Its methods throw `ApiError`. */
export interface UserFile {
  readonly file: string;
  /** By name. */
  all(): readonly UserView[];
  /** Sets a password, which holds when the promise resolves; gives whether the user is new. */
  set(name: string, password: string, scram: boolean): Promise<boolean>;
  /** Deletes a user; false if there is none. Connections that are open stay. */
  delete(name: string): Promise<boolean>;
}

/** The file of permissions. Its methods throw `ApiError`. */
export interface PermissionFile {
  readonly file: string;
  /** Ours in TOML, or one of mosquitto's. */
  readonly kind: "toml" | "mosquitto-acl";
  read(): { readonly text: string; readonly version: string };
  /** Checks the text, replaces the file and has it read again. `version` is that of the text that was changed. */
  replace(text: string, version: string | undefined): Promise<{ readonly version: string }>;
}

/** The program around it. */
export interface ApiHost {
  /** The values that hold. */
  readonly numbers: Readonly<Record<ApiNumber, number>>;
  /** Names by which pages may call the broker, besides loopback names and addresses. */
  readonly hosts: readonly string[];
  /** Users who may log in; the others may not, whatever their password. */
  readonly admins: readonly string[];
  /** Of the owner, for `Authorization: Bearer`; undefined if there is none. */
  readonly token: string | undefined;
  /** Of the program. */
  readonly version: string;
  /** ms since the epoch. */
  now(): number;
  /** The broker; undefined before it runs, and from the moment on in which it stops. */
  server(): ApiServer | undefined;
  /** All figures of this moment, with the names of the busiest; undefined while the broker takes no Clients. */
  figures(): Figures | undefined;
  /** Asks the login chain of the broker for a user at this address. */
  login(user: string, password: string, address: string): Promise<LoginAnswer>;
  settings(): readonly SettingView[];
  listeners(): readonly ListenerView[];
  /** Undefined if no setting names one. */
  users(): UserFile | undefined;
  /** Undefined if no setting names one. */
  permissions(): PermissionFile | undefined;
  /** A snapshot of all data, all of one moment, in pieces. @throws {ApiError} if there is no data directory, or one is made already. */
  snapshot(signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Resolves when what has been answered so far is on the disk, or could not be brought there for a while. */
  untilSafe(): Promise<void>;
  /** Reads users and permissions again, which another process has changed; resolves when they hold. */
  readAgain(): Promise<void>;
  /** An error of its own, for the log. */
  failed(error: unknown): void;
}

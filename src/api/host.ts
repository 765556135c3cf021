/**
 * What the API works on: the broker that runs, and the program around it.
 * Knows what it needs of them; refuses to know where files and settings are.
 * @module
 */
import type { Broker, Inspector, MessageInit, Refusal } from "../broker/mod.ts";
import type { ProcessFigures } from "../server/open_metrics.ts";
import type { ApiNumber } from "./numbers.ts";

/** A broker that takes Clients. */
export interface ApiServer {
  readonly broker: Pick<Broker, "stats">;
  readonly inspector: Inspector;
  publish(message: MessageInit): void;
  disconnect(clientId: string, reason: Refusal): boolean;
}

/** An answer to user and password. */
export type LoginAnswer = "let in" | "refused" | "not now";

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
  /** ms since the epoch. */
  now(): number;
  /** The broker; undefined before it runs, and from the moment on in which it stops. */
  server(): ApiServer | undefined;
  process(): ProcessFigures;
  /** Asks the login chain of the broker for a user at this address. */
  login(user: string, password: string, address: string): Promise<LoginAnswer>;
  /** An error of its own, for the log. */
  failed(error: unknown): void;
}

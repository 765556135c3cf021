/**
 * Clients that are connected.
 * Knows what is asked of them; refuses to know how they are found.
 * @module
 */
import type { Refusal } from "../../broker/mod.ts";
import { UsageError } from "../../codec/error.ts";
import { ApiError } from "../error.ts";
import { askOf, found, inspectorOf, type Operation, paged, PAGING, serverOf } from "../operation.ts";
import { flag, integer, object, page, type Schema, text } from "../schema.ts";
import { CLIENT, SESSION } from "../views.ts";

/** A text in the entries that are wanted. */
export const SEARCH: Schema = text("in the Client Identifier, the user name or the address", {
  maxLength: 1_000,
});

/** The Reason Code of a DISCONNECT. */
export const REASON: Schema = integer(
  "the Reason Code that the Client is told, one of a Server's DISCONNECT; 152 is 0x98",
  {
    maximum: 255,
    default: 0x98,
  },
);

/** Calls what ends something, with this Reason Code. @throws {ApiError} for one that DISCONNECT cannot carry. */
export function ending<T>(code: number, end: (refusal: Refusal) => T): T {
  try {
    return end({
      code: code as Refusal["code"],
      rule: "policy/administrative",
      message: "Ended by the operator",
    });
  } catch (error) {
    throw error instanceof UsageError ? new ApiError("bad-request", `reason: ${error.message}`) : error;
  }
}

/** Clients. */
export const clientOperations: readonly Operation[] = [
  {
    method: "get",
    path: "/clients",
    id: "clients",
    among: "parts",
    about: "Clients that are connected",
    query: { ...PAGING, search: SEARCH },
    answer: page(CLIENT),
    run(call) {
      const { search } = call.given as { search?: string };
      return paged(inspectorOf(call).clients(askOf(call), call.now, search));
    },
  },
  {
    method: "get",
    path: "/clients/{id}",
    id: "client",
    among: "holder",
    about: "One Client that is connected, and its session",
    answer: object({ client: CLIENT, session: SESSION }),
    run(call) {
      const id = call.given["id"] as string;
      const inspector = inspectorOf(call);
      const client = found(inspector.client(id), `No Client ${JSON.stringify(id)} is connected`);
      return { client, session: inspector.session(id) };
    },
  },
  {
    method: "delete",
    path: "/clients/{id}",
    id: "disconnect",
    among: "holder",
    about: "Ends the connection of a Client, and with session=true its session too",
    query: { reason: REASON, session: { ...flag("end the session too"), default: false } },
    run(call) {
      const { id, reason, session } = call.given as { id: string; reason: number; session: boolean };
      const server = serverOf(call);
      found(server.inspector.client(id), `No Client ${JSON.stringify(id)} is connected`);
      ending(reason, (why) => session ? server.endSession(id, why) : server.disconnect(id, why));
    },
  },
];

/**
 * Sessions, of connected and of disconnected Clients: their subscriptions, and messages on their way to them.
 * Knows what is asked of them; refuses to know how they are found.
 * @module
 */
import { ApiError } from "../error.ts";
import {
  askOf,
  type Call,
  found,
  inspectorOf,
  type Operation,
  paged,
  PAGING,
  serverOf,
} from "../operation.ts";
import { shownPayload } from "../payload.ts";
import { flag, integer, list, object, orNull, page, text } from "../schema.ts";
import { QUEUED, SESSION, SUBSCRIPTION } from "../views.ts";
import { ending, REASON, SEARCH } from "./clients.ts";

/** The session that a path names. @throws {ApiError} */
function sessionOf(call: Call) {
  const id = call.given["id"] as string;
  return found(inspectorOf(call).session(id), `There is no session ${JSON.stringify(id)}`);
}

/** Sessions. */
export const sessionOperations: readonly Operation[] = [
  {
    method: "get",
    path: "/sessions",
    id: "sessions",
    among: "parts",
    about: "Sessions, of connected and of disconnected Clients",
    query: { ...PAGING, search: SEARCH, connected: flag("only those that are, or are not") },
    answer: page(SESSION),
    run(call) {
      const { search, connected } = call.given as { search?: string; connected?: boolean };
      return paged(inspectorOf(call).sessions(askOf(call), call.now, search, connected));
    },
  },
  {
    method: "get",
    path: "/sessions/{id}",
    id: "session",
    among: "holder",
    about: "One session",
    answer: SESSION,
    run: sessionOf,
  },
  {
    method: "delete",
    path: "/sessions/{id}",
    id: "endSession",
    among: "holder",
    about: "Ends a session, and the connection of its Client; a Will that waits is published",
    query: { reason: REASON },
    run(call) {
      const { id, reason } = call.given as { id: string; reason: number };
      if (ending(reason, (why) => serverOf(call).endSession(id, why))) return;
      throw new ApiError("not-found", `There is no session ${JSON.stringify(id)}`);
    },
  },
  {
    method: "get",
    path: "/sessions/{id}/subscriptions",
    id: "sessionSubscriptions",
    among: "holder",
    about: "The subscriptions of one session",
    query: PAGING,
    answer: page(SUBSCRIPTION),
    run(call) {
      const { clientId } = sessionOf(call);
      return paged(inspectorOf(call).subscriptionsOf(clientId, askOf(call), call.now));
    },
  },
  {
    method: "get",
    path: "/sessions/{id}/queue",
    id: "queue",
    among: "holder",
    about:
      "QoS 1 and 2 messages on their way to one session, in their order; those that are in the store alone come behind them",
    query: {
      ...PAGING,
      after: text("next of the page before", { maxLength: 20 }),
      payload: { ...flag("with what is in them, as far as api-payloads-bytes-max allows"), default: false },
    },
    answer: object({
      items: list(QUEUED),
      next: orNull(text(), "give it as after=; null at the end"),
      stored: integer("how many messages are in the store alone: they are counted, and not shown"),
    }),
    run(call) {
      const { clientId, stored } = sessionOf(call);
      const after = call.given["after"] as string | undefined;
      if (after !== undefined && !/^[0-9a-z]+$/.test(after)) {
        throw new ApiError("bad-request", "after is no cursor: it takes next of the page before");
      }
      const { items, next } = paged(inspectorOf(call).queue(clientId, askOf(call), call.now));
      let left = call.given["payload"] === true ? call.host.numbers.apiPayloadsBytesMax : -1;
      const shown = items.map(({ payload, ...item }) => {
        left -= payload.length;
        return left < 0 ? item : { ...item, ...shownPayload(payload) };
      });
      return { items: shown, next, stored };
    },
  },
];

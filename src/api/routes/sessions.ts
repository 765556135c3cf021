/**
 * Sessions, of connected and of disconnected Clients.
 * Knows what is asked of them; refuses to know how they are found.
 * @module
 */
import { askOf, found, inspectorOf, type Operation, paged, PAGING } from "../operation.ts";
import { flag, page, text } from "../schema.ts";
import { SESSION } from "../views.ts";

/** Sessions. */
export const sessionOperations: readonly Operation[] = [
  {
    method: "get",
    path: "/sessions",
    id: "sessions",
    about: "Sessions, of connected and of disconnected Clients",
    query: {
      ...PAGING,
      search: text("in the Client Identifier, the user name or the address", { maxLength: 1_000 }),
      connected: flag("only those that are, or are not"),
    },
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
    about: "One session",
    answer: SESSION,
    run(call) {
      const id = call.given["id"] as string;
      return found(inspectorOf(call).session(id), `There is no session ${JSON.stringify(id)}`);
    },
  },
];

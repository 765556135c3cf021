/**
 * Clients that are connected.
 * Knows what is asked of them; refuses to know how they are found.
 * @module
 */
import { askOf, found, inspectorOf, type Operation, paged, PAGING } from "../operation.ts";
import { object, page, text } from "../schema.ts";
import { CLIENT, SESSION } from "../views.ts";

/** Clients. */
export const clientOperations: readonly Operation[] = [
  {
    method: "get",
    path: "/clients",
    id: "clients",
    about: "Clients that are connected",
    query: {
      ...PAGING,
      search: text("in the Client Identifier, the user name or the address", { maxLength: 1_000 }),
    },
    answer: page(CLIENT),
    run: (call) =>
      paged(inspectorOf(call).clients(askOf(call), call.now, call.given["search"] as string | undefined)),
  },
  {
    method: "get",
    path: "/clients/{id}",
    id: "client",
    about: "One Client that is connected, and its session",
    answer: object({ client: CLIENT, session: SESSION }),
    run(call) {
      const id = call.given["id"] as string;
      const inspector = inspectorOf(call);
      const client = found(inspector.client(id), `No Client ${JSON.stringify(id)} is connected`);
      return { client, session: inspector.session(id) };
    },
  },
];

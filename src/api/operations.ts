/**
 * All operations of the API, in the order of the document.
 * Knows where they are; refuses to know what they do.
 * @module
 */
import type { LoginParts } from "./access.ts";
import { openApi } from "./open_api.ts";
import type { Operation } from "./operation.ts";
import { clientOperations } from "./routes/clients.ts";
import { explainOperations } from "./routes/explain.ts";
import { figureOperations } from "./routes/figures.ts";
import { loginOperations } from "./routes/login.ts";
import { messageOperations } from "./routes/messages.ts";
import { programOperations } from "./routes/program.ts";
import { sessionOperations } from "./routes/sessions.ts";
import { topicOperations } from "./routes/topics.ts";
import { ROOT } from "./router.ts";
import { object, orNull, text } from "./schema.ts";

/** All of them. */
export function operationsOf(parts: LoginParts): readonly Operation[] {
  const operations: Operation[] = [
    {
      method: "get",
      path: "",
      id: "about",
      among: "any",
      about: "What this is, and where the rest is",
      answer: object({
        name: text(),
        version: text("of the program"),
        user: orNull(text(), "the administrator who asks; null for the owner, by the token"),
        document: text("where the OpenAPI document is"),
        paths: { type: "array", items: text(), description: "all paths, below the address of this answer" },
      }),
      run: ({ host, user }) => ({
        name: "plumb",
        version: host.version,
        user,
        document: `${ROOT}/openapi.json`,
        paths: [...new Set(operations.map(({ path }) => path))],
      }),
    },
    {
      method: "get",
      path: "/openapi.json",
      id: "document",
      among: "any",
      about: "The OpenAPI document of this API",
      answer: { type: "object" },
      run: ({ host }) => openApi(operations, host.version),
    },
    ...loginOperations(parts),
    ...figureOperations,
    ...clientOperations,
    ...sessionOperations,
    ...topicOperations,
    ...messageOperations,
    ...explainOperations,
    ...programOperations(parts),
  ];
  return operations;
}

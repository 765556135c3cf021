/**
 * All operations of the API, in the order of the document.
 * Knows where they are; refuses to know what they do.
 * @module
 */
import type { Logins } from "./access.ts";
import { openApi } from "./open_api.ts";
import type { Operation } from "./operation.ts";
import { clientOperations } from "./routes/clients.ts";
import { figureOperations } from "./routes/figures.ts";
import { loginOperations } from "./routes/login.ts";
import { messageOperations } from "./routes/messages.ts";
import { programOperations } from "./routes/program.ts";
import { sessionOperations } from "./routes/sessions.ts";
import { topicOperations } from "./routes/topics.ts";
import { ROOT } from "./router.ts";
import { object, text } from "./schema.ts";

/** What logins need. */
export interface LoginParts {
  readonly logins: Logins;
  /** Whether the listener has TLS. */
  readonly isTls: boolean;
}

/** All of them. */
export function operationsOf(parts: LoginParts): readonly Operation[] {
  const operations: Operation[] = [
    {
      method: "get",
      path: "",
      id: "about",
      about: "What this is, and where the rest is",
      answer: object({
        name: text(),
        version: text("of the program"),
        document: text("where the OpenAPI document is"),
        paths: { type: "array", items: text(), description: "all paths, below the address of this answer" },
      }),
      run: ({ host }) => ({
        name: "plumb",
        version: host.process().version,
        document: `${ROOT}/openapi.json`,
        paths: [...new Set(operations.map(({ path }) => path))],
      }),
    },
    {
      method: "get",
      path: "/openapi.json",
      id: "document",
      about: "The OpenAPI document of this API",
      answer: { type: "object" },
      run: ({ host }) => openApi(operations, host.process().version),
    },
    ...loginOperations(parts),
    ...figureOperations,
    ...clientOperations,
    ...sessionOperations,
    ...topicOperations,
    ...messageOperations,
    ...programOperations,
  ];
  return operations;
}

/**
 * The OpenAPI document, from the rows that routes are made of.
 * Knows the form of the document; refuses to know which operations there are.
 * @module
 */
import { COOKIE, CSRF_HEADER } from "./access.ts";
import { ERROR_STATUS } from "./error.ts";
import { MISSING_HEADER, type Operation } from "./operation.ts";
import { ROOT } from "./router.ts";
import { integer, object, type Schema, text } from "./schema.ts";

/** The schema of an error. */
export const ERROR_SCHEMA: Schema = object({
  error: object({
    code: { ...text("what clients tell errors apart by"), enum: Object.keys(ERROR_STATUS) },
    message: text("what was wrong, where, and what would be right: for people"),
    line: integer("in the text of a file"),
    key: text("in the text of a file"),
  }, ["line", "key"]),
});

/** OpenAPI 3.1. */
export function openApi(operations: readonly Operation[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of operations) {
    (paths[`${ROOT}${operation.path}`] ??= {})[operation.method] = documented(operation);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Plumb",
      version,
      description:
        `The HTTP API of an MQTT broker. With a cookie, what changes something needs the header ${CSRF_HEADER}: 1.`,
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    security: [{ token: [] }, { cookie: [] }],
    paths,
    components: {
      schemas: { Error: ERROR_SCHEMA },
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "plumb page prints it" },
        cookie: { type: "apiKey", in: "cookie", name: COOKIE, description: `of POST ${ROOT}/login` },
      },
    },
  };
}

function documented(operation: Operation): object {
  const { id, about, body, isOpen } = operation;
  return {
    operationId: id,
    summary: about,
    ...isOpen && { security: [] },
    parameters: parametersOf(operation),
    ...body && { requestBody: { required: true, content: { "application/json": { schema: body } } } },
    responses: {
      ...answered(operation),
      default: {
        description: "an error",
        content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
      },
    },
  };
}

function answered({ answer, type = "application/json", among }: Operation): object {
  const headers = among !== "any" && { headers: { [MISSING_HEADER]: MISSING } };
  if (answer === undefined && type === "application/json") {
    return { 204: { description: "done", ...headers } };
  }
  return { 200: { description: "the answer", ...headers, content: { [type]: { schema: answer ?? {} } } } };
}

const MISSING = {
  description:
    "of a broker of several workers: the numbers of those that did not answer, whose part is missing",
  schema: text(),
};

function parametersOf({ path, parts = {}, query = {}, needs = [] }: Operation): object[] {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  return [
    ...names.map((name) => ({ name, in: "path", required: true, schema: parts[name] ?? text() })),
    ...Object.entries(query).map(([name, schema]) => ({
      name,
      in: "query",
      required: needs.includes(name),
      schema,
    })),
  ];
}

/**
 * JSON Schemas of what the API takes and answers, short to write; what it takes is held against them.
 * Knows the part of JSON Schema that is used here; refuses to know which values the API has.
 * @module
 */
import { ApiError } from "./error.ts";

/** A JSON Schema (2020-12), of the keywords that occur here. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly (string | number)[];
  readonly const?: string | number;
  readonly default?: string | number | boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly format?: string;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
}

/** A text. */
export function text(description?: string, more: Schema = {}): Schema {
  return { type: "string", ...description !== undefined && { description }, ...more };
}

/** A whole number, by default not below 0. */
export function integer(description?: string, more: Schema = {}): Schema {
  return { type: "integer", minimum: 0, ...description !== undefined && { description }, ...more };
}

/** Any number. */
export function number(description: string): Schema {
  return { type: "number", description };
}

/** True or false. */
export function flag(description?: string): Schema {
  return { type: "boolean", ...description !== undefined && { description } };
}

/** One of these. */
export function oneOf(values: readonly (string | number)[], description?: string): Schema {
  const type = typeof values[0] === "number" ? "integer" : "string";
  return { type, enum: values, ...description !== undefined && { description } };
}

/** That, or null, which `description` explains. */
export function orNull(schema: Schema, description?: string): Schema {
  return {
    ...schema,
    type: [schema.type as string, "null"],
    ...description !== undefined && { description },
  };
}

/** A list. */
export function list(items: Schema, description?: string): Schema {
  return { type: "array", items, ...description !== undefined && { description } };
}

/** Numbers by name. */
export function counts(description: string): Schema {
  return { type: "object", additionalProperties: { type: "integer", minimum: 0 }, description };
}

/** An object of exactly these, all required but for those named in `optional`. */
export function object(properties: Record<string, Schema>, optional: readonly string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: "object", properties, ...required.length > 0 && { required }, additionalProperties: false };
}

/** A part of a list. */
export function page(items: Schema): Schema {
  return object({
    items: list(items),
    next: orNull(text(), "the cursor of what follows: give it as after=; null at the end"),
  });
}

/** A parameter of a path or of a query as it is written, as what its schema says. @throws {ApiError} */
export function parameter(name: string, schema: Schema, value: string): string | number | boolean {
  const taken = parsed(schema, value);
  check(name, schema, taken);
  return taken as string | number | boolean;
}

function parsed({ type }: Schema, value: string): unknown {
  if (type === "integer" && /^-?\d{1,15}$/.test(value)) return Number(value);
  if (type === "boolean" && (value === "true" || value === "false")) return value === "true";
  return value;
}

/**
 * Holds a value against a schema.
 * @throws {ApiError} for the first thing that is wrong, with its place.
 */
export function check(where: string, schema: Schema, value: unknown): void {
  const wrong = (takes: string): never => {
    throw new ApiError("bad-request", `${where} is ${shown(value)}; it takes ${takes}`);
  };
  switch (schema.type) {
    case "string": {
      if (typeof value !== "string") return wrong("a text");
      const { minLength = 0, maxLength = Infinity } = schema;
      if (value.length < minLength) wrong(`a text of ${minLength} characters or more`);
      if (value.length > maxLength) wrong(`a text of ${maxLength} characters or fewer`);
      break;
    }
    case "integer": {
      const { minimum = -Infinity, maximum = Infinity } = schema;
      if (!Number.isSafeInteger(value) || (value as number) < minimum || (value as number) > maximum) {
        wrong(
          maximum === Infinity
            ? `a whole number from ${minimum}`
            : `a whole number from ${minimum} to ${maximum}`,
        );
      }
      break;
    }
    case "boolean":
      if (typeof value !== "boolean") wrong("true or false");
      break;
    case "array":
      if (!Array.isArray(value)) return wrong("a list");
      value.forEach((item, i) => schema.items && check(`${where}[${i}]`, schema.items, item));
      break;
    case "object":
      if (typeof value !== "object" || value === null || Array.isArray(value)) return wrong("an object");
      checkObject(where, schema, value as Record<string, unknown>);
  }
  if (schema.enum !== undefined && !schema.enum.includes(value as string)) wrong(schema.enum.join(", "));
}

function checkObject(where: string, schema: Schema, value: Record<string, unknown>): void {
  const { properties = {}, required = [], additionalProperties = true } = schema;
  for (const name of required) {
    if (!Object.hasOwn(value, name)) throw new ApiError("bad-request", `${where} has no ${name}`);
  }
  for (const [name, item] of Object.entries(value)) {
    if (Object.hasOwn(properties, name)) check(`${where}.${name}`, properties[name]!, item);
    else if (additionalProperties === false) {
      const known = Object.keys(properties).join(", ");
      throw new ApiError(
        "bad-request",
        `${where} has ${JSON.stringify(name.slice(0, 100))}; it may have ${known}`,
      );
    } else if (typeof additionalProperties === "object") {
      check(`${where}.${name}`, additionalProperties, item);
    }
  }
}

function shown(value: unknown): string {
  if (typeof value === "object") {
    return value === null ? "null" : Array.isArray(value) ? "a list" : "an object";
  }
  return (JSON.stringify(value) ?? "nothing").slice(0, 100);
}

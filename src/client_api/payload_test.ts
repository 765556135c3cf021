/** Payloads as values. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { bytes, bytesOf, json, PayloadError, text } from "./payload.ts";

describe("a payload codec", () => {
  test("gives back what it was given", () => {
    const value = { celsius: 21, room: "küche" };
    assertEquals(json<typeof value>().decode(json().encode(value)), value);
    assertEquals(text.decode(text.encode("grüße\ufeff")), "grüße\ufeff");
    assertEquals(bytes.decode(bytes.encode(Uint8Array.of(1))), Uint8Array.of(1));
    assertEquals(bytesOf("a"), Uint8Array.of(97));
  });

  test("says what is wrong with a payload", () => {
    assertThrows(() => text.decode(Uint8Array.of(0xff)), PayloadError, "no UTF-8");
    assertThrows(() => json().decode(text.encode("{")), PayloadError, "no JSON");
    assertThrows(() => bytesOf("\ud800"), PayloadError, "lone surrogate");
    for (const payload of [undefined, 1, [1], new ArrayBuffer(1)]) {
      assertThrows(() => bytesOf(payload as unknown as string), PayloadError, "text or a Uint8Array");
    }
  });

  test("asks a schema, which may change the value", () => {
    const schema = {
      "~standard": {
        version: 1,
        validate: (value: unknown) =>
          typeof value === "number" ? { value: value + 1 } : { issues: ["not a number"] },
      },
    } as const;
    assertEquals(json(schema).decode(text.encode("1")), 2);
    const error = assertThrows(
      () => json(schema).decode(text.encode('"x"')),
      PayloadError,
      "schema",
    ) as PayloadError;
    assertEquals(error.cause, ["not a number"]);
    const later = { "~standard": { version: 1, validate: () => Promise.resolve({ value: 1 }) } } as const;
    assertThrows(() => json(later).decode(text.encode("1")), PayloadError, "asynchronous");
  });
});

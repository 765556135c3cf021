/** Where the servers are and who we are there: what is understood, and what no message repeats. @module */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { NatsError } from "./error.ts";
import { accessOf, type NatsOptions } from "./options.ts";
import { tokenOf } from "./streams.ts";

describe("accessOf()", () => {
  test("takes addresses with and without scheme and port", () => {
    const { servers, isTls } = accessOf({ servers: ["a", "b:1", "nats://c", "nats://[::1]:5/"] });
    assertEquals([servers, isTls], [["a:4222", "b:1", "c:4222", "[::1]:5"], false]);
    assertEquals(accessOf({ servers: ["nats://a", "tls://b"] }).isTls, true);
  });

  test("takes user and password, or a token, out of an address", () => {
    const { servers, user, password, token } = accessOf({ servers: ["nats://me:p%40ss@a:1", "b"] });
    assertEquals([servers, user, password, token], [["a:1", "b:4222"], "me", "p@ss", undefined]);
    assertEquals(accessOf({ servers: ["nats://t0ken@a"] }).token, "t0ken");
  });

  test("refuses what makes no sense in one line without a secret", () => {
    const wrong: [options: NatsOptions, line: string][] = [
      [{ servers: [] }, "NATS: no server is named: nats://127.0.0.1:4222, say"],
      [
        { servers: ["a", "http://me:secret@b"] },
        "NATS: address 2 of the servers is not understood: nats://host:4222 or tls://host:4222 would be right",
      ],
      [
        { servers: ["nats://me:secret@b:99999"] },
        "NATS: address 1 of the servers is not understood: nats://host:4222 or tls://host:4222 would be right",
      ],
      [
        { servers: ["nats://me:%secret@b"] },
        "NATS: address 1 of the servers has a % that is not followed by two digits",
      ],
      [
        { servers: ["nats://me:secret@b"], token: "secret" },
        "NATS: user, token, NKey and credentials are different ways to log in: give one",
      ],
      [{ servers: ["a"], password: "secret" }, "NATS: a password without a user"],
      [{ servers: ["a"], tls: { cert: "secret" } }, "NATS: a certificate and its key come together"],
    ];
    for (const [options, line] of wrong) {
      const error = assertThrows(() => accessOf(options), NatsError);
      assertEquals([error.message, error.trouble], [line, "options"]);
    }
  });
});

describe("tokenOf()", () => {
  test("gives each key another part of a subject, and none that NATS reads in another way", () => {
    const keys = [
      "",
      "~",
      "a",
      "A",
      "a.b",
      "a=2eb",
      "*",
      ">",
      "a b",
      "\t",
      "ä",
      "a/b",
      "x".repeat(1024),
      "x".repeat(1025),
    ];
    const tokens = keys.map(tokenOf);
    assertEquals(new Set(tokens).size, keys.length);
    for (const token of tokens) assert(/^[!-~]{1,1024}$/.test(token) && !/[.*>]/.test(token), token);
    assertEquals(tokenOf("home/kitchen"), "home/kitchen");
  });
});

import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { citationsIn, mentionsIn } from "./citations.ts";

describe("citationsIn()", () => {
  test("finds quoted and bracketed ids", () => {
    const text = `throw malformed("MQTT-3.3.1-4", "QoS 3"); // [MQTT-3.9.3-1]
test("[MQTT311-3.1.2-22, 3.3.4/alias-zero] both", () => assertRefused(f, 'limit/queue'));`;
    assertEquals(citationsIn(text), [
      { id: "MQTT-3.9.3-1", line: 1 },
      { id: "MQTT-3.3.1-4", line: 1 },
      { id: "MQTT311-3.1.2-22", line: 2 },
      { id: "3.3.4/alias-zero", line: 2 },
      { id: "limit/queue", line: 2 },
    ]);
  });
  test("finds an id once in a line and again in the next", () => {
    const text = `// [limit/queue] [limit/queue]\n// [limit/queue]`;
    assertEquals(citationsIn(text).map(({ line }) => line), [1, 2]);
  });
  test("takes no mention for a citation", () => {
    assertEquals(citationsIn("// as MQTT-3.3.1-4 says; list[1]; a/b; '10.0.0.0/8'"), []);
  });
});

describe("mentionsIn()", () => {
  test("finds ids in prose", () => {
    assertEquals([...mentionsIn("// as MQTT-3.3.1-4 says")], ["MQTT-3.3.1-4"]);
  });
});

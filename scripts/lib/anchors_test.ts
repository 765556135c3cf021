/** Anchors of headings, as GitHub makes them. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { anchorOf, Anchors } from "./anchors.ts";

describe("an anchor", () => {
  test("is the heading in small letters, with hyphens for blanks and without other signs", () => {
    assertEquals(anchorOf("Who may come in"), "who-may-come-in");
    assertEquals(anchorOf("On an edge, and on a board"), "on-an-edge-and-on-a-board");
    assertEquals(anchorOf("MQTT-3.1.2-25"), "mqtt-312-25");
    assertEquals(anchorOf("limit/queue"), "limitqueue");
    assertEquals(anchorOf("`a_b` – Ä"), "a_b--ä");
  });

  test("that was there already has a number behind it", () => {
    const anchors = new Anchors();
    assertEquals(["A", "B", "A", "A"].map((one) => anchors.next(one)), ["a", "b", "a-1", "a-2"]);
  });
});

/** Which wills are demanded and which forbidden, by how a connection ended. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { Model } from "./model.ts";
import { WillModel } from "./wills.ts";

/** A watcher that gets nothing, and a Client `c` whose connection with will 1 is open, in life 1. */
class Scene {
  readonly problems: string[] = [];
  readonly model: Model = new Model((text) => this.problems.push(text));
  readonly wills: WillModel = new WillModel(this.model);

  constructor(delayMs: number, isKept = true) {
    this.model.subscribing("watcher", "w", 2);
    this.model.subscribed("watcher", "w");
    this.connecting(1, delayMs, isKept);
    this.wills.connected("c", 0, 1);
  }

  connecting(serial: number, delayMs = 0, isKept = true): void {
    this.model.published({ serial, topic: "w", qos: 2, publisher: "c" });
    this.wills.connecting("c", serial, delayMs, isKept);
  }

  /** Whether it is an error that the watcher gets will 1, or that it does not. */
  get verdict(): "must" | "must not" | "may" {
    if (this.model.owed > 0) return "must";
    this.model.delivered("watcher", { serial: 1, topic: "w", qos: 2 });
    return this.problems.length > 0 ? "must not" : "may";
  }
}

describe("wills", () => {
  test("of a lost connection must be published, whether its Client is back or not", () => {
    const scene = new Scene(0);
    scene.wills.ended("c", "lost", 5, 1);
    scene.connecting(2);
    scene.wills.connected("c", 6, 2);
    assertEquals(scene.verdict, "must");
  });
  test("may be after DISCONNECT, for nothing answers that; must not once it has been processed", () => {
    for (const [life, verdict] of [[1, "must not"], [2, "may"]] as const) {
      const scene = new Scene(0);
      scene.wills.ended("c", "clean", 5, 1);
      scene.connecting(2);
      scene.wills.connected("c", 6, life);
      assertEquals(scene.verdict, verdict);
    }
  });
  test("with a delay must not be published if the Client is back in time, and may be if it is late", () => {
    for (const [at, verdict] of [[905, "must not"], [1_100, "may"]] as const) {
      const scene = new Scene(1_000);
      scene.wills.ended("c", "lost", 5, 1);
      scene.connecting(2);
      scene.wills.connected("c", at, 2);
      assertEquals(scene.verdict, verdict);
    }
  });
  test("with a delay must be published if the Client stays away", () => {
    const scene = new Scene(1_000);
    scene.wills.ended("c", "lost", 5, 1);
    assertEquals([scene.wills.waits("c", 999), scene.wills.waits("c", 1_000)], [false, true]);
    scene.wills.demand("c");
    assertEquals([scene.wills.waits("c", 1_000), scene.verdict], [false, "must"]);
  });
  test("with a delay need not be published if the Client comes back all the same", () => {
    const scene = new Scene(1_000);
    scene.wills.ended("c", "lost", 5, 1);
    scene.wills.demand("c");
    scene.connecting(2);
    assertEquals(scene.model.owed, 0);
    scene.wills.connected("c", 905, 2);
    assertEquals(scene.verdict, "must not");
  });
  test("of a session that ends with its connection must be published once it is safe", () => {
    for (const [isSafe, verdict] of [[true, "must"], [false, "may"]] as const) {
      const scene = new Scene(0, false);
      scene.model.published({ serial: 9, topic: "t", qos: 2, publisher: "c" });
      if (isSafe) scene.model.acknowledged(9, 0);
      scene.wills.ended("c", "lost", 5, 1);
      assertEquals(scene.verdict, verdict);
    }
  });
  test("that wait are in doubt when a CONNECT was not answered", () => {
    const scene = new Scene(1_000);
    scene.wills.ended("c", "lost", 5, 1);
    scene.connecting(2);
    scene.wills.ended("c", "unanswered", 6, 1);
    scene.wills.demand("c");
    assertEquals(scene.verdict, "may");
  });
});

/** What a retained message may be after a crash. @module */
import { assertEquals, assertMatch } from "@std/assert";
import { describe, test } from "node:test";
import type { QoS } from "../../../src/codec/mod.ts";
import { RetainedModel } from "./retained.ts";

/** One topic, `r`. */
class Scene {
  readonly problems: string[] = [];
  readonly model: RetainedModel = new RetainedModel((text) => this.problems.push(text));

  /** Sends a message, not acknowledged. */
  send(serial: number, qos: QoS = 1): void {
    this.model.sent("r", serial, serial, qos);
  }

  /** Sends one that is acknowledged; without payload if it is `removed`. */
  publish(serial: number, removed = false): void {
    this.model.sent("r", serial, removed ? undefined : serial, 1);
    this.model.acknowledged(serial);
  }

  read(found: number | undefined): void {
    this.model.read(this.model.reading(), new Map(found === undefined ? [] : [["r", found]]));
  }

  assertRight(...found: (number | undefined)[]): void {
    for (const serial of found) this.read(serial);
    assertEquals(this.problems, []);
  }

  assertWrong(...found: (number | undefined)[]): void {
    for (const serial of found) {
      this.read(serial);
      assertMatch(this.problems.pop() ?? "", /as its retained message, expected/);
    }
    assertEquals(this.problems, []);
  }
}

describe("retained messages", () => {
  test("the last acknowledged one holds", () => {
    const scene = new Scene();
    for (const serial of [1, 2]) scene.publish(serial);
    scene.assertRight(2);
    scene.assertWrong(undefined, 1, 9);
    scene.publish(3, true);
    scene.assertRight(undefined);
    scene.assertWrong(2);
  });
  test("those that were not acknowledged may hold, or not", () => {
    const scene = new Scene();
    scene.publish(1);
    scene.send(2);
    scene.send(3, 0);
    scene.assertRight(3, 1, 2);
    scene.assertWrong(undefined);
  });
  test("an acknowledged one ends the doubt about those before it", () => {
    const scene = new Scene();
    scene.send(1, 0);
    scene.publish(2);
    scene.assertRight(2);
    scene.assertWrong(1, undefined);
  });
  test("what a restart has shown stays so", () => {
    const scene = new Scene();
    scene.publish(1);
    for (const serial of [2, 3]) scene.send(serial, 0);
    scene.model.restarted();
    scene.assertRight(2);
    scene.model.restarted();
    scene.assertWrong(1, 3);
    scene.assertRight(2);
  });
  test("what is sent again may take effect again", () => {
    const scene = new Scene();
    for (const serial of [1, 2]) scene.send(serial);
    scene.model.restarted();
    scene.assertRight(2);
    scene.send(1);
    scene.assertRight(1);
    scene.model.acknowledged(1);
    scene.assertRight(1, 2);
    scene.model.acknowledged(2);
    scene.assertRight(2);
    scene.assertWrong(1);
  });
  test("a read settles nothing while something may be sent again", () => {
    const scene = new Scene();
    scene.send(1);
    scene.send(2, 0);
    scene.model.restarted();
    const reading = scene.model.reading();
    scene.send(1);
    scene.model.acknowledged(1);
    scene.model.read(reading, new Map([["r", 2]])); // it was sent before the repeat took effect
    scene.assertRight(1);
  });
  test("a topic that nobody published to has none", () => {
    const scene = new Scene();
    scene.model.read(scene.model.reading(), new Map([["x", 1]]));
    assertMatch(scene.problems[0]!, /none was ever published/);
  });
});

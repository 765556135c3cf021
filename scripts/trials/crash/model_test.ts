/** The model catches every kind of fault, and lets pass what a crash may cause. @module */
import { assertEquals, assertMatch } from "@std/assert";
import { describe, test } from "node:test";
import type { QoS } from "../../../src/codec/mod.ts";
import { Model } from "./model.ts";

/** A model with a publisher `p` and a subscriber `s`, whose sessions and subscription (`t/#`) are acknowledged. */
class Scene {
  readonly problems: string[] = [];
  readonly model: Model = new Model((text) => this.problems.push(text));
  #serial = 0;

  constructor(qos: QoS = 2, filter = "t/#") {
    for (const id of ["p", "s"]) this.connect(id, false);
    this.subscribe("s", filter, qos);
  }

  connect(id: string, present: boolean): void {
    this.model.connecting(id, false, true);
    this.model.connected(id, false, present);
  }

  subscribe(id: string, filter: string, qos: QoS): void {
    this.model.subscribing(id, filter, qos);
    this.model.subscribed(id, filter);
  }

  /** Sends a message; gives its number. */
  send(qos: QoS, topic = "t/1"): number {
    this.model.published({ serial: ++this.#serial, topic, qos, publisher: "p" });
    return this.#serial;
  }

  sendAgain(serial: number, qos: QoS, topic = "t/1"): void {
    this.model.published({ serial, topic, qos, publisher: "p" });
  }

  /** Sends a message that is acknowledged. */
  publish(qos: QoS, topic = "t/1", code = 0): number {
    const serial = this.send(qos, topic);
    this.model.acknowledged(serial, code);
    return serial;
  }

  deliver(serial: number, qos: QoS, topic = "t/1", id = "s"): void {
    this.model.delivered(id, { serial, topic, qos });
  }

  /** The only problem there is. */
  assertProblem(pattern: RegExp): void {
    assertEquals(this.problems.length, 1, this.problems.join("; "));
    assertMatch(this.problems[0]!, pattern);
  }

  assertNone(): void {
    this.model.settled();
    assertEquals(this.problems, []);
  }
}

describe("sessions", () => {
  test("a session that was acknowledged must be there again", () => {
    const scene = new Scene();
    scene.connect("s", true);
    scene.assertNone();
    scene.connect("s", false);
    scene.assertProblem(/s: Session Present is 0/);
  });
  test("a session that nobody asked for must not", () => {
    const scene = new Scene();
    scene.connect("x", true);
    scene.assertProblem(/x: Session Present is 1/);
  });
  test("a new session has no subscriptions, is owed nothing, and knows of no earlier delivery", () => {
    const scene = new Scene();
    const serial = scene.send(2);
    scene.deliver(serial, 2);
    scene.publish(2);
    scene.model.connecting("s", true, true);
    scene.model.connected("s", true, false);
    scene.assertNone();
    scene.subscribe("s", "t/#", 2);
    scene.deliver(serial, 2);
    scene.assertNone();
    scene.connect("s", true);
    scene.model.ended("s");
    scene.publish(2);
    scene.assertNone();
  });
  test("one whose CONNECT was not answered may be there or not", () => {
    for (const present of [true, false]) {
      const scene = new Scene();
      scene.model.connecting("x", false, true);
      scene.connect("x", present);
      scene.assertNone();
    }
  });
  test("one that was ended by an answered CONNECT must be gone", () => {
    const scene = new Scene();
    scene.model.connecting("s", true, false);
    scene.model.connected("s", true, false);
    scene.connect("s", true);
    scene.assertProblem(/s: Session Present is 1/);
  });
});

describe("messages", () => {
  test("an acknowledged message must come", () => {
    for (const qos of [1, 2] as const) {
      const scene = new Scene();
      const serial = scene.publish(qos);
      assertEquals(scene.model.owed, 1);
      scene.model.settled();
      scene.assertProblem(new RegExp(`s has missed message ${serial} of p`));
      assertEquals(scene.model.counts.lost, 1);
    }
  });
  test("one that is not acknowledged may come or not, and so may QoS 0", () => {
    const scene = new Scene();
    scene.deliver(scene.send(2), 2);
    scene.send(2);
    scene.publish(0);
    scene.assertNone();
  });
  test("QoS 2 must not come twice, not even if it was sent twice", () => {
    const scene = new Scene();
    const serial = scene.send(2);
    scene.deliver(serial, 2);
    scene.sendAgain(serial, 2);
    scene.deliver(serial, 2);
    scene.assertProblem(/2 times/);
    assertEquals(scene.model.counts.doubled, 1);
  });
  test("QoS 1 may come again; QoS 0 as often as it was sent", () => {
    const scene = new Scene(1);
    for (const serial of [scene.publish(1), scene.publish(2)]) {
      for (let i = 0; i < 3; i++) scene.deliver(serial, 1);
    }
    scene.subscribe("p", "t/1", 0);
    const serial = scene.send(1);
    scene.deliver(serial, 1);
    scene.deliver(serial, 0, "t/1", "p");
    scene.sendAgain(serial, 1);
    scene.deliver(serial, 0, "t/1", "p");
    scene.assertNone();
    scene.deliver(serial, 0, "t/1", "p");
    scene.assertProblem(/3 times/);
  });
  test("what was never published must not come, nor on another topic, nor at another QoS", () => {
    const scene = new Scene();
    scene.deliver(99, 1);
    scene.assertProblem(/never published/);
    const other = new Scene();
    other.deliver(other.publish(1), 1, "t/2");
    other.assertProblem(/published to t\/1/);
    const lower = new Scene();
    lower.deliver(lower.publish(2), 1);
    lower.assertProblem(/should come at QoS 2/);
  });
  test("order is kept for each topic and QoS", () => {
    const scene = new Scene();
    const [first, second, third] = [scene.publish(1), scene.publish(2), scene.publish(1)];
    scene.deliver(second, 2);
    scene.deliver(third, 1);
    assertEquals(scene.problems, []);
    scene.deliver(first, 1);
    scene.assertProblem(new RegExp(`got message ${first} .* behind ${third}`));
  });
  test("nor do second copies behind a CONNECT that ends the session later", () => {
    const scene = new Scene(1);
    const serials = [scene.send(1), scene.send(1)];
    for (const serial of serials) {
      scene.sendAgain(serial, 1); // the publisher has lost its connection: the Server has two of each
      scene.model.acknowledged(serial, 0);
      scene.deliver(serial, 1);
    }
    scene.model.connecting("s", false, false);
    scene.model.connected("s", false, true);
    scene.deliver(serials[1]!, 1); // again, since its PUBACK was lost
    for (const serial of serials) scene.deliver(serial, 1);
    scene.assertNone();
  });
  test("repeats do not count in order", () => {
    const scene = new Scene();
    const serials = [scene.publish(1), scene.publish(1)];
    for (const serial of [...serials, ...serials]) scene.deliver(serial, 1);
    scene.assertNone();
  });
  test("a subscription in doubt may change the order", () => {
    const scene = new Scene();
    const first = scene.send(1, "u");
    scene.model.subscribing("s", "u", 1);
    const second = scene.send(1, "u");
    scene.deliver(second, 1, "u");
    scene.sendAgain(first, 1, "u");
    scene.deliver(first, 1, "u");
    scene.assertNone();
  });
  test("a message that finds no subscriber, where there is one, shows a lost subscription", () => {
    const scene = new Scene();
    scene.publish(1, "elsewhere", 0x10);
    assertEquals(scene.problems, []);
    scene.publish(1, "t/1", 0x10);
    scene.assertProblem(/finds no subscriber, but s had subscribed/);
  });
  test("a refused message is a problem", () => {
    const scene = new Scene();
    scene.publish(1, "t/1", 0x97);
    scene.assertProblem(/refused with 151/);
  });
});

describe("subscriptions", () => {
  test("what was published before a subscription, or after its end, must not come", () => {
    const scene = new Scene();
    scene.model.unsubscribing("s", "t/#");
    scene.model.unsubscribed("s", "t/#", 0, "there");
    const serial = scene.publish(1);
    scene.subscribe("s", "t/#", 1);
    scene.deliver(serial, 1);
    scene.assertProblem(/without a subscription/);
  });
  test("what was acknowledged before UNSUBSCRIBE must come", () => {
    const scene = new Scene();
    scene.publish(1);
    scene.model.unsubscribing("s", "t/#");
    scene.model.unsubscribed("s", "t/#", 0, "there");
    assertEquals(scene.model.owed, 1);
  });
  test("while SUBSCRIBE or UNSUBSCRIBE is not answered it may come or not", () => {
    const scene = new Scene();
    scene.model.unsubscribing("s", "t/#");
    scene.publish(1);
    scene.deliver(scene.publish(1), 1);
    scene.model.unsubscribed("s", "t/#", 0x11, "maybe");
    scene.model.subscribing("s", "t/#", 2);
    scene.publish(2);
    scene.deliver(scene.publish(2), 2);
    scene.assertNone();
  });
  test("replacing loses nothing, and either QoS may hold meanwhile", () => {
    const scene = new Scene();
    scene.model.subscribing("s", "t/#", 1);
    const [first, second] = [scene.publish(2), scene.publish(2)];
    assertEquals(scene.model.owed, 2);
    scene.deliver(first, 2);
    scene.deliver(second, 1);
    scene.assertNone();
  });
  test("UNSUBACK tells of a subscription that was lost, or that came back", () => {
    const scene = new Scene();
    scene.model.unsubscribing("s", "t/#");
    scene.model.unsubscribed("s", "t/#", 0x11, "there");
    scene.assertProblem(/it was acknowledged/);
    const other = new Scene();
    other.model.unsubscribing("s", "u");
    other.model.unsubscribed("s", "u", 0, "gone");
    other.assertProblem(/there cannot be/);
  });
});

describe("groups", () => {
  /** Both share `u`. */
  function shared(): Scene {
    const scene = new Scene(2, "$share/g/u");
    scene.subscribe("p", "$share/g/u", 2);
    return scene;
  }

  test("one member must get it, whoever it is", () => {
    const scene = shared();
    scene.deliver(scene.publish(2, "u"), 2, "u", "p");
    scene.deliver(scene.publish(1, "u"), 1, "u", "s");
    scene.assertNone();
    scene.publish(1, "u");
    scene.model.settled();
    scene.assertProblem(/\$share\/g\/u has missed/);
  });
  test("a member that came later may get what another one left", () => {
    const scene = new Scene(2, "$share/g/u");
    const serial = scene.publish(2, "u");
    scene.subscribe("p", "$share/g/u", 2);
    scene.deliver(serial, 2, "u", "p");
    scene.assertNone();
  });
  test("QoS 2 must not come to two of them", () => {
    const scene = shared();
    const serial = scene.publish(2, "u");
    for (const id of ["p", "s"]) scene.deliver(serial, 2, "u", id);
    scene.assertProblem(/2 times by \$share\/g\/u/);
  });
});

describe("wills", () => {
  test("one that is demanded must come; one that is forbidden must not, before or after", () => {
    const scene = new Scene();
    const [due, late, early] = [scene.send(1), scene.send(1), scene.send(2)];
    scene.model.demanded(due);
    assertEquals(scene.model.owed, 1);
    scene.deliver(due, 1);
    scene.model.forbidden(late, "why not");
    scene.assertNone();
    scene.deliver(late, 1);
    scene.assertProblem(/why not/);
    scene.problems.length = 0;
    scene.deliver(early, 2);
    scene.model.forbidden(early, "that is why");
    scene.assertProblem(/that is why/);
  });
});

/** What the halves of a Client find wrong with packets of §4.3, and what they send again. @module */
import { assertEquals, assertMatch } from "@std/assert";
import { describe, test } from "node:test";
import { type Packet, PacketType } from "../../../src/codec/mod.ts";
import { Incoming } from "./incoming.ts";
import { publishOf } from "./message.ts";
import { Outgoing } from "./outgoing.ts";

const { PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

describe("incoming", () => {
  class Scene {
    readonly problems: string[] = [];
    readonly delivered: number[] = [];
    readonly sent: Packet[] = [];
    readonly incoming: Incoming = new Incoming({
      receiveMaximum: 2,
      delivered: (_publish, serial) => this.delivered.push(serial),
      problem: (text) => this.problems.push(text),
    });

    publish(serial: number, qos: 1 | 2, id: number, dup = false): void {
      this.incoming.publish({ ...publishOf(5, { serial, topic: "t", qos }, id), dup }, serial);
    }

    acknowledge(): string[] {
      this.incoming.acknowledge(Infinity, (packet) => this.sent.push(packet));
      return this.sent.splice(0).map((packet) =>
        `${packet.type} ${(packet as { packetId: number }).packetId}`
      );
    }

    assertProblem(pattern: RegExp): void {
      assertEquals(this.problems.length, 1, this.problems.join("; "));
      assertMatch(this.problems[0]!, pattern);
    }
  }

  test("QoS 2 is delivered once, however often it comes", () => {
    const scene = new Scene();
    scene.publish(1, 2, 7);
    scene.incoming.connected(true);
    scene.publish(1, 2, 7, true);
    assertEquals(scene.acknowledge(), [`${PUBREC} 7`]);
    scene.incoming.pubrel(7);
    assertEquals(scene.acknowledge(), [`${PUBCOMP} 7`]);
    scene.incoming.connected(true);
    scene.incoming.pubrel(7); // the PUBCOMP was lost
    assertEquals([scene.delivered, scene.problems, scene.incoming.idle], [[1], [], false]);
  });
  test("an identifier that is open must not carry another message", () => {
    for (const again of [false, true]) {
      const scene = new Scene();
      scene.publish(1, 2, 7);
      if (again) scene.incoming.connected(true);
      scene.publish(2, 2, 7, again);
      assertMatch(scene.problems.join(), again ? /under which message 1 is open/ : /which is open/);
    }
  });
  test("a repeat must have DUP 1", () => {
    const scene = new Scene();
    scene.publish(1, 2, 7);
    scene.incoming.connected(true);
    scene.publish(1, 2, 7);
    scene.assertProblem(/again without DUP/);
  });
  test("PUBREL must follow something", () => {
    const scene = new Scene();
    scene.incoming.pubrel(7);
    scene.assertProblem(/under which nothing came/);
  });
  test("Receive Maximum holds until PUBACK and PUBCOMP", () => {
    const scene = new Scene();
    scene.publish(1, 1, 1);
    scene.publish(2, 2, 2);
    assertEquals(scene.acknowledge(), [`${PUBACK} 1`, `${PUBREC} 2`]);
    scene.publish(3, 1, 3);
    assertEquals(scene.problems, []);
    scene.publish(4, 1, 4);
    scene.assertProblem(/the 3th above its Receive Maximum/);
  });
});

describe("outgoing", () => {
  class Scene {
    readonly problems: string[] = [];
    readonly acknowledged: number[] = [];
    readonly sent: Packet[] = [];
    readonly outgoing: Outgoing = new Outgoing({
      acknowledged: (serial) => this.acknowledged.push(serial),
      problem: (text) => this.problems.push(text),
    });
    readonly send = (packet: Packet): void => void this.sent.push(packet);

    constructor() {
      for (const [serial, qos] of [[1, 1], [2, 2], [3, 2]] as const) {
        this.outgoing.begin(publishOf(5, { serial, topic: "t", qos }, this.outgoing.nextId()), serial);
      }
    }

    again(): string[] {
      this.sent.length = 0;
      this.outgoing.again(this.send, () => {});
      return this.sent.map((packet) =>
        `${packet.type} ${(packet as { packetId: number }).packetId}${
          packet.type === PUBLISH && packet.dup ? " dup" : ""
        }`
      );
    }
  }

  test("what is open is sent again, under the same identifiers", () => {
    const scene = new Scene();
    scene.outgoing.pubrec(3, 0, scene.send);
    assertEquals(scene.again(), [`${PUBREL} 3`, `${PUBLISH} 1 dup`, `${PUBLISH} 2 dup`]);
    scene.outgoing.puback(1, 0);
    scene.outgoing.pubrec(2, 0, scene.send);
    for (const id of [2, 3]) scene.outgoing.pubcomp(id, 0);
    assertEquals([scene.acknowledged, scene.outgoing.idle, scene.problems], [[3, 1, 2], true, []]);
  });
  test("PUBCOMP 0x92 is right only if PUBREL was sent before", () => {
    const scene = new Scene();
    scene.outgoing.pubrec(2, 0, scene.send);
    scene.outgoing.pubrec(3, 0, scene.send);
    scene.outgoing.pubcomp(2, 0x92);
    assertMatch(scene.problems.join(), /PUBCOMP with 146 for message 2/);
    scene.again();
    scene.outgoing.pubcomp(3, 0x92);
    assertEquals(scene.problems.length, 1);
  });
  test("answers to nothing are problems", () => {
    const scene = new Scene();
    scene.outgoing.puback(2, 0);
    scene.outgoing.pubrec(1, 0, scene.send);
    scene.outgoing.pubcomp(1, 0);
    assertEquals(scene.problems.length, 3);
  });
});

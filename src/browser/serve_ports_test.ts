/** A broker whose Clients come by ports, on the runtime of the test. What only a browser has is tested there. @module */
import { assertEquals, assertRejects } from "@std/assert";
import { describe, test } from "node:test";
import { connect, text } from "../client_api/mod.ts";
import { MemoryStore } from "../broker/mod.ts";
import { patient, until } from "../testing/patience.ts";
import { browserClock } from "./clock.ts";
import { dialWorker } from "../runtime/worker_port.ts";
import { browserLoop } from "./loop.ts";
import { servePorts } from "./serve_ports.ts";

/** Node's global object hears no messages, so that nothing can be offered to it. */
const skip = "addEventListener" in globalThis ? false : "There is no global addEventListener";
const offered = { ...patient, skip };

describe("A broker whose Clients come by ports", () => {
  test("serves Clients beside it and Clients that are offered to its worker", offered, async () => {
    const server = await servePorts({ listen: true });
    const inside = await connect("worker://here", { dial: server.dial, clientId: "inside" });
    const messages = await inside.subscribe("a", { qos: 1 });
    const worker = { // the global object of this test is that of the worker
      postMessage: (data: unknown) => void dispatchEvent(new MessageEvent("message", { data })),
    };
    const outside = await connect("worker://home", { dial: dialWorker(worker), clientId: "outside" });
    await outside.publish("a", "hello", { qos: 1 });
    const { value } = await messages[Symbol.asyncIterator]().next();
    assertEquals(text.decode(value!.bytes), "hello");
    assertEquals(server.broker.stats.connections, 2);
    await outside.close();
    await until(() => server.broker.stats.connections === 1, "the end of one connection");
    await inside.close();
    await server.close();
  });

  test("keeps what comes while its store is being opened", offered, async () => {
    let opened = (_: MemoryStore): void => {};
    const serving = servePorts({ listen: true, store: new Promise((resolve) => opened = resolve) });
    const worker = {
      postMessage: (data: unknown) => void dispatchEvent(new MessageEvent("message", { data })),
    };
    const connecting = connect("worker://home", { dial: dialWorker(worker), clientId: "early" });
    opened(new MemoryStore());
    const [server, client] = await Promise.all([serving, connecting]);
    assertEquals(server.broker.stats.connections, 1);
    await client.close();
    await server.close();
  });

  test("refuses what came when its store cannot be opened", offered, async () => {
    let failed = (_: Error): void => {};
    const serving = servePorts({ listen: true, store: new Promise((_, reject) => failed = reject) });
    const worker = {
      postMessage: (data: unknown) => void dispatchEvent(new MessageEvent("message", { data })),
    };
    const connecting = connect("worker://home", { dial: dialWorker(worker), level: 5 });
    failed(new Error("no store"));
    await assertRejects(() => serving, Error, "no store");
    await assertRejects(() => connecting, Error);
  });
});

describe("The loop of a browser", () => {
  test("runs turns in their order, and what is due behind each of them", patient, async () => {
    let time = 1_000;
    const loop = browserLoop(() => time);
    const order: string[] = [];
    const cancel = loop.at(1_500, () => order.push("taken back"));
    loop.at(1_600_000, () => order.push("due")); // its timer is far from it, as that of a tab that is hidden
    cancel();
    await new Promise<void>((resolve) => {
      loop.endOfTurn(() => {
        order.push("turn");
        time = 1_700_000;
      });
      loop.afterLook(1, () => {
        order.push("looked");
        resolve();
      });
    });
    assertEquals(order, ["turn", "due", "looked"]);
    loop.close();
  });

  test("has a clock that never goes back, and goes on from where it was", () => {
    const times = [5, 7, 3, 4, 100];
    const now = browserClock(() => times.shift()!);
    assertEquals([now(), now(), now(), now(), now()], [5, 7, 7, 8, 104]);
  });
});

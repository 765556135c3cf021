/**
 * The loop of the runtime that the tests run on: what comes when.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { connect, createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { systemLoop } from "./loop.ts";

/** Resolves when `begin` has called back. */
function ran(begin: (run: () => void) => void): Promise<void> {
  return new Promise((resolve) => begin(resolve));
}

/** Two joined sockets. */
async function sockets(body: (near: Socket, far: Socket) => Promise<void>): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const near = connect((server.address() as { readonly port: number }).port, "127.0.0.1");
  const far = await accepted;
  try {
    await body(near, far);
  } finally {
    near.destroy();
    far.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

describe("systemLoop", () => {
  test("now() is the time of the day in whole ms, and does not go back", () => {
    const first = systemLoop.now();
    assert(Number.isInteger(first) && first > 1_700_000_000_000);
    assert(systemLoop.now() >= first);
  });

  test("endOfTurn() comes after the code that is running, and after microtasks", async () => {
    const order: string[] = [];
    const turn = ran((run) => systemLoop.endOfTurn(run)).then(() => order.push("turn"));
    queueMicrotask(() => order.push("microtask"));
    order.push("code");
    await turn;
    assertEquals(order, ["code", "microtask", "turn"]);
  });

  test("work that asks for afterInput() again and again leaves sockets their chance", () =>
    sockets(async (near, far) => {
      far.on("data", (chunk) => far.write(chunk));
      let isAnswered = false;
      near.once("data", () => isAnswered = true);
      near.write("question");
      await ran((done) => {
        const work = () => isAnswered ? done() : systemLoop.afterInput(work);
        work();
      });
    }));

  test("at() comes at its time and not before, and soon for a time that has passed", async () => {
    const due = systemLoop.now() + 40;
    await ran((run) => systemLoop.at(due, run));
    assert(systemLoop.now() >= due - 1);
    await ran((run) => systemLoop.at(due - 1_000_000, run));
  });

  test("at() can be taken back, and waits for weeks without coming at once", async () => {
    const came: string[] = [];
    const soon = systemLoop.now() + 20;
    const cancels = [
      systemLoop.at(soon, () => came.push("taken back")),
      systemLoop.at(soon + 100 * 24 * 3_600_000, () => came.push("in weeks")),
    ];
    cancels[0]!();
    await ran((run) => systemLoop.at(soon + 20, run));
    assertEquals(came, []);
    for (const cancel of cancels) cancel();
  });
});

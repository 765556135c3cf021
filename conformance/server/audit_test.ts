/**
 * Targets that do not behave: the audit ends in time, with verdicts that say what was seen.
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, test } from "node:test";
import { listenTcp } from "../../src/runtime/listen.ts";
import { serve } from "../../src/server/serve.ts";
import { dialTcp } from "../../src/runtime/dial.ts";
import type { Transport } from "../../src/transport/transport.ts";
import { audit, type AuditOptions, type AuditReport } from "../mod.ts";
import { patient, WAIT_MS } from "../../src/testing/patience.ts";

/** For one that comes, from this process, while others are awaited in vain. */
const PATIENCE_MS = 3_000;

const CONNACK_5 = Uint8Array.of(0x20, 3, 0, 0, 0);
const CONNACK_4 = Uint8Array.of(0x20, 2, 0, 0);
const PINGRESP = Uint8Array.of(0xd0, 0);

/** A target that does this with each connection, by its number. */
async function auditFake(
  behave: (connection: Transport, number: number) => void,
  { levels = [5], patienceMs = WAIT_MS }: Pick<AuditOptions, "levels" | "patienceMs"> = {},
): Promise<{ readonly report: AuditReport; readonly connections: number }> {
  let number = 0;
  const all: Transport[] = [];
  const listener = await listenTcp({ host: "127.0.0.1", port: 0 }, (transport) => {
    all.push(transport);
    behave(transport, number++);
  });
  try {
    const target = `mqtt://127.0.0.1:${listener.port}`;
    const report = await audit(target, { levels, patienceMs });
    return { report, connections: number };
  } finally {
    await listener.close();
    for (const transport of all) transport.abort();
  }
}

/** Answers the first packet so, and the others not at all. */
function answering(transport: Transport, answer: Uint8Array, then: () => void = () => {}): void {
  let answered = false;
  transport.start({
    received() {
      if (!answered) transport.write(answer);
      else then();
      answered = true;
    },
    drained() {},
    closed() {},
  });
}

function silent(transport: Transport): void {
  transport.start({ received() {}, drained() {}, closed() {} });
}

function assertNothingJudged({ levels }: AuditReport, reason: RegExp): void {
  for (const { cases, unreachable, totals } of levels) {
    assertEquals(unreachable?.kind, "silent");
    assertMatch(unreachable!.reason, reason);
    assert(cases.length > 100);
    assertEquals(totals.cases.inconclusive, cases.length);
    assertEquals(totals.statements.pass + totals.statements.fail, 0);
  }
}

describe("audit() of a target that", () => {
  test("does not listen says so", patient, async () => {
    const listener = await listenTcp({ host: "127.0.0.1", port: 0 }, () => {});
    await listener.close();
    const { levels } = await audit(`mqtt://127.0.0.1:${listener.port}`, { patienceMs: WAIT_MS });
    assertEquals(levels.map(({ unreachable }) => unreachable?.kind), ["host", "host"]);
  });

  test("answers nothing judges nothing", patient, async () => {
    const { report, connections } = await auditFake(silent, { levels: [4, 5], patienceMs: PATIENCE_MS });
    assertNothingJudged(report, /does not answer a CONNECT/);
    assertEquals(connections, 2, "no case was run");
  });

  test("closes at once judges nothing", patient, async () => {
    const { report } = await auditFake((transport) => {
      silent(transport);
      transport.close();
    });
    assertNothingJudged(report, /ends the connection/);
  });

  test("sends bytes that are no packets judges nothing", patient, async () => {
    const { report } = await auditFake((transport) => answering(transport, new Uint8Array(64).fill(0xff)));
    assertNothingJudged(report, /no whole packet/);
  });

  test("speaks another protocol judges nothing", patient, async () => {
    const http = new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n");
    const { report, connections } = await auditFake((transport) => answering(transport, http), {
      levels: [4, 5],
      patienceMs: PATIENCE_MS,
    });
    assertNothingJudged(report, /CONNECT of level/);
    assertEquals(connections, 2, "no case was run");
  });

  test("does not speak a level has it unsupported", patient, async () => {
    const { report } = await auditFake((transport) => answering(transport, Uint8Array.of(0x20, 2, 0, 1)));
    const [{ unreachable, totals, cases }] = report.levels as [AuditReport["levels"][number]];
    assertEquals(unreachable?.kind, "level");
    assertEquals(totals.cases.unsupported, cases.length);
  });

  test("lets nobody in has nothing judged", patient, async () => {
    const { report } = await auditFake((transport) =>
      answering(transport, Uint8Array.of(0x20, 3, 0, 0x87, 0))
    );
    assertEquals(report.levels[0]!.unreachable?.kind, "refused");
    assertMatch(report.levels[0]!.unreachable!.reason, /0x87/);
  });

  test("accepts and then answers nothing is left alone, at each level", patient, async () => {
    // Both at a time, since they wait.
    await Promise.all(([[5, CONNACK_5], [4, CONNACK_4]] as const).map(async ([level, connack]) => {
      const { report, connections } = await auditFake((transport) => answering(transport, connack), {
        levels: [level],
        patienceMs: PATIENCE_MS,
      });
      const [{ stopped, totals, cases }] = report.levels as [AuditReport["levels"][number]];
      assertMatch(stopped!, /no longer answers/);
      assert(totals.cases.inconclusive > cases.length / 2);
      assert(connections < cases.length / 2, `${connections} connections`);
    }));
  });

  test("stalls halfway is left alone, with the verdicts it has earned", patient, async () => {
    const server = await serve({ listen: ["mqtt://127.0.0.1:0"] });
    const port = Number(new URL(server.addresses[0]!).port);
    try {
      const { report, connections } = await auditFake((transport, number) => {
        if (number > 60) silent(transport);
        else void forward(transport, port);
      }, { patienceMs: PATIENCE_MS });
      const [{ stopped, totals, cases }] = report.levels as [AuditReport["levels"][number]];
      assertMatch(stopped!, /no longer answers/);
      assert(totals.cases.pass > 5);
      assert(totals.cases.inconclusive > 20);
      assert(connections < cases.length / 2, `${connections} connections`);
    } finally {
      await server.close();
    }
  });

  test("goes away halfway is left alone", patient, async () => {
    const server = await serve({ listen: ["mqtt://127.0.0.1:0"] });
    const port = Number(new URL(server.addresses[0]!).port);
    try {
      const { report, connections } = await auditFake((transport, number) => {
        if (number <= 60) return void forward(transport, port);
        silent(transport);
        transport.abort();
      }, { patienceMs: PATIENCE_MS });
      const [{ stopped, totals, cases }] = report.levels as [AuditReport["levels"][number]];
      assertMatch(stopped!, /no longer answers/);
      assert(totals.cases.pass > 5);
      assert(connections < cases.length / 2, `${connections} connections`);
    } finally {
      await server.close();
    }
  });

  test("sends without end is not read to the end", patient, async () => {
    const flood = new Uint8Array(65_536);
    for (let i = 0; i < flood.length; i++) flood[i] = PINGRESP[i % 2]!;
    const { report } = await auditFake((transport) => {
      let [begun, over] = [false, false];
      const pour = () => {
        while (!over && transport.write(flood) === flood.length) { /* until it takes no more */ }
      };
      transport.start({
        received() {
          if (begun) return;
          begun = true;
          transport.write(CONNACK_5);
          setTimeout(pour, 1);
        },
        drained: pour,
        closed: () => over = true,
      });
    }, { patienceMs: PATIENCE_MS });
    const [{ cases, totals }] = report.levels as [AuditReport["levels"][number]];
    assert(totals.cases.pass < cases.length / 10, `${totals.cases.pass} pass`);
  });
});

/** Passes everything on to a real broker. */
async function forward(transport: Transport, port: number): Promise<void> {
  const early: Uint8Array[] = [];
  let over = false;
  let send = (chunk: Uint8Array): unknown => early.push(chunk.slice());
  let end = () => {};
  transport.start({
    received: (chunk) => void send(chunk),
    drained() {},
    closed() {
      over = true;
      end();
    },
  });
  const inner = await dialTcp({ host: "127.0.0.1", port });
  inner.start({
    received: (chunk) => void transport.write(chunk),
    drained() {},
    closed: () => transport.close(),
  });
  send = (chunk) => inner.write(chunk);
  end = () => inner.abort();
  early.forEach(send);
  if (over) end();
}

describe("the product", () => {
  for (
    const [payload, product] of [
      ["mosquitto version 2.0.11", "mosquitto version 2.0.11"],
      ["\x1b[31mred", ""],
      [undefined, ""],
    ] as const
  ) {
    test(
      `a target that says ${JSON.stringify(payload)} of itself is called ${JSON.stringify(product)}`,
      patient,
      async () => {
        const server = await serve({ listen: ["mqtt://127.0.0.1:0"] });
        if (payload !== undefined) server.publish({ topic: "$SYS/broker/version", payload, retain: true });
        try {
          const call = (options: AuditOptions) =>
            audit(server.addresses[0]!, { only: ["3.12/answered"], ...options });
          assertEquals((await call({ levels: [5] })).product, product);
          assertEquals((await call({ levels: [4] })).product, product);
          assertEquals((await call({ product: "ours" })).product, "ours");
        } finally {
          await server.close();
        }
      },
    );
  }
});

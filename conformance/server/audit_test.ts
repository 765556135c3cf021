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
import { audit, type AuditOptions, type AuditReport, type Level } from "../mod.ts";
import { patient } from "../../src/testing/patience.ts";

const PATIENCE_MS = 150;
/** With hundreds of cases at a time, so long is early: none of them has waited for more than a few answers. */
const IN_TIME_MS = 15_000;

const CONNACK_5 = Uint8Array.of(0x20, 3, 0, 0, 0);
const CONNACK_4 = Uint8Array.of(0x20, 2, 0, 0);
const PINGRESP = Uint8Array.of(0xd0, 0);

/** A target that does this with each connection, by its number. */
async function auditFake(
  behave: (connection: Transport, number: number) => void,
  levels: readonly Level[] = [5],
): Promise<{ readonly report: AuditReport; readonly ms: number }> {
  let number = 0;
  const all: Transport[] = [];
  const listener = await listenTcp({ host: "127.0.0.1", port: 0 }, (transport) => {
    all.push(transport);
    behave(transport, number++);
  });
  const began = performance.now();
  try {
    const target = `mqtt://127.0.0.1:${listener.port}`;
    const report = await audit(target, { levels, patienceMs: PATIENCE_MS });
    return { report, ms: performance.now() - began };
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
    const { levels } = await audit(`mqtt://127.0.0.1:${listener.port}`, { patienceMs: PATIENCE_MS });
    assertEquals(levels.map(({ unreachable }) => unreachable?.kind), ["host", "host"]);
  });

  test("answers nothing judges nothing", patient, async () => {
    const { report, ms } = await auditFake(silent, [4, 5]);
    assertNothingJudged(report, /does not answer a CONNECT/);
    assert(ms < IN_TIME_MS);
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
    const { report, ms } = await auditFake((transport) => answering(transport, http), [4, 5]);
    assertNothingJudged(report, /CONNECT of level/);
    assert(ms < IN_TIME_MS);
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

  for (const [level, connack] of [[5, CONNACK_5], [4, CONNACK_4]] as const) {
    test(`accepts and then answers nothing is left alone, at level ${level}`, patient, async () => {
      const { report, ms } = await auditFake((transport) => answering(transport, connack), [level]);
      const [{ stopped, totals, cases }] = report.levels as [AuditReport["levels"][number]];
      assertMatch(stopped!, /no longer answers/);
      assert(totals.cases.inconclusive > cases.length / 2);
      assert(ms < IN_TIME_MS, `${ms} ms`);
    });
  }

  test("stalls halfway is left alone, with the verdicts it has earned", patient, async () => {
    const server = await serve({ listen: ["mqtt://127.0.0.1:0"] });
    const port = Number(new URL(server.addresses[0]!).port);
    try {
      const { report, ms } = await auditFake((transport, number) => {
        if (number > 60) silent(transport);
        else void forward(transport, port);
      });
      const [{ stopped, totals }] = report.levels as [AuditReport["levels"][number]];
      assertMatch(stopped!, /no longer answers/);
      assert(totals.cases.pass > 5);
      assert(totals.cases.inconclusive > 20);
      assert(ms < IN_TIME_MS, `${ms} ms`);
    } finally {
      await server.close();
    }
  });

  test("goes away halfway is left alone", patient, async () => {
    const server = await serve({ listen: ["mqtt://127.0.0.1:0"] });
    const port = Number(new URL(server.addresses[0]!).port);
    try {
      const { report, ms } = await auditFake((transport, number) => {
        if (number <= 60) return void forward(transport, port);
        silent(transport);
        transport.abort();
      });
      const [{ stopped, totals }] = report.levels as [AuditReport["levels"][number]];
      assertMatch(stopped!, /no longer answers/);
      assert(totals.cases.pass > 5);
      assert(ms < IN_TIME_MS, `${ms} ms`);
    } finally {
      await server.close();
    }
  });

  test("sends without end is not read to the end", patient, async () => {
    const flood = new Uint8Array(65_536);
    for (let i = 0; i < flood.length; i++) flood[i] = PINGRESP[i % 2]!;
    const { report, ms } = await auditFake((transport) => {
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
    });
    const [{ cases, totals }] = report.levels as [AuditReport["levels"][number]];
    assert(totals.cases.pass < cases.length / 10, `${totals.cases.pass} pass`);
    assert(ms < 3 * IN_TIME_MS, `${ms} ms`);
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

/**
 * The proxy of mutants: packets are changed whole, however the stream is cut.
 * @module
 */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { packet, pingreq } from "../../conformance/wire/bytes.ts";
import type { ProxyMutant } from "../../conformance/mutants/mutant.ts";
import type { Transport, TransportHandler } from "../../src/transport/transport.ts";
import { MutantTransport } from "./proxy.ts";

/** A stream that a test plays the broker on. */
class Played implements Transport {
  readonly label = "played";
  readonly written: number[] = [];
  handler: TransportHandler | undefined;
  /** Bytes that a write takes. */
  room = Infinity;

  start(handler: TransportHandler): void {
    this.handler = handler;
  }

  write(chunk: Uint8Array): number {
    const taken = Math.min(chunk.length, this.room);
    this.written.push(...chunk.subarray(0, taken));
    return taken;
  }

  pause(): void {}
  resume(): void {}
  close(): void {}
  abort(): void {}
}

function through(mutant: Partial<ProxyMutant>) {
  const inner = new Played();
  const proxy = new MutantTransport(inner, { kills: "", ...mutant }, 5);
  const received: number[] = [];
  let ended = false;
  proxy.start({
    received: (chunk) => void received.push(...chunk),
    drained() {},
    closed: () => ended = true,
  });
  return { inner, proxy, received, isEnded: () => ended };
}

const twice = (one: Uint8Array) => [one, one];
const PUBACK = packet(4, 0, 0, 7);

describe("MutantTransport", () => {
  test("passes on what no change is for", () => {
    const { inner, proxy, received } = through({});
    inner.handler!.received(PUBACK);
    assertEquals(proxy.write(pingreq()), 2);
    assertEquals([received, inner.written], [[...PUBACK], [0xc0, 0]]);
  });

  test("changes packets towards the auditor, cut anywhere", () => {
    const { inner, received } = through({ toAuditor: twice });
    const stream = [...PUBACK, 0xd0, 0];
    for (const byte of stream) inner.handler!.received(Uint8Array.of(byte));
    assertEquals(received, [...PUBACK, ...PUBACK, 0xd0, 0, 0xd0, 0]);
  });

  test("takes packets away", () => {
    const { inner, received } = through({ toAuditor: (one) => one[0] === 0x40 ? [] : [one] });
    inner.handler!.received(Uint8Array.of(...PUBACK, 0xd0, 0));
    assertEquals(received, [0xd0, 0]);
  });

  test("gives the rest at the end, before the end", () => {
    const { inner, received, isEnded } = through({ toAuditor: twice });
    inner.handler!.received(Uint8Array.of(0x40, 2, 0));
    assertEquals(received, []);
    inner.handler!.closed();
    assertEquals([received, isEnded()], [[0x40, 2, 0], true]);
  });

  test("lets go by what is no packet", () => {
    const { inner, received } = through({ toAuditor: twice });
    inner.handler!.received(new Uint8Array(6).fill(0xff));
    assertEquals(received, [255, 255, 255, 255, 255, 255]);
  });

  test("changes packets towards the broker, which may take them slowly", () => {
    const { inner, proxy } = through({ toBroker: twice });
    inner.room = 3;
    assertEquals(proxy.write(PUBACK), 4);
    inner.room = Infinity;
    inner.handler!.drained();
    assertEquals(inner.written, [...PUBACK, ...PUBACK]);
  });

  test("tells the level", () => {
    const levels: number[] = [];
    const { inner } = through({ toAuditor: (one, level) => (levels.push(level), [one]) });
    inner.handler!.received(PUBACK);
    assertEquals(levels, [5]);
  });
});

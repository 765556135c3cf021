/**
 * Connections that begin with a PROXY header keep the contract of all transports.
 * @module
 */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { host, opened, rawPeer, turns } from "../testing/network_contract.ts";
import { until } from "../testing/patience.ts";
import { Recorder, transportContract, utf8 } from "../testing/transport_contract.ts";
import type { Transport, TransportHandler } from "../transport/mod.ts";
import type { PeerInfo } from "./endpoint.ts";
import { listenTcp, tcpAdapter } from "./listen.ts";
import { proxied, type ProxyOptions } from "./proxied.ts";
import { HandshakeSlots } from "./tls/slots.ts";

const HEADER = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 1883\r\n";

function options(more: Partial<ProxyOptions> = {}): ProxyOptions {
  return { expects: () => true, timeoutMs: 10_000, slots: new HandshakeSlots(), refused() {}, ...more };
}

/** A transport that has said a header first, as a proxy does. */
class Proxy implements Transport {
  readonly #below: Transport;
  #handler: TransportHandler | undefined;

  constructor(below: Transport) {
    this.#below = below;
    below.start({
      received: (chunk) => this.#handler!.received(chunk),
      drained: () => this.#handler?.drained(),
      closed: (error) => this.#handler?.closed(error),
    });
    below.write(utf8(HEADER));
  }

  get label(): string {
    return this.#below.label;
  }

  start(handler: TransportHandler): void {
    this.#handler = handler;
  }

  write(chunk: Uint8Array): number {
    return this.#below.write(chunk);
  }

  pause(): void {
    this.#below.pause();
  }

  resume(): void {
    this.#below.resume();
  }

  close(): void {
    this.#below.close();
  }

  abort(): void {
    this.#below.abort();
  }
}

transportContract("TCP behind a proxy", async () => {
  let right: Transport | undefined;
  const listener = await listenTcp(
    { host, port: 0 },
    proxied(options(), (transport) => right = transport),
  );
  const left = new Proxy(await (await tcpAdapter()).dialTcp({ host, port: listener.port }));
  await until(() => right !== undefined, "the connection is accepted");
  return {
    left,
    right: right!,
    until,
    async done(): Promise<void> {
      left.abort();
      right!.abort();
      await listener.close();
    },
  };
});

describe("proxied()", () => {
  test("accepts a connection when its header is whole, with the bytes behind it", () => {
    const peers: PeerInfo[] = [];
    return opened(
      (where, accept) =>
        listenTcp(
          where,
          proxied(options(), (transport, peer) => (peers.push(peer), accept(transport, peer))),
        ),
      async ({ port, accepted }) => {
        const peer = await rawPeer(port);
        peer.write(HEADER.slice(0, -1));
        await turns(50);
        assertEquals(accepted, []);
        peer.write(`${HEADER.slice(-1)}hello`);
        await until(() => accepted[0]?.text === "hello", "the bytes behind it come");
        assertEquals(peers[0]!.address, "192.0.2.7");
        peer.end(" and good-bye");
        await until(() => accepted[0]!.closes.length === 1, "it ends");
        assertEquals(accepted[0]!.text, "hello and good-bye");
        peer.destroy();
      },
    );
  });

  test("loses nothing of a connection that is started late", async () => {
    let late: Transport | undefined;
    await opened((where, accept) => listenTcp(where, proxied(options(), accept)), async ({ port }) => {
      const peer = await rawPeer(port);
      peer.end(`${HEADER}early`);
      await until(() => late !== undefined, "it is accepted");
      await turns(50);
      const recorder = new Recorder(late!);
      await until(() => recorder.closes.length === 1, "it ends");
      assertEquals(recorder.text, "early");
      peer.destroy();
    }, (transport) => late = transport);
  });

  test("refuses proxies above the number that may wait, and says nothing of those that leave", async () => {
    const refused: string[] = [];
    const few = options({
      slots: new HandshakeSlots(2),
      refused: (_peer, { message }) => void refused.push(message),
    });
    await opened((where, accept) => listenTcp(where, proxied(few, accept)), async ({ port, accepted }) => {
      const [one, two] = [await rawPeer(port), await rawPeer(port)];
      const three = await rawPeer(port);
      await until(() => refused.length === 1, "the third is refused");
      assertEquals(refused, ["Too many wait for a PROXY header"]);
      for (const peer of [one, two]) peer.destroy();
      let four = three;
      while (accepted.length === 0) { // until our side has seen that they left
        four.destroy();
        four = await rawPeer(port);
        four.write(`${HEADER}four`);
        await turns(20);
      }
      await until(() => accepted.some(({ text }) => text === "four"), "another one is served");
      four.destroy();
    });
  });
});

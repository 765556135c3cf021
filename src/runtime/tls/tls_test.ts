/**
 * TLS of the runtime the tests run on: the contract of all transports, and what peers can do to a handshake.
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect as connectTcp, type Socket } from "node:net";
import { describe, test } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { type Door, host, networkContract, opened, rawPeer } from "../../testing/network_contract.ts";
import { until } from "../../testing/patience.ts";
import { CA, CERT, KEY, OTHER_KEY } from "../../testing/tls.ts";
import { Recorder, utf8 } from "../../testing/transport_contract.ts";
import type { PeerInfo, Transport } from "../../transport/mod.ts";
import { systemCode } from "../listen.ts";
import { CertificateError } from "./options.ts";
import { dialTls, listenTls } from "./tls.ts";

const tls = { cert: CERT, key: KEY };

/** The first bytes of a ClientHello. */
const HALF_A_HELLO = Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc);
const MQTT_CONNECT = Uint8Array.of(0x10, 12, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, 0);

networkContract({
  kind: "tls",
  listen: (options, accept) => listenTls({ ...options, tls }, accept),
  dial: (options) => dialTls(options, { ca: CA }),
  peer: tlsPeer,
  isReady: (transport) => (transport as { readonly isSecured?: boolean }).isSecured === true,
  resets: [
    // Before TCP's handshake is over, after it, in the midst of that of TLS, and just after that.
    (port) => connectTcp({ port, host }).resetAndDestroy(),
    (port) => {
      const socket = connectTcp({ port, host });
      return socket.once("connect", () => void socket.destroy());
    },
    (port) => {
      const socket = connectTcp({ port, host });
      return socket.once("connect", () => {
        socket.write(HALF_A_HELLO);
        socket.destroy();
      });
    },
    (port) => {
      const socket = connectTls({ port, host, ca: CA });
      return socket.once("secureConnect", () => void socket.destroy());
    },
  ],
  childCommand: "listen-tls",
  tellsShortage: false,
});

/** A door of TLS. */
interface TlsDoor extends Door {
  /** Handshakes that failed, and why. */
  readonly failures: (readonly [PeerInfo, Error])[];
}

function open(
  body: (door: TlsDoor) => Promise<void>,
  accept?: (transport: Transport) => void,
): Promise<void> {
  const failures: (readonly [PeerInfo, Error])[] = [];
  const handshakeFailed = (peer: PeerInfo, error: Error) => void failures.push([peer, error]);
  return opened(
    (options, accept) => listenTls({ ...options, tls, handshakeFailed }, accept),
    (door) => body({ ...door, failures }),
    accept,
  );
}

/** A peer that can do what our own transports will not. */
async function tlsPeer(port: number): Promise<TLSSocket> {
  const socket = connectTls({ port, host, ca: CA, allowHalfOpen: true } as object);
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("secureConnect", resolve));
  return socket;
}

describe("listenTls()", () => {
  test("refuses a key of another certificate", async () => {
    const wrong = { host, port: 0, tls: { cert: CERT, key: OTHER_KEY } };
    await assertRejects(() => listenTls(wrong, () => {}), CertificateError);
  });

  test("write() takes nothing before the handshake is done; then drained() comes", async () => {
    let taken: number | undefined;
    let answer = "";
    await open(async ({ port }) => {
      const peer = await tlsPeer(port);
      peer.setEncoding("utf8").on("data", (text: string) => answer += text);
      await until(() => answer === "welcome", "it is written when it can be");
      assertEquals(taken, 0);
      peer.destroy();
    }, (transport) => {
      const greet = () => transport.write(utf8("welcome"));
      transport.start({ received() {}, drained: () => void greet(), closed() {} });
      taken = greet();
    });
  });
});

describe("dialTls()", () => {
  test("trusts whom its CA has vouched for, by address and by name", () =>
    open(async ({ port, accepted }) => {
      for (const name of [host, "localhost"]) {
        const transport = await dialTls({ host: name, port }, { ca: CA });
        transport.write(utf8(name));
        await until(() => accepted.some(({ text }) => text === name), `${name} is called`);
        transport.abort();
      }
    }));

  test("trusts nobody else, unless it is told to", () =>
    open(async ({ port, accepted }) => {
      await assertRejects(() => dialTls({ host, port }, {}), Error);
      (await dialTls({ host, port }, { insecure: true })).abort();
      await until(() => accepted.every(({ closes }) => closes.length === 1), "all are over");
    }));

  test("does not take a trusted Server for another one", async () => {
    const listener = await listenTls({ host: "0.0.0.0", port: 0, tls }, (transport) => {
      new Recorder(transport);
    });
    try {
      await assertRejects(() => dialTls({ host: "127.0.0.2", port: listener.port }, { ca: CA }), Error);
      (await dialTls({ host: "127.0.0.2", port: listener.port }, { ca: CA, insecure: true })).abort();
    } finally {
      await listener.close();
    }
  });

  test("rejects when the peer knows nothing of TLS, or leaves", async () => {
    const { createServer } = await import("node:net");
    for (const answer of ["garbage garbage garbage", ""]) {
      const server = createServer((socket) => {
        socket.on("error", () => {});
        socket.end(answer);
      });
      await new Promise<void>((resolve) => server.listen(0, host, resolve));
      const { port } = server.address() as { readonly port: number };
      await assertRejects(() => dialTls({ host, port }, { ca: CA }), Error);
      server.close();
    }
  });
});

describe("TLS: handshakes that are never done", () => {
  for (
    const [what, bytes] of [["garbage", utf8("garbage garbage")], ["a plain CONNECT", MQTT_CONNECT]] as const
  ) {
    test(`${what} ends its own connection, and is told once`, () =>
      open(async ({ port, accepted, peers, failures }) => {
        const [good, bad] = [await tlsPeer(port), await rawPeer(port)];
        await until(() => accepted.length === 2, "both are accepted");
        bad.resume().write(bytes);
        await until(() => accepted[1]!.closes.length === 1, "the bad one ends");
        assertEquals(failures, [[peers[1]!, accepted[1]!.closes[0]!]]);
        assert(systemCode(failures[0]![1]) !== "ECONNRESET", "it has a reason");
        good.write("alive");
        await until(() => accepted[0]!.text === "alive", "the good one is served");
        assertEquals([accepted[0]!.closes.length, accepted[1]!.intrusions], [0, []]);
        good.destroy();
        bad.destroy();
      }));
  }

  for (
    const [how, leave] of [
      ["leaves", (peer: Socket) => void peer.end()],
      ["resets", (peer: Socket) => void peer.resetAndDestroy()],
      ["leaves in the middle of it", (peer: Socket) => void peer.end(HALF_A_HELLO)],
    ] as const
  ) {
    test(`a peer that ${how} is told as one that left`, () =>
      open(async ({ port, accepted, failures }) => {
        const peer = await rawPeer(port);
        await until(() => accepted.length === 1, "the connection is accepted");
        peer.resume();
        leave(peer);
        await until(() => accepted[0]!.closes.length === 1, "our side ends");
        assertEquals(failures.map(([, error]) => systemCode(error)), ["ECONNRESET"]);
        peer.destroy();
      }));
  }

  test("a Client that does not trust us ends its own connection", () =>
    open(async ({ port, accepted }) => {
      const stranger = connectTls({ port, host });
      await new Promise((resolve) => stranger.once("error", resolve));
      await until(() => accepted.length === 1 && accepted[0]!.closes.length === 1, "our side ends");
      assertEquals([accepted[0]!.length, accepted[0]!.intrusions], [0, []]);
    }));

  for (const end of ["close", "abort"] as const) {
    test(`one that stalls can be ended by ${end}(), paused or not, which is no failure`, () =>
      open(async ({ port, accepted, failures }) => {
        const [silent, slow] = [await rawPeer(port), await rawPeer(port)];
        slow.write(HALF_A_HELLO);
        await until(() => accepted.length === 2, "both are accepted");
        accepted[1]!.transport.pause();
        let ended = 0;
        for (const peer of [silent, slow]) {
          peer.on("close", () => ended++).on("end", () => peer.destroy()).resume();
        }
        for (const ours of accepted) ours.call((transport) => transport[end]());
        await until(() => accepted.every(({ closes }) => closes.length === 1), "our sides end");
        await until(() => ended === 2, "the peers see it");
        assertEquals(accepted.map(({ closes }) => closes[0]), [undefined, undefined]);
        assertEquals([failures, accepted[0]!.intrusions, accepted[1]!.intrusions], [[], [], []]);
      }));
  }
});

describe("TLS: the end of a connection", () => {
  test("a peer that goes without a good-bye of TLS has gone all the same", () =>
    open(async ({ port, accepted }) => {
      const below = await rawPeer(port);
      const peer = connectTls({ socket: below, ca: CA, servername: "localhost" });
      peer.on("error", () => {});
      await new Promise((resolve) => peer.once("secureConnect", resolve));
      peer.write("last words");
      await until(() => accepted[0]?.text === "last words", "bytes arrive");
      below.destroy();
      await until(() => accepted[0]!.closes.length === 1, "our side ends");
      peer.destroy();
    }));
});

/**
 * Listeners of a broker behind proxies and with TLS: whom the owner's functions see, what strangers reach, and how long they may take.
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connectAsync } from "mqtt";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import type { Policy } from "../broker/mod.ts";
import { encodePacket, PacketType } from "../codec/mod.ts";
import type { PeerInfo } from "../runtime/listen.ts";
import { CertificateError } from "../runtime/tls/options.ts";
import { A_CERT, A_KEY, CLIENT_CA, CLIENT_CERT, CLIENT_KEY, CRL } from "../testing/client_certificates.ts";
import { patient, until } from "../testing/patience.ts";
import { CA, CERT, KEY, OTHER_CERT, OTHER_KEY } from "../testing/tls.ts";
import { AddressError } from "./address.ts";
import { planListeners } from "./listeners.ts";
import { ListenError, type Refusal, serve, type ServeOptions, type Server } from "./serve.ts";

const tls = { cert: CERT, key: KEY };
const CONNECT = encodePacket({
  type: PacketType.CONNECT,
  level: 4,
  cleanStart: true,
  keepAlive: 0,
  clientId: "raw",
}, 4);
const HEADER = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 1883\r\n";

async function served(
  options: ServeOptions,
  body: (server: Server, port: number) => Promise<void>,
): Promise<void> {
  const server = await serve(options);
  try {
    await body(server, Number(new URL(server.addresses[0]!).port));
  } finally {
    await server.close();
  }
}

/** A socket that sends these one after the other, each on its own. */
async function raw(
  port: number,
  ...pieces: readonly (string | Uint8Array)[]
): Promise<Socket & { bytes: number }> {
  const socket = Object.assign(connect({ port, host: "127.0.0.1", noDelay: true }), { bytes: 0 });
  socket.on("error", () => {}).on("data", ({ length }) => socket.bytes += length);
  await new Promise((resolve) => socket.once("connect", resolve));
  for (const piece of pieces) await new Promise<void>((resolve) => void socket.write(piece, () => resolve()));
  return socket;
}

describe("a listener for proxies", () => {
  const url = "mqtt://127.0.0.1:0";
  const behind = { address: "192.0.2.7", port: 4711, transport: "tcp" };

  for (
    const [how, pieces] of [
      ["in one piece with CONNECT", [Uint8Array.of(...new TextEncoder().encode(HEADER), ...CONNECT)]],
      ["in pieces", [...HEADER, CONNECT] as (string | Uint8Array)[]],
    ] as const
  ) {
    test(`a header ${how} names the peer for admit, authenticate and hooks`, patient, async () => {
      const seen: PeerInfo[] = [];
      const see = (peer: PeerInfo) => (seen.push(peer), true);
      await served({
        listen: [{ url, proxyProtocol: ["127.0.0.0/8"] }],
        admit: see,
        authenticate: ({ peer }) => ({ code: see(peer) ? 0x00 : 0x87 }),
        hooks: { connected: ({ peer }) => void see(peer) },
      }, async (_server, port) => {
        const socket = await raw(port, ...pieces);
        await until(() => socket.bytes === 4, "CONNACK comes");
        for (const peer of seen) {
          assertEquals(
            peer,
            { ...behind, proxy: { address: "127.0.0.1", port: socket.localPort! } } as PeerInfo,
          );
        }
        assertEquals(seen.length, 3);
        socket.destroy();
      });
    });
  }

  test("does not admit whom admit() refuses by the address behind the proxy", () =>
    served({
      listen: [{ url, proxyProtocol: ["127.0.0.1"], admit: ({ address }) => address !== "192.0.2.7" }],
    }, async (_server, port) => {
      const refused = await raw(port, HEADER, CONNECT);
      await new Promise((resolve) => refused.once("close", resolve));
      const other = await raw(port, HEADER.replace("2.7", "2.8"), CONNECT);
      await until(() => other.bytes === 4, "the other one is served");
      assertEquals(refused.bytes, 0);
      other.destroy();
    }));

  test("takes the proxy itself for the peer where the header names none", async () => {
    const seen: PeerInfo[] = [];
    const hooks = { connected: ({ peer }: { peer: PeerInfo }) => void seen.push(peer) };
    await served({ listen: [{ url, proxyProtocol: ["127.0.0.1"] }], hooks }, async (_server, port) => {
      const socket = await raw(port, "PROXY UNKNOWN\r\n", CONNECT);
      await until(() => socket.bytes === 4, "CONNACK comes");
      assertEquals(seen, [{ address: "127.0.0.1", port: socket.localPort!, transport: "tcp" }]);
      socket.destroy();
    });
  });

  test("refuses a proxy without a header, and one that does not come in time", async () => {
    const refusals: Refusal[] = [];
    const hooks = { refused: (_peer: PeerInfo, refusal: Refusal) => void refusals.push(refusal) };
    await served({
      listen: [{ url, proxyProtocol: ["127.0.0.1"], limits: { connectTimeoutMs: 300 } }],
      hooks,
    }, async (_server, port) => {
      const sockets = [await raw(port, CONNECT), await raw(port, HEADER.slice(0, 20)), await raw(port)];
      await until(() => sockets.every(({ destroyed }) => destroyed), "all are ended");
      assertEquals(sockets.map(({ bytes }) => bytes), [0, 0, 0]);
      const late = {
        code: 0x81,
        rule: "policy/proxy-header",
        message: "No PROXY header within 300 ms",
      } as const;
      assertEquals(refusals, [
        { ...late, message: "The connection does not begin with a PROXY header" },
        late,
        late,
      ]);
    });
  });

  test("takes a stranger's header for what it is: no CONNECT", async () => {
    const refusals: Refusal[] = [];
    const hooks = { refused: (_peer: PeerInfo, refusal: Refusal) => void refusals.push(refusal) };
    await served({ listen: [{ url, proxyProtocol: ["192.0.2.1"] }], hooks }, async (_server, port) => {
      const forger = await raw(port, HEADER, CONNECT);
      await new Promise((resolve) => forger.once("close", resolve));
      assertEquals(refusals.map(({ rule }) => rule), ["MQTT-3.1.0-1"]);
      const direct = await raw(port, CONNECT);
      await until(() => direct.bytes === 4, "anybody may come without one");
      direct.destroy();
    });
  });

  test("refuses what is no list of addresses", async () => {
    const error = await assertRejects(
      () => serve({ listen: [{ url, proxyProtocol: ["proxy.example"] }] }),
      AddressError,
    );
    assert(error.message.startsWith('"proxy.example" is neither an address nor a network'));
  });

  test(
    "carries messages of a Client as any other",
    patient,
    () =>
      served({ listen: [{ url, proxyProtocol: ["127.0.0.1"] }] }, async (_server, port) => {
        // MQTT.js behind a relay that writes the header.
        const { createServer } = await import("node:net");
        const relay = createServer((near) => {
          const far = connect({ port, host: "127.0.0.1" });
          far.write(HEADER);
          near.pipe(far).pipe(near);
          for (const socket of [near, far]) socket.on("error", () => {});
        });
        await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
        const at = (relay.address() as { readonly port: number }).port;
        const client = await connectAsync(`mqtt://127.0.0.1:${at}`, {
          protocolVersion: 5,
          reconnectPeriod: 0,
        });
        const got: number[] = [];
        client.on("message", (_topic, payload) => got.push(payload.length));
        await client.subscribeAsync("#", { qos: 1 });
        for (const length of [1, 100_000, 1_000_000]) {
          await client.publishAsync("a", "x".repeat(length), { qos: 1 });
        }
        await until(() => got.length === 3, "all come back");
        assertEquals(got, [1, 100_000, 1_000_000]);
        await client.endAsync();
        relay.close();
      }),
  );
});

test("a server says which addresses each of its listeners has", async () => {
  const listen = ["mqtt://localhost:0", "mqtt://127.0.0.1:0", "mqtt://127.0.0.1:0"];
  await served({ listen }, (server) => {
    const [local, ...others] = server.addressesOf;
    assertEquals<readonly string[]>(server.addressesOf.flat(), server.addresses);
    assert(local!.every((url) => new URL(url).port === new URL(local![0]!).port));
    assertEquals(others.map(({ length }) => length), [1, 1]);
    return Promise.resolve();
  });
});

describe("a listener with TLS", () => {
  const url = "mqtts://127.0.0.1:0";

  test("tells the authenticator the identity in the Client's certificate", patient, async () => {
    const seen: (string | undefined)[] = [];
    await served({
      listen: [{ url, tls: { ...tls, ca: CLIENT_CA, crl: CRL, clientCertificate: "optional" } }],
      authenticate: ({ peer, username }) => {
        seen.push(peer.certificate?.identity);
        return { code: peer.certificate?.identity === username ? 0x00 : 0x87 };
      },
    }, async (_server, port) => {
      const at = `mqtts://127.0.0.1:${port}`;
      const options = { ca: CA, reconnectPeriod: 0, username: "pump" };
      const client = await connectAsync(at, { ...options, cert: CLIENT_CERT, key: CLIENT_KEY });
      await client.endAsync();
      await assertRejects(() => connectAsync(at, options));
      assertEquals(seen, ["pump", undefined]);
    });
  });

  test("has its own certificate renewed by its URL, the others theirs together", patient, async () => {
    const listen = [url, { url: "mqtts://localhost:0", tls }];
    await served({ listen, tls }, async (server, port) => {
      const ports = server.addresses.map((address) => Number(new URL(address).port));
      const trusts = (port: number, ca: string) =>
        connectAsync(`mqtts://localhost:${port}`, { ca, reconnectPeriod: 0 })
          .then((client) => client.endAsync()).then(() => true, () => false);
      const other = { cert: OTHER_CERT, key: OTHER_KEY };
      server.renewCertificate(other);
      assertEquals([await trusts(port, OTHER_CERT), await trusts(ports[1]!, CA)], [true, true]);
      server.renewCertificate(other, "mqtts://localhost:0");
      assertEquals([await trusts(ports[1]!, OTHER_CERT), await trusts(ports[1]!, CA)], [true, false]);
      assertThrows(() => server.renewCertificate(other, url), AddressError);
      assertThrows(() => server.renewCertificate({ cert: CERT, key: OTHER_KEY }), CertificateError);
      assertEquals(await trusts(port, OTHER_CERT), true);
    });
  });

  test(
    "renewed 100 times under traffic loses no connection and no message",
    patient,
    () =>
      served({ listen: [url], tls }, async (server, port) => {
        const at = `mqtts://127.0.0.1:${port}`;
        const options = { ca: [CA, OTHER_CERT], reconnectPeriod: 0 };
        const receiver = await connectAsync(at, options);
        const sender = await connectAsync(at, options);
        let [isLost, arrived] = [false, 0];
        for (const client of [receiver, sender]) client.on("close", () => isLost = true);
        receiver.on(
          "message",
          (_topic, payload) => void (Number(payload.toString()) === arrived && arrived++),
        );
        await receiver.subscribeAsync("a", { qos: 1 });
        const sent: Promise<unknown>[] = [];
        for (let round = 0; round < 100; round++) {
          for (let i = 0; i < 10; i++) sent.push(sender.publishAsync("a", `${sent.length}`, { qos: 1 }));
          const guest = connectAsync(at, options);
          server.renewCertificate(round % 2 === 0 ? { cert: OTHER_CERT, key: OTHER_KEY } : tls);
          await (await guest).endAsync();
        }
        await Promise.all(sent);
        await until(() => arrived === sent.length, "all arrive, in order");
        assertEquals(isLost, false);
        for (const client of [receiver, sender]) await client.endAsync();
      }),
  );

  test("names itself, and the certificate by its place, in an error", async () => {
    const wrong = { ...tls, sni: [{ cert: A_CERT, key: KEY }] };
    const error = await assertRejects(() => serve({ listen: [{ url, tls: wrong }] }), CertificateError);
    assertEquals(
      error.message,
      "mqtts://127.0.0.1:0: tls.sni[0].key does not belong to the certificate (CN=a.example)",
    );
    assertEquals([error.of, error.sni], ["key", 0]);
    const { sni } = await assertRejects(
      () => serve({ listen: [{ url, tls: { ...tls, sni: [{ cert: A_CERT, key: A_KEY }], ca: CA } }] }),
      CertificateError,
      "tls.ca is for Clients' certificates, which this listener does not ask for",
    );
    assertEquals(sni, undefined);
  });

  test(
    "ends handshakes that are slow, however they are slow, and serves others meanwhile",
    patient,
    () =>
      served({ listen: [{ url, tls, limits: { connectTimeoutMs: 3000 } }] }, async (_server, port) => {
        const hello = Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3);
        const silent = await Promise.all(Array.from({ length: 20 }, () => raw(port)));
        const slow = await Promise.all(Array.from({ length: 20 }, () => raw(port, hello)));
        let sent = 0;
        const drip = setInterval(() => { // a byte at a time never ends a ClientHello of 512 bytes in time
          sent++;
          for (const socket of slow) if (!socket.destroyed) socket.write(Uint8Array.of(0));
        }, 20);
        const healthy = await connectAsync(`mqtts://127.0.0.1:${port}`, { ca: CA, reconnectPeriod: 0 });
        await until(
          () => [...silent, ...slow].every(({ destroyed }) => destroyed),
          "all slow ones are ended",
        );
        clearInterval(drip);
        assert(sent > 1);
        await healthy.publishAsync("a", "b", { qos: 1 });
        await healthy.endAsync();
      }),
  );

  test(
    "outlives random bytes, before and in the midst of a handshake",
    patient,
    () =>
      served(
        { listen: [{ url, tls: { ...tls, ca: CLIENT_CA, clientCertificate: "optional" } }] },
        async (_server, port) => {
          let state = 1;
          const random = (length: number) =>
            Uint8Array.from({ length }, () => (state = Math.imul(state, 1664525) + 1013904223 >>> 0) >>> 24);
          const record = (bytes: Uint8Array) =>
            Uint8Array.of(0x16, 3, 1, bytes.length >> 8, bytes.length & 0xff, ...bytes);
          const sockets: Socket[] = [];
          for (let i = 0; i < 60; i++) {
            const bytes = random(1 + i * 7);
            const shapes = [
              bytes,
              record(bytes),
              record(Uint8Array.of(1, 0, bytes.length >> 8, bytes.length & 0xff, ...bytes)),
            ];
            const socket = await raw(port, shapes[i % 3]!);
            socket.on("end", () => socket.destroy()).end();
            sockets.push(socket);
          }
          await until(() => sockets.every(({ destroyed }) => destroyed), "all are over");
          const healthy = await connectAsync(`mqtts://127.0.0.1:${port}`, { ca: CA, reconnectPeriod: 0 });
          await healthy.endAsync();
        },
      ),
  );

  test(
    "that cannot be opened is left out if the owner says so",
    patient,
    () =>
      served({ listen: ["mqtt://127.0.0.1:0"] }, async (_server, taken) => {
        const missing: ListenError[] = [];
        const busy = { url: `mqtts://127.0.0.1:${taken}`, tls };
        await assertRejects(() => serve({ listen: ["mqtt://127.0.0.1:0", busy] }), ListenError);
        const listen = ["mqtt://127.0.0.1:0", {
          ...busy,
          missing: (error: ListenError) => void missing.push(error),
        }];
        await served({ listen }, (server, port) => {
          assertEquals(server.addresses, [`mqtt://127.0.0.1:${port}`]);
          assertEquals(missing.map(({ code }) => code), ["EADDRINUSE"]);
          return Promise.resolve();
        });
      }),
  );

  test(
    "at [::] has IPv4 Clients too",
    patient,
    () =>
      served({ listen: [{ url: "mqtts://[::]:0", tls }] }, async (_server, port) => {
        for (const host of ["127.0.0.1", "localhost"]) {
          await (await connectAsync(`mqtts://${host}:${port}`, { ca: CA, reconnectPeriod: 0 })).endAsync();
        }
      }),
  );
});

describe("planListeners()", () => {
  const isLocal = (...listen: Parameters<typeof planListeners>[0]) =>
    planListeners(listen, tls, () => ({}) as Policy).map((plan) => plan.isLocal);

  test("says which listeners only this machine reaches: none that is for a proxy", () =>
    assertEquals(
      isLocal(
        "mqtt://localhost",
        "mqtts://127.0.0.2",
        "mqtt://[::1]",
        "mqtts://[::]",
        "mqtt://0.0.0.0",
        "mqtt://192.0.2.1",
        "mqtt://127.example.com",
        "mqtt://[::ffff:127.0.0.1]",
        { url: "mqtt://localhost", proxyProtocol: ["127.0.0.1"] },
      ),
      [true, true, true, false, false, false, false, true, false],
    ));
});

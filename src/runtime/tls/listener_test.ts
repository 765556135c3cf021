/**
 * What a TLS listener asks of Clients and shows them, on the runtime the tests run on: Clients' certificates, revocation, names, versions,
 * certificates that are replaced, PROXY headers.
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import {
  A_CERT,
  A_KEY,
  B_CERT,
  B_KEY,
  CLIENT_CA,
  CLIENT_CERT,
  CLIENT_KEY,
  CRL,
  EMPTY_CRL,
  OLD_CRL,
  REVOKED_CERT,
  REVOKED_KEY,
} from "../../testing/client_certificates.ts";
import { type Door, host, networkContract, opened, rawPeer } from "../../testing/network_contract.ts";
import { patient, until } from "../../testing/patience.ts";
import { CA, CERT, KEY, OTHER_CERT, OTHER_KEY } from "../../testing/tls.ts";
import { utf8 } from "../../testing/transport_contract.ts";
import type { PeerInfo } from "../../transport/mod.ts";
import type { ProxyOptions } from "../proxied.ts";
import { CertificateError, type TlsListener, type TlsServerOptions, type TlsTexts } from "./options.ts";
import { HandshakeSlots } from "./slots.ts";
import { dialTls, listenTls } from "./tls.ts";

const noOpenssl = spawnSync("openssl", ["version"]).status === 0 ? false : "openssl is not installed";
const tls = { cert: CERT, key: KEY };
const none = {};
const pump = { cert: CLIENT_CERT, key: CLIENT_KEY };
const lost = { cert: REVOKED_CERT, key: REVOKED_KEY };
const stranger = { cert: OTHER_CERT, key: OTHER_KEY };

interface TlsDoor extends Omit<Door, "listener"> {
  /** Its texts are replaced, where others are given. */
  readonly listener: { renew(texts: Partial<TlsTexts>): void };
  readonly failures: (readonly [PeerInfo, Error])[];
}

function open(
  more: Omit<TlsServerOptions, "cert" | "key">,
  body: (door: TlsDoor) => Promise<void>,
  proxy?: ProxyOptions,
): Promise<void> {
  const failures: (readonly [PeerInfo, Error])[] = [];
  const handshakeFailed = (peer: PeerInfo, error: Error) => void failures.push([peer, error]);
  const first = { ...tls, ...more };
  return opened(
    (options, accept) =>
      listenTls({ ...options, tls: first, handshakeFailed, ...proxy && { proxy } }, accept),
    (door) => {
      const renew = (texts: Partial<TlsTexts>) =>
        (door.listener as TlsListener).renew({ ...first, ...texts });
      return body({ ...door, listener: { renew }, failures });
    },
  );
}

/** Connects, and says `hello` when it can. */
function peer(port: number, options: ConnectionOptions = {}): TLSSocket {
  const socket = connectTls({ port, host, ca: [CA, CLIENT_CA], servername: "localhost", ...options });
  socket.on("error", () => {});
  socket.once("secureConnect", () => socket.write("hello"));
  socket.resume();
  return socket;
}

/** A relay that sends a header and the first bytes of each connection in one piece. */
async function gluing(header: string, port: number): Promise<{ readonly port: number; close(): void }> {
  const server = createServer((near) => {
    const far = connectTcp({ port, host });
    for (const socket of [near, far]) {
      socket.on("error", () => {}).once("close", () => (near.destroy(), far.destroy()));
    }
    near.once("data", (first: Uint8Array) => {
      far.write(Uint8Array.of(...utf8(header), ...first));
      near.on("data", (chunk) => far.write(chunk));
    });
    far.on("data", (chunk) => near.write(chunk));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return { port: (server.address() as { readonly port: number }).port, close: () => void server.close() };
}

/** The Common Name of the certificate that a Client is shown. */
async function shown(port: number, options: ConnectionOptions = {}): Promise<string> {
  const socket = peer(port, { checkServerIdentity: () => undefined, ...options });
  await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

/** What becomes of a Client: its identity when its bytes have come, or the reason why it may not come in. */
async function outcome(door: TlsDoor, options: ConnectionOptions): Promise<string | undefined> {
  const { accepted, failures, peers, port } = door;
  const [at, failed] = [accepted.length, failures.length];
  const socket = peer(port, options);
  await until(() => accepted[at]?.text === "hello" || failures.length > failed, "it is decided");
  socket.destroy();
  await until(() => accepted[at]!.closes.length === 1, "our side ends");
  assertEquals(accepted[at]!.intrusions, []);
  if (failures.length === failed) return peers[at]!.certificate?.identity;
  assertEquals(accepted[at]!.length, 0, "nothing is taken of a Client that may not come in");
  assertEquals(peers[at]!.certificate, undefined);
  assertEquals(accepted[at]!.closes[0], failures[failed]![1]);
  return failures[failed]![1].message;
}

describe("TLS: the certificate of a Client", () => {
  const known = { ca: CLIENT_CA, crl: CRL } as const;

  test("is not asked for unless the listener says so", () =>
    open({}, async (door) => {
      assertEquals(await outcome(door, pump), undefined);
      assertEquals(await outcome(door, stranger), undefined);
    }));

  test("is known to the listener when it has been verified", () =>
    open({ ...known, clientCertificate: "required" }, async (door) => {
      assertEquals(await outcome(door, pump), "pump");
      const { serialNumber, fingerprint, ...rest } = door.peers[0]!.certificate!;
      assertEquals(rest, {
        identity: "pump",
        subject: "CN=pump,O=Example\\, Ltd",
        issuer: "CN=Plumb test Client CA",
      });
      const { X509Certificate } = await import("node:crypto");
      const own = new X509Certificate(CLIENT_CERT);
      assertEquals(serialNumber, own.serialNumber);
      assertEquals(fingerprint, own.fingerprint256.replaceAll(":", "").toLowerCase());
    }));

  for (
    const [identity, is] of [
      ["cn", "pump"],
      ["san", "pump@example.org"],
      ["dn", "CN=pump,O=Example\\, Ltd"],
    ] as const
  ) {
    test(`gives the identity by its ${identity}`, () =>
      open({ ca: CLIENT_CA, clientCertificate: "required", identity }, async (door) => {
        assertEquals(await outcome(door, pump), is);
      }));
  }

  test("gives the identity by its fingerprint", () =>
    open({ ca: CLIENT_CA, clientCertificate: "required", identity: "fingerprint" }, async (door) => {
      assertEquals(await outcome(door, pump), door.peers[0]!.certificate!.fingerprint);
    }));

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const at = { minVersion: version, maxVersion: version };
    test(`is required, in ${version}: a Client without, with one of a stranger or a revoked one is refused`, () =>
      open({ ...known, clientCertificate: "required" }, async (door) => {
        assertEquals(await outcome(door, { ...pump, ...at }), "pump");
        assert(await outcome(door, { ...none, ...at }) !== undefined);
        const untrusted = await outcome(door, { ...stranger, ...at });
        assert(untrusted?.startsWith("The Client's certificate (CN=localhost) is not trusted: "), untrusted);
        assertEquals(
          await outcome(door, { ...lost, ...at }),
          "The Client's certificate (CN=lost) is revoked",
        );
        assertEquals(await outcome(door, { ...pump, ...at }), "pump");
      }));

    test(`is optional, in ${version}: a Client may have none, but not one of a stranger or a revoked one`, () =>
      open({ ...known, clientCertificate: "optional" }, async (door) => {
        assertEquals(await outcome(door, { ...pump, ...at }), "pump");
        assertEquals(await outcome(door, { ...none, ...at }), undefined);
        const untrusted = await outcome(door, { ...stranger, ...at });
        assert(untrusted?.startsWith("The Client's certificate (CN=localhost) is not trusted: "), untrusted);
        assertEquals(
          await outcome(door, { ...lost, ...at }),
          "The Client's certificate (CN=lost) is revoked",
        );
      }));
  }

  test("is asked for under every name", () =>
    open({ ...known, clientCertificate: "required", sni: [{ cert: A_CERT, key: A_KEY }] }, async (door) => {
      const servername = "a.example";
      assertEquals(await outcome(door, { ...pump, servername }), "pump");
      assert(await outcome(door, { ...none, servername }) !== undefined);
      assert(await outcome(door, { ...stranger, servername }) !== undefined);
      assert(await outcome(door, { ...lost, servername }) !== undefined);
    }));

  test("is refused where the revocation list has run out", () =>
    open({ ca: CLIENT_CA, crl: OLD_CRL, clientCertificate: "required" }, async (door) => {
      assertEquals(
        await outcome(door, pump),
        "The Client's certificate (CN=pump,O=Example\\, Ltd) cannot be checked: the revocation list of " +
          "CN=Plumb test Client CA has run out",
      );
    }));

  test("is judged by the list of the moment", () =>
    open({ ca: CLIENT_CA, crl: EMPTY_CRL, clientCertificate: "required" }, async (door) => {
      assertEquals(await outcome(door, lost), "lost");
      door.listener.renew({ ...tls, crl: CRL });
      assertEquals(await outcome(door, lost), "The Client's certificate (CN=lost) is revoked");
      assertEquals(await outcome(door, pump), "pump");
    }));

  for (const version of ["-tls1_2", "-tls1_3"] as const) {
    test(
      `is judged anew when a session is resumed (${version})`,
      { ...patient, skip: noOpenssl },
      () =>
        open(
          { ca: CLIENT_CA, clientCertificate: "required" },
          (one) =>
            open({ ca: CA, clientCertificate: "required" }, async (other) => {
              const folder = mkdtempSync(join(tmpdir(), "plumb-session-"));
              const [cert, key, session] = ["cert", "key", "session"].map((name) => join(folder, name));
              writeFileSync(cert!, CLIENT_CERT);
              writeFileSync(key!, CLIENT_KEY);
              const call = async (door: TlsDoor, ...how: string[]) => {
                const { accepted, failures, peers } = door;
                const [at, failed] = [accepted.length, failures.length];
                const to = ["s_client", "-connect", `${host}:${door.port}`, version, "-quiet", "-no_ign_eof"];
                const child = spawn("openssl", [...to, "-cert", cert!, "-key", key!, ...how], {
                  stdio: "pipe",
                });
                child.stdin.on("error", () => {});
                const over = new Promise((resolve) => child.once("close", resolve));
                child.stdin.write("hello");
                await until(
                  () => accepted[at]?.text === "hello" || failures.length > failed,
                  "it is decided",
                );
                if (accepted[at]!.closes.length === 0) {
                  accepted[at]!.transport.close();
                }
                child.stdin.end();
                await over;
                return failures.length === failed ? peers[at]!.certificate?.identity : undefined;
              };
              assertEquals(await call(one, "-sess_out", session!), "pump");
              assertEquals(await call(one, "-sess_in", session!), "pump");
              assertEquals(
                await call(other, "-sess_in", session!),
                undefined,
                "it begins under another's issuers",
              );
              one.listener.renew({ ...tls, ca: CA });
              assertEquals(await call(one, "-sess_in", session!), undefined, "its issuer is trusted no more");
              one.listener.renew({ ...tls, ca: CA + CLIENT_CA });
              assertEquals(await call(one, "-sess_in", session!), "pump");
              rmSync(folder, { recursive: true });
            }),
        ),
    );
  }

  test("is judged by the issuers of the moment", () =>
    open({ ca: CLIENT_CA, clientCertificate: "required" }, async (door) => {
      assertEquals(await outcome(door, pump), "pump");
      door.listener.renew({ ...tls, ca: OTHER_CERT });
      assert((await outcome(door, pump))?.includes("is not trusted"));
    }));
});

describe("TLS: the version", () => {
  const only = (version: "TLSv1.2" | "TLSv1.3") => ({ minVersion: version, maxVersion: version });

  test("is 1.2 or 1.3", () =>
    open({}, async (door) => {
      assertEquals(await outcome(door, only("TLSv1.2")), undefined);
      assertEquals(await outcome(door, only("TLSv1.3")), undefined);
      assertEquals(door.failures, []);
    }));

  test("is 1.3 alone if that is the least", () =>
    open({ minimumVersion: "1.3", sni: [{ cert: A_CERT, key: A_KEY }] }, async (door) => {
      for (const servername of ["localhost", "a.example"]) {
        const checkServerIdentity = () => undefined;
        assert(await outcome(door, { ...only("TLSv1.2"), servername, checkServerIdentity }) !== undefined);
        assertEquals(await outcome(door, { ...only("TLSv1.3"), servername, checkServerIdentity }), undefined);
      }
      door.listener.renew(tls);
      assert(await outcome(door, only("TLSv1.2")) !== undefined);
    }));
});

describe("TLS: the name that a Client asks for", () => {
  const sni = [{ cert: A_CERT, key: A_KEY }, { cert: B_CERT, key: B_KEY }];

  test("chooses the certificate", () =>
    open({ sni }, async ({ port }) => {
      for (
        const [servername, name] of [
          ["a.example", "a.example"],
          ["A.Example", "a.example"],
          ["one.b.example", "b.example"],
          ["b.example", "localhost"],
          ["too.deep.b.example", "localhost"],
          ["unknown.example", "localhost"],
        ] as const
      ) assertEquals(await shown(port, { servername }), name, servername);
    }));

  test("chooses among those of the moment", () =>
    open({ sni }, async ({ port, listener }) => {
      listener.renew({ ...tls, sni: [{ cert: B_CERT, key: B_KEY }] });
      assertEquals(await shown(port, { servername: "a.example" }), "localhost");
      assertEquals(await shown(port, { servername: "one.b.example" }), "b.example");
    }));
});

describe("TLS: a certificate that is replaced", () => {
  test(
    "is shown to all that connect from then on; no connection is lost",
    patient,
    () =>
      open({}, async ({ port, listener, accepted, failures }) => {
        const before = peer(port);
        await until(() => accepted[0]?.text === "hello", "the first one is there");
        const sockets: TLSSocket[] = [];
        let lost = 0;
        for (let round = 0; round < 20; round++) {
          for (let i = 0; i < 10; i++) {
            sockets.push(
              peer(port, { ca: [CA, OTHER_CERT], checkServerIdentity: () => undefined }).on("error", () =>
                lost++),
            );
          }
          const isOther = round % 2 === 0;
          listener.renew(isOther ? stranger : tls); // connections of this round wait to be accepted
          await until(() =>
            accepted.length >= 1 + 10 * round, "those of the last round are accepted");
        }
        await until(
          () => lost > 0 || accepted.filter(({ text }) => text === "hello").length === 201,
          "all are there",
        );
        assertEquals([lost, failures], [0, []]);
        listener.renew(stranger);
        const { X509Certificate } = await import("node:crypto");
        const socket = peer(port, { ca: OTHER_CERT });
        await new Promise((resolve) => socket.once("secureConnect", resolve));
        assertEquals(socket.getPeerCertificate().serialNumber, new X509Certificate(OTHER_CERT).serialNumber);
        before.write("still here");
        await until(() => accepted[0]!.text === "hellostill here", "the first one is served");
        for (const one of [before, socket, ...sockets]) one.destroy();
      }),
  );

  test("stays if the other cannot be used", () =>
    open({ ca: CLIENT_CA, crl: CRL, clientCertificate: "optional" }, async ({ port, listener }) => {
      for (
        const [texts, message] of [
          [{ cert: CERT, key: OTHER_KEY }, "tls.key does not belong to the certificate (CN=localhost)"],
          [
            { ...tls, ca: "nothing" },
            "tls.ca holds no certificate: PEM text begins -----BEGIN CERTIFICATE-----",
          ],
          [
            { ...tls, crl: CRL.replace(/\n.{10}/, "\nAAAAAAAAAA") },
            "tls.crl holds a revocation list that cannot be read (another value)",
          ],
          [
            { ...tls, ca: OTHER_CERT },
            "tls.crl holds a revocation list that none of the certificates in ca has signed (CN=Plumb test Client CA)",
          ],
          [
            { ...tls, sni: [{ cert: A_CERT, key: B_KEY }] },
            "tls.sni[0].key does not belong to the certificate (CN=a.example)",
          ],
        ] as const
      ) assertThrows(() => listener.renew(texts), CertificateError, message);
      assertEquals(await shown(port), "localhost");
    }));
});

describe("TLS: behind a proxy", () => {
  const refused: (readonly [PeerInfo, Error])[] = [];
  const proxy: ProxyOptions = {
    expects: (address) => address === host,
    timeoutMs: 500,
    slots: new HandshakeSlots(),
    refused: (peer, error) => void refused.push([peer, error]),
  };
  const header = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 8883\r\n";

  for (const how of ["before the handshake", "together with its first bytes"] as const) {
    test(`a header ${how} names the peer, whose certificate is judged as ever`, () =>
      open({ ca: CLIENT_CA, crl: CRL, clientCertificate: "required" }, async (door) => {
        const { port, accepted, peers, failures } = door;
        const relay = how === "before the handshake" ? undefined : await gluing(header, port);
        const through = async (options: ConnectionOptions) => {
          const below = await rawPeer(relay?.port ?? port);
          if (relay === undefined) below.write(header);
          const socket = connectTls({ socket: below, ca: CA, servername: "localhost", ...options });
          socket.on("error", () => {}).once("secureConnect", () => socket.write("hello"));
          return socket;
        };
        const sockets = [
          await through(pump),
          await through(lost),
          await through(stranger),
          await through(none),
        ];
        await until(
          () => accepted.some(({ text }) => text === "hello") && failures.length === 3,
          "it is decided",
        );
        for (const [i, { text }] of accepted.entries()) {
          const { certificate, ...rest } = peers[i]!;
          const behind = { address: "192.0.2.7", port: 4711, transport: "tls" } as const;
          assertEquals(rest, { ...behind, proxy: { address: host, port: rest.proxy!.port } });
          assertEquals(certificate?.identity, text === "hello" ? "pump" : undefined);
          assertEquals(accepted[i]!.transport.label, "tls 192.0.2.7:4711");
        }
        for (const socket of sockets) socket.destroy();
        relay?.close();
      }, proxy));
  }

  test("no header, one in pieces that never ends, and TLS at once are refused in time", () =>
    open({}, async ({ port, accepted }) => {
      refused.length = 0;
      const silent = await rawPeer(port);
      const slow = await rawPeer(port);
      slow.write(header.slice(0, 10));
      const direct = peer(port);
      let ended = 0;
      for (const one of [silent, slow, direct]) {
        one.resume().once("close", () => ended++).once("end", () => one.destroy());
      }
      await until(() => refused.length === 3 && ended === 3, "all are refused");
      assertEquals(refused.map(([, { message }]) => message).sort(), [
        "No PROXY header within 500 ms",
        "No PROXY header within 500 ms",
        "The connection does not begin with a PROXY header",
      ]);
      assertEquals(accepted, []);
    }, proxy));

  test("anybody else may send no header", () =>
    open({}, async ({ port, accepted, failures, peers }) => {
      const direct = peer(port);
      await until(() => accepted[0]?.text === "hello", "it is served");
      assertEquals(peers[0], { address: host, port: direct.localPort!, transport: "tls" });
      const forger = await rawPeer(port);
      forger.on("end", () => forger.destroy()).resume().write(header);
      await until(() => failures.length === 1, "its header is no TLS");
      assertEquals(accepted[1]!.length, 0);
      direct.destroy();
    }, { ...proxy, expects: () => false }));

  test("the certificate is replaced as ever, and names are found", () =>
    open({}, async ({ port, listener }) => {
      listener.renew({ ...tls, sni: [{ cert: A_CERT, key: A_KEY }] });
      const below = await rawPeer(port);
      below.write(header);
      const socket = connectTls({ socket: below, ca: CLIENT_CA, servername: "a.example" });
      await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
      socket.destroy();
    }, proxy));
});

// Bun begins TLS on a connection that is there already, in another way than that of a listener.
if ("Bun" in globalThis) {
  const proxy: ProxyOptions = {
    expects: () => false,
    timeoutMs: 500,
    slots: new HandshakeSlots(),
    refused() {},
  };
  networkContract({
    kind: "tls",
    listen: (options, accept) => listenTls({ ...options, tls, proxy }, accept),
    dial: (options) => dialTls(options, { ca: CA }),
    peer: async (port) => {
      const socket = connectTls({ port, host, ca: CA, allowHalfOpen: true } as object);
      socket.on("error", () => {});
      await new Promise((resolve) => socket.once("secureConnect", resolve));
      return socket;
    },
    isReady: (transport) => (transport as { readonly isSecured?: boolean }).isSecured === true,
    resets: [
      (port) => connectTcp({ port, host }).resetAndDestroy(),
      (port) => {
        const socket = connectTcp({ port, host });
        return socket.once("connect", () => void socket.end("garbage", () => socket.destroy()));
      },
      (port) => {
        const socket = connectTls({ port, host, ca: CA });
        return socket.once("secureConnect", () => void socket.destroy());
      },
    ],
    childCommand: "listen-tls",
    tellsShortage: false,
  });
}

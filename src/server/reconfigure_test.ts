/**
 * A broker whose options change while Clients are connected.
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect, connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { statSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { UsageError } from "../codec/mod.ts";
import { A_CERT, A_KEY, CLIENT_CA, CRL, REVOKED_CERT, REVOKED_KEY } from "../testing/client_certificates.ts";
import { until } from "../testing/patience.ts";
import { CA, CERT, KEY, OTHER_CERT, OTHER_KEY } from "../testing/tls.ts";
import { CertificateError, ListenError, serve, type ServeOptions, type Server } from "./serve.ts";

const LOCAL = "mqtt://127.0.0.1:0";

async function served(options: ServeOptions, body: (server: Server) => Promise<void>): Promise<void> {
  const server = await serve(options);
  try {
    await body(server);
  } finally {
    await server.close();
  }
}

/** A Client, and whether its connection has ended. */
async function enter(
  url: string,
  options: IClientOptions = {},
): Promise<MqttClient & { readonly isLost: () => boolean }> {
  const client = await connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0, ...options });
  let isLost = false;
  client.on("close", () => isLost = true);
  client.on("error", () => {});
  return Object.assign(client, { isLost: () => isLost });
}

/** Whether a message goes round. */
async function works(client: MqttClient): Promise<boolean> {
  await client.subscribeAsync("round/trip");
  const came = new Promise<boolean>((resolve) => client.once("message", () => resolve(true)));
  await client.publishAsync("round/trip", "x");
  return await came;
}

/** Whether it may subscribe to three levels. */
function takes(client: MqttClient): Promise<boolean> {
  return client.subscribeAsync("a/b/c").then(([got]) => got!.qos < 0x80, () => false);
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = await serve({ listen: [LOCAL] });
  const port = Number(new URL(server.addresses[0]!).port);
  await server.close();
  return port;
}

function isRefused(url: string): Promise<boolean> {
  const { port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connectTcp(Number(port), "127.0.0.1");
    socket.on("connect", () => resolve(false)).on("error", () => resolve(true));
    socket.on("connect", () => socket.destroy());
  });
}

describe("reconfigure()", () => {
  test("opens a listener that is new, and closes one that is not named any more, whose connections stay", () =>
    served({ listen: [LOCAL] }, async (server) => {
      const [first] = server.addresses as [string];
      const old = await enter(first);
      const port = await freePort();
      await server.reconfigure({ listen: [`mqtt://127.0.0.1:${port}`] });
      assertEquals(server.addresses, [`mqtt://127.0.0.1:${port}`]);
      assertEquals(await isRefused(first), true);
      const other = await enter(server.addresses[0]!);
      assertEquals([await works(old), await works(other), old.isLost()], [true, true, false]);
      await old.endAsync();
      await other.endAsync();
    }));

  test("a listener that goes on is not opened anew", () =>
    served({ listen: [LOCAL, LOCAL] }, async (server) => {
      const before = server.addresses;
      await server.reconfigure({ listen: [LOCAL, LOCAL] });
      assertEquals(server.addresses, before);
      await server.reconfigure({ listen: [LOCAL] });
      assertEquals(server.addresses, before.slice(0, 1));
    }));

  test("one listener may take the port of another", async () => {
    const port = await freePort();
    await served({ listen: [`mqtt://127.0.0.1:${port}`] }, async (server) => {
      const old = await enter(server.addresses[0]!);
      await server.reconfigure({ listen: [`mqtt://0.0.0.0:${port}`] });
      assertEquals(server.addresses, [`mqtt://0.0.0.0:${port}`]);
      const other = await enter(`mqtt://127.0.0.1:${port}`);
      assertEquals([await works(old), await works(other)], [true, true]);
      await old.endAsync();
      await other.endAsync();
    });
  });

  test("a Unix socket gets other permissions, and keeps them when the next change fails", async () => {
    const path = join(tmpdir(), `plumb-reconfigure-${process.pid}.sock`);
    const mode = () => (statSync(path).mode & 0o777).toString(8);
    await served({ listen: [`unix:${path}`] }, async (server) => {
      assertEquals(mode(), "600");
      await server.reconfigure({ listen: [`unix:${path}?mode=660`] });
      assertEquals([mode(), server.addresses], ["660", [`unix:${path}?mode=660`]]);
      const listen = [`unix:${path}`, "unix:/no/such/directory"];
      await assertRejects(() => server.reconfigure({ listen }), ListenError);
      assertEquals(mode(), "660");
    });
  });

  test("when a listener cannot be opened, or a limit is wrong, all stays as it was", async () => {
    const busy = await serve({ listen: [LOCAL] });
    const [port, busyPort] = [await freePort(), new URL(busy.addresses[0]!).port];
    const url = `mqtt://127.0.0.1:${port}`;
    await served({ listen: [url], maximumQos: 1 }, async (server) => {
      const old = await enter(url);
      const listen = [`mqtt://0.0.0.0:${port}`, `mqtt://127.0.0.1:${busyPort}`];
      await assertRejects(() => server.reconfigure({ listen, maximumQos: 2 }), ListenError);
      await assertRejects(
        () => server.reconfigure({ listen: [url], limits: { nameBytesMax: 1 } }),
        UsageError,
      );
      assertEquals(server.addresses, [url]);
      const other = await enter(url);
      assertEquals(await works(other), true);
      assertEquals([await works(old), old.isLost()], [true, false]);
      assertEquals((await connackOf(url)).maximumQoS, 1);
      await other.endAsync();
      await old.endAsync();
    });
    await busy.close();
  });

  test("a listener that made room in vain shows the certificate that it showed last", async () => {
    const busy = await serve({ listen: [LOCAL] });
    const [port, busyPort] = [await freePort(), new URL(busy.addresses[0]!).port];
    const url = `mqtts://127.0.0.1:${port}`;
    const other = { cert: OTHER_CERT, key: OTHER_KEY };
    await served({ listen: [url], tls: { cert: CERT, key: KEY } }, async (server) => {
      server.renewCertificate(other);
      const listen = [`mqtt://0.0.0.0:${port}`, `mqtt://127.0.0.1:${busyPort}`];
      await assertRejects(() => server.reconfigure({ listen }), ListenError);
      await (await enter(url, { ca: OTHER_CERT })).endAsync();
    });
    await busy.close();
  });

  test("a listener that could not be opened is opened once it can be", async () => {
    const busy = await serve({ listen: [LOCAL] });
    const late = { url: busy.addresses[0]!, missing: () => {} };
    await served({ listen: [LOCAL, late] }, async (server) => {
      const [first] = server.addresses;
      await busy.close();
      await server.reconfigure({ listen: [LOCAL, late] });
      assertEquals(server.addresses, [first!, late.url]);
      await (await enter(late.url)).endAsync();
    });
  });

  test("new connections get new features and limits; open ones keep what CONNACK told them", () =>
    served({ listen: [LOCAL] }, async (server) => {
      const [url] = server.addresses as [string];
      const old = await enter(url);
      const limits = { topicAliasMaximum: 3, receiveMaximum: 7 };
      await server.reconfigure({ listen: [LOCAL], limits, retainAvailable: false });
      await old.publishAsync("a", "b", { retain: true, qos: 1 });
      const properties = await connackOf(url);
      assertEquals(
        [properties.retainAvailable, properties.topicAliasMaximum, properties.receiveMaximum],
        [false, 3, 7],
      );
      assertEquals(old.isLost(), false);
      await old.endAsync();
    }));

  test("limits that are looked up each time hold for open connections at once, also after a second change", () =>
    served({ listen: [LOCAL] }, async (server) => {
      const [url] = server.addresses as [string];
      const client = await enter(url);
      for (const [most, isTaken] of [[2, false], [1000, true], [1, false], [1000, true]] as const) {
        await server.reconfigure({ listen: [LOCAL], limits: { topicLevelsMax: most } });
        assertEquals(await takes(client), isTaken, `${most}`);
      }
      await client.endAsync();
    }));

  test("a listener's own limits take the place of those it had, and other listeners keep theirs", () =>
    served({ listen: [{ url: LOCAL, limits: { topicLevelsMax: 2 } }, LOCAL] }, async (server) => {
      const [narrow, wide] = server.addresses as [string, string];
      const [one, other] = [await enter(narrow), await enter(wide)];
      assertEquals([await takes(one), await takes(other)], [false, true]);
      await server.reconfigure({ listen: [LOCAL, { url: LOCAL, limits: { topicLevelsMax: 2 } }] });
      assertEquals([await takes(one), await takes(other)], [true, false]);
      await one.endAsync();
      await other.endAsync();
    }));

  test("limits of sessions and of the broker hold at once, also for sessions without a connection", () =>
    served({ listen: [LOCAL] }, async (server) => {
      const [url] = server.addresses as [string];
      const away = await enter(url, {
        clientId: "away",
        clean: false,
        properties: { sessionExpiryInterval: 1000 },
      });
      await away.subscribeAsync("queue", { qos: 1 });
      await away.endAsync();
      await server.reconfigure({
        listen: [LOCAL],
        limits: { queuedMessagesMax: 1, retainedMessagesMax: 1, sessionsMax: 2 },
      });
      const sender = await enter(url, { clientId: "sender" });
      await sender.publishAsync("queue", "1", { qos: 1 });
      await assertRejects(() => sender.publishAsync("queue", "2", { qos: 1 }));
      await sender.publishAsync("r/1", "1", { qos: 1, retain: true });
      await assertRejects(() => sender.publishAsync("r/2", "1", { qos: 1, retain: true }));
      await assertRejects(() => enter(url, { clientId: "third" }));
      assertEquals(server.broker.session("away")?.queued, 1);
      await sender.endAsync();
    }));

  test("hooks are replaced", () => {
    const seen: string[] = [];
    return served({ listen: [LOCAL], hooks: { connected: () => void seen.push("old") } }, async (server) => {
      const [url] = server.addresses as [string];
      await (await enter(url)).endAsync();
      await server.reconfigure({ listen: [LOCAL], hooks: { connected: () => void seen.push("new") } });
      await (await enter(url)).endAsync();
      assertEquals(seen, ["old", "new"]);
    });
  });

  test("a certificate is replaced, that of all and a listener's own; a bad one changes nothing", () => {
    const [tls, other] = [{ cert: CERT, key: KEY }, { cert: OTHER_CERT, key: OTHER_KEY }];
    const [own, shared] = ["mqtts://127.0.0.1:0", "mqtts://localhost:0"];
    return served({ listen: [{ url: own, tls }, shared], tls }, async (server) => {
      const [first, second] = server.addresses as [string, string];
      const old = await enter(first, { ca: CA });
      const wrong = { cert: CERT, key: OTHER_KEY };
      await assertRejects(
        () => server.reconfigure({ listen: [{ url: own, tls: other }, shared], tls: wrong }),
        CertificateError,
      );
      await (await enter(first, { ca: CA })).endAsync();
      await server.reconfigure({ listen: [{ url: own, tls: other }, shared], tls: other });
      for (const url of [first, second]) await (await enter(url, { ca: OTHER_CERT })).endAsync();
      assertEquals(old.isLost(), false);
      await server.reconfigure({ listen: [{ url: own, tls }, shared], tls });
      for (const url of [first, second]) await (await enter(url, { ca: CA })).endAsync();
      await old.endAsync();
    });
  });

  test("certificates for names, and revocation lists, that are not given any more are gone", () => {
    const tls = { cert: CERT, key: KEY, ca: CLIENT_CA, clientCertificate: "required" } as const;
    const listen = ["mqtts://127.0.0.1:0"];
    const sni = [{ cert: A_CERT, key: A_KEY }];
    let refused = 0;
    const hooks = { handshakeFailed: () => void refused++ };
    return served({ listen, tls: { ...tls, sni, crl: CRL }, hooks }, async (server) => {
      const [url] = server.addresses as [string];
      const lost = { cert: REVOKED_CERT, key: REVOKED_KEY };
      const named = { ...lost, ca: CA, servername: "a.example", checkServerIdentity: () => undefined };
      const early = connect(url, { ...lost, ca: CA, reconnectPeriod: 0 }).on("error", () => {});
      await until(() => refused === 1, "the list is in force");
      early.end(true);
      await server.reconfigure({ listen, tls });
      await (await enter(url, named)).endAsync();
    });
  });

  test("calls that come together are done in their order", () =>
    served({ listen: [LOCAL] }, async (server) => {
      const port = await freePort();
      const all = [1, 2, 3].map((maximumQos) =>
        server.reconfigure({
          listen: [`mqtt://127.0.0.1:${port}`, ...maximumQos === 2 ? [LOCAL] : []],
          maximumQos: (maximumQos - 1) as 0 | 1 | 2,
        })
      );
      await Promise.all(all);
      assertEquals(server.addresses, [`mqtt://127.0.0.1:${port}`]);
      assertEquals((await connackOf(server.addresses[0]!)).maximumQoS, undefined);
    }));

  test("a hundred changes while messages flow lose none of them", () =>
    served({ listen: [LOCAL] }, async (server) => {
      const [url] = server.addresses as [string];
      const [sender, receiver] = [await enter(url), await enter(url)];
      await receiver.subscribeAsync("flow", { qos: 1 });
      let got = 0;
      const all = new Promise<void>((resolve) => receiver.on("message", () => ++got === 2000 && resolve()));
      const sent = (async () => {
        for (let i = 0; i < 200; i++) {
          await Promise.all(Array.from({ length: 10 }, () => sender.publishAsync("flow", "x", { qos: 1 })));
        }
      })();
      for (let i = 0; i < 100; i++) {
        const listen = i % 2 === 0 ? [LOCAL] : [{ url: LOCAL, limits: { topicLevelsMax: 10 + i } }, LOCAL];
        await server.reconfigure({ listen, limits: { queuedMessagesMax: 1000 + i } });
      }
      await sent;
      await all;
      server.broker.assertInvariants();
      assert(!sender.isLost() && !receiver.isLost());
      await sender.endAsync();
      await receiver.endAsync();
    }));
});

/** The properties of the CONNACK that a new Client gets. */
function connackOf(url: string): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const client = connect(url, { protocolVersion: 5, reconnectPeriod: 0 });
    client.on("error", reject);
    client.on("connect", ({ properties = {} }) => {
      client.end(true);
      resolve(properties as Record<string, unknown>);
    });
  });
}

/**
 * A broker that listens, and real Clients of another maker.
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { connect as connectTcp } from "node:net";
import { describe, test } from "node:test";
import { type AuthenticationRequest, ListenError, serve, type ServeOptions, type Server } from "./serve.ts";
import { CA, CERT, KEY, OTHER_CERT, OTHER_KEY } from "../testing/tls.ts";
import { encodePacket, PacketType, PeerError, UsageError } from "../codec/mod.ts";
import { AddressError } from "./address.ts";
import type { Refusal } from "../broker/mod.ts";
import type { PeerInfo } from "../runtime/listen.ts";
import { CertificateError } from "../runtime/tls/options.ts";
import { until, WAIT_MS } from "../testing/patience.ts";

const ANYWHERE = ["mqtt://127.0.0.1:0"];

async function served(
  options: ServeOptions,
  body: (server: Server, url: string) => Promise<void>,
): Promise<void> {
  const server = await serve({ listen: ANYWHERE, ...options });
  try {
    await body(server, server.addresses[0]!);
  } finally {
    await server.close();
  }
}

function client(url: string, options: IClientOptions = {}): Promise<MqttClient> {
  return connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0, connectTimeout: WAIT_MS, ...options });
}

/** The next messages as `topic payload qos`. */
function messages(from: MqttClient, count: number): Promise<string[]> {
  const got: string[] = [];
  return new Promise((resolve) =>
    from.on("message", (topic, payload, packet) => {
      got.push(`${topic} ${payload} ${packet.qos}`);
      if (got.length === count) resolve(got);
    })
  );
}

function refusal(promise: Promise<unknown>): Promise<number> {
  return promise.then(() => 0, (error) => (error as { code: number }).code);
}

describe("serve()", () => {
  for (const protocolVersion of [5, 4, 3] as const) {
    test(`carries messages of all QoS between Clients at protocol level ${protocolVersion}`, () =>
      served({}, async (_server, url) => {
        const options: IClientOptions = protocolVersion === 3
          ? { protocolVersion, protocolId: "MQIsdp", clientId: "" }
          : { protocolVersion };
        const [sender, receiver] = [
          await client(url, { ...options, clientId: "sender" }),
          await client(url, { ...options, clientId: "receiver" }),
        ];
        await receiver.subscribeAsync("a/#", { qos: 2 });
        const arrived = messages(receiver, 3);
        await sender.publishAsync("a/0", "zero", { qos: 0 });
        await sender.publishAsync("a/1", "one", { qos: 1 });
        await sender.publishAsync("a/2", "two", { qos: 2 });
        assertEquals(await arrived, ["a/0 zero 0", "a/1 one 1", "a/2 two 2"]);
        await sender.endAsync();
        await receiver.endAsync();
      }));
  }

  test("publishes as the Server itself", () =>
    served({}, async (server, url) => {
      server.publish({ topic: "greetings", payload: "hello", retain: true });
      const receiver = await client(url);
      const arrived = messages(receiver, 1);
      await receiver.subscribeAsync("greetings");
      assertEquals(await arrived, ["greetings hello 0"]);
      await receiver.endAsync();
    }));

  test("a tap gets what Clients and the Server publish, until it is taken away", () =>
    served({}, async (server, url) => {
      const tapped: string[] = [];
      const tap = server.tap("in/+", ({ topic, publisher, view }) => {
        tapped.push(`${topic} ${view.end - view.payloadAt} ${publisher}`);
      });
      const sender = await client(url, { clientId: "sender" });
      await sender.publishAsync("in/a", "one", { qos: 1 });
      await sender.publishAsync("out/a", "three", { qos: 1 });
      server.publish({ topic: "in/b", payload: "four" });
      server.untap(tap);
      await sender.publishAsync("in/c", "five", { qos: 1 });
      assertEquals(tapped, ["in/a 3 sender", "in/b 4 undefined"]);
      await sender.endAsync();
    }));

  test("an injected frame goes to Clients and taps, but not back to the tap it is from", () =>
    served({}, async (server, url) => {
      const frame = encodePacket({
        type: PacketType.PUBLISH,
        dup: false,
        qos: 1,
        packetId: 7,
        retain: true,
        topic: "in/a",
        payload: new TextEncoder().encode("one"),
      }, 5);
      const tapped: string[] = [];
      const origin = server.tap("#", ({ topic }) => tapped.push(`origin ${topic}`));
      server.tap("#", ({ topic }) => tapped.push(`other ${topic}`));
      const receiver = await client(url);
      await receiver.subscribeAsync("in/#", { qos: 1 });
      const live = messages(receiver, 1);
      server.inject(frame, origin);
      assertEquals(await live, ["in/a one 1"]);
      assertEquals(tapped, ["other in/a"]);
      assertEquals(server.broker.stats.retainedMessages, 1);
      assertThrows(() => server.inject(frame.subarray(0, 5)), PeerError);
      await receiver.endAsync();
    }));

  test("ends the connection of a Client", () =>
    served({}, async (server, url) => {
      const one = await client(url, { clientId: "one" });
      const reason = new Promise((resolve) => one.on("disconnect", (packet) => resolve(packet.reasonCode)));
      assert(server.disconnect("one", { code: 0x98, rule: "policy/banned", message: "Not today" }));
      assertEquals(await reason, 0x98);
      assertEquals(server.disconnect("nobody", { code: 0x9c, serverReference: "elsewhere" }), false);
      one.end(true);
    }));

  test("asks an authenticator that takes its time", () => {
    const asked: AuthenticationRequest[] = [];
    async function authenticate(request: AuthenticationRequest) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      asked.push(request);
      const right = new TextDecoder().decode(request.password) === "right";
      return { code: right ? 0 as const : 0x86 as const };
    }
    return served({ authenticate }, async (_server, url) => {
      const one = await client(url, { username: "u", password: "right" });
      assertEquals(await refusal(client(url, { username: "u", password: "wrong" })), 0x86);
      assertEquals(asked.map(({ username }) => username), ["u", "u"]);
      await one.endAsync();
    });
  });

  for (
    const [how, authenticate] of [
      ["throws", () => {
        throw new Error("no database");
      }],
      ["rejects", () => Promise.reject(new Error("no database"))],
    ] as const
  ) {
    test(`an authenticator that ${how} lets nobody in, and is reported`, () => {
      const failures: unknown[] = [];
      return served(
        { authenticate, hooks: { failed: (error) => void failures.push(error) } },
        async (_, url) => {
          assertEquals(await refusal(client(url)), 0x88);
          assertEquals(failures.map((error) => (error as Error).message), ["no database"]);
        },
      );
    });
  }

  test("what a Client sent before it closed its half counts, though its verdict comes later", () => {
    let decide: ((verdict: { code: 0 }) => void) | undefined;
    let ended: (clean: boolean) => void;
    const end = new Promise<boolean>((resolve) => ended = resolve);
    const authenticate = ({ clientId }: AuthenticationRequest) =>
      clientId === "gone" ? new Promise<{ code: 0 }>((resolve) => decide = resolve) : { code: 0 as const };
    const hooks = {
      disconnected: ({ clientId }: { clientId: string }, clean: boolean) =>
        clientId === "gone" && ended(clean),
    };
    return served({ authenticate, hooks }, async (_, url) => {
      const watcher = await client(url);
      await watcher.subscribeAsync("t", { qos: 1 });
      const got = messages(watcher, 1);
      const socket = connectTcp({
        port: Number(new URL(url.replace("mqtt", "http")).port),
        host: "127.0.0.1",
      });
      const packet = { type: PacketType.PUBLISH, dup: false, qos: 1, retain: false, topic: "t" } as const;
      const connect = { level: 5, cleanStart: true, keepAlive: 0, clientId: "gone" } as const;
      socket.end(Uint8Array.from([
        ...encodePacket({ type: PacketType.CONNECT, ...connect }, 5),
        ...encodePacket({ ...packet, packetId: 1, payload: new TextEncoder().encode("last words") }, 5),
      ]));
      socket.resume();
      await new Promise<void>((resolve) => socket.on("close", () => resolve())); // the Server has ended its half too
      decide!({ code: 0 });
      assertEquals(await got, ["t last words 1"]);
      assertEquals(await end, false);
      await watcher.endAsync();
    });
  });

  test("publish() with what cannot be sent throws, and hooks may call whatever they want", () => {
    let called: Server | undefined;
    let ended: (code: number | undefined) => void;
    const end = new Promise((resolve) => ended = resolve);
    return served({
      hooks: {
        connected({ clientId }): void {
          if (clientId === "first") called!.publish({ topic: "hello", payload: clientId, retain: true });
          else called!.disconnect(clientId, { code: 0x98, rule: "policy/banned", message: "Not today" });
        },
        disconnected: ({ clientId }, _clean, reason) => void (clientId === "second" && ended(reason?.code)),
      },
    }, async (server, url) => {
      called = server;
      assertThrows(() => server.publish({ topic: "t", payload: 5 as unknown as string }), UsageError);
      const first = await client(url, { clientId: "first" });
      const got = messages(first, 1);
      await first.subscribeAsync("hello");
      assertEquals(await got, ["hello first 0"]);
      const second = await client(url, { clientId: "second" });
      assertEquals(await end, 0x98);
      second.end(true);
      await first.endAsync();
    });
  });

  test("listens on both loopback addresses for localhost", async () => {
    await using server = await serve({ listen: ["mqtt://localhost:0"] });
    const [first, second] = server.addresses;
    assert(first!.startsWith("mqtt://127.0.0.1:"));
    // Not every machine has IPv6.
    if (second !== undefined) assertEquals(second, first!.replace("127.0.0.1", "[::1]"));
    for (const url of server.addresses) await (await client(url)).endAsync();
  });

  test("refuses a port that is in use, and leaves nothing open", () =>
    served({}, async (_server, url) => {
      const free = await serve({ listen: ANYWHERE });
      const first = free.addresses[0]!;
      await free.close();
      const error = await assertRejects(() => serve({ listen: [first, url] }), ListenError);
      assertEquals(error.code, "EADDRINUSE");
      const socket = connectTcp(Number(new URL(first).port), "127.0.0.1");
      const refused = await new Promise((resolve) => {
        socket.on("error", () => resolve(true)).on("connect", () => resolve(false));
      });
      assert(refused, "the first listener is closed again");
    }));

  test("refuses a scheme it cannot serve before it opens anything", async () => {
    await assertRejects(() => serve({ listen: [...ANYWHERE, "coap://127.0.0.1"] }), AddressError);
  });

  test("close() says good-bye with 0x8B", async () => {
    const server = await serve({ listen: ANYWHERE });
    const one = await client(server.addresses[0]!);
    const reason = new Promise((resolve) => one.on("disconnect", (packet) => resolve(packet.reasonCode)));
    const over = new Promise((resolve) => one.on("close", () => resolve(true)));
    await server.close();
    assertEquals(await reason, 0x8b);
    await over;
    assertEquals(server.broker.connections, 0);
    one.end(true);
  });
});

describe("serve() with TLS", () => {
  const tls = { cert: CERT, key: KEY };
  const listen = ["mqtts://localhost:0", "mqtt://127.0.0.1:0"];

  for (const protocolVersion of [5, 4] as const) {
    test(`carries messages between Clients with TLS and without at protocol level ${protocolVersion}`, () =>
      served({ listen, tls }, async ({ addresses }) => {
        assertEquals(addresses.map((url) => url.split(":")[0]).sort().slice(0, 2), ["mqtt", "mqtts"]);
        const [secure, plain] = [addresses[0]!, addresses.at(-1)!];
        const receiver = await client(secure, { protocolVersion, ca: CA });
        const sender = await client(plain, { protocolVersion });
        await receiver.subscribeAsync("a/#", { qos: 2 });
        const arrived = messages(receiver, 4);
        await sender.publishAsync("a/0", "zero", { qos: 0 });
        await sender.publishAsync("a/1", "one", { qos: 1 });
        await receiver.publishAsync("a/2", "two", { qos: 2 });
        await sender.publishAsync("a/3", "x".repeat(200_000), { qos: 1 });
        assertEquals(await arrived, ["a/0 zero 0", "a/1 one 1", "a/2 two 2", `a/3 ${"x".repeat(200_000)} 1`]);
        await sender.endAsync();
        await receiver.endAsync();
      }));
  }

  test("tells authenticators and hooks what carries the bytes", async () => {
    const transports: string[] = [];
    await served({
      listen,
      tls,
      authenticate: ({ peer }) => {
        transports.push(peer.transport);
        return { code: 0x00 };
      },
      hooks: { connected: ({ peer }) => void transports.push(peer.transport) },
    }, async ({ addresses }) => {
      await (await client(addresses[0]!, { ca: CA })).endAsync();
      assertEquals(transports, ["tls", "tls"]);
    });
  });

  test("ends a Client with a reason, and all of them when it closes", () =>
    served({ listen, tls }, async (server) => {
      const reasons: (number | undefined)[] = [];
      const clients = await Promise.all(
        ["one", "two"].map((clientId) => client(server.addresses[0]!, { ca: CA, clientId })),
      );
      for (const each of clients) each.on("disconnect", ({ reasonCode }) => reasons.push(reasonCode));
      const closed = clients.map((each) => new Promise<void>((resolve) => each.on("close", () => resolve())));
      server.disconnect("one", { code: 0x98, rule: "policy/administrative", message: "Out" });
      await closed[0];
      await server.close();
      await closed[1];
      assertEquals(reasons, [0x98, 0x8b]);
    }));

  test("gives a handshake as long as a CONNECT", async () => {
    const refusals: string[] = [];
    const failures: PeerInfo[] = [];
    await served({
      listen: ["mqtts://127.0.0.1:0"],
      tls,
      limits: { connectTimeoutMs: 1000 },
      hooks: {
        refused: (peer, { rule }) => refusals.push(`${peer.transport} ${rule}`),
        handshakeFailed: (peer) => failures.push(peer),
      },
    }, async ({ broker }, url) => {
      const silent = connectTcp(Number(new URL(url).port), "127.0.0.1");
      silent.on("error", () => {});
      await new Promise<void>((resolve) => silent.on("close", () => resolve()));
      assertEquals([refusals, failures], [["tls limit/connect-timeout"], []]);
      assertEquals(broker.connections, 0);
    });
  });

  test("close() does not wait for a handshake that stalls", async () => {
    const server = await serve({ listen: ["mqtts://127.0.0.1:0"], tls });
    const silent = connectTcp(Number(new URL(server.addresses[0]!).port), "127.0.0.1");
    silent.on("error", () => {});
    const over = new Promise<void>((resolve) => silent.on("close", () => resolve()));
    await (await client(server.addresses[0]!, { ca: CA })).endAsync(); // accepted behind the silent one
    assertEquals(server.broker.connections > 0, true);
    await server.close();
    assertEquals(server.broker.connections, 0);
    await over;
  });

  test("admit() is asked before TLS and before a byte; false, a refusal and an exception close the connection", async () => {
    const refusals: string[] = [];
    const errors: string[] = [];
    const handshakes: PeerInfo[] = [];
    let answer: () => boolean | Refusal = () => true;
    await served({
      listen: ["mqtt://127.0.0.1:0", { url: "mqtts://127.0.0.1:0", tls }, {
        url: "mqtt://127.0.0.1:0",
        admit: () => true,
      }],
      admit: () => answer(),
      hooks: {
        refused: (peer, { message }) => refusals.push(`${peer.transport} ${message}`),
        failed: (error) => void errors.push((error as Error).message),
        handshakeFailed: (peer) => handshakes.push(peer),
      },
    }, async ({ broker, addresses: [plain, secure, own] }) => {
      await (await client(plain!)).endAsync();
      await (await client(secure!, { ca: CA })).endAsync();
      const refusal: Refusal = { code: 0x9f, rule: "policy/banned", message: "too many" };
      for (const [next, tcp] of [[false, plain], [refusal, secure], [undefined, plain]] as const) {
        answer = () => {
          if (next === undefined) throw new Error("no answer");
          return next;
        };
        const socket = connectTcp(Number(new URL(tcp!).port), "127.0.0.1");
        const heard: number[] = [];
        socket.on("error", () => {}).on("data", (chunk: Uint8Array) => heard.push(chunk.length));
        await new Promise<void>((resolve) => socket.on("close", () => resolve()));
        assertEquals(heard, []);
      }
      assertEquals(broker.stats.refusals, { "policy/banned": 3 });
      await (await client(own!)).endAsync();
    });
    assertEquals(refusals, ["tcp The peer is not admitted", "tls too many", "tcp The peer is not admitted"]);
    assertEquals([errors, handshakes], [["no answer"], []]);
  });

  test("handshakesMax: a connection above it is refused, and a handshake that is done or over makes room", async () => {
    const failures: string[] = [];
    await served({
      listen: ["mqtts://127.0.0.1:0"],
      tls: { ...tls, handshakesMax: 1 },
      hooks: { handshakeFailed: (_peer, error) => failures.push((error as { code?: string }).code ?? "") },
    }, async ({ broker }, url) => {
      await (await client(url, { ca: CA })).endAsync();
      const open = () => connectTcp(Number(new URL(url).port), "127.0.0.1").on("error", () => {});
      const over = (socket: ReturnType<typeof open>) =>
        new Promise<void>((resolve) => socket.on("close", () => resolve()).resume());
      const one = open();
      await over(open()); // accepted behind it
      assertEquals(failures, ["EHANDSHAKES"]);
      one.destroy();
      await until(() => broker.connections === 0, "the handshake is over");
      await (await client(url, { ca: CA })).endAsync();
    });
  });

  test("tells of handshakes that fail, and survives a hook that throws", async () => {
    const failures: string[] = [];
    const errors: unknown[] = [];
    await served({
      listen: ["mqtts://127.0.0.1:0"],
      tls,
      hooks: {
        handshakeFailed(peer) {
          failures.push(peer.transport);
          throw new Error("the owner's fault");
        },
        failed: (error) => void errors.push((error as Error).message),
      },
    }, async (_server, url) => {
      const wrong = connectTcp(Number(new URL(url).port), "127.0.0.1");
      wrong.on("error", () => {});
      wrong.resume().write("garbage garbage");
      await new Promise<void>((resolve) => wrong.on("close", () => resolve()));
      await (await client(url, { ca: CA })).endAsync();
      assertEquals([failures, errors], [["tls"], ["the owner's fault"]]);
    });
  });

  test("reports the rejection of a hook that is told who is not admitted", async () => {
    const errors: string[] = [];
    await served({
      listen: ["mqtt://127.0.0.1:0"],
      admit: () => false,
      hooks: {
        refused: () => Promise.reject(new Error("the owner's fault")) as unknown as void,
        failed: (error) => void errors.push((error as Error).message),
      },
    }, async (_server, url) => {
      const socket = connectTcp(Number(new URL(url).port), "127.0.0.1").on("error", () => {});
      await until(() => errors.length === 1, "it is reported");
      assertEquals(errors, ["the owner's fault"]);
      socket.destroy();
    });
  });

  test("each listener shows its own certificate, and that of all if it has none", () => {
    const other = { cert: OTHER_CERT, key: OTHER_KEY };
    const listen = ["mqtts://127.0.0.1:0", { url: "mqtts://127.0.0.1:0", tls: other }];
    return served({ listen, tls }, async ({ addresses: [first, second] }) => {
      const [one, two] = [await client(first!, { ca: CA }), await client(second!, { ca: OTHER_CERT })];
      await one.subscribeAsync("a");
      const arrived = messages(one, 1);
      await two.publishAsync("a", "from the other listener", { qos: 1 });
      assertEquals(await arrived, ["a from the other listener 0"]);
      for (const [url, ca] of [[first!, OTHER_CERT], [second!, CA]] as const) {
        await assertRejects(() => client(url, { ca }), Error, "certificate");
      }
      for (const each of [one, two]) await each.endAsync();
    });
  });

  test("shows another certificate to new connections, and connections that are there stay", () => {
    const own = { url: "mqtts://127.0.0.1:0", tls };
    return served({ listen: ["mqtts://127.0.0.1:0", own], tls }, async (server) => {
      const [url, ownUrl] = server.addresses as [string, string];
      const before = await client(url, { ca: CA });
      await before.subscribeAsync("a");
      assertThrows(() => server.renewCertificate({ cert: OTHER_CERT, key: KEY }), CertificateError);
      await (await client(url, { ca: CA })).endAsync();
      server.renewCertificate({ cert: OTHER_CERT, key: OTHER_KEY });
      const after = await client(url, { ca: OTHER_CERT });
      await assertRejects(() => client(url, { ca: CA }), Error, "certificate");
      await (await client(ownUrl, { ca: CA })).endAsync();
      const arrived = messages(before, 1);
      await after.publishAsync("a", "from the new one", { qos: 1 });
      assertEquals(await arrived, ["a from the new one 0"]);
      for (const each of [before, after]) await each.endAsync();
    });
  });

  test("says which listener's certificate is wrong, or too many", async () => {
    const url = "mqtts://127.0.0.1:0";
    const wrong = { url, tls: { cert: OTHER_CERT, key: KEY } };
    const error = await assertRejects(() => serve({ listen: [url, wrong], tls }), CertificateError);
    assertEquals(error.message.split(" does")[0], "mqtts://127.0.0.1:0: tls.key");
    const plain = { url: "mqtt://127.0.0.1:0", tls };
    const { message } = await assertRejects(() => serve({ listen: [plain] }), AddressError);
    assertEquals(message, "mqtt://127.0.0.1:0 shows no certificate: write mqtts://, or leave out its tls");
  });

  test("refuses a listener without a certificate, and a certificate without its key", async () => {
    const error = await assertRejects(() => serve({ listen: ["mqtts://127.0.0.1:0"] }), AddressError);
    assertEquals(
      error.message,
      "mqtts://127.0.0.1:0 needs a certificate and its key: give tls: { cert, key }",
    );
    await assertRejects(() => serve({ listen, tls: { cert: CERT, key: OTHER_KEY } }), CertificateError);
  });
});

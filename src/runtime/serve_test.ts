/**
 * A broker that listens, and real Clients of another maker.
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { connect as connectTcp } from "node:net";
import { describe, test } from "node:test";
import { type AuthenticationRequest, ListenError, serve, type ServeOptions, type Server } from "./serve.ts";
import { AddressError } from "./address.ts";

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
  return connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0, connectTimeout: 4000, ...options });
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

/**
 * Real Clients log in by each method, over a socket: MQTT.js with a password, a token and SCRAM. A slow link holds back nobody else.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import type { ClientInfo } from "../broker/mod.ts";
import { serve } from "../server/serve.ts";
import { ScramClient, service } from "../testing/login.ts";
import { patient, until, WAIT_MS } from "../testing/patience.ts";
import { anonymousLink } from "./anonymous.ts";
import { loginChain } from "./chain.ts";
import { doHashJob } from "./hash.ts";
import { HashPool } from "./hash_pool.ts";
import { httpLink } from "./http.ts";
import type { LinkFunction, LoginLink } from "./link.ts";
import { passwordLink } from "./password.ts";
import { readPasswordLines, type User } from "./password_lines.ts";
import { scramLink } from "./scram.ts";
import { tokenLink } from "./token.ts";
import type { ScramKeys } from "./verifier.ts";

const PASSWORDS =
  "ann:$argon2id$v=19$m=19456,t=2,p=1$sWAUvyurnbxZs7dYxhrQRw$tuDw9c2cDGS+BAbR3+Yigg3sPp/t/IDdkuH4uSsLfdA\n";

/** A broker with these links, and the Clients that it let in. */
async function broker(
  links: readonly (LoginLink | LinkFunction)[],
  body: (open: (options?: IClientOptions) => MqttClient, known: readonly ClientInfo[]) => Promise<void>,
): Promise<void> {
  const known: ClientInfo[] = [];
  const chain = loginChain(links, { loginTimeoutMs: WAIT_MS });
  const { authenticate, authenticationMethods } = chain;
  const server = await serve({
    listen: ["mqtt://127.0.0.1:0"],
    authenticate,
    authenticationMethods,
    limits: { connectTimeoutMs: WAIT_MS },
    hooks: { connected: (client) => known.push(client) },
  });
  const port = Number(new URL(server.addresses[0]!).port);
  const clients: MqttClient[] = [];
  try {
    await body((options) => {
      const client = mqtt.connect({
        protocol: "mqtt",
        host: "127.0.0.1",
        port,
        reconnectPeriod: 0,
        protocolVersion: 5,
        ...options,
      });
      client.on("error", () => {});
      clients.push(client);
      return client;
    }, known);
  } finally {
    for (const client of clients) client.end(true);
    await chain.close();
    await server.close();
  }
}

/** The Reason Code of the CONNACK. */
function code(client: MqttClient): Promise<number> {
  return new Promise((resolve, reject) => {
    client.on("connect", ({ reasonCode }) => resolve(reasonCode ?? 0));
    client.on("error", (error) => resolve((error as { code?: number }).code ?? -1));
    client.on("close", () => reject(new Error("closed without a CONNACK")));
  });
}

describe("MQTT.js", () => {
  test("by password: right, wrong and unknown", patient, async () => {
    const { users } = readPasswordLines(PASSWORDS);
    const pool = new HashPool({ hashesMax: 1, hashWaitMs: WAIT_MS });
    const link = { ...passwordLink({ users }, pool), close: () => pool.close() };
    await broker([link, anonymousLink("never")], async (open, known) => {
      for (const protocolVersion of [4, 5] as const) {
        assertEquals(await code(open({ protocolVersion, username: "ann", password: "secret" })), 0);
        const bad = protocolVersion === 5 ? 0x86 : 4;
        assertEquals(await code(open({ protocolVersion, username: "ann", password: "wrong" })), bad);
        assertEquals(await code(open({ protocolVersion, username: "nobody", password: "secret" })), bad);
        assertEquals(await code(open({ protocolVersion })), protocolVersion === 5 ? 0x87 : 5);
      }
      assertEquals(known.map(({ username }) => username), ["ann", "ann"]);
    });
  });

  test(
    "by a token in the password; when the login ends, so does the connection (0x87)",
    patient,
    async () => {
      const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
      const jwk = await exportJWK(publicKey);
      const token = await new SignJWT({ sub: "ann", groups: ["g"], tenant: "t" })
        .setProtectedHeader({ alg: "ES256" }).setExpirationTime("1h").sign(privateKey);
      const link = await tokenLink(() => [jwk]);
      const soon: LinkFunction = async (request) => {
        const answer = await link.ask(request);
        return typeof answer === "object" ? { ...answer, expiresAt: Date.now() + 200 } : answer;
      };
      await broker([soon], async (open, known) => {
        assertEquals(await code(open({ username: "x", password: "a.b.c" })), 0x86);
        const client = open({ username: "x", password: token });
        let ended: number | undefined;
        client.on("disconnect", ({ reasonCode }) => ended = reasonCode);
        assertEquals(await code(client), 0);
        const [{ username, groups, claims }] = known as [ClientInfo];
        assertEquals([username, groups, claims["tenant"]], ["ann", ["g"], "t"]);
        await until(() => ended !== undefined, "the login ends");
        assertEquals(ended, 0x87);
      });
    },
  );

  test("by a token in AUTH, and anew by another one", patient, async () => {
    const secret = new TextEncoder().encode("0123456789abcdef0123456789abcdef");
    const token = await new SignJWT({ sub: "ann" }).setProtectedHeader({ alg: "HS256" }).setExpirationTime(
      "1h",
    ).sign(secret);
    await broker([await tokenLink(() => [secret])], async (open, known) => {
      const properties = { authenticationMethod: "JWT", authenticationData: Buffer.from(token) };
      const client = open({ properties });
      assertEquals(await code(client), 0);
      assertEquals(known[0]?.username, "ann");
      let anew: number | undefined;
      client.on("packetreceive", (packet) => packet.cmd === "auth" && (anew = packet.reasonCode));
      const { _sendPacket: send } = client as unknown as { _sendPacket(packet: unknown): void };
      send.call(client, { cmd: "auth", reasonCode: 0x19, properties });
      await until(() => anew !== undefined, "the Server answers");
      assertEquals(anew, 0);
      assertEquals(await code(open({ properties: { ...properties, authenticationMethod: "other" } })), 0x8c);
    });
  });

  for (const mechanism of ["SCRAM-SHA-256", "SCRAM-SHA-512"] as const) {
    test(`by ${mechanism}: right, wrong and unknown`, patient, async () => {
      const cost = { mechanism, rounds: 4096, salt: new Uint8Array(16) };
      const keys = await doHashJob({ scram: cost }, Buffer.from("pencil")) as Pick<
        ScramKeys,
        "storedKey" | "serverKey"
      >;
      const users = new Map<string, User>([["ann", {
        verifier: undefined,
        scram: new Map([[mechanism, { ...cost, ...keys }]]),
      }]]);
      await broker([scramLink({ users, fakeSaltKey: undefined })], async (open, known) => {
        const login = async (username: string, password: string) => {
          const scram = new ScramClient(mechanism, username, password);
          const authenticationMethod = mechanism;
          const client = open({
            properties: { authenticationMethod, authenticationData: Buffer.from(scram.first()) },
          });
          client.handleAuth = ({ properties }, callback) => {
            const authenticationData = Buffer.from(scram.final(`${properties?.authenticationData}`));
            const answer = {
              cmd: "auth",
              reasonCode: 0x18,
              properties: { authenticationMethod, authenticationData },
            } as const;
            callback(undefined, answer as never);
          };
          let isServer = false;
          client.on("connect", ({ properties }) => {
            isServer = scram.isServer(
              `${(properties as { authenticationData?: Buffer }).authenticationData}`,
            );
          });
          return [await code(client), isServer];
        };
        assertEquals(await login("ann", "pencil"), [0, true]);
        assertEquals(await login("ann", "pen"), [0x87, false]);
        assertEquals(await login("nobody", "pencil"), [0x87, false]);
        assertEquals(known.map(({ username }) => username), ["ann"]);
      });
    });
  }

  test(
    "by a function that takes time, and a service that never answers: others are let in meanwhile",
    patient,
    async () => {
      const silent = await service(() => undefined);
      let answer: () => void = () => {};
      const slow = new Promise<void>((resolve) => answer = resolve);
      const links: (LoginLink | LinkFunction)[] = [
        ({ username }) => username === "slow" ? slow.then(() => ({ code: 0 })) : undefined,
        anonymousLink(),
        httpLink({ url: silent.url, timeoutMs: 60_000, retries: 0 }),
      ];
      await broker(links, async (open) => {
        const waiting = code(open({ username: "slow" }));
        void code(open({ username: "hook", password: "x" })).catch(() => {});
        await until(() => silent.served.length === 1, "the service is asked");
        const healthy = open();
        assertEquals(await code(healthy), 0);
        let came = 0;
        healthy.on("message", () => came++);
        await healthy.subscribeAsync("t", { qos: 1 });
        await healthy.publishAsync("t", "m", { qos: 1 });
        await until(() => came === 1, "a message goes round");
        answer();
        assertEquals(await waiting, 0);
      });
      await silent.close();
      assert(silent.served.length === 1);
    },
  );
});

/** Who gets in, over what, and one clear line for each thing that is wrong. @module */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { Buffer } from "node:buffer";
import { nkeys } from "@nats-io/transport-node";
import { CLIENT_CA, CLIENT_CERT, CLIENT_KEY } from "../../testing/client_certificates.ts";
import { freePort } from "../../testing/free_port.ts";
import { JETSTREAM, type NatsServer, noNats, startNats } from "../../testing/nats_server.ts";
import { patient, until, WAIT_MS } from "../../testing/patience.ts";
import { CA, CERT, KEY } from "../../testing/tls.ts";
import { NatsError } from "./error.ts";
import { type Nats, openNats } from "./open.ts";
import type { NatsOptions } from "./options.ts";
import type { StreamNeeds } from "./streams.ts";

const { createAccount, createOperator, createUser } = nkeys;
const NEEDS: StreamNeeds = { prefix: "test", replicas: 1, streams: { "s-1": "all", retained: "last" } };
const folder = mkdtempSync(join(tmpdir(), "plumb-nats-tls-"));
after(() => rmSync(folder, { recursive: true }));

/** Starts a server for one test. */
async function served(settings: string, body: (server: NatsServer) => Promise<void>): Promise<void> {
  const server = await startNats(settings);
  try {
    await body(server);
  } finally {
    await server.end();
  }
}

/** Opens, asks something and closes. */
async function works(options: NatsOptions, needs: StreamNeeds = NEEDS): Promise<void> {
  const nats = await openNats({ silenceMs: WAIT_MS, ...options }, needs);
  try {
    let answer: unknown;
    nats.stream("s-1").read(1, 0, (page) => answer = page);
    await until(() => answer !== undefined, "an answer");
    assertEquals(answer, { messages: [], first: 1, last: 0 });
  } finally {
    await nats.close();
  }
}

/** The one line of why it does not open. */
async function refused(options: NatsOptions, needs: StreamNeeds = NEEDS): Promise<NatsError> {
  const error = await assertRejects(async () => {
    const nats = await openNats({ silenceMs: WAIT_MS, ...options }, needs);
    await nats.close();
  }, NatsError);
  assert(!error.message.includes("\n") && !error.message.includes("s3cret"), error.message);
  return error;
}

/** A server that says what it is, and nothing else that is true. */
async function pretend(info: object): Promise<[server: Server, url: string]> {
  const server = createServer((socket) => {
    const about = {
      server_id: "X",
      version: "2.10.0",
      proto: 1,
      max_payload: 1048576,
      headers: true,
      ...info,
    };
    socket.on("error", () => {});
    socket.write(`INFO ${JSON.stringify(about)} \r\n`);
    socket.on("data", (bytes) => bytes.toString().includes("PING") && socket.write("PONG\r\n"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return [server, `nats://127.0.0.1:${(server.address() as { port: number }).port}`];
}

describe("openNats()", { skip: noNats }, () => {
  test(
    "logs in with user and password, in the address too; and a wrong one is refused",
    patient,
    () =>
      served(`${JETSTREAM}authorization { user: me, password: "s3cret" }`, async ({ port, url }) => {
        await works({ servers: [url], user: "me", password: "s3cret" });
        await works({ servers: [`nats://me:s3cret@127.0.0.1:${port}`] });
        for (const options of [{}, { user: "me", password: "s3cret!" }, { token: "s3cret" }]) {
          const { trouble, message } = await refused({ servers: [url], ...options });
          assertEquals([trouble, message], [
            "login",
            `NATS at 127.0.0.1:${port} refuses the login: look at user and password, token, NKey or credentials`,
          ]);
        }
      }),
  );

  test(
    "logs in with a token",
    patient,
    () =>
      served(`${JETSTREAM}authorization { token: "s3cret" }`, async ({ url }) => {
        await works({ servers: [url], token: "s3cret" });
        assertEquals((await refused({ servers: [url], token: "s3cret2" })).trouble, "login");
      }),
  );

  test("logs in with an NKey; and says so when it is none", patient, () => {
    const user = createUser();
    return served(
      `${JETSTREAM}authorization { users: [ { nkey: ${user.getPublicKey()} } ] }`,
      async ({ url }) => {
        const seed = new TextDecoder().decode(user.getSeed());
        await works({ servers: [url], nkey: `${seed}\n` });
        const other = new TextDecoder().decode(createUser().getSeed());
        assertEquals((await refused({ servers: [url], nkey: other })).trouble, "login");
        assertEquals(
          (await refused({ servers: [url], nkey: "s3cret" })).message,
          "NATS: the NKey is no seed: one of a user begins with SU and has 58 characters",
        );
      },
    );
  });

  test("logs in with a credentials file; and says so when it is none", patient, async () => {
    const { settings, credentials } = operatorWorld();
    await served(`${JETSTREAM}${settings}`, async ({ url }) => {
      await works({ servers: [url], credentials });
      const { trouble } = await refused({ servers: [url] });
      assertEquals(trouble, "login");
      assertEquals(
        (await refused({ servers: [url], credentials: "s3cret" })).message,
        "NATS: the credentials cannot be read: a file with a JWT and a seed, as nsc makes it, would be right",
      );
    });
  });

  test(
    "speaks TLS to whom it trusts, with a certificate of its own if that is asked for",
    patient,
    async () => {
      for (const [name, text] of Object.entries({ CERT, KEY, CLIENT_CA })) {
        writeFileSync(join(folder, name), text);
      }
      const files = `cert_file: "${join(folder, "CERT")}", key_file: "${join(folder, "KEY")}"`;
      await served(`${JETSTREAM}tls { ${files} }`, async ({ url, port }) => {
        await works({ servers: [url], tls: { ca: CA } });
        await works({ servers: [`tls://localhost:${port}`], tls: { ca: CA } });
        const { trouble, message } = await refused({ servers: [`tls://127.0.0.1:${port}`] });
        assertEquals(trouble, "tls", message);
        assertEquals((await refused({ servers: [url], tls: { ca: CLIENT_CA } })).trouble, "tls");
      });
      await served(
        `${JETSTREAM}tls { ${files}, ca_file: "${join(folder, "CLIENT_CA")}", verify: true }`,
        async ({ url }) => {
          await works({ servers: [url], tls: { ca: CA, cert: CLIENT_CERT, key: CLIENT_KEY } });
          const { trouble, message } = await refused({ servers: [url], tls: { ca: CA } });
          const address = url.slice("nats://".length);
          assertEquals([trouble, message], [
            "tls",
            `NATS at ${address} asks for a certificate: give one, and its key`,
          ]);
        },
      );
      await served(JETSTREAM, async ({ url }) => {
        const { trouble, message } = await refused({ servers: [url], tls: { ca: CA } });
        assertEquals(trouble, "tls", message);
      });
    },
  );

  test(
    "takes another server when one is not there; and says so when none is",
    patient,
    () =>
      served(JETSTREAM, async ({ url }) => {
        const free = await freePort();
        await works({ servers: [`127.0.0.1:${free}`, url] });
        const { trouble, message } = await refused({ servers: [`127.0.0.1:${free}`] });
        assertEquals(trouble, "unreachable");
        assert(message.startsWith(`NATS at 127.0.0.1:${free} cannot be reached (`), message);
        assert(message.endsWith("): is nats-server running there?"), message);
      }),
  );

  test("says what is wrong with a server: too old, without JetStream", patient, async () => {
    const [old, oldUrl] = await pretend({ version: "2.8.4", jetstream: true });
    const { trouble, message } = await refused({ servers: [oldUrl] });
    assertEquals([trouble, message], ["version", "nats-server is 2.8.4: 2.9 or later would be right"]);
    old.close();
    await served("", async ({ url }) => {
      const { trouble, message } = await refused({ servers: [url] });
      assertEquals([trouble, message], [
        "no-jetstream",
        "nats-server has no JetStream: start it with -js, or with jetstream { } in its settings",
      ]);
    });
    await served(
      `${JETSTREAM}accounts { A { users: [ { user: a, password: a } ] }, B { jetstream: enabled } }`,
      async ({ url }) => {
        const { trouble, message } = await refused({ servers: [url], user: "a", password: "a" });
        assertEquals(trouble, "no-jetstream");
        assert(message.startsWith("the account of this user has no JetStream: "), message);
      },
    );
  });

  test("says which permission is missing", patient, () =>
    served(
      `${JETSTREAM}authorization { users: [
        { user: a, password: a, permissions: { publish: "x", subscribe: ">" } },
        { user: b, password: b, permissions: { publish: ">", subscribe: "x" } }
      ] }`,
      async ({ url }) => {
        for (const user of ["a", "b"]) {
          const { trouble, message } = await refused({ servers: [url], user, password: user });
          assertEquals(trouble, "permission");
          assert(/^the NATS user may not ask \$JS\.API\.STREAM\.INFO\.test_/.test(message), message);
          assert(message.endsWith('let it publish to "$JS.API.>" and subscribe to "_INBOX.>"'), message);
        }
      },
    ));

  test(
    "says that there are not enough servers for the replicas",
    patient,
    () =>
      served(JETSTREAM, async ({ url }) => {
        const { trouble, message } = await refused({ servers: [url] }, { ...NEEDS, replicas: 3 });
        assertEquals(trouble, "replicas");
        assert(message.startsWith("3 replicas need 3 nats-servers with JetStream in one cluster ("), message);
        assertEquals(
          (await refused({ servers: [url] }, { ...NEEDS, replicas: 2 })).message,
          "NATS: 2 replicas: 1, 3 or 5 would be right",
        );
        assertEquals((await refused({ servers: [url] }, { ...NEEDS, prefix: "a.b" })).trouble, "options");
      }),
  );

  test(
    "makes its streams once, and refuses one that is made in another way",
    patient,
    () =>
      served(JETSTREAM, async ({ url }) => {
        await works({ servers: [url] });
        await works({ servers: [url] });
        const { trouble, message } = await refused(
          { servers: [url] },
          { ...NEEDS, streams: { "s-1": "last" } },
        );
        assertEquals([trouble, message], [
          "stream",
          'stream test_s-1 has subjects ["test.stream.s-1"]: ["test.stream.s-1.*"] would be right (nats stream edit), or another prefix',
        ]);
        const many = await Promise.allSettled(
          Array.from({ length: 4 }, () =>
            openNats({ servers: [url], silenceMs: WAIT_MS }, { ...NEEDS, prefix: "race" })),
        );
        for (const { status, ...one } of many) {
          assertEquals(status, "fulfilled", String((one as { reason?: unknown }).reason));
          await (one as { value: Nats }).value.close();
        }
      }),
  );

  test(
    "goes on when its server comes back; what happens meanwhile says so",
    patient,
    () =>
      served(JETSTREAM, async (server) => {
        const nats = await openNats({ servers: [server.url], silenceMs: WAIT_MS }, NEEDS);
        const changes: boolean[] = [];
        nats.bus.watch((isConnected) => changes.push(isConnected));
        const heard: number[] = [];
        nats.bus.subscribe("a", (bytes) => heard.push(bytes[0]!));
        nats.bus.subscribe("mute", () => {});
        let answer: unknown;
        let isSent = false;
        await until(() => {
          if (!isSent) {
            isSent = nats.bus.publish("a", Uint8Array.of(1));
          }
          return heard.length > 0;
        }, "it hears itself");
        nats.bus.request("mute", new Uint8Array(), 600_000, (it) => answer = it);
        await server.kill();
        await until(() => !nats.bus.isConnected && answer !== undefined, "the break is seen");
        assertEquals([answer, nats.bus.publish("a", Uint8Array.of(2))], ["disconnected", false]);
        assert(nats.bus.bytesMax > 0);
        let added: unknown;
        nats.stream("s-1").add(new Uint8Array(), undefined, undefined, (it) => added = it);
        await until(() => added !== undefined, "an answer");
        assertEquals((added as { why: string }).why, "absent");
        await server.start();
        await until(() => nats.bus.isConnected, "it is connected again");
        await until(() => {
          if (heard.length === 1) {
            nats.bus.publish("a", Uint8Array.of(3));
          }
          return heard.length > 1;
        }, "it hears itself again");
        assertEquals(heard[1], 3);
        assertEquals(changes, [false, true]);
        await nats.close();
      }),
  );

  test(
    "hands on what a listener throws, in a line, and goes on",
    patient,
    () =>
      served(JETSTREAM, async ({ url }) => {
        const lines: string[] = [];
        const nats = await openNats({
          servers: [url],
          troubled: (line) => lines.push(line),
        }, NEEDS);
        let heard = 0;
        nats.bus.subscribe("a", () => {
          heard++;
          throw new Error("our fault\nmore of it");
        });
        nats.bus.publish("a", new Uint8Array());
        nats.bus.publish("a", new Uint8Array());
        await until(() => heard === 2, "both come");
        assertEquals(lines, Array(2).fill("NATS: what listens at a failed: our fault"));
        await nats.close();
      }),
  );
});

/** An operator, an account with JetStream and a user of it, as nsc makes them. */
function operatorWorld(): { readonly settings: string; readonly credentials: string } {
  const [operator, account, system, user] = [
    createOperator(),
    createAccount(),
    createAccount(),
    createUser(),
  ];
  const jwt = (issuer: typeof user, subject: typeof user, nats: object): string => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = {
      jti: "1",
      iat: 1_700_000_000,
      iss: issuer.getPublicKey(),
      name: "test",
      sub: subject.getPublicKey(),
      nats: { version: 2, ...nats },
    };
    const text = `${part({ typ: "JWT", alg: "ed25519-nkey" })}.${part(claims)}`;
    return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString("base64url")}`;
  };
  const free = { subs: -1, data: -1, payload: -1 };
  const limits = {
    ...free,
    imports: -1,
    exports: -1,
    conn: -1,
    leaf: -1,
    wildcards: true,
    mem_storage: -1,
    disk_storage: -1,
    streams: -1,
    consumer: -1,
  };
  const none = { mem_storage: 0, disk_storage: 0, streams: 0, consumer: 0 };
  const accountJwt = jwt(operator, account, { type: "account", limits });
  const systemJwt = jwt(operator, system, {
    type: "account",
    limits: { ...limits, ...none },
  });
  const userJwt = jwt(account, user, { type: "user", ...free });
  const seed = new TextDecoder().decode(user.getSeed());
  return {
    settings: `operator: "${jwt(operator, operator, { type: "operator" })}"\nresolver: MEMORY\n` +
      `system_account: ${system.getPublicKey()}\n` +
      `resolver_preload { ${account.getPublicKey()}: "${accountJwt}", ${system.getPublicKey()}: "${systemJwt}" }\n`,
    credentials: `-----BEGIN NATS USER JWT-----\n${userJwt}\n------END NATS USER JWT------\n\n` +
      `-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
  };
}

/** A chain from plain options: each kind of link, reloads, and options that are wrong. @module */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { SignJWT } from "jose";
import { UsageError } from "../codec/mod.ts";
import { loginRequest, service } from "../testing/login.ts";
import { patient } from "../testing/patience.ts";
import { type LinkOptions, type Login, type LoginOptions, openLogin } from "./open.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-open-"));
after(() => rmSync(folder, { recursive: true }));
const ANN =
  "ann:$argon2id$v=19$m=19456,t=2,p=1$sWAUvyurnbxZs7dYxhrQRw$tuDw9c2cDGS+BAbR3+Yigg3sPp/t/IDdkuH4uSsLfdA\n";

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text, { mode: 0o600 });
  return join(folder, name);
}

async function opened(
  links: readonly LinkOptions[],
  body: (login: Login) => Promise<void>,
  more: Partial<LoginOptions> = {},
) {
  const login = await openLogin({ links, ...more });
  try {
    await body(login);
  } finally {
    await login.close();
  }
}

describe("openLogin()", () => {
  test("has the links in their order, SCRAM with the passwords, and reloads them", patient, async () => {
    const passwords = file("passwords", "");
    const secretFile = file("secret", "0123456789abcdef0123456789abcdef\n");
    const links: LinkOptions[] = [
      { kind: "certificate" },
      { kind: "token", secretFile, pollMs: 0 },
      { kind: "password-file", file: passwords, pollMs: 0 },
      { kind: "anonymous", from: "always" },
    ];
    await opened(links, async (login) => {
      assertEquals(login.authenticationMethods, ["JWT", "SCRAM-SHA-512", "SCRAM-SHA-256"]);
      const ask = async (username?: string, password?: string) =>
        await login.authenticate(loginRequest({ username, ...password !== undefined && { password } }));
      assertEquals((await ask()).code, 0);
      assertEquals((await ask("ann", "secret")).code, 0x86);
      file("passwords", ANN);
      await login.reload();
      assertEquals(await ask("ann", "secret"), { code: 0, username: "ann" });
      const token = await new SignJWT({ sub: "bob" }).setProtectedHeader({ alg: "HS256" }).setExpirationTime(
        "1h",
      )
        .sign(new TextEncoder().encode("0123456789abcdef0123456789abcdef"));
      assertEquals((await ask("x", token)).username, "bob");
      file("secret", "another secret, another secret, another secret");
      await login.reload();
      assertEquals((await ask("x", token)).code, 0x86);
      const certificate = { identity: "pump", subject: "", issuer: "", serialNumber: "", fingerprint: "" };
      const peer = { address: "192.0.2.1", port: 1, transport: "tls", certificate } as const;
      assertEquals((await login.authenticate(loginRequest({ peer }))).username, "pump");
      assertEquals(login.waiting, 0);
    }, { hashesMax: 1 });
  });

  test("sends the headers of a file, which may change", async () => {
    const one = await service(() => [200, '{"result":"accept"}']);
    const headersFile = file("headers", "Authorization: Bearer one\n");
    await opened(
      [{ kind: "http", url: one.url, headersFile, headers: { "x-a": "b" }, pollMs: 0 }],
      async (login) => {
        await login.authenticate(loginRequest());
        file("headers", "authorization: Bearer two\n");
        await login.reload();
        await login.authenticate(loginRequest());
        assertEquals(one.served.map(({ headers }) => [headers.authorization, headers["x-a"]]), [
          ["Bearer one", "b"],
          ["Bearer two", "b"],
        ]);
      },
    );
    await one.close();
  });

  test("has the authorizer of a go-auth link", async () => {
    const one = await service(({ path }) => [path === "/user" ? 200 : 403, ""]);
    const links: LinkOptions[] = [{ kind: "go-auth", userUrl: `${one.url}/user`, aclUrl: `${one.url}/acl` }];
    await opened(links, async (login) => {
      assertEquals((await login.authenticate(loginRequest({ username: "u", password: "p" }))).code, 0);
      const client = { clientId: "c", username: "u" } as never;
      assertEquals(
        await login.authorize!({ action: "publish", client, topic: "t", qos: 0, retain: false }),
        0x87,
      );
    });
    await opened([], (login) => Promise.resolve(assert(login.authorize === undefined)));
    await one.close();
  });

  test("refuses options that are wrong, and leaves nothing open", async () => {
    const missing = join(folder, "missing");
    const good = { kind: "password-file", file: file("good", ANN) } as const;
    const wrong: readonly (readonly [LinkOptions, string])[] = [
      [{ kind: "http", url: "http://a.example" }, "https://"],
      [
        { kind: "http", url: "https://a.example", timeoutMs: 0 },
        "timeoutMs is 0: it takes a whole number from 10 to 60000 (ms)",
      ],
      [
        { kind: "http", url: "https://a.example", headersFile: file("bad", "no colon") },
        "line 1 is not NAME: VALUE",
      ],
      [
        { kind: "http", url: "https://a.example", headersFile: file("bad2", "a: b\r\nX: \x07") },
        "line 2 is not",
      ],
      [{ kind: "token" }, "one of keyFile"],
      // before a file is opened, which would be watched from then on
      [{ kind: "http", url: "http://a.example", headersFile: missing }, "https://"],
      [{ kind: "token", keyFile: missing, algorithms: ["none"] }, 'no algorithm "none"'],
      [{ kind: "password-file", file: missing, rememberedMax: -1 }, "rememberedMax"],
      [{ kind: "password-file", file: good.file, rememberedMs: -1 }, "rememberedMs"],
      [{ kind: "ldap" } as never, 'no link "ldap"'],
    ];
    for (const [link, says] of wrong) {
      await assertRejects(() => openLogin({ links: [good, link] }), UsageError, says);
    }
    await assertRejects(
      () => openLogin({ links: [good, { kind: "token", keyFile: missing }] }),
      Error,
      "missing",
    );
  });
});

/** RFC 7519 Tokens: who is let in, until when, and every forgery that is known. @module */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHmac, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import {
  type CryptoKey,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  SignJWT,
} from "jose";
import type { Verdict } from "../broker/mod.ts";
import { UsageError } from "../codec/mod.ts";
import { loginRequest, seenChain } from "../testing/login.ts";
import { tokenLink, type TokenOptions } from "./token.ts";
import { openTokenLink } from "./token_keys.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-token-"));
after(() => rmSync(folder, { recursive: true }));

const SECRET = new TextEncoder().encode("0123456789abcdef0123456789abcdef");
const now = () => Math.floor(Date.now() / 1000);
const rsa = await generateKeyPair("RS256", { extractable: true });
const rsaJwk: JWK = await exportJWK(rsa.publicKey);
const rsaPem = await exportSPKI(rsa.publicKey);

interface Made {
  readonly alg?: string;
  readonly key?: CryptoKey | Uint8Array;
  readonly header?: Record<string, unknown>;
}

/** A token; good for an hour, unless it is said otherwise. */
async function token(
  payload: JWTPayload = {},
  { alg = "RS256", key = rsa.privateKey, header = {} }: Made = {},
): Promise<string> {
  return await new SignJWT({ sub: "ann", exp: now() + 3600, ...payload }).setProtectedHeader({
    alg,
    ...header,
  }).sign(key);
}

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** The answer to a token in the password. */
async function login(
  password: string,
  options: TokenOptions = {},
  keys: readonly (JWK | Uint8Array)[] = [rsaJwk],
): Promise<Verdict> {
  const chain = seenChain([await tokenLink(() => keys, options)]);
  return await chain.authenticate(loginRequest({ username: "anything", password }));
}

const refused = { code: 0x86 } as const;

test("while the chain is full of tokens, Clients without one are for the next link", async () => {
  const next = () => ({ code: 0, username: "next" }) as const;
  const link = await tokenLink(() => new Promise<never>(() => {}));
  const chain = seenChain([link, { name: "next", ask: next, atOnce: next }], {
    loginsWaitingMax: 1,
    loginTimeoutMs: 10,
  });
  const password = await token();
  const first = chain.authenticate(loginRequest({ password }));
  assertEquals(chain.authenticate(loginRequest({ password })), { code: 0x89 });
  for (const given of [{}, { username: "ann", password: "secret" }]) {
    assertEquals(chain.authenticate(loginRequest(given)), { code: 0, username: "next" });
  }
  assertEquals(await first, { code: 0x88 });
});

describe("a good token", () => {
  for (const alg of ["RS256", "RS512", "PS256", "PS384", "ES256", "ES384", "ES512", "EdDSA"]) {
    test(`of ${alg} lets in`, async () => {
      const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
      const jwk = await exportJWK(publicKey);
      assertEquals((await login(await token({}, { alg, key: privateKey }), {}, [jwk])).username, "ann");
    });
  }

  for (const alg of ["HS256", "HS384", "HS512"]) {
    test(`of ${alg} lets in`, async () => {
      assertEquals((await login(await token({}, { alg, key: SECRET }), {}, [SECRET])).code, 0);
    });
  }

  test("brings user name, groups, claims and an end", async () => {
    const exp = now() + 60;
    const said = { exp, groups: ["a", 1, "b"], tenant: "t", level: 3, admin: true, deep: { x: 1 } };
    const verdict = await login(await token(said), { leewaySeconds: 5 });
    assertEquals([verdict.username, verdict.groups, verdict.expiresAt], [
      "ann",
      ["a", "b"],
      (exp + 5) * 1000,
    ]);
    assertEquals(verdict.claims, { sub: "ann", exp: `${exp}`, tenant: "t", level: "3", admin: "true" });
  });

  test("may have them under other names, and inside of objects", async () => {
    const said = { email: "ann@b.example", realm_access: { roles: ["r"] }, scope: "x y", "a.b": "dotted" };
    const options = { usernameClaim: "email", groupsClaim: "realm_access.roles", claims: ["a.b", "missing"] };
    const verdict = await login(await token(said), options);
    assertEquals([verdict.username, verdict.groups, verdict.claims], ["ann@b.example", ["r"], {
      "a.b": "dotted",
    }]);
    assertEquals((await login(await token(said), { groupsClaim: "scope" })).groups, ["x", "y"]);
  });

  test("of one of several keys lets in, with its identifier or without", async () => {
    const other = await exportJWK((await generateKeyPair("RS256", { extractable: true })).publicKey);
    const keys = [{ ...other, kid: "1" }, { ...rsaJwk, kid: "2" }];
    assertEquals((await login(await token({}, { header: { kid: "2" } }), {}, keys)).code, 0);
    assertEquals((await login(await token(), {}, keys)).code, 0);
    assertEquals((await login(await token({}, { header: { kid: "1" } }), {}, keys)).code, 0x86);
  });

  test("comes by AUTH too, at once, when it is asked for, and anew", async () => {
    const { authenticate, authenticationMethods } = seenChain([
      await tokenLink(() => [rsaJwk], { method: "JWT" }),
    ]);
    assertEquals(authenticationMethods, ["JWT"]);
    const data = await token();
    const method = "JWT";
    assertEquals((await authenticate(loginRequest({ method, data }))).username, "ann");
    const empty = await authenticate(loginRequest({ method }));
    assertEquals(empty.code, 0x18);
    assertEquals(
      (await authenticate(loginRequest({ method, kind: "continue", data, state: empty.state }))).code,
      0,
    );
    assertEquals(await authenticate(loginRequest({ method, kind: "continue", state: empty.state })), {
      code: 0x87,
    });
    const anew = (username: string) =>
      authenticate(loginRequest({ method, kind: "reauthenticate", username, data }));
    assertEquals((await anew("ann")).code, 0);
    assertEquals(await anew("bob"), { code: 0x87 });
  });
});

describe("a forgery is refused", () => {
  const claims = () => ({ sub: "ann", exp: now() + 3600 });

  test("alg none, in every spelling, with and without a signature", async () => {
    for (const alg of ["none", "None", "NONE", "nOnE", ""]) {
      const unsigned = `${part({ alg })}.${part(claims())}.`;
      assertEquals([await login(unsigned), await login(`${unsigned}AAAA`)], [refused, refused]);
      assertEquals(await login(unsigned, {}, [SECRET]), refused);
    }
    assertEquals(await login(`${part({})}.${part(claims())}.`), refused);
  });

  test("key confusion: HMAC with the public key as the secret, in every form of it", async () => {
    const { n } = rsaJwk;
    const forms = [
      rsaPem,
      `${rsaPem}\n`,
      rsaPem.trim(),
      JSON.stringify(rsaJwk),
      n!,
      Buffer.from(n!, "base64url"),
    ];
    for (const alg of ["HS256", "HS384", "HS512"]) {
      for (const secret of forms) {
        const signed = `${part({ alg })}.${part(claims())}`;
        const signature = createHmac(`sha${alg.slice(2)}`, secret).update(signed).digest("base64url");
        assertEquals(await login(`${signed}.${signature}`), refused);
      }
    }
  });

  test("another key, another content, another signature, a part less or more", async () => {
    const other = (await generateKeyPair("RS256")).privateKey;
    const good = await token();
    const [header, , signature] = good.split(".");
    const wrong = [
      await token({}, { key: other }),
      `${header}.${part({ ...claims(), sub: "root" })}.${signature}`,
      `${good}A`,
      good.slice(0, -8),
      `${good}.${signature}`,
      `${header}.${signature}`,
      "a.b.c",
      "..",
      `${part([])}.${part({})}.AAAA`,
      `${part({ alg: ["RS256"] })}.${part({})}.AAAA`,
      `${part({ alg: "RS256" })}.!!.AAAA`,
    ];
    for (const one of wrong) assertEquals(await login(one), refused, one);
  });

  test("a header that names its own key, or an extension that nobody knows", async () => {
    const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
    const jwk = await exportJWK(publicKey);
    for (
      const header of [{ jwk }, { jku: "http://127.0.0.1:1/keys" }, { x5u: "http://127.0.0.1:1/" }, {
        kid: "../../dev/null",
      }]
    ) {
      assertEquals(await login(await token({}, { key: privateKey, header })), refused);
    }
    const critical = `${part({ alg: "RS256", crit: ["x"], x: 1 })}.${part(claims())}.AAAA`;
    assertEquals(await login(critical), refused);
  });

  test("an algorithm that the key or the owner does not have", async () => {
    const ec = await generateKeyPair("ES256", { extractable: true });
    assertEquals(await login(await token({}, { alg: "ES256", key: ec.privateKey })), refused);
    assertEquals(await login(await token(), { algorithms: ["ES256"] }), refused);
    assertEquals(await login(await token(), {}, [{ ...rsaJwk, alg: "PS256" }]), refused);
    assertEquals(await login(await token({}, { alg: "HS256", key: SECRET }), {}, [rsaJwk]), refused);
    assertEquals(await login(await token(), {}, []), refused);
  });
});

describe("a token that is not for now, or not for us", () => {
  const wrong: readonly (readonly [string, JWTPayload, TokenOptions])[] = [
    ["expired", { exp: now() - 31 }, {}],
    ["without an end", { exp: undefined as never }, {}],
    ["not valid yet", { nbf: now() + 3600 }, {}],
    ["of another issuer", { iss: "b" }, { issuer: "a" }],
    ["without an issuer", {}, { issuer: ["a", "b"] }],
    ["for another audience", { aud: ["x", "y"] }, { audience: "z" }],
    ["without an audience", {}, { audience: "z" }],
    ["without a user", { sub: undefined as never }, {}],
    ["with a user that is no text", { sub: 7 as never }, {}],
    ["with an empty user", { sub: "" }, {}],
    ["with a user behind a prototype", {}, { usernameClaim: "constructor.name" }],
    ["for another Client Identifier", { cid: "other" }, { clientIdClaim: "cid" }],
    ["for no Client Identifier", {}, { clientIdClaim: "cid" }],
    ["with an end that is a text", { exp: `${now() + 60}` as never }, {}],
  ];
  for (const [what, payload, options] of wrong) {
    test(what, async () => assertEquals(await login(await token(payload), options), refused));
  }

  test("and one that is: within the leeway, with issuer and audience", async () => {
    assertEquals((await login(await token({ exp: now() - 10, nbf: now() + 10 }))).code, 0);
    const said = { iss: "b", aud: ["x", "z"], cid: "client" };
    assertEquals(
      (await login(await token(said), { issuer: ["a", "b"], audience: "z", clientIdClaim: "cid" })).code,
      0,
    );
  });
});

test("what has not the form of a token is another link's business", async () => {
  const { ask } = await tokenLink(() => [rsaJwk]);
  for (const password of ["secret", "a.b", "a.b.c.d", "a b.c.d", "", new Uint8Array([255, 46, 1])]) {
    assertEquals(ask(loginRequest({ username: "u", password })), undefined);
  }
  assertEquals(ask(loginRequest({ username: "u" })), undefined);
});

describe("a file of keys", () => {
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const asks = async (options: Parameters<typeof openTokenLink>[0], password: string) => {
    const link = await openTokenLink({ pollMs: 0, ...options });
    try {
      return await seenChain([link]).authenticate(loginRequest({ password }));
    } finally {
      await link.close?.();
    }
  };

  test("is PEM, a JWK, or a set of them", async () => {
    const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({
      type: "spki",
      format: "pem",
    });
    for (
      const text of [
        rsaPem,
        `${ec}\n${rsaPem}`,
        JSON.stringify(rsaJwk),
        JSON.stringify({ keys: [{ kty: "oct", k: "AA" }, rsaJwk] }),
      ]
    ) {
      assertEquals((await asks({ keyFile: write("keys", text) }, await token())).code, 0);
    }
  });

  test("or a secret, whose line feed does not count", async () => {
    const secretFile = write("secret", `${new TextDecoder().decode(SECRET)}\n`);
    assertEquals((await asks({ secretFile }, await token({}, { alg: "HS256", key: SECRET }))).code, 0);
  });

  test("is refused if it cannot be meant", async () => {
    const privatePem = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({
      type: "pkcs8",
      format: "pem",
    });
    const wrong: readonly (readonly [Parameters<typeof openTokenLink>[0], string])[] = [
      [{ secretFile: write("a", rsaPem) }, "no secret"],
      [{ secretFile: write("b", "short") }, "5 bytes"],
      [{ keyFile: write("c", privatePem as string) }, "private key"],
      [{ keyFile: write("d", JSON.stringify({ keys: [{ kty: "oct", k: "AA" }] })) }, "no public keys"],
      [{}, "one of keyFile"],
      [{ keyFile: "x", secretFile: "y" }, "one of keyFile"],
      [{ keysUrl: "https://a.example/keys" }, "issuer and audience"],
      [{ keysUrl: "http://a.example/keys", issuer: "a", audience: "b" }, "https://"],
      [{ keysUrl: "https://u:p@a.example/keys", issuer: "a", audience: "b" }, "password in it"],
      [{ openId: true, issuer: ["a", "b"], audience: "c" }, "one issuer"],
      [{ keyFile: write("e", rsaPem), algorithms: ["none"] }, "no algorithm"],
    ];
    for (const [options, says] of wrong) await assertRejects(() => openTokenLink(options), UsageError, says);
    const error = await assertRejects(() => openTokenLink({ keyFile: write("f", "not json") }), Error);
    assert(!error.message.includes("not json"));
  });
});

/** RFC 7517 Keys at a URL: rotation, a service that is away, stalls or lies. @module */
import { assert, assertEquals } from "@std/assert";
import { after, describe, test } from "node:test";
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { eventList, loginRequest, type Served, service } from "../testing/login.ts";
import { until } from "../testing/patience.ts";
import { loginChain } from "./chain.ts";
import { KeySet } from "./key_set.ts";
import { openTokenLink } from "./token_keys.ts";

const closes: (() => Promise<void>)[] = [];
after(() => Promise.all(closes.map((close) => close())));

type Answer = readonly [number, string] | undefined;

/** A service whose answer a test may change. */
async function keysAt(answer: (served: Served) => Answer) {
  const at = { answer };
  const one = await service((served) => at.answer(served));
  closes.push(one.close);
  return { ...one, at };
}

function keysOf(...kids: string[]): Answer {
  return [200, JSON.stringify({ keys: kids.map((kid) => ({ kty: "OKP", crv: "Ed25519", x: "AA", kid })) })];
}

/** A key set whose clock the test moves. */
function setOf(url: string, options: ConstructorParameters<typeof KeySet>[1] = {}) {
  const time = { now: 1_000_000 };
  const { events, onEvent } = eventList();
  const set = new KeySet(() => Promise.resolve(url), {
    clock: () => time.now,
    onEvent,
    keysFreshMs: 10_000,
    keysStaleMs: 100_000,
    keysCooldownMs: 1_000,
    ...options,
  });
  const kids = async (kid?: string) => (await set.keysFor(kid)).map(({ kid }) => kid);
  return { kids, time, events };
}

describe("keys are fetched", () => {
  test("once for many tokens, again when they are old, and used meanwhile", async () => {
    const { url, served, at } = await keysAt(() => keysOf("a"));
    const { kids, time } = setOf(url);
    assertEquals(await Promise.all([kids("a"), kids("a"), kids()]), [["a"], ["a"], ["a"]]);
    assertEquals(served.length, 1);
    at.answer = () => keysOf("b");
    time.now += 10_000;
    assertEquals(await kids("a"), ["a"]);
    await until(() => served.length === 2, "they are fetched again");
    let now: unknown[] = [];
    await until(() => {
      void kids().then((kids) => now = kids);
      return now[0] === "b";
    }, "the new keys are used");
    assertEquals(served.length, 2);
  });

  test("at once for a key that is not there, but not for each token that names one", async () => {
    const { url, served, at } = await keysAt(() => keysOf("a"));
    const { kids, time } = setOf(url);
    await kids("a");
    at.answer = () => keysOf("a", "b");
    time.now += 1_000;
    assertEquals(await kids("b"), ["a", "b"]);
    for (let i = 0; i < 50; i++) assertEquals(await kids(`forged ${i}`), ["a", "b"]);
    assertEquals(served.length, 2);
  });
});

describe("a service that is away", () => {
  test("leaves the old keys in use for keysStaleMs, and then there are none", async () => {
    const { url, at } = await keysAt(() => keysOf("a"));
    const { kids, time, events } = setOf(url);
    await kids("a");
    at.answer = () => [500, ""];
    time.now += 109_000;
    assertEquals(await kids("a"), ["a"]);
    await until(() => events.length === 1, "the owner is told");
    time.now += 2_000;
    assertEquals(await kids("a"), []);
    at.answer = () => keysOf("a");
    time.now += 1_000;
    assertEquals(await kids("a"), ["a"]);
  });

  test("that stalls holds up no token whose key is there, and each other one for keysTimeoutMs", async () => {
    const { url, at } = await keysAt(() => keysOf("a"));
    const { kids, time, events } = setOf(url, { keysTimeoutMs: 2_000 });
    await kids("a");
    at.answer = () => undefined;
    time.now += 10_000;
    assertEquals(await kids("a"), ["a"]);
    assertEquals(await kids("forged"), ["a"]);
    assertEquals(events.map(({ fields }) => fields["why"]), ["no answer in 2000 ms"]);
  });
});

describe("a service that lies", () => {
  const lies: readonly (readonly [string, Answer])[] = [
    ["HTML", [200, "<html>keys</html>"]],
    ["an error", [404, "{}"]],
    ["no keys", [200, '{"keys":[]}']],
    ["keys that are no array", [200, '{"keys":7}']],
    ["null", [200, "null"]],
    ["null in the array", [200, '{"keys":[null,7,"x"]}']],
    ["secrets, as if they were public", [200, '{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"a"}]}']],
    ["keys for encryption", [200, '{"keys":[{"kty":"RSA","n":"AQ","e":"AQ","use":"enc"}]}']],
    ["more than anybody needs", [200, `{"keys":[${" ".repeat(300_000)}]}`]],
  ];
  for (const [what, answer] of lies) {
    test(`${what}: the old keys stay`, async () => {
      const { url, at } = await keysAt(() => keysOf("a"));
      const { kids, time, events } = setOf(url);
      await kids();
      at.answer = () => answer;
      time.now += 10_000;
      await kids("b");
      assertEquals([await kids(), events.length], [["a"], 1]);
    });
  }

  test("a redirection is not followed", async () => {
    const other = await keysAt(() => keysOf("evil"));
    const one = await service((_, response) => {
      response.writeHead(302, { location: other.url }).end();
      return undefined;
    });
    closes.push(one.close);
    const { kids } = setOf(one.url);
    assertEquals([await kids(), other.served.length], [[], 0]);
  });
});

test("OpenID: the issuer says where its keys are, and no other issuer's word counts", async () => {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk: JWK = { ...await exportJWK(publicKey), kid: "k" };
  const provider = await keysAt(() => undefined);
  const issuer = provider.url;
  const said = { issuer, jwks_uri: `${provider.url}/keys` };
  provider.at.answer = ({ path }) =>
    path === "/keys"
      ? [200, JSON.stringify({ keys: [jwk] })]
      : path === "/.well-known/openid-configuration"
      ? [200, JSON.stringify(said)]
      : [404, ""];
  const token = await new SignJWT({ sub: "ann" }).setProtectedHeader({ alg: "ES256", kid: "k" })
    .setIssuer(issuer).setAudience("plumb").setExpirationTime("1h").sign(privateKey);
  const login = async () => {
    const { events, onEvent } = eventList();
    const link = await openTokenLink({ openId: true, issuer, audience: "plumb", onEvent });
    const { code } = await loginChain([link]).authenticate(loginRequest({ password: token }));
    return { code, why: events[0]?.fields["why"] };
  };
  assertEquals(await login(), { code: 0, why: undefined });
  said.issuer = "https://other.example";
  assert(String((await login()).why).includes("another issuer"));
  said.issuer = issuer;
  said.jwks_uri = "http://keys.example/";
  assert(String((await login()).why).includes("https://"));
});

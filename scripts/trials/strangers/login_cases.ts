/**
 * Attacks on who may come in: guessed passwords, forged tokens, services that lie or stall, PROXY headers of strangers.
 * Knows who has the right key; refuses to know how a link decides.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from "jose";
import { connect, joined, numbers } from "../attacks/bytes.ts";
import { Dice } from "../soak/dice.ts";
import { mutate } from "../soak/mutate.ts";
import type { StrangersCase } from "./case.ts";
import { type Answer, OWNER } from "./scene.ts";
import { addressOf, credentials, headerOf, type Strangers } from "./strangers.ts";

const HOUR_SECONDS = 3_600;
const now = () => Math.floor(Date.now() / 1000);
const text = (characters: string) => new TextEncoder().encode(characters);

/** Nobody is let in: each is told so, or closed. */
function assertRefused(codes: readonly (number | undefined)[]): string {
  const counts = new Map<string, number>();
  for (const code of codes) {
    assert(code !== 0);
    const name = code === undefined ? "closed" : `0x${code.toString(16)}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${name} ×${count}`).join(", ");
}

const GUESSES: StrangersCase = {
  id: "guesses",
  title:
    "guesses at passwords: of one user from one address and from as many, of many users from one, while the owner comes in",
  counts: [90, 3_000],
  async run(strangers, count) {
    const home = { from: "10.0.0.1" };
    await strangers.owner("behind a proxy", "owner-before", home);
    let guessed = 0;
    const guessing = strangers.attack.each(count, async (index) => {
      const [user, from] = [
        [OWNER, "10.5.0.1"],
        [OWNER, addressOf(6, index)],
        [`user-${index}`, "10.5.0.2"],
      ][index % 3] as [string, string];
      const code = await strangers.knock("behind a proxy", "guess", credentials(user, `guess ${index}`), {
        from,
      });
      guessed++;
      return code;
    });
    for (let round = 0; guessed < count && round < 20; round++) {
      await strangers.owner("behind a proxy", `owner-${round}`, home);
    }
    const codes = await guessing;
    await strangers.owner("behind a proxy", "owner-after", home);
    return `${assertRefused(codes)}; the owner came in all the while`;
  },
};

type Claims = Readonly<Record<string, unknown>>;
type Provider = Awaited<ReturnType<typeof makeProvider>>;
let provider: Promise<Provider> | undefined;

/** The same for all attacks of this process: the broker keeps its keys. */
function theProvider(): Promise<Provider> {
  return provider ??= makeProvider();
}

/** A provider with its key, a good token, and those of all who would like to be it. */
async function makeProvider() {
  const [rsa, other] = await Promise.all([0, 1].map(() => generateKeyPair("RS256", { extractable: true })));
  const jwk = { ...await exportJWK(rsa!.publicKey), kid: "a", alg: "RS256", use: "sig" };
  const payload = (more: Claims = {}): Claims => ({
    iss: "https://id.example",
    aud: "plumb",
    sub: "visitor",
    exp: now() + HOUR_SECONDS,
    ...more,
  });
  const signed = (more: Claims = {}, key = rsa!.privateKey, header: Record<string, unknown> = {}) =>
    new SignJWT(payload(more)).setProtectedHeader({ alg: "RS256", kid: "a", ...header }).sign(key);
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const unsigned = (alg: string) => `${part({ alg, kid: "a" })}.${part(payload())}.`;
  const mac = (secret: string | Uint8Array, hash = "256") => {
    const body = `${part({ alg: `HS${hash}`, kid: "a", typ: "JWT" })}.${part(payload())}`;
    return `${body}.${createHmac(`sha${hash}`, secret).update(body).digest("base64url")}`;
  };
  const good = await signed();
  const pem = await exportSPKI(rsa!.publicKey);
  const [head, , signature] = good.split(".");
  const own = await exportJWK(other!.publicKey);
  const forged: Record<string, string> = {
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg none with a signature": `${unsigned("none")}${signature}`,
    "no algorithm": unsigned(""),
    "HS256 with the public key in PEM": mac(pem),
    "HS256 with it without its last line feed": mac(pem.trim()),
    "HS512 with it": mac(pem, "512"),
    "HS256 with its JWK": mac(JSON.stringify(jwk)),
    "HS256 with its modulus": mac(Buffer.from(jwk.n!, "base64url")),
    "HS256 with nothing": mac(""),
    "expired": await signed({ exp: now() - HOUR_SECONDS }),
    "not yet valid": await signed({ nbf: now() + HOUR_SECONDS }),
    "without an end": await signed({ exp: undefined }),
    "of another issuer": await signed({ iss: "https://evil.example" }),
    "for another audience": await signed({ aud: "other" }),
    "signed by another key": await signed({}, other!.privateKey),
    "that brings its key": await signed({}, other!.privateKey, { jwk: own }),
    "that says where its key is": await signed({}, other!.privateKey, { jku: "http://127.0.0.1:1/keys" }),
    "with another content": `${head}.${part(payload({ sub: "ann" }))}.${signature}`,
    "cut": good.slice(0, -20),
    "twice": `${good}.${signature}`,
  };
  const keys = [200, JSON.stringify({ keys: [jwk] })] as const;
  return { keys, good, forged, unknown: await signed({}, undefined, { kid: "b" }) };
}

let forgers = 0;

/** A token as the password, or by AUTH, from an address that has never failed. */
class TokenDoor {
  readonly #strangers: Strangers;

  constructor(strangers: Strangers) {
    this.#strangers = strangers;
  }

  #way() {
    return { from: addressOf(4, ++forgers) };
  }

  async bad(token: string, byAuth = false): Promise<number | undefined> {
    const way = this.#way();
    const how = byAuth
      ? { properties: { authenticationMethod: "JWT", authenticationData: text(token) } }
      : credentials(`forger-${forgers}`, token);
    return await this.#strangers.knock("by token", "forger", how, way);
  }

  async good(token: string): Promise<void> {
    const one = await this.#strangers.enter(
      "by token",
      "visitor",
      credentials("visitor", token),
      this.#way(),
    );
    one.reset();
  }
}

const TOKENS: StrangersCase = {
  id: "tokens",
  title:
    "rounds of forged tokens: alg none, a public key as secret, expired, of another issuer, with another key",
  counts: [1, 100],
  async run(strangers, count) {
    const { keys, good, forged } = await theProvider();
    strangers.scene.answers.keys = () => keys;
    const door = new TokenDoor(strangers);
    await door.good(good);
    let refused = 0;
    for (const _ of numbers(count)) {
      for (const [what, token] of Object.entries(forged)) {
        for (const byAuth of [false, true]) {
          const code = await door.bad(token, byAuth);
          assert(code === 0x86 || code === 0x87, `${what}: ${code}`);
          refused++;
        }
      }
    }
    await door.good(good);
    return `${refused} refused, the right one accepted before and after`;
  },
};

const KEYS: StrangersCase = {
  id: "keys",
  title: "tokens while the service for keys lies (its set holds a secret, garbage, too much) and stalls",
  counts: [20, 1_000],
  async run(strangers, count) {
    const { keys, good, unknown } = await theProvider();
    const { answers } = strangers.scene;
    answers.keys = () => keys;
    const door = new TokenDoor(strangers);
    await door.good(good);
    const secret = Buffer.alloc(32, 7);
    const oct = { kty: "oct", k: secret.toString("base64url"), kid: "b", alg: "HS256" };
    const bySecret = await new SignJWT({ sub: "visitor", iss: "https://id.example", aud: "plumb" })
      .setProtectedHeader({ alg: "HS256", kid: "b" }).setExpirationTime("1h").sign(secret);
    const lies: readonly Answer[] = [
      [200, JSON.stringify({ keys: [oct] })],
      [200, "garbage"],
      [200, " ".repeat(2 ** 20)],
      [500, ""],
      undefined,
    ];
    const codes: (number | undefined)[] = [];
    for (const lie of lies) {
      let asked = 0;
      answers.keys = () => (asked++, lie);
      // A set that has been fetched just now is not fetched again: this many fail meanwhile.
      while (asked === 0) codes.push(await door.bad(unknown));
      codes.push(
        ...await strangers.attack.each(
          count,
          (index) => door.bad(index % 2 === 0 ? bySecret : unknown, index % 4 > 1),
        ),
      );
      await door.good(good);
    }
    answers.keys = () => keys;
    return `${assertRefused(codes)}; known keys went on`;
  },
};

const SILENCE: StrangersCase = {
  id: "silent service",
  title: "Clients whose login service never answers, while others come in elsewhere",
  counts: [60, 5_000],
  async run(strangers, count) {
    const { answers } = strangers.scene;
    const door = "by service";
    answers.login = () => [200, JSON.stringify({ result: "accept" })];
    (await strangers.enter(door, "served", credentials("served"), { from: addressOf(2, 0) })).reset();
    answers.login = () => undefined;
    let left = count;
    const knocking = strangers.attack.each(count, async (index) => {
      const way = { from: addressOf(2, 1 + index) };
      const code = await strangers.knock(door, "unserved", credentials(`unserved-${index}`), way);
      left--;
      return code;
    });
    for (let round = 0; left > 0 && round < 20; round++) {
      await strangers.owner("behind a proxy", `owner-beside-${round}`, { from: "10.0.0.1" });
    }
    const codes = await knocking;
    assertEquals(codes.filter((code) => code !== 0x88 && code !== 0x89), []);
    return assertRefused(codes);
  },
};

/** A PROXY header of version 2. */
function binaryHeader(address: string): Uint8Array {
  const parts = address.split(".").map(Number);
  return joined([
    text("\r\n\r\n\0\r\nQUIT\n"),
    Uint8Array.of(0x21, 0x11, 0, 12, ...parts, 127, 0, 0, 1, 0x9c, 0x40, 7, 0x5b),
  ]);
}

const HEADERS: StrangersCase = {
  id: "headers",
  title:
    "PROXY headers from strangers, who would like to be of this machine: directly, through a proxy, and broken ones",
  counts: [60, 6_000],
  async run(strangers, count) {
    const hello = connect("forger");
    // By a proxy that says so, Clients of this machine come in without a name: that is what a forger is after.
    const local = await strangers.enter("behind a proxy", "local", {}, { from: "::1" });
    local.reset();
    const forged = [text(headerOf("127.0.0.1")), binaryHeader("127.0.0.1"), text("PROXY UNKNOWN\r\n")];
    const codes = await strangers.attack.each(count, async (index) => {
      const dice = new Dice(index);
      const header = forged[index % forged.length]!;
      const isNear = index % 2 === 0;
      const one = await strangers.come(
        isNear ? "street" : "behind a proxy",
        isNear ? {} : { from: "10.3.0.1" },
      );
      await one.write(joined([index % 4 > 1 ? mutate([header], dice) : header, hello]));
      await one.until(() => one.over);
      assertEquals(one.unanswered, 0);
      return one.connack;
    });
    return assertRefused(codes);
  },
};

/** In the order of the table. */
export const LOGIN_CASES: readonly StrangersCase[] = [GUESSES, TOKENS, KEYS, SILENCE, HEADERS];

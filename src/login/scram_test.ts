/** §4.12, RFC 5802, RFC 7677 SCRAM: both sides prove themselves, and a user that is not there looks like one that is. @module */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import * as fc from "fast-check";
import { describe, test } from "node:test";
import type { Verdict } from "../broker/mod.ts";
import { encodeName, loginRequest, ScramClient, seenChain } from "../testing/login.ts";
import { doHashJob } from "./hash.ts";
import type { User } from "./password_lines.ts";
import { saslprep } from "./saslprep.ts";
import { scramLink, type ScramUsers } from "./scram.ts";
import { readClientFinal, readClientFirst, serverFirst } from "./scram_message.ts";
import { type Mechanism, MECHANISMS, type ScramKeys } from "./verifier.ts";

const ROUNDS = 4_096;

/** Users whose password is "pencil". */
async function usersOf(...names: string[]): Promise<ScramUsers> {
  const users = new Map<string, User>();
  for (const name of names) {
    const scram = new Map<Mechanism, ScramKeys>();
    for (const mechanism of MECHANISMS) {
      const one = {
        mechanism,
        rounds: ROUNDS,
        salt: new TextEncoder().encode(`salt of ${name}`.padEnd(16, ".").slice(-16)),
      };
      const keys = await doHashJob({ scram: one }, new TextEncoder().encode("pencil"));
      scram.set(mechanism, { ...one, ...keys as Pick<ScramKeys, "storedKey" | "serverKey"> });
    }
    users.set(name, { verifier: undefined, scram });
  }
  return { users, fakeSaltKey: new Uint8Array(32).fill(1) };
}

const file = await usersOf("user", "a=b,c");

function textOf({ authenticationData }: Verdict): string {
  return new TextDecoder().decode(authenticationData);
}

/** A login; `between` may change the Client's last message. */
function login(
  client: ScramClient,
  method: string,
  between: (final: string) => string = (final) => final,
  users: ScramUsers = file,
) {
  const { authenticate } = seenChain([scramLink(users)]);
  const challenge = authenticate(loginRequest({ method, data: client.first() })) as Verdict;
  if (challenge.code !== 0x18) return { challenge, verdict: challenge };
  const data = between(client.final(textOf(challenge)));
  const verdict = authenticate(
    loginRequest({ kind: "continue", method, data, state: challenge.state }),
  ) as Verdict;
  return { challenge, verdict };
}

describe("who has the password", () => {
  for (const method of MECHANISMS) {
    test(`[MQTT-4.12.0-5] is let in by ${method}, and the Server proves itself`, () => {
      const client = new ScramClient(method, "user", "pencil");
      const { verdict } = login(client, method);
      assertEquals([verdict.code, verdict.username], [0, "user"]);
      assert(client.isServer(textOf(verdict)));
    });
  }

  test("may have a name with a comma and an equals sign", () => {
    assertEquals(
      login(new ScramClient("SCRAM-SHA-256", "a=b,c", "pencil"), "SCRAM-SHA-256").verdict.username,
      "a=b,c",
    );
  });

  test("may say that it would bind the channel, if the Server could", () => {
    const client = new ScramClient("SCRAM-SHA-256", "user", "pencil", "nonce", "y,,");
    assertEquals(login(client, "SCRAM-SHA-256").verdict.code, 0);
  });

  test("may begin with an empty message, and anew (§4.12.1)", () => {
    const { authenticate } = seenChain([scramLink(file)]);
    const method = "SCRAM-SHA-512";
    const empty = authenticate(loginRequest({ method })) as Verdict;
    assertEquals([empty.code, empty.authenticationData?.length], [0x18, 0]);
    for (const kind of ["continue", "reauthenticate"] as const) {
      const client = new ScramClient(method, "user", "pencil");
      const isFirst = kind === "continue";
      const state = isFirst ? empty.state : undefined;
      const challenge = authenticate(
        loginRequest({ kind, method, data: client.first(), state, username: "user" }),
      ) as Verdict;
      const data = client.final(textOf(challenge));
      const last = loginRequest({ kind: "continue", method, data, state: challenge.state, username: "user" });
      assertEquals((authenticate(last) as Verdict).code, 0);
    }
  });
});

describe("nobody else is let in", () => {
  const method = "SCRAM-SHA-256";
  const client = () => new ScramClient(method, "user", "pencil");
  const forged: readonly (readonly [string, (final: string) => string])[] = [
    ["another proof", (final) => final.replace(/p=(.)/, (_, one) => `p=${one === "A" ? "B" : "A"}`)],
    ["a proof that is too short", (final) => final.replace(/p=.{4}/, "p=")],
    ["no proof", (final) => final.replace(/,p=.*/, "")],
    ["another nonce", (final) => final.replace(/,r=./, ",r=_")],
    ["another header", (final) => final.replace(/^c=[^,]+/, "c=eSws")],
    ["the first message again", () => client().first()],
    ["nothing", () => ""],
  ];
  for (const [what, change] of forged) {
    test(`with ${what}`, () => assertEquals(login(client(), method, change).verdict, { code: 0x87 }));
  }

  test("with a wrong password, or a name that is not there: the same answer, at the same step", () => {
    for (const [name, password] of [["user", "pen"], ["nobody", "pencil"], ["nobody", "pen"]] as const) {
      const { challenge, verdict } = login(new ScramClient(method, name, password), method);
      assertEquals([challenge.code, verdict], [0x18, { code: 0x87 }]);
    }
  });

  test("with channel binding, an extension that must be known, or the name of another user", () => {
    for (
      const first of [
        "p=tls-exporter,,n=user,r=x",
        "n,,m=x,n=user,r=x",
        "n,a=root,n=user,r=x",
        "n,,n=us=er,r=x",
        "n,,n=,r=x",
      ]
    ) {
      const { authenticate } = seenChain([scramLink(file)]);
      assertEquals(authenticate(loginRequest({ method, data: first })), { code: 0x87 });
    }
  });

  test("with what belongs to another exchange", () => {
    const { authenticate } = seenChain([scramLink(file)]);
    const [one, two] = [client(), client()].map((each) => {
      const challenge = authenticate(loginRequest({ method, data: each.first() })) as Verdict;
      return { state: challenge.state, data: each.final(textOf(challenge)) };
    });
    const mixed = loginRequest({ kind: "continue", method, data: one!.data, state: two!.state });
    assertEquals(authenticate(mixed), { code: 0x87 });
  });

  test("who is deleted in the middle", async () => {
    const users = new Map((await usersOf("user")).users);
    const { verdict } = login(client(), method, (final) => {
      users.delete("user");
      return final;
    }, { users, fakeSaltKey: undefined });
    assertEquals(verdict, { code: 0x87 });
  });

  test("with keys of another mechanism", () => {
    const users = new Map([["user", {
      verifier: undefined,
      scram: new Map([["SCRAM-SHA-512", file.users.get("user")!.scram.get("SCRAM-SHA-512")!]]),
    }]]);
    assertEquals(
      login(client(), method, undefined, { users: users as never, fakeSaltKey: undefined }).verdict,
      { code: 0x87 },
    );
  });
});

describe("a user that is not there", () => {
  const challengeOf = (name: string, users: ScramUsers = file, method: Mechanism = "SCRAM-SHA-256") => {
    const { challenge } = login(new ScramClient(method, name, "x"), method, undefined, users);
    const [, salt, rounds] = /,s=(.+),i=(\d+)$/.exec(textOf(challenge))!;
    return { salt, rounds: Number(rounds), bytes: atob(salt!).length };
  };

  test("has always the same salt, of the same length, and rounds as others have", () => {
    const first = challengeOf("nobody");
    assertEquals(challengeOf("nobody"), first);
    const { rounds, bytes } = challengeOf("user");
    assertEquals([first.rounds, first.bytes], [rounds, bytes]);
    assertNotEquals(challengeOf("other"), first);
    assertNotEquals(challengeOf("nobody", file, "SCRAM-SHA-512"), first);
  });

  test("keeps its salt when the broker starts anew, by the key in the file", async () => {
    assertEquals(challengeOf("nobody", await usersOf("somebody else")), challengeOf("nobody"));
  });

  test("has a salt without that key too", async () => {
    const users = { ...await usersOf("user"), fakeSaltKey: undefined };
    assertEquals(challengeOf("nobody", users).bytes, 16);
  });
});

describe("messages", () => {
  const name = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) =>
    !text.includes("\0") && text.isWellFormed()
  );
  const nonce = fc.stringMatching(/^[!-+\--~]{1,40}$/);
  const bytes = (text: string) => new TextEncoder().encode(text);

  test("a first message is read as it was written", () => {
    fc.assert(fc.property(name, nonce, (username, nonce) => {
      const text = `n,,n=${encodeName(username)},r=${nonce}`;
      assertEquals(readClientFirst(bytes(text)), { username, nonce, header: "n,,", bare: text.slice(3) });
    }));
  });

  test("a last message is read as it was written", () => {
    fc.assert(fc.property(nonce, fc.uint8Array({ minLength: 1, maxLength: 64 }), (nonce, proof) => {
      const withoutProof = `c=biws,r=${nonce}`;
      const text = `${withoutProof},p=${btoa(String.fromCharCode(...proof))}`;
      assertEquals(readClientFinal(bytes(text)), { header: "n,,", nonce, proof, withoutProof });
    }));
  });

  test("the Server's first message is what a Client reads", () => {
    fc.assert(fc.property(nonce, (nonce) => {
      assertEquals(serverFirst(nonce, bytes("salt"), 4096), `r=${nonce},s=c2FsdA==,i=4096`);
    }));
  });

  test("any bytes are a message or none, and no exception; no link lets them in", () => {
    const part = fc.constantFrom(
      "n,,",
      "y,,",
      "n=user",
      ",",
      "r=",
      "abc",
      "p=",
      "c=biws",
      "a=",
      "=2C",
      "=",
      "m=",
      "\0",
      "é",
    );
    const text = fc.array(part).map((parts) => bytes(parts.join("")));
    const { authenticate } = seenChain([scramLink(file)]);
    fc.assert(
      fc.property(fc.oneof(text, fc.uint8Array()), fc.oneof(text, fc.uint8Array()), (first, final) => {
        readClientFinal(first);
        const method = "SCRAM-SHA-256";
        const one = authenticate(loginRequest({ method, data: first })) as Verdict;
        assertNotEquals(one.code, 0);
        const two = authenticate(
          loginRequest({ kind: "continue", method, data: final, state: one.state }),
        ) as Verdict;
        assertNotEquals(two.code, 0);
      }),
    );
  });

  test("texts are brought to one form (RFC 4013)", () => {
    assertEquals(saslprep("I\u00adX"), "IX");
    assertEquals(saslprep("user"), "user");
    assertEquals(saslprep("\u00aa"), "a");
    assertEquals(saslprep("\u2168"), "IX");
    assertEquals(saslprep("\u00a0a"), " a");
    assertEquals([saslprep("\u0007"), saslprep("\ue000")], [undefined, undefined]);
  });
});

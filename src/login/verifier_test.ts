/** What is kept of passwords: forms of mosquitto and of ours, and lines that are none. @module */
import { assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { describe, test } from "node:test";
import { formatVerifier, MECHANISMS, parseVerifier, VerifierError } from "./verifier.ts";

const bytes = (least: number, most = least) => fc.uint8Array({ minLength: least, maxLength: most });
const plain = { noNullPrototype: true };
const verifier = fc.oneof(
  fc.record({
    scheme: fc.constant("argon2id" as const),
    memoryKib: fc.integer({ min: 128, max: 1024 * 1024 }),
    passes: fc.integer({ min: 1, max: 64 }),
    lanes: fc.integer({ min: 1, max: 16 }),
    salt: bytes(8, 64),
    digest: bytes(16, 64),
  }, plain),
  fc.record({ scheme: fc.constant("sha512" as const), salt: bytes(1, 64), digest: bytes(64) }, plain),
  fc.record({
    scheme: fc.constant("pbkdf2-sha512" as const),
    rounds: fc.integer({ min: 1, max: 10_000_000 }),
    salt: bytes(1, 256),
    digest: bytes(64),
  }, plain),
  fc.constantFrom(...MECHANISMS).chain((mechanism) => {
    const length = mechanism === "SCRAM-SHA-256" ? 32 : 64;
    return fc.record({
      mechanism: fc.constant(mechanism),
      rounds: fc.integer({ min: 4_096, max: 10_000_000 }),
      salt: bytes(8, 64),
      storedKey: bytes(length),
      serverKey: bytes(length),
    }, plain);
  }),
);

/** Written by mosquitto_passwd 2.0.11. */
const MOSQUITTO = {
  $7$:
    "$7$101$iTenWYAfHdlzopfq$uMCbFYcNM1fvo9rTof/cIkKK/wqycqSMQe3QhsVcMV6K3ZTEsSFjvlCMaC4m1nbCb2YHKrvUV+mCV9mj2QWqXA==",
  $6$:
    "$6$YwukpohgjIhbGUaC$Wjq3/74VCyly/SBSMEhhW99RZEX4yDqzLxh9xz5MSRc+XdV10SP4xTmg7WTBB5eSXpHuhCou9pExPkmZmVAjLA==",
};
const ARGON2ID =
  "$argon2id$v=19$m=19456,t=2,p=1$sWAUvyurnbxZs7dYxhrQRw$tuDw9c2cDGS+BAbR3+Yigg3sPp/t/IDdkuH4uSsLfdA";

test("what is written is read as it was", () => {
  fc.assert(fc.property(verifier, (one) => assertEquals(parseVerifier(formatVerifier(one)), one)));
});

test("mosquitto's lines are written again as they are", () => {
  for (const line of [MOSQUITTO.$6$, MOSQUITTO.$7$, ARGON2ID]) {
    assertEquals(formatVerifier(parseVerifier(line)), line);
  }
});

describe("no verifier", () => {
  const wrong: readonly (readonly [string, string])[] = [
    ["", "plumb passwd"],
    ["secret", "plumb passwd"],
    ["$5$a$b", "plumb passwd"],
    [ARGON2ID.replace("v=19", "v=16"), "v=19"],
    [ARGON2ID.replace("m=19456", "m=4194304"), "m is no whole number"],
    [ARGON2ID.replace("m=19456", "m=7"), "m is no whole number"],
    [ARGON2ID.replace("t=2", "t=0"), "t is no whole number"],
    [ARGON2ID.replace("p=1", "p=999"), "p is no whole number"],
    [ARGON2ID.replace(",p=1", ""), "without m="],
    [ARGON2ID.slice(0, 60), "digest"],
    [`${ARGON2ID}$AAAA`, "digest"],
    [ARGON2ID.replace("sWAU", "!!!!"), "salt"],
    [MOSQUITTO.$7$.replace("$101$", "$99999999999$"), "rounds"],
    [MOSQUITTO.$7$.slice(0, -8), "digest"],
    [MOSQUITTO.$6$.replace("Wjq3", "????"), "digest"],
    ["SCRAM-SHA-256$4095:AAAAAAAAAAA=$a:b", "rounds"],
    ["SCRAM-SHA-256$4096:AAAAAAAAAAA=$a:b", "stored key"],
  ];
  for (const [line, says] of wrong) {
    test(`${line.slice(0, 40)}: ${says}`, () =>
      void assertThrows(() => parseVerifier(line), VerifierError, says));
  }

  test("any other text is a VerifierError, and nothing of it is in the message", () => {
    const text = fc.oneof(
      fc.string(),
      fc.tuple(fc.constantFrom("$argon2id$", "$6$", "$7$", "SCRAM-SHA-512$"), fc.string()).map(([a, b]) =>
        a + b
      ),
      verifier.chain((one) => {
        const line = formatVerifier(one);
        return fc.tuple(fc.nat(line.length - 1), fc.string({ maxLength: 2 }))
          .map(([at, more]) => line.slice(0, at) + more + line.slice(at + 1));
      }),
    );
    fc.assert(fc.property(text, (line) => {
      try {
        parseVerifier(line);
      } catch (error) {
        if (!(error instanceof VerifierError)) throw error;
        const secret = line.split("$").at(-1)!;
        assertEquals(secret.length > 8 && error.message.includes(secret), false);
      }
    }));
  });
});

/** Passwords are hashed in threads: few at a time, few that wait, and none on the broker's thread. @module */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { after, describe, test } from "node:test";
import { eventList } from "../testing/login.ts";
import type { HashJob } from "./hash.ts";
import { HashPool } from "./hash_pool.ts";
import { type Argon2id, parseVerifier, type ScramKeys, type Verifier } from "./verifier.ts";

const pool = new HashPool({ hashesMax: 1 });
after(() => pool.close());

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function verify(line: string): HashJob {
  return { verify: parseVerifier(line) as Verifier };
}

/** Written by mosquitto_passwd 2.0.11, by `plumb passwd`, and by the reference program of argon2 (its cost is small, for the test). */
const LINES = [
  [
    "$7$101$iTenWYAfHdlzopfq$uMCbFYcNM1fvo9rTof/cIkKK/wqycqSMQe3QhsVcMV6K3ZTEsSFjvlCMaC4m1nbCb2YHKrvUV+mCV9mj2QWqXA==",
    "secret",
  ],
  [
    "$7$101$kqsNpCVVM8DptSFw$ibdWaI8xZK2ME89K9tuhyJlylwJC5YL9GsUAvls5fiAYDgRi4QKgKioTgxvnfZCa3gsRhyk0zrNhh8B1jTV/eQ==",
    "pässword",
  ],
  [
    "$6$YwukpohgjIhbGUaC$Wjq3/74VCyly/SBSMEhhW99RZEX4yDqzLxh9xz5MSRc+XdV10SP4xTmg7WTBB5eSXpHuhCou9pExPkmZmVAjLA==",
    "old",
  ],
  [
    "$argon2id$v=19$m=19456,t=2,p=1$sWAUvyurnbxZs7dYxhrQRw$tuDw9c2cDGS+BAbR3+Yigg3sPp/t/IDdkuH4uSsLfdA",
    "secret",
  ],
] as const;

describe("a thread", () => {
  for (const [line, password] of LINES) {
    test(`tells a right password from a wrong one: ${line.slice(0, 16)}`, async () => {
      assertEquals(await pool.do(verify(line), bytes(password)), true);
      for (const wrong of ["", `${password}x`, password.slice(1), password.toUpperCase()]) {
        assertEquals(await pool.do(verify(line), bytes(wrong)), false);
      }
    });
  }

  test("makes argon2id tags of the costs it is asked for", async () => {
    const cost: Omit<Argon2id, "digest"> = {
      scheme: "argon2id",
      memoryKib: 64,
      passes: 1,
      lanes: 2,
      salt: bytes("saltsalt"),
    };
    const digest = await pool.do({ argon2id: cost }, bytes("p")) as Uint8Array;
    assertEquals(digest.length, 32);
    assertEquals(await pool.do({ verify: { ...cost, digest } }, bytes("p")), true);
    assertEquals(await pool.do({ verify: { ...cost, passes: 2, digest } }, bytes("p")), false);
  });

  test("makes the keys of RFC 7677's example", async () => {
    const salt = new Uint8Array(Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64"));
    const scram = { mechanism: "SCRAM-SHA-256", rounds: 4096, salt } as const;
    const { storedKey, serverKey } = await pool.do({ scram }, bytes("pencil")) as Pick<
      ScramKeys,
      "storedKey" | "serverKey"
    >;
    assertEquals(Buffer.from(storedKey).toString("base64"), "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
    assertEquals(Buffer.from(serverKey).toString("base64"), "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
  });

  test("leaves the caller's password as it is", async () => {
    const password = bytes("secret");
    await pool.do(verify(LINES[0][0]), password);
    assertEquals(password, bytes("secret"));
  });

  test("that cannot do a job says so, and does the next", async () => {
    const broken = {
      scheme: "argon2id",
      memoryKib: 1,
      passes: 0,
      lanes: 0,
      salt: new Uint8Array(0),
      digest: new Uint8Array(0),
    };
    await assertRejects(
      () => pool.do({ verify: broken as Argon2id }, bytes("p")),
      Error,
      "could not be hashed",
    );
    assertEquals(await pool.do(verify(LINES[2][0]), bytes("old")), true);
  });
});

describe("limits", () => {
  test("hashesWaitingMax: undefined above it, told once", async () => {
    const { events, onEvent } = eventList();
    const small = new HashPool({ hashesMax: 1, hashesWaitingMax: 2, onEvent });
    const answers = Array.from({ length: 5 }, () => small.do(verify(LINES[2][0]), bytes("old")));
    assertEquals(small.waiting, 2);
    assertEquals(await Promise.all(answers), [true, true, true, undefined, undefined]);
    assertEquals(events.map(({ fields }) => fields["limit"]), ["hashesWaitingMax"]);
    await small.close();
  });

  test("hashWaitMs: what has waited too long is not hashed any more", async () => {
    let now = 0;
    const { events, onEvent } = eventList();
    const slow = new HashPool({ hashesMax: 1, hashWaitMs: 100, onEvent, clock: () => now });
    const first = slow.do(verify(LINES[2][0]), bytes("old"));
    const second = slow.do(verify(LINES[2][0]), bytes("old"));
    now = 101;
    assertEquals(await Promise.all([first, second]), [true, undefined]);
    assertEquals(events.map(({ fields }) => fields["limit"]), ["hashWaitMs"]);
    assertEquals(await slow.do(verify(LINES[2][0]), bytes("old")), true);
    await slow.close();
  });

  test("after close() nothing is hashed, and what waits is answered", async () => {
    const closed = new HashPool({ hashesMax: 1 });
    const begun = closed.do(verify(LINES[3][0]), bytes("secret"));
    const waiting = closed.do(verify(LINES[3][0]), bytes("secret"));
    await closed.close();
    assertEquals([await begun, await waiting, await closed.do(verify(LINES[0][0]), bytes("secret"))], [
      undefined,
      undefined,
      undefined,
    ]);
  });
});

test("a thread that cannot begin is an error, not a silence", async () => {
  const lost = new HashPool({ hashesMax: 1, worker: new URL("./no_such_worker.ts", import.meta.url) });
  const error = await assertRejects(() => lost.do(verify(LINES[0][0]), bytes("secret")), Error);
  assert(error.message.includes("thread"), error.message);
  await assertRejects(() => lost.do(verify(LINES[0][0]), bytes("secret")), Error);
  await lost.close();
});

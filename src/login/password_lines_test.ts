/** The lines of a password file: good ones count, whatever stands beside them. @module */
import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { describe, test } from "node:test";
import { fakeSaltKeyLine, faultOfName, hasUser, readPasswordLines, withUser } from "./password_lines.ts";
import { formatVerifier, parseVerifier } from "./verifier.ts";

const GOOD =
  "$argon2id$v=19$m=19456,t=2,p=1$sWAUvyurnbxZs7dYxhrQRw$tuDw9c2cDGS+BAbR3+Yigg3sPp/t/IDdkuH4uSsLfdA";
const OTHER = GOOD.replace("t=2", "t=3");
const SCRAM = `SCRAM-SHA-256$4096:AAAAAAAAAAA=$${"A".repeat(43)}=:${"A".repeat(43)}=`;

describe("reading", () => {
  test("comments, blank lines, CRLF, and a byte order mark", () => {
    const { users, faults } = readPasswordLines(`\ufeff# users\r\n\r\nann:${GOOD}\r\n  \nb c:${OTHER}`);
    assertEquals([[...users.keys()], faults], [["ann", "b c"], []]);
  });

  test("a bad line has its number and its reason, and the rest holds", () => {
    const { users, faults } = readPasswordLines(
      `ann:${GOOD}\nbob\n:${GOOD}\ncid:plain\nann:${OTHER}\ndan:${OTHER}\n`,
    );
    assertEquals([...users.keys()], ["ann", "dan"]);
    assertEquals(faults.map(({ line }) => line), [2, 3, 4, 5]);
    assertEquals(formatVerifier(users.get("ann")!.verifier!), GOOD);
  });

  test("a user has one line for passwords and one for each mechanism", () => {
    const { users, faults } = readPasswordLines(`ann:${SCRAM}\nann:${GOOD}\nann:${SCRAM}\n`);
    assertEquals(faults.map(({ line }) => line), [3]);
    assertEquals([...users.get("ann")!.scram.keys()], ["SCRAM-SHA-256"]);
    assert(users.get("ann")!.verifier !== undefined);
  });

  test("a verifier stays the same object as long as its line is the same", () => {
    const before = readPasswordLines(`ann:${GOOD}\nbob:${GOOD}\n`).users;
    const after = readPasswordLines(`bob:${OTHER}\nann:${GOOD}\n`, before).users;
    assert(after.get("ann")!.verifier === before.get("ann")!.verifier);
    assert(after.get("bob")!.verifier !== before.get("bob")!.verifier);
  });

  test("any text is read, and a good line in it counts", () => {
    const part = fc.constantFrom(
      "ann",
      ":",
      "\n",
      "\r\n",
      "#",
      "$6$",
      "$7$1$",
      GOOD,
      "\0",
      "\ufeff",
      " ",
      "é",
    );
    const noise = fc.array(part).map((parts) => parts.join("").replace(/^\ufeff+/, ""));
    fc.assert(fc.property(noise, noise, (before, after) => {
      const { users } = readPasswordLines(`${before}\nzed:${GOOD}\n${after}`);
      assertEquals(formatVerifier(users.get("zed")!.verifier!), GOOD);
    }));
  });

  test("the key of fake salts", () => {
    const key = new Uint8Array(32).fill(7);
    assertEquals(readPasswordLines(`${fakeSaltKeyLine(key)}\nann:${GOOD}`).fakeSaltKey, key);
  });
});

describe("writing", () => {
  const name = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) =>
    faultOfName(text) === undefined
  );

  test("only the lines of the user change", () => {
    const text = `# a\nann:${GOOD}\nbob:${GOOD}\nann:${SCRAM}\n`;
    assertEquals(withUser(text, "ann", [parseVerifier(OTHER)]), `# a\nann:${OTHER}\nbob:${GOOD}\n`);
    assertEquals(withUser(text, "cid", [parseVerifier(OTHER)]), `${text}cid:${OTHER}\n`);
    assertEquals(withUser(text, "ann", []), `# a\nbob:${GOOD}\n`);
    assertEquals(withUser("", "ann", [parseVerifier(GOOD)]), `ann:${GOOD}\n`);
    assertEquals([hasUser(text, "ann"), hasUser(text, "an")], [true, false]);
  });

  test("a name without a fault is read back", () => {
    fc.assert(fc.property(name, (user) => {
      const { users, faults } = readPasswordLines(withUser("", user, [parseVerifier(GOOD)]));
      assertEquals([[...users.keys()], faults], [[user], []]);
    }));
  });

  test("names that would be another line are faults", () => {
    for (const wrong of ["", "a:b", "#a", "a\nb", "a\rb", "\u0000", " a", "a ", "\ud800"]) {
      assert(faultOfName(wrong) !== undefined, JSON.stringify(wrong));
    }
  });
});

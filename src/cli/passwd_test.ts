/** `plumb passwd`: users set, checked and deleted, and nothing of a password where it may not be. @module */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { patient } from "../testing/patience.ts";
import { type Outcome, startPlumb } from "../testing/plumb_process.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-passwd-"));
after(() => rmSync(folder, { recursive: true }));
let files = 0;
const fresh = () => join(folder, `passwords-${++files}`);

/** Calls it with this on stdin. */
function passwd(input: string, ...args: string[]): Promise<Outcome> {
  const child = startPlumb(["passwd", ...args]);
  const said = { out: "", err: "" };
  child.stdout!.setEncoding("utf8").on("data", (text: string) => said.out += text);
  child.stderr!.setEncoding("utf8").on("data", (text: string) => said.err += text);
  child.stdin!.on("error", () => {}).end(input); // it may have ended before
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, ...said })));
}

describe("plumb passwd", () => {
  test("adds, checks, changes and deletes a user", patient, async () => {
    const file = fresh();
    assertEquals(await passwd("secret\n", file, "ann"), {
      status: 0,
      out: `${file}: user "ann" added\n`,
      err: "",
    });
    assertEquals(statSync(file).mode & 0o777, 0o600);
    assertMatch(readFileSync(file, "utf8"), /^ann:\$argon2id\$v=19\$m=19456,t=2,p=1\$[^$]+\$[^$]+\n$/);
    assertEquals((await passwd("secret\r\n", file, "ann", "--check")).status, 0);
    assertEquals((await passwd("Secret\n", file, "ann", "--check")).status, 1);
    const wrong = await passwd("secret\n", file, "bob", "--check");
    assertEquals([wrong.status, wrong.out], [1, "no such user, or another password\n"]);
    assertEquals((await passwd("other", file, "ann")).out, `${file}: user "ann" changed\n`);
    assertEquals((await passwd("other\n", "--check", file, "ann")).status, 0);
    assertEquals(await passwd("", "--delete", file, "ann"), {
      status: 0,
      out: `${file}: user "ann" deleted\n`,
      err: "",
    });
    assertEquals(readFileSync(file, "utf8"), "");
  });

  test("knows a user whose line an editor has put a byte order mark before", patient, async () => {
    const file = fresh();
    writeFileSync(file, "\ufeffann:$6$c2FsdA==$x\n");
    assertEquals((await passwd("", "--delete", file, "ann")).status, 0);
    assertEquals(readFileSync(file, "utf8"), "");
  });

  test("--scram adds a line for each mechanism, and a new password changes them too", patient, async () => {
    const file = fresh();
    await passwd("secret\n", file, "ann", "--scram");
    const before = readFileSync(file, "utf8");
    const lines = before.split("\n").map((line) =>
      line.slice(0, line.search(/[$]./) + 3).replace(/=.*|\d+$/, "")
    );
    assertMatch(
      before,
      /^#fake-salt-key:[^\n]{44}\nann:\$argon2id\$.*\nann:SCRAM-SHA-512\$.*\nann:SCRAM-SHA-256\$.*\n$/,
      lines.join(),
    );
    await passwd("other\n", file, "ann");
    const after = readFileSync(file, "utf8");
    const scram = (text: string) => text.split("\n").filter((line) => line.includes("SCRAM"));
    assertEquals(scram(after).length, 2);
    assert(scram(after).every((line) => !scram(before).includes(line)));
    assertEquals(after.split("\n")[0], before.split("\n")[0]);
  });

  test("leaves other lines as they are, and a link a link", patient, async () => {
    const [file, link] = [fresh(), fresh()];
    writeFileSync(file, "# ours\nbob:$6$old\nann:broken\n");
    chmodSync(file, 0o644);
    symlinkSync(file, link);
    await passwd("secret\n", link, "ann");
    assertMatch(readFileSync(file, "utf8"), /^# ours\nbob:\$6\$old\nann:\$argon2id\$[^\n]*\n$/);
    assertEquals([
      statSync(file).mode & 0o777,
      readdirSync(folder).filter((name) => /[0-9a-f]{12}$/.test(name)),
    ], [0o600, []]);
  });

  test("checks what mosquitto_passwd has written", patient, async () => {
    const file = fresh();
    const line =
      "$7$101$iTenWYAfHdlzopfq$uMCbFYcNM1fvo9rTof/cIkKK/wqycqSMQe3QhsVcMV6K3ZTEsSFjvlCMaC4m1nbCb2YHKrvUV+mCV9mj2QWqXA==";
    writeFileSync(file, `alice:${line}\n`);
    assertEquals((await passwd("secret\n", "--check", file, "alice")).status, 0);
    assertEquals((await passwd("wrong\n", "--check", file, "alice")).status, 1);
  });

  test("says in one line what is wrong, with status 2, and writes nothing", patient, async () => {
    const file = fresh();
    const wrong: readonly (readonly [string, string[], RegExp])[] = [
      ["x\n", [], /plumb passwd FILE USER/],
      ["x\n", [file], /plumb passwd FILE USER/],
      ["x\n", [file, "a", "b"], /unexpected argument "b"/],
      ["x\n", [file, "a:b"], /a colon in the user name/],
      ["x\n", [file, "a\nb"], /control character/],
      ["\n", [file, "ann"], /password is empty/],
      ["", [file, "ann"], /password is empty/],
      ["a\u0007b\n", [file, "ann", "--scram"], /characters that SCRAM does not take/],
      ["x\n", [file, "ann", "--check"], /is not there/],
      ["", [file, "ann", "--delete"], /is not there/],
      ["x\n", [file, "ann", "--delete", "--check"], /--delete goes alone/],
      ["x\n", [join(folder, "none", "file"), "ann"], /cannot be written/],
      ["x\n", [folder, "ann"], /cannot be read/],
      ["x\n", [file, "ann", "--pasword", "x"], /unknown flag --pasword/],
    ];
    for (const [input, args, says] of wrong) {
      const { status, out, err } = await passwd(input, ...args);
      assertEquals([status, out, err.split("\n").length], [2, "", 2], `${args.join(" ")}: ${err}`);
      assertMatch(err, says);
    }
    assertEquals(readdirSync(folder).includes(file), false);
  });

  test("--help says how it is called", patient, async () => {
    const { status, out } = await passwd("", "--help");
    assertEquals(status, 0);
    for (const word of ["--delete", "--check", "--scram", "FILE USER"]) assert(out.includes(word), word);
  });

  const hasTerminal = spawnSync("script", ["--version"]).status === 0;
  test(
    "on a terminal it asks twice, and shows nothing of the answer",
    { ...patient, skip: !hasTerminal },
    async () => {
      const file = fresh();
      const main = fileURLToPath(new URL("./main.ts", import.meta.url));
      const before = "Deno" in globalThis ? ["run", "-A", "--no-check", main] : [main];
      const command = [process.execPath, ...before, "passwd", file, "ann"].map((word) => `'${word}'`).join(
        " ",
      );
      const child = spawn("script", ["-qec", command, "/dev/null"]);
      let said = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        const before = said;
        said += text;
        for (const question of ["New password", "Once more"]) { // typed when it is asked for, with a slip
          if (said.includes(question) && !before.includes(question)) {
            child.stdin.write("geheimXX\x7f\x7f äß\r");
          }
        }
      });
      const status = await new Promise((resolve) => child.on("close", resolve));
      assertEquals(status, 0, said);
      assert(!said.includes("geheim") && !said.includes("ä"), said);
      assertEquals((await passwd("geheim äß\n", "--check", file, "ann")).status, 0);
    },
  );
});

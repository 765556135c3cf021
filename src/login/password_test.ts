/** §3.1.3.5, §3.1.3.6 User name and password: what is right, what it costs, and that unknown and wrong look the same. @module */
import { assert, assertEquals } from "@std/assert";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { eventList, loginRequest, seenChain } from "../testing/login.ts";
import { until } from "../testing/patience.ts";
import type { HashJob } from "./hash.ts";
import { HashPool } from "./hash_pool.ts";
import { passwordLink, type PasswordOptions } from "./password.ts";
import { PasswordFile } from "./password_file.ts";
import { readPasswordLines } from "./password_lines.ts";

/** Passwords are "secret"; the costs differ. */
const LINES = {
  argon2id:
    "$argon2id$v=19$m=19456,t=2,p=1$sWAUvyurnbxZs7dYxhrQRw$tuDw9c2cDGS+BAbR3+Yigg3sPp/t/IDdkuH4uSsLfdA",
  mosquitto:
    "$7$101$iTenWYAfHdlzopfq$uMCbFYcNM1fvo9rTof/cIkKK/wqycqSMQe3QhsVcMV6K3ZTEsSFjvlCMaC4m1nbCb2YHKrvUV+mCV9mj2QWqXA==",
};
const folder = mkdtempSync(join(tmpdir(), "plumb-login-"));
after(() => rmSync(folder, { recursive: true }));

/** A pool that hashes nothing: "secret" is right where a verifier is of the file. It keeps the jobs. */
class FakePool extends HashPool {
  readonly jobs: HashJob[] = [];
  isBusy = false;

  override do(job: HashJob, password: Uint8Array): Promise<boolean | undefined> {
    this.jobs.push(job);
    if (this.isBusy) return Promise.resolve(undefined);
    const isOfFile = "verify" in job && /sWAUvy|iTenWY/.test(btoa(String.fromCharCode(...job.verify.salt)));
    return Promise.resolve(isOfFile && new TextDecoder().decode(password) === "secret");
  }
}

function setup(text: string, options: PasswordOptions = {}) {
  const file = { users: readPasswordLines(text).users };
  const pool = new FakePool();
  const { authenticate } = seenChain([passwordLink(file, pool, options)], { failedLoginsPerAddressMax: 0 });
  const login = (username: string, password: string) => authenticate(loginRequest({ username, password }));
  return { file, pool, login };
}

/** What a job costs: everything but salt and digest, and their lengths. */
function costOf(job: HashJob | undefined): unknown {
  assert(job !== undefined && "verify" in job);
  const { salt, digest, ...cost } = job.verify;
  return { ...cost, salt: salt.length, digest: digest.length };
}

describe("an unknown user and a wrong password", () => {
  test("get the same answer, for the same work", async () => {
    for (const line of Object.values(LINES)) {
      const { pool, login } = setup(`ann:${line}\n`);
      assertEquals(await login("ann", "wrong"), { code: 0x86 });
      assertEquals(await login("nobody", "wrong"), { code: 0x86 });
      assertEquals(await login("nobody", "secret"), { code: 0x86 });
      assertEquals(pool.jobs.length, 3);
      const [known, ...unknown] = pool.jobs.map(costOf);
      assertEquals(unknown, [known, known]);
    }
  });

  test("a name that is not there costs always the same, and all forms of the file occur", async () => {
    const { pool, login } = setup(`ann:${LINES.argon2id}\nbob:${LINES.mosquitto}\n`);
    const seen = new Set<unknown>();
    for (let i = 0; i < 64; i++) {
      for (let again = 0; again < 2; again++) await login(`nobody ${i}`, `${again}`);
      const [first, second] = pool.jobs.splice(0).map(costOf);
      assertEquals(first, second);
      seen.add(JSON.stringify(first));
    }
    assertEquals(seen.size, 2);
  });

  test("with an empty file it costs what plumb passwd would make", async () => {
    const { pool, login } = setup("");
    assertEquals(await login("nobody", "x"), { code: 0x86 });
    assertEquals(costOf(pool.jobs[0]), {
      scheme: "argon2id",
      memoryKib: 19_456,
      passes: 2,
      lanes: 1,
      salt: 16,
      digest: 32,
    });
  });

  test("the next link is asked after both", async () => {
    const { users } = readPasswordLines(`ann:${LINES.argon2id}\n`);
    const asked: (string | undefined)[] = [];
    const { authenticate } = seenChain([
      passwordLink({ users }, new FakePool()),
      ({ username }) => void asked.push(username),
    ]);
    for (const username of ["ann", "nobody"]) {
      await authenticate(loginRequest({ username, password: "wrong" }));
    }
    assertEquals(asked, ["ann", "nobody"]);
  });

  test("a user with a line for SCRAM alone has no password here", async () => {
    const scram = `SCRAM-SHA-256$4096:AAAAAAAAAAA=$${"A".repeat(43)}=:${"A".repeat(43)}=`;
    const { pool, login } = setup(`ann:${scram}\n`);
    assertEquals([await login("ann", "x"), pool.jobs.length], [{ code: 0x86 }, 1]);
  });
});

test("too many hashes wait: 0x89, for both", async () => {
  const { pool, login } = setup(`ann:${LINES.argon2id}\n`);
  pool.isBusy = true;
  assertEquals([await login("ann", "secret"), await login("nobody", "x")], [{ code: 0x89 }, { code: 0x89 }]);
});

test("without a name, a password, or with a method, it is not asked", () => {
  const pool = new FakePool();
  const { ask } = passwordLink({ users: new Map() }, pool);
  for (
    const given of [{}, { username: "u" }, { password: "p" }, { username: "u", password: "p", method: "m" }]
  ) {
    assertEquals(ask(loginRequest(given)), undefined);
  }
  assertEquals(pool.jobs, []);
});

describe("a right password is remembered", () => {
  test("and not hashed again, but no other one, nor for another user", async () => {
    const { pool, login } = setup(`ann:${LINES.argon2id}\nbob:${LINES.mosquitto}\n`);
    assertEquals(await login("ann", "secret"), { code: 0, username: "ann" });
    assertEquals(login("ann", "secret"), { code: 0, username: "ann" }); // at once
    assertEquals(pool.jobs.length, 1);
    await login("ann", "wrong");
    await login("bob", "secret");
    assertEquals(pool.jobs.length, 3);
  });

  test("and known while the chain is full of guesses", async () => {
    const { users } = readPasswordLines(`ann:${LINES.argon2id}\n`);
    const pool = new FakePool();
    const { authenticate } = seenChain([passwordLink({ users }, pool)], { loginsWaitingMax: 1 });
    const login = (password: string) => authenticate(loginRequest({ username: "ann", password }));
    await login("secret");
    const guess = login("guess");
    assertEquals([login("secret"), login("other")], [{ code: 0, username: "ann" }, { code: 0x89 }]);
    await guess;
  });

  test("until its line changes, or goes", async () => {
    const { file, pool, login } = setup(`ann:${LINES.argon2id}\n`);
    await login("ann", "secret");
    file.users = readPasswordLines(`ann:${LINES.argon2id}\nbob:${LINES.mosquitto}\n`, file.users).users;
    assertEquals(login("ann", "secret"), { code: 0, username: "ann" });
    file.users = readPasswordLines(`ann:${LINES.argon2id.replace("t=2", "t=3")}\n`, file.users).users;
    await login("ann", "secret");
    assertEquals(pool.jobs.length, 2);
    file.users = new Map();
    assertEquals(await login("ann", "secret"), { code: 0x86 });
  });

  test("no longer than rememberedMs, and no more than rememberedMax; 0 is never", async () => {
    for (const options of [{ rememberedMax: 0 }, { rememberedMs: 0 }]) {
      const { pool, login } = setup(`ann:${LINES.argon2id}\n`, options);
      for (let i = 0; i < 3; i++) await login("ann", "secret");
      assertEquals(pool.jobs.length, 3);
    }
    const { pool, login } = setup(`ann:${LINES.argon2id}\nbob:${LINES.mosquitto}\n`, { rememberedMax: 1 });
    for (const name of ["ann", "bob", "bob", "ann"]) await login(name, "secret");
    assertEquals(pool.jobs.length, 3);
  });

  test("a user who is deleted while the password is hashed is not let in", async () => {
    const { file, login } = setup(`ann:${LINES.argon2id}\n`);
    const later = login("ann", "secret");
    file.users = new Map();
    assertEquals(await later, { code: 0x86 });
  });
});

describe("a wrong password is remembered", () => {
  test("and not hashed again, nor is that of a user who is not there: both are forgotten when the file changes", async () => {
    const { file, pool, login } = setup(`ann:${LINES.argon2id}\nbob:${LINES.mosquitto}\n`);
    for (let again = 0; again < 2; again++) {
      for (const name of ["ann", "nobody"]) {
        assertEquals(await login(name, "wrong"), { code: 0x86 });
        assertEquals(login(name, "wrong"), { code: 0x86 }); // at once
      }
      assertEquals(pool.jobs.length, 2 * (again + 1));
      file.users = readPasswordLines(`ann:${LINES.argon2id}\n`, file.users).users;
    }
  });

  test("and right as soon as the file says so", async () => {
    const { file, login } = setup("");
    assertEquals(await login("ann", "secret"), { code: 0x86 });
    file.users = readPasswordLines(`ann:${LINES.argon2id}\n`).users;
    assertEquals(await login("ann", "secret"), { code: 0, username: "ann" });
  });

  test("not if it could not be checked", async () => {
    const { pool, login } = setup(`ann:${LINES.argon2id}\n`);
    pool.isBusy = true;
    await login("ann", "secret");
    pool.isBusy = false;
    assertEquals(await login("ann", "secret"), { code: 0, username: "ann" });
  });
});

describe("the file", () => {
  const path = join(folder, "passwords");
  const write = (text: string) => {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  };

  test("is read again when it changes; a bad line has file and line; a file that is away changes nothing", async () => {
    const { events, onEvent } = eventList();
    write(`ann:${LINES.argon2id}\n`);
    const file = await PasswordFile.open(path, { pollMs: 1, onEvent });
    assertEquals([[...file.users.keys()], events], [["ann"], []]);
    write(`ann:${LINES.argon2id}\nbroken\nbob:${LINES.mosquitto}\n`);
    await until(() => file.users.has("bob"), "the new file is read");
    const fault = events.find(({ level }) => level === "error");
    assertEquals(fault?.fields["at"], `${path}:2`);
    rmSync(path);
    await until(() => events.some(({ message }) => message.includes("not read again")), "it is away");
    assertEquals([...file.users.keys()], ["ann", "bob"]);
    write(`cid:${LINES.argon2id}\n`);
    await until(() => file.users.has("cid"), "it is back");
    file.close();
  });

  test("is read by reload(), without being looked at", async () => {
    write(`ann:${LINES.argon2id}\n`);
    const file = await PasswordFile.open(path, { pollMs: 0 });
    write(`bob:${LINES.mosquitto}\n`);
    assertEquals([...file.users.keys()], ["ann"]);
    await file.reload();
    assertEquals([...file.users.keys()], ["bob"]);
    file.close();
  });

  test("is warned of if all users of the machine can read it", async () => {
    for (const [mode, warnings] of [[0o600, 0], [0o640, 0], [0o644, 1]] as const) {
      const { events, onEvent } = eventList();
      const open = join(folder, `mode-${mode}`);
      writeFileSync(open, "", { mode });
      (await PasswordFile.open(open, { pollMs: 0, onEvent })).close();
      assertEquals(events.length, warnings);
    }
  });
});

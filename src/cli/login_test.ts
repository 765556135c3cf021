/** `plumb serve` with a password file and `--anonymous`: real clients, a file that changes, and a log without secrets. @module */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { connectAsync } from "mqtt";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { patient, until } from "../testing/patience.ts";
import { type Outcome, plumb, startPlumb } from "../testing/plumb_process.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-login-"));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, "passwords");
/** Both passwords are "secret". */
const ANN =
  "ann:$argon2id$v=19$m=19456,t=2,p=1$sWAUvyurnbxZs7dYxhrQRw$tuDw9c2cDGS+BAbR3+Yigg3sPp/t/IDdkuH4uSsLfdA\n";
const BOB =
  "bob:$7$101$iTenWYAfHdlzopfq$uMCbFYcNM1fvo9rTof/cIkKK/wqycqSMQe3QhsVcMV6K3ZTEsSFjvlCMaC4m1nbCb2YHKrvUV+mCV9mj2QWqXA==\n";

function write(text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** A broker on this machine. */
async function broker(
  args: readonly string[],
  body: (port: number, log: () => string, pid: number) => Promise<void>,
): Promise<void> {
  const child = startPlumb(["-l", "127.0.0.1", "-p", "0", "--memory", ...args]);
  let log = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => log += text);
  const port = () => Number(/url=mqtt:\/\/127\.0\.0\.1:(\d+)/.exec(log)?.[1]);
  let isOver = false;
  child.on("close", () => isOver = true);
  try {
    await until(() => port() > 0 || isOver, "it listens");
    await body(port(), () => log, child.pid!);
  } finally {
    child.kill("SIGKILL");
    await until(() => isOver, "it has ended");
  }
}

/** The code of a CONNACK of 3.1.1: 0, 4 bad user name or password, 5 not authorized. */
async function code(port: number, username?: string, password?: string): Promise<number> {
  try {
    const options = {
      reconnectPeriod: 0,
      ...username !== undefined && { username },
      ...password !== undefined && { password },
    };
    await (await connectAsync(`mqtt://127.0.0.1:${port}`, options)).endAsync(true);
    return 0;
  } catch (error) {
    return (error as { code: number }).code;
  }
}

function mosquitto(port: number, ...args: string[]): Promise<Outcome> {
  const child = spawn("mosquitto_pub", ["-p", `${port}`, "-t", "t", "-m", "m", "-q", "1", ...args]);
  const said = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => said.out += text);
  child.stderr.setEncoding("utf8").on("data", (text: string) => said.err += text);
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, ...said })));
}

const hasMosquitto = spawnSync("mosquitto_pub", ["--help"]).error === undefined;

describe("plumb serve", () => {
  test("--password-file lets its users in, follows its changes, and logs no secret", patient, async () => {
    write(ANN);
    await broker(["--password-file", file], async (port, log, pid) => {
      assertEquals([
        await code(port, "ann", "secret"),
        await code(port, "ann", "wr0ng"),
        await code(port, "bob", "secret"),
      ], [0, 4, 4]);
      assertEquals(await code(port), 0); // on this machine without a name
      write(`${ANN}broken line\n${BOB}`);
      process.kill(pid, "SIGHUP");
      await until(() => log().includes("passwords:2"), "the bad line is told of");
      assertEquals([await code(port, "bob", "secret"), await code(port, "ann", "secret")], [0, 0]);
      write(BOB);
      process.kill(pid, "SIGHUP");
      await until(() => log().split('msg="file read again"').length === 3, "it is read again");
      assertEquals([await code(port, "ann", "secret"), await code(port, "bob", "secret")], [4, 0]);
      assertMatch(
        log(),
        /msg=refused client=\S+ user=ann peer=tcp:127\.0\.0\.1:\d+ code=0x86 rule=policy\/bad-credentials .* why="password file: wrong password"\n/,
      );
      assertEquals(log().split("wrong password").length, 2); // one line

      for (const secret of ["wr0ng", "secret", "argon2id", "sWAUvyurnbx", "broken line"]) {
        assert(!log().includes(secret), `${secret} in ${log()}`);
      }
    });
  });

  test("mosquitto_pub -u -P", { ...patient, skip: !hasMosquitto }, async () => {
    write(ANN + BOB);
    await broker(["--password-file", file, "--anonymous", "never"], async (port) => {
      for (const version of ["311", "5"]) {
        for (const user of ["ann", "bob"]) {
          assertEquals((await mosquitto(port, "-V", version, "-u", user, "-P", "secret")).status, 0);
        }
        const refusals = [];
        for (const [user, password] of [["ann", "wrong"], ["nobody", "secret"]] as const) {
          const { status, err } = await mosquitto(port, "-V", version, "-u", user, "-P", password);
          assert(status !== 0);
          refusals.push(err);
        }
        assertEquals(refusals[0], refusals[1]);
        assertMatch(refusals[0]!, /bad user name or password/i);
        assert((await mosquitto(port, "-V", version)).status !== 0);
      }
    });
  });

  test(
    "--user-sessions-max: one more is refused, and the log names the limit and the user once",
    patient,
    async () => {
      write(ANN + BOB);
      const args = ["--password-file", file, "--user-sessions-max", "1"];
      await broker(args, async (port, log) => {
        const options = { username: "ann", password: "secret", reconnectPeriod: 0 };
        const first = await connectAsync(`mqtt://127.0.0.1:${port}`, options);
        assertEquals([
          await code(port, "ann", "secret"),
          await code(port, "ann", "secret"),
          await code(port, "bob", "secret"),
          await code(port),
        ], [3, 3, 0, 0]);
        await until(() => log().includes("limit reached"), "the limit is named");
        assertEquals(log().match(/level=warn msg="limit reached" .*/g), [
          'level=warn msg="limit reached" limit=userSessionsMax who=ann',
        ]);
        assertEquals(log().match(/msg=refused .* rule=limit\/user-sessions/g)?.length, 1);
        await first.endAsync();
        await until(() => log().split("msg=disconnected").length === 4, "all have left");
        assertEquals(await code(port, "ann", "secret"), 0);
      });
    },
  );

  test("--anonymous never and always", patient, async () => {
    await broker(["--anonymous", "never"], async (port) => {
      assertEquals([await code(port), await code(port, "ann", "secret")], [5, 4]);
    });
    await broker(["--anonymous", "always"], async (port) => {
      assertEquals([await code(port), await code(port, "ann", "secret")], [0, 0]);
    });
  });

  test("without a file it takes away a name that nothing has proved", patient, async () => {
    await broker([], async (port, log) => {
      assertEquals(await code(port, "root", "x"), 0);
      await until(() => log().includes("msg=disconnected"), "both are logged");
      assert(!log().includes("user="));
    });
  });

  test("a file that cannot be read is told before anything begins, with status 2", patient, async () => {
    const { status, err } = await plumb(["--memory", "-p", "0", "--password-file", join(folder, "missing")]);
    assertEquals([status, err.split("\n").length], [2, 2]);
    assertMatch(err, /--password-file .*missing/);
    const choice = await plumb(["--anonymous", "sometimes"]);
    assertEquals([choice.status, choice.err], [
      2,
      'plumb: --anonymous takes loopback, never, always, not "sometimes"\n',
    ]);
  });
});

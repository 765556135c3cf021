/** What systemd is told: states, signs of life, and by which program. @module */
import { assert, assertEquals } from "@std/assert";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { patient, until } from "../testing/patience.ts";
import { startPlumb } from "../testing/plumb_process.ts";
import { workersOf } from "../testing/worker_processes.ts";
import { ServiceManager } from "./service_manager.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-service-"));
after(() => rmSync(folder, { recursive: true }));

function manager(variables: Readonly<Record<string, string>>) {
  const told: string[] = [];
  const lines: string[] = [];
  const log = { warn: (message: string) => void lines.push(message) };
  const made = new ServiceManager(
    log,
    (name) => variables[name],
    (states) => void told.push(states.join(" ")),
  );
  return { made, told };
}

describe("ServiceManager", () => {
  test("tells nothing where nobody asked for it", () => {
    const { made, told } = manager({ WATCHDOG_USEC: "1000" });
    made.ready("x");
    made.stopping();
    assertEquals(told, []);
  });

  test("tells when the broker is ready, and when it stops", () => {
    const { made, told } = manager({ NOTIFY_SOCKET: "/run/x" });
    made.ready("up");
    made.stopping();
    assertEquals(told, ["READY=1 STATUS=up", "STOPPING=1"]);
  });

  test("gives signs of life until it stops, if it is this process that is watched", patient, async () => {
    const socket = { NOTIFY_SOCKET: "/run/x", WATCHDOG_USEC: "6000" };
    const other = manager({ ...socket, WATCHDOG_PID: "1" });
    const own = manager({ ...socket, WATCHDOG_PID: String(process.pid) });
    other.made.ready("");
    own.made.ready("");
    await until(() => own.told.filter((state) => state === "WATCHDOG=1").length > 2, "signs of life");
    own.made.stopping();
    assertEquals(own.told.at(-1), "STOPPING=1");
    assertEquals(other.told.length, 1);
  });

  test("gives no sign of life that is denied", patient, async () => {
    const { made, told } = manager({ NOTIFY_SOCKET: "/run/x", WATCHDOG_USEC: "6000" });
    let asked = 0;
    made.ready("", () => ++asked > 3);
    await until(() => told.includes("WATCHDOG=1"), "a sign of life");
    assert(asked > 3);
    made.stopping();
  });
});

test("a broker with a worker that stands still gives no sign of life, and one again when that goes on", {
  ...patient,
  skip: process.platform !== "linux" && "elsewhere there is one process",
}, async () => {
  const file = join(folder, "told-by-workers");
  writeFileSync(join(folder, "systemd-notify"), `#!/bin/sh\necho "$@" >> ${file}\n`);
  chmodSync(join(folder, "systemd-notify"), 0o755);
  const child = startPlumb(["--workers", "2", "--memory", "-l", "127.0.0.1", "-p", "0"], {
    PATH: `${folder}:${process.env["PATH"]}`,
    NOTIFY_SOCKET: join(folder, "socket"),
    WATCHDOG_USEC: "600000",
  });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  try {
    const lines = () => existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
    const signs = () => lines().filter((line) => line === "WATCHDOG=1").length;
    await until(() => signs() > 1, () => lines().join());
    assert(/^READY=1 STATUS=listening on mqtt:\/\/127\.0\.0\.1:\d+$/.test(lines()[0]!), lines()[0]);
    assertEquals(lines().filter((line) => line.startsWith("READY")).length, 1);
    const [worker] = workersOf(child.pid!);
    process.kill(worker!, "SIGSTOP");
    // Signs that were on their way come to an end.
    let [count, looks] = [signs(), 0];
    await until(() => {
      if (signs() !== count) [count, looks] = [signs(), 0];
      return ++looks > 500;
    }, "no sign of life");
    process.kill(worker!, "SIGCONT");
    await until(() => signs() > count, "a sign of life");
  } finally {
    process.kill(child.pid!, "SIGTERM");
    await gone;
  }
});

test("a broker tells systemd by systemd-notify, ready once it listens", {
  ...patient,
  skip: process.platform === "win32" && "systemd is Linux's",
}, async () => {
  const file = join(folder, "told");
  writeFileSync(join(folder, "systemd-notify"), `#!/bin/sh\necho "$@" >> ${file}\n`);
  chmodSync(join(folder, "systemd-notify"), 0o755);
  const child = startPlumb(["--memory", "-l", "127.0.0.1", "-p", "0"], {
    PATH: `${folder}:${process.env["PATH"]}`,
    NOTIFY_SOCKET: join(folder, "socket"),
    WATCHDOG_USEC: "30000",
  });
  let said = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => said += text);
  const lines = () => existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
  await until(() => lines().filter((line) => line === "WATCHDOG=1").length > 1, () => `${lines()}; ${said}`);
  assert(/^READY=1 STATUS=listening on mqtt:\/\/127\.0\.0\.1:\d+$/.test(lines()[0]!), lines()[0]);
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await gone;
  await until(() => lines().includes("STOPPING=1"), () => lines().join());
});

/**
 * `tolerate` as its owner sets it: for one listener of two, shown in the log, taken away while the broker runs, and under audit.
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Buffer } from "node:buffer";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { TOLERANCES } from "../codec/mend.ts";
import { frame, utf8 } from "../testing/frame.ts";
import { patient, until } from "../testing/patience.ts";
import { plumb, startPlumb } from "../testing/plumb_process.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-tolerate-"));
after(() => rmSync(folder, { recursive: true }));

/** CONNECT at 3.1.1, a PUBLISH with DUP 1 and QoS 0, PINGREQ. */
const DEVICE = [
  ...frame(0x10, utf8("MQTT"), 4, 2, 0, 60, utf8("pump")),
  ...frame(0x38, utf8("t"), 1),
  ...frame(0xc0),
];
const NAMES = Object.keys(TOLERANCES);
const CONNACK = "20020000";
const PINGRESP = "d000";

/** What a device is sent until it has its PINGRESP, or is cut off. */
async function answers(port: number): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let came = "";
  let isOver = false;
  socket.on("data", (chunk: Buffer) => came += chunk.toString("hex"));
  socket.on("close", () => isOver = true);
  socket.on("error", () => {});
  socket.write(Uint8Array.from(DEVICE));
  try {
    await until(() => isOver || came.endsWith(PINGRESP), () => `it is answered; ${came}`);
    return came;
  } finally {
    socket.destroy();
  }
}

/** Two listeners, which only their ports tell apart; the second one has `more`. */
function settings(path: string, more: string): void {
  const listener = '[[listener]]\nurl = "mqtt://127.0.0.1:0"\n';
  writeFileSync(`${path}.new`, listener + listener + more);
  renameSync(`${path}.new`, path);
}

describe("tolerate", () => {
  test(
    "holds for its listener, is in the log from the start, and goes when the file says so",
    patient,
    async () => {
      const path = join(folder, "plumb.toml");
      settings(path, 'tolerate = ["dup-at-qos-0", "trailing-nul"]');
      const child = startPlumb(["--config", path, "--memory", "--anonymous", "always"], { NO_COLOR: "1" });
      let log = "";
      let isOver = false;
      child.stderr!.setEncoding("utf8").on("data", (text: string) => log += text);
      child.on("close", () => isOver = true);
      try {
        const tolerated =
          /msg="deviations from the standard are tolerated" url=mqtt:\/\/127\.0\.0\.1:(\d+) (.*)\n/;
        await until(() => tolerated.test(log) || isOver, () => log);
        const ports = [...log.matchAll(/msg=listening url=mqtt:\/\/127\.0\.0\.1:(\d+)/g)].map(([, port]) =>
          Number(port)
        );
        const [, lenient, names] = tolerated.exec(log)!;
        assertEquals([Number(lenient), names], [ports[1], 'tolerate="dup-at-qos-0 trailing-nul"']);
        assertEquals(log.match(/deviations from the standard/g)?.length, 1);
        assertEquals(await answers(ports[1]!), CONNACK + PINGRESP);
        assertEquals(await answers(ports[0]!), CONNACK);
        const ofDevice = /level=info msg=tolerated client=pump peer=tcp:127\.0\.0\.1:\d+ what=dup-at-qos-0\n/;
        await until(() => ofDevice.test(log) || isOver, () => log);

        const target = `mqtt://127.0.0.1:${ports[1]}`;
        const audit = ["audit", target, "--level", "4", "--only", "3.3.1/dup-at-qos-0"];
        const [strict, told] = await Promise.all([
          plumb(audit),
          plumb([...audit, "--tolerates", "dup-at-qos-0"]),
        ]);
        assertEquals([strict.status, told.status], [1, 0], told.out + told.err);
        assertMatch(told.out, /By option dup-at-qos-0: The connection was to be closed; it stayed open/);

        settings(path, "");
        process.kill(child.pid!, "SIGHUP");
        await until(() => log.includes('msg="configuration read again"') || isOver, () => log);
        assertEquals(await answers(ports[1]!), CONNACK);
        assert(!isOver, log);
      } finally {
        child.kill("SIGKILL");
        await until(() => isOver, "it has ended");
      }
    },
  );

  test("has a row in docs/secure.md for each name", () => {
    const page = readFileSync(new URL("../../docs/secure.md", import.meta.url), "utf8");
    const part = page.split("\n## ").find((one) => one.startsWith("Devices that cannot be mended\n"))!;
    assertEquals([...part.matchAll(/^\| `([a-z0-9-]+)`/gm)].map(([, name]) => name).sort(), NAMES);
  });

  test("of a name that is none is a wrong call, in a flag and in a file", patient, async () => {
    const names = NAMES.join(", ");
    const flag = await plumb(["--tolerate", "dup"]);
    assertEquals([flag.status, flag.err], [2, `plumb: --tolerate takes ${names}, not "dup"\n`]);
    const path = join(folder, "wrong.toml");
    writeFileSync(path, 'tolerate = ["dup-at-qos-0", "dup"]\n');
    const file = await plumb(["--config", path, "--check-config"]);
    assertEquals([file.status, file.err], [2, `plumb: ${path}:1:29: tolerate takes ${names}, not "dup"\n`]);
  });
});

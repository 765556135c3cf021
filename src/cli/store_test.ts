/**
 * `plumb serve` with a data directory, and `plumb backup`, `verify` and `compact`, as they are called.
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { connect, connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { plumb, startPlumb } from "../testing/plumb_process.ts";
import {
  contentsOf,
  digest,
  fill,
  inDirectory,
  overwrite,
  PAGE_BYTES,
  tamper,
} from "../testing/store_files.ts";
import { STORE_COMMANDS, storeHelp } from "./store.ts";
import { patient } from "../testing/patience.ts";

/** A broker on a data directory; its log at the end. */
async function broker(
  directory: string,
  body: (url: string) => Promise<void>,
  args: readonly string[] = [],
): Promise<string> {
  const child = startPlumb(["--data", directory, "--listen", "mqtt://127.0.0.1:0", ...args]);
  let log = "";
  const over = new Promise((resolve) => child.on("close", resolve));
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      log += text;
      const found = /url=(\S+)\n/.exec(log)?.[1];
      if (found !== undefined) resolve(found);
    });
    over.then(() => reject(new Error(`it has ended: ${log}`)));
  });
  try {
    await body(url);
  } finally {
    process.kill(child.pid!, "SIGTERM");
    await over;
  }
  return log;
}

/** Of a Client whose session stays. */
function kept(clientId: string): IClientOptions {
  const properties = { sessionExpiryInterval: 600 };
  return { clientId, protocolVersion: 5, clean: false, properties, reconnectPeriod: 0 };
}

function client(url: string, clientId: string, options: IClientOptions = {}): Promise<MqttClient> {
  return connectAsync(url, { ...kept(clientId), ...options });
}

describe("plumb serve with a data directory", () => {
  test("brings back what it kept", patient, () =>
    inDirectory(async (directory) => {
      const data = join(directory, "data");
      const first = await broker(data, async (url) => {
        const receiver = await client(url, "receiver");
        await receiver.subscribeAsync("a/#", { qos: 1 });
        await receiver.endAsync();
        const sender = await client(url, "sender");
        await sender.publishAsync("a/b", "waits", { qos: 1 });
        await sender.publishAsync("r", "stays", { qos: 1, retain: true });
        await sender.endAsync();
      });
      assertMatch(first, /level=info msg="store made" path=\S+plumb\.sqlite\n/);
      const second = await broker(data, async (url) => {
        const texts: string[] = [];
        const receiver = connect(url, kept("receiver"));
        const both = new Promise<void>((resolve) =>
          receiver.on("message", (topic, payload) => {
            texts.push(`${topic} ${payload}`);
            if (texts.length === 2) resolve();
          })
        );
        await receiver.subscribeAsync("r"); // what waits has come before
        await both;
        assertEquals(texts.sort(), ["a/b waits", "r stays"]);
        await receiver.endAsync();
      });
      assertMatch(second, /msg="store read" sessions=2 retained=1 ms=\d+\n/);
      assert(!second.includes("store made"));
    }));

  test("refuses a directory that another has, in one line", patient, () =>
    inDirectory(async (directory) => {
      await broker(directory, async () => {
        assertEquals(await plumb(["--data", directory, "-p", "0"]), {
          status: 2,
          out: "",
          err: `plumb: ${directory} is in use by another broker; choose another directory with --data\n`,
        });
        const { status, err } = await plumb(["compact", "--data", directory]);
        assertEquals([status, err], [2, `plumb: ${directory} is in use by another broker\n`]);
      });
    }));

  test(
    "sets a damaged store aside and says what was saved, or refuses it",
    patient,
    () =>
      inDirectory(async (directory) => {
        const path = await fill(directory);
        overwrite(path, [1]);
        const strict = await plumb(["--data", directory, "-p", "0", "--strict-store"]);
        assertEquals(strict, {
          status: 2,
          out: "",
          err:
            `plumb: ${path}: file is not a database; without --strict-store it is set aside, and all that can be read is saved\n`,
        });
        const log = await broker(directory, () => Promise.resolve());
        const { sessions, subscriptions, deliveries, retained } = contentsOf();
        assertMatch(
          log,
          /level=error msg="store damaged, set aside" path=\S+plumb\.sqlite to=(\S+damaged-\S+) why=/,
        );
        assert(log.includes(
          `sessions=${sessions} subscriptions=${subscriptions} deliveries=${deliveries} retained=${retained} unusable=0 mended=0\n`,
        ));
      }),
  );

  test(
    "says what to do when it cannot write, or should not",
    patient,
    () =>
      inDirectory(async (directory) => {
        const file = join(directory, "file");
        writeFileSync(file, "");
        const unwritable = await plumb(["--data", join(file, "data"), "-p", "0"]);
        assertEquals([unwritable.status, unwritable.out], [2, ""]);
        assertMatch(
          unwritable.err,
          /^plumb: [^\n]*file\/data: [^\n]*; choose another directory with --data, or --memory to go without\n$/,
        );
        const path = await fill(directory, { sessions: 1 });
        tamper(path, "PRAGMA user_version = 99");
        const newer = await plumb(["--data", directory, "-p", "0"]);
        assertEquals(newer.status, 2);
        assertMatch(
          newer.err,
          /^plumb: [^\n]*newer Plumb[^\n]*; run the version that wrote it, or [^\n]*\n$/,
        );
      }),
  );

  test("makes nothing when the call is wrong", patient, () =>
    inDirectory(async (directory) => {
      const data = join(directory, "data");
      const { status } = await plumb(["--data", data, "--listen", "coap://localhost"]);
      assertEquals([status, existsSync(data)], [2, false]);
    }));
});

describe("plumb backup", () => {
  test(
    "copies the data of a broker that goes on, and another starts with the copy",
    patient,
    () =>
      inDirectory(async (directory) => {
        const data = join(directory, "data");
        const file = join(directory, "copy");
        await broker(data, async (url) => {
          const receiver = await client(url, "receiver");
          await receiver.subscribeAsync("a", { qos: 1 });
          await receiver.endAsync();
          const sender = await client(url, "sender", { clean: true, properties: {} });
          await sender.publishAsync("a", "waits", { qos: 1 });
          const { status, out, err } = await plumb(["backup", file], { PLUMB_DATA: data });
          assertEquals([status, err], [0, ""]);
          const what = "1 session, 1 subscription, 1 message on their way, 0 retained messages";
          assertEquals(out, `${file}: ${what}, ${statSync(file).size} bytes\n`);

          const again = await plumb(["backup", "--data", data, file]);
          assertEquals(again, {
            status: 2,
            out: "",
            err: `plumb: ${file} is there already; --force replaces it\n`,
          });
          await sender.publishAsync("a", "waits too", { qos: 1 });
          const forced = await plumb(["backup", "--data", data, "--force", "--json", file]);
          assertEquals([forced.status, JSON.parse(forced.out).deliveries], [0, 2]);
          await sender.endAsync();
        });
        assertEquals(readdirSync(directory).sort(), ["copy", "data"]);
        const other = join(directory, "other");
        mkdirSync(other);
        renameSync(file, join(other, "plumb.sqlite"));
        const log = await broker(other, async (url) => {
          const receiver = await client(url, "receiver");
          await receiver.endAsync();
        });
        assertMatch(log, /msg=connected client=receiver .*session=present/);
      }),
  );

  test("needs to know where to", patient, () =>
    inDirectory(async (directory) => {
      await fill(directory, { sessions: 1 });
      const { status, err } = await plumb(["backup", "--data", directory]);
      assertEquals([status, err], [2, "plumb: say where to: plumb backup FILE\n"]);
    }));
});

describe("plumb export and import", () => {
  test(
    "bring the data of a broker that goes on to another one",
    patient,
    () =>
      inDirectory(async (directory) => {
        const [data, file, other] = ["data", "snapshot", "other"].map((name) => join(directory, name));
        await broker(data!, async (url) => {
          const receiver = await client(url, "receiver");
          await receiver.subscribeAsync("a", { qos: 1 });
          await receiver.endAsync();
          const sender = await client(url, "sender", { clean: true, properties: {} });
          await sender.publishAsync("a", "waits", { qos: 1 });
          await sender.endAsync();
          const { status, out, err } = await plumb(["export", file!], { PLUMB_DATA: data! });
          assertEquals([status, err], [0, ""]);
          const what = "1 session, 1 subscription, 1 message on their way, 0 retained messages";
          assertEquals(out, `${file}: ${what}, ${statSync(file!).size} bytes\n`);
          const again = await plumb(["export", "--data", data!, file!]);
          assertEquals([again.status, again.err], [
            2,
            `plumb: ${file} is there already; --force replaces it\n`,
          ]);
          const busy = await plumb(["import", "--data", data!, "--force", file!]);
          assertEquals([busy.status, busy.err], [2, `plumb: ${data} is in use by another broker\n`]);
        });
        const made = await plumb(["import", "--json", file!], { PLUMB_DATA: other! });
        assertEquals([made.status, made.err, JSON.parse(made.out).deliveries], [0, "", 1]);
        assertEquals(readdirSync(directory).sort(), ["data", "other", "snapshot"]);
        const log = await broker(other!, async (url) => {
          const receiver = connect(url, kept("receiver"));
          const text = await new Promise((resolve) =>
            receiver.on("message", (_, payload) => resolve(String(payload)))
          );
          assertEquals(text, "waits");
          await receiver.endAsync();
        });
        assertMatch(log, /msg=connected client=receiver .*session=present/);
      }),
  );

  test(
    "change nothing where there is data, unless it is to be replaced",
    patient,
    () =>
      inDirectory(async (directory) => {
        const path = await fill(directory, { sessions: 1 });
        const file = join(directory, "snapshot");
        await plumb(["export", "--data", directory, file]);
        tamper(path, "DELETE FROM retained");
        const before = digest(path);
        const { status, out, err } = await plumb(["import", "--data", directory, file]);
        assertEquals([status, out], [2, ""]);
        assertEquals(err, `plumb: ${path} is there already; --force replaces it\n`);
        assertEquals(digest(path), before);
        const forced = await plumb(["import", "--data", directory, "--force", file]);
        assertEquals([forced.status, forced.err], [0, ""]);
        assertMatch(
          (await plumb(["verify", "--data", directory])).out,
          /, 100 retained messages, \d+ bytes, sound\n$/,
        );
      }),
  );

  test(
    "refuse a file that is none, or damaged, in one line with status 2",
    patient,
    () =>
      inDirectory(async (directory) => {
        await fill(directory, { sessions: 2, retained: 2 });
        const [file, data] = [join(directory, "snapshot"), join(directory, "data")];
        await plumb(["export", "--data", directory, file]);
        const good = readFileSync(file);
        const bad: readonly (readonly [bytes: Uint8Array, said: string])[] = [
          [good.subarray(0, 1_000), `${file}: cut off at byte 1000`],
          [good.with(1_000, good[1_000]! ^ 1), `${file}: at byte 20: its bytes are not as they were written`],
          [good.with(11, 9), `${file}: a snapshot of another Plumb (its version is 9, and this one knows 1)`],
          [good.with(0, 0), `${file}: neither a mosquitto.conf nor a snapshot of plumb export`],
        ];
        for (const [bytes, said] of bad) {
          writeFileSync(file, bytes);
          const refused = await plumb(["import", "--data", data, file]);
          assertEquals(refused, { status: 2, out: "", err: `plumb: ${said}\n` });
          assertEquals(existsSync(data), false);
        }
      }),
  );
});

describe("plumb verify", () => {
  test("counts, and ends with 0 when all is well", patient, () =>
    inDirectory(async (directory) => {
      const path = await fill(directory, { sessions: 2, waiting: 3, retained: 1 });
      const { status, out, err } = await plumb(["verify", "--data", directory]);
      assertEquals([status, err], [0, ""]);
      assertEquals(
        out,
        `${path}: 2 sessions, 4 subscriptions, 16 messages on their way (10 of them wait), 1 retained message, ` +
          `${statSync(path).size} bytes, sound\n`,
      );
      const { sessions, faults, lines } = JSON.parse(
        (await plumb(["verify", "--json", "--data", directory])).out,
      );
      assertEquals([sessions, faults, lines], [2, 0, []]);
    }));

  test("names each fault in a line, and ends with 1", patient, () =>
    inDirectory(async (directory) => {
      const path = await fill(directory);
      tamper(
        path,
        "UPDATE delivery SET step = 2 WHERE id = 1",
        "UPDATE retained SET header = 54 WHERE topic = 'r/1'",
      );
      overwrite(path, [Math.floor(statSync(path).size / PAGE_BYTES / 2)]);
      const before = readFileSync(path);
      const { status, out } = await plumb(["verify", "--data", directory]);
      assertEquals(status, 1);
      assertMatch(out, /^delivery 1: its packet_id is 0 at step 2$/m);
      assertMatch(out, /^retained 2: PUBLISH with QoS 3$/m);
      assertMatch(out, /, \d+ faults\n$/);
      assertEquals(readFileSync(path), before);
    }));
});

describe("plumb compact", () => {
  test("says how large the file was, and is", patient, () =>
    inDirectory(async (directory) => {
      const path = await fill(directory);
      tamper(path, "DELETE FROM retained");
      const before = statSync(path).size;
      const { status, out, err } = await plumb(["compact", "--data", directory]);
      assertEquals([status, err], [0, ""]);
      assertEquals(out, `${path}: ${before} bytes before, ${statSync(path).size} bytes after\n`);
      assert(statSync(path).size < before);
    }));
});

for (const [name, { rows }] of Object.entries(STORE_COMMANDS)) {
  describe(`plumb ${name}`, () => {
    test(
      "refuses a directory without a store, and makes none, in one line with status 2",
      patient,
      () =>
        inDirectory(async (directory) => {
          const { status, out, err } = await plumb([
            name,
            "--data",
            directory,
            ...name === "backup" || name === "export" ? ["copy"] : [],
          ]);
          assertEquals([status, out], [2, ""]);
          assertEquals(err, `plumb: there is no store in ${directory}; --data says where\n`);
          assertEquals(readdirSync(directory), []);
        }),
    );

    test("has every flag in its help, whose lines fit", () => {
      const help = storeHelp(name);
      for (const row of rows) assert(help.includes(`--${row.name}`), row.name);
      assert(help.startsWith(`plumb ${name}`));
      for (const line of help.split("\n")) assert(line.length <= 120, line);
    });
  });
}

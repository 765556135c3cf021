/** `plumb acl test` and `plumb acl import`, and `plumb serve` with files of permissions, as they are called. @module */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { connectAsync } from "mqtt";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { patient } from "../testing/patience.ts";
import { plumb, startPlumb } from "../testing/plumb_process.ts";

const directory = mkdtempSync(join(tmpdir(), "plumb-acl-"));
after(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const OURS = file(
  "ours.toml",
  `[everyone]
allow = [
  { publish = "devices/%c/#", qos = 1, retain = false },
  { subscribe = ["a", "a/+/#"] },
]
[group.staff]
allow = [{ subscribe = "site/%{site}/#", share = ["%u"] }]
[user.bob]
deny = [{ publish = "devices/+/secret" }]
`,
);
const ACL = file(
  "acl",
  "topic read public/#\nuser bob\ntopic deny home/x\ntopic home/#\npattern write c/%c/#\n",
);

describe("plumb acl test", patient, () => {
  for (
    const [call, status, said] of [
      [["publish", "devices/client/a"], 0, `allowed: ${OURS}:3: allow publish devices/%c/#\n`],
      [["--client", "x", "publish", "devices/y"], 1, "not allowed (0x87): no rule allows it\n"],
      [
        ["--user", "bob", "publish", "devices/client/secret"],
        1,
        `not allowed (0x87): ${OURS}:9: deny publish devices/+/secret\n`,
      ],
      [
        ["--qos", "2", "publish", "devices/client/a"],
        1,
        `not allowed (0x87): the rules for this topic do not allow QoS 2\nnot allowed (0x87): ${OURS}:3: allow publish devices/%c/#\n`,
      ],
      [
        ["--retain", "publish", "devices/client/a"],
        1,
        `not allowed (0x87): the rules for this topic do not allow QoS 0 with RETAIN\nnot allowed (0x87): ${OURS}:3: allow publish devices/%c/#\n`,
      ],
      [
        ["subscribe", "a/#"],
        0,
        `allowed at QoS 0: ${OURS}:4: allow subscribe a\nallowed at QoS 0: ${OURS}:4: allow subscribe a/+/#\n`,
      ],
      [["subscribe", "+/b"], 1, "not allowed (0x87): no rule allows <any>/b, which it matches\n"],
      [["receive", "a/b"], 0, `allowed: ${OURS}:4: allow subscribe a/+/#\n`],
      [
        [
          "--group",
          "staff",
          "--claim",
          "site=7",
          "--user",
          "u",
          "--qos",
          "1",
          "subscribe",
          "$share/u/site/7/x",
        ],
        0,
        `allowed at QoS 1: ${OURS}:7: allow subscribe site/%{site}/#\n`,
      ],
      [
        ["--group", "staff", "--claim", "site=7/8", "subscribe", "site/7/8"],
        1,
        "not allowed (0x87): no rule allows site/7/8, which it matches\n",
      ],
    ] as const
  ) {
    test(call.join(" "), patient, async () => {
      const { status: ended, out, err } = await plumb(["acl", "test", "--permissions", OURS, ...call]);
      assertEquals([ended, out, err], [status, said, ""]);
    });
  }

  test("reads mosquitto's file, and says its lines; JSON for programs", patient, async () => {
    const { status, out } = await plumb(
      ["acl", "test", "--json", "--user", "bob", "publish", "home/x"],
      { PLUMB_MOSQUITTO_ACL: ACL },
    );
    assertEquals(status, 1);
    assertEquals(JSON.parse(out), {
      allowed: false,
      rules: [{ place: `${ACL}:3`, effect: "deny", action: "publish", pattern: "home/x" }],
    });
  });

  for (
    const [call, fault] of [
      [
        ["test", "publish", "a"],
        "plumb: say where the permissions are: --permissions FILE, or --config FILE\n",
      ],
      [
        ["test", "--permissions", OURS, "eat", "a"],
        "plumb: say what: plumb acl test publish|subscribe|receive TOPIC\n",
      ],
      [["test", "--permissions", OURS, "publish", "a/+"], 'plumb: "a/+" is no Topic Name\n'],
      [["test", "--permissions", OURS, "subscribe", "a#"], 'plumb: "a#" is no Topic Filter\n'],
      [
        ["test", "--permissions", OURS, "--claim", "x", "publish", "a"],
        'plumb: --claim takes NAME=VALUE, not "x"\n',
      ],
      [["tset"], "plumb: unknown: plumb acl tset; did you mean test?\n"],
      [["import"], "plumb: say which: plumb acl import FILE\n"],
      [["import", "nowhere"], "plumb: nowhere cannot be read: there is no such file\n"],
      [["import", OURS], `plumb: ${OURS}:1: "[everyone]": a line begins with user, topic, pattern or #\n`],
    ] as const
  ) {
    test(
      `says what would be right: ${call.map((arg) => arg === OURS ? "FILE" : arg).join(" ")}`,
      patient,
      async () => {
        const { status, out, err } = await plumb(["acl", ...call]);
        assertEquals([status, out, err], [2, "", fault]);
      },
    );
  }
});

describe("plumb acl import", patient, () => {
  test("prints a file that decides as the old one", patient, async () => {
    const { status, out } = await plumb(["acl", "import", ACL]);
    assertEquals(status, 0);
    const ours = file("imported.toml", out);
    for (const [args, is] of [["--user bob publish home/y", 0], ["--user bob publish home/x", 1]] as const) {
      const call = ["acl", "test", "--permissions", ours, ...args.split(" ")];
      assertEquals((await plumb(call)).status, is, args);
    }
  });
});

describe("plumb serve with permissions", patient, () => {
  test("refuses to begin with a file that is not right, or with two", patient, async () => {
    const bad = file("bad.toml", "\n[everyone]\nalow = []\n");
    const wrong = await plumb(["--memory", "-p", "0", "--permissions", bad]);
    assertEquals([wrong.status, wrong.out], [2, ""]);
    assertEquals(
      wrong.err,
      `plumb: ${bad}:3: everyone.alow: unknown key "alow"; there are allow, deny, roles\n`,
    );
    const two = await plumb(["--memory", "-p", "0", "--permissions", OURS, "--mosquitto-acl", ACL]);
    assertEquals(two.status, 2);
    assertMatch(two.err, /exclude each other/);
  });

  test("reads them again at SIGHUP, and drops no Client that has lost nothing", patient, async () => {
    const path = file("served.toml", '[everyone]\nallow = [{ publish = "a", subscribe = "a" }]\n');
    const child = startPlumb(["--memory", "--listen", "mqtt://127.0.0.1:0", "--permissions", path]);
    let log = "";
    const lines = async (pattern: RegExp): Promise<string> => {
      for (;;) {
        const found = pattern.exec(log);
        if (found !== null) return found[1] ?? "";
        await once(child.stderr!, "data");
      }
    };
    child.stderr!.setEncoding("utf8").on("data", (text: string) => log += text);
    const over = once(child, "close");
    try {
      const url = await lines(/url=(\S+)\n/);
      const client = await connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 });
      await client.subscribeAsync("a");
      const refused = await client.publishAsync("b", "x", { qos: 1 }).catch((error: { code?: number }) =>
        error.code
      );
      assertEquals(refused, 0x87);
      file("served.toml", '[everyone]\nallow = [{ publish = ["a", "b"], subscribe = "a" }]\n');
      process.kill(child.pid!, "SIGHUP");
      await lines(/permissions read again()/);
      await client.publishAsync("b", "x", { qos: 1 });
      file("served.toml", "[everyone\n");
      process.kill(child.pid!, "SIGHUP");
      await lines(/permissions not read again, the old ones stay()/);
      await client.publishAsync("b", "x", { qos: 1 });
      assert(client.connected);
      file("served.toml", '[everyone]\nallow = [{ publish = ["a", "b"] }]\n');
      const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
      process.kill(child.pid!, "SIGHUP");
      await closed;
      await lines(/subscription revoked()/);
      await client.endAsync(true);
    } finally {
      process.kill(child.pid!, "SIGTERM");
      await over;
    }
  });
});

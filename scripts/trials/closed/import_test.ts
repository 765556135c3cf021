/**
 * An installation of mosquitto with users, ACL and TLS: its Clients, with the same arguments, see the same of mosquitto itself and of
 * Plumb on what `plumb import` has made of it.
 * @module
 */
import { assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { killed, spawnKept } from "../../lib/kept_child.ts";
import { CLIENT_CA, CLIENT_CERT, CLIENT_KEY } from "../../../src/testing/client_certificates.ts";
import { patient } from "../../../src/testing/patience.ts";
import { plumb } from "../../../src/testing/plumb_process.ts";
import { CA, CERT, KEY } from "../../../src/testing/tls.ts";
import { whatIsMissing } from "../interop/mosquitto.ts";
import { freePort, listening, mosquittoVersion } from "../peers/start.ts";
import { type Folder, inFolder, ran, withBroker } from "./closed_broker.ts";

const missing = mosquittoVersion() === undefined ? "mosquitto is not installed" : whatIsMissing();
const required = process.env["PLUMB_REQUIRE_MOSQUITTO"] === "1";

const ACL = `user ann
topic readwrite home/#
topic read bob/#
topic read end

user bob
topic read home/kitchen
topic write end

user pump
topic readwrite pumps/#

pattern write bob/%c/#
`;

/** The files of an installation, as its owner made them: mosquitto.conf with what it names. Returns its path. */
function install(folder: Folder, password: number, certificate: number): string {
  const passwords = folder.file("passwd", "");
  for (const user of ["ann", "bob"]) {
    const { status, stderr } = spawnSync("mosquitto_passwd", ["-b", passwords, user, `of ${user}`]);
    if (status !== 0) throw new Error(`mosquitto_passwd: ${stderr}`);
  }
  const [cert, key] = [folder.file("server.crt", CERT), folder.file("server.key", KEY)];
  const server = `certfile ${cert}\nkeyfile ${key}\n`;
  return folder.file(
    "mosquitto.conf",
    `user root
persistence false
allow_anonymous false
password_file ${passwords}
acl_file ${folder.file("acl", ACL)}

listener ${password} 127.0.0.1
${server}
listener ${certificate} 127.0.0.1
${server}cafile ${folder.file("client_ca.crt", CLIENT_CA)}
require_certificate true
use_identity_as_username true
`,
  );
}

/** One call of a Client, and what came of it: whether all went well, and what it printed. */
interface Heard {
  readonly call: string;
  readonly isWell: boolean;
  readonly out: string;
}

/** The Clients of this installation, at one level. */
async function callAll(
  folder: Folder,
  version: string,
  password: number,
  certificate: number,
): Promise<Heard[]> {
  const heard: Heard[] = [];
  const server = ["--cafile", folder.file("ca.crt", CA)];
  const own = ["--cert", folder.file("pump.crt", CLIENT_CERT), "--key", folder.file("pump.key", CLIENT_KEY)];
  const call = async (program: "pub" | "sub", port: number, ...args: string[]) => {
    const common = ["-h", "localhost", "-p", `${port}`, "-V", version, ...server, "-q", "1"];
    const { status, out } = await ran(`mosquitto_${program}`, ...common, ...args);
    heard.push({ call: `${program} ${args.join(" ")}`, isWell: status === 0, out });
  };
  const ann = ["-u", "ann", "-P", "of ann"];
  const bob = ["-u", "bob", "-P", "of bob"];
  const sub = (...args: string[]) => call("sub", password, "-v", ...args);
  let count = 0;
  const pub = (topic: string, ...args: string[]) =>
    call("pub", password, "-t", topic, "-m", `${++count}`, ...args);

  // Messages are retained, so that they come whether or not a subscription is there already.
  for (const room of ["cellar", "kitchen"]) await pub(`home/${room}`, "-r", ...ann);
  await sub("-t", "home/cellar", "-t", "home/kitchen", "-C", "2", ...ann);
  for (const others of [["-u", "ann", "-P", "of bob"], ["-u", "eve", "-P", "of ann"], ["-u", "ann"], []]) {
    await pub("home/cellar", ...others);
    await sub("-t", "home/cellar", "-C", "1", ...others);
  }
  await sub("-t", "home/#", "-C", "1", ...bob); // the kitchen alone
  await pub("home/kitchen", "-r", ...bob); // not permitted, as the next call shows
  await sub("-t", "home/kitchen", "-C", "1", ...ann);
  await pub("bob/c1/a", "-r", "-i", "c1", ...bob);
  await pub("bob/c1/b", "-r", "-i", "c2", ...bob);
  await pub("end", "-r", ...bob);
  await sub("-t", "bob/#", "-t", "end", "-C", "2", ...ann); // nothing came by c2

  const kept = ["-i", "keeper", "-c", "-t", "home/hall", ...ann, ...(version === "5" ? ["-x", "600"] : [])];
  await sub(...kept, "-E"); // leaves when it is subscribed
  await pub("home/hall", ...ann);
  await sub(...kept, "-C", "1"); // what came meanwhile

  await call("pub", certificate, "-t", "pumps/a", "-m", "on", "-r", ...own);
  await call("pub", certificate, "-t", "pumps/a", "-m", "on", "-r", ...ann); // no certificate
  await call("sub", certificate, "-v", "-t", "pumps/a", "-C", "1", ...own);
  return heard;
}

describe("an installation of mosquitto", () => {
  for (const version of ["311", "5"]) {
    test(
      `is imported, and its Clients work unchanged, -V ${version}`,
      { ...patient, skip: missing !== undefined && !required ? missing : false },
      () =>
        inFolder(async (folder) => {
          const [password, certificate] = [await freePort(), await freePort()];
          const conf = install(folder, password, certificate);
          const mosquitto = spawnKept(["mosquitto", "-c", conf], { stdio: "ignore" });
          let before: Heard[];
          try {
            await listening(mosquitto, certificate);
            before = await callAll(folder, version, password, certificate);
          } finally {
            await killed(mosquitto);
          }
          const well = before.filter(({ isWell }) => isWell).map(({ out }) => out);
          assertEquals(well.filter((out) => out !== ""), [
            "home/cellar 1\nhome/kitchen 2\n",
            "home/kitchen 2\n",
            "home/kitchen 2\n",
            "bob/c1/a 8\nend 10\n",
            "home/hall 11\n",
            "pumps/a on\n",
          ], JSON.stringify(before));

          const imported = await plumb(["import", conf, "-o", join(folder.path, "plumb")]);
          assertEquals([imported.status, imported.err], [
            0,
            `${conf}:1: user has no counterpart: start Plumb as this user\n`,
          ]);
          await withBroker(join(folder.path, "plumb/plumb.toml"), 2, async ({ ports }) => {
            assertEquals(ports, [password, certificate]);
            assertEquals(await callAll(folder, version, password, certificate), before);
          });
        }),
    );
  }
});

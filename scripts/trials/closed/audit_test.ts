/**
 * The audit of a broker that is closed to strangers, over TLS, with logins and permissions, as the command line starts both.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { SignJWT } from "jose";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { patient } from "../../../src/testing/patience.ts";
import { plumb } from "../../../src/testing/plumb_process.ts";
import { CA, CERT, KEY } from "../../../src/testing/tls.ts";
import { inFolder, userAdded, withBroker } from "./closed_broker.ts";
import { mayBeLeft } from "../../lib/own_audit.ts";
import { NOT_SHOWN } from "./not_shown.ts";

const CONFIG = `memory = true

[[listener]]
url = "mqtts://127.0.0.1:0"
tls.certificate = "cert.pem"
tls.key = "key.pem"
permissions = "permissions.toml"
[[listener.login]]
kind = "password-file"
file = "passwords"
[[listener.login]]
kind = "token"
secret-file = "secret"
`;

/** Everything that an audit tries, but for one topic; and rules of others, which are nothing to it. */
const PERMISSIONS = `[user.auditor]
allow = [{ publish = "#", subscribe = "#", share = ["*"] }]
deny = [{ publish = "forbidden/#" }]
[user.other]
allow = [{ publish = "#" }]
`;

/** One level of a report. */
interface Level {
  readonly level: number;
  readonly cases: readonly { readonly id: string; readonly verdict: string }[];
}

describe("plumb audit of a broker with TLS, logins and permissions", () => {
  test(
    "finds no fault, and leaves nothing out that a broker open to all is audited for",
    patient,
    () =>
      inFolder(async (folder) => {
        folder.file("cert.pem", CERT);
        folder.file("key.pem", KEY);
        folder.file("permissions.toml", PERMISSIONS);
        const secret = "0123456789abcdef0123456789abcdef";
        folder.file("secret", secret);
        await userAdded(join(folder.path, "passwords"), "auditor", "of auditor");
        const token = await new SignJWT({ sub: "auditor" }).setProtectedHeader({ alg: "HS256" })
          .setExpirationTime("1h").sign(new TextEncoder().encode(secret));
        const target = folder.file(
          "target.toml",
          `username = "auditor"\npassword = "of auditor"\nforbidden-topic = "forbidden/a"\n` +
            `authentication-method = "JWT"\nauthentication-data = ["${token}"]\n`,
        );
        const report = join(folder.path, "report.json");
        await withBroker(folder.file("plumb.toml", CONFIG), 1, async ({ ports: [port] }) => {
          const url = `mqtts://localhost:${port}`;
          const more = ["--cafile", folder.file("ca.pem", CA), "--profile", target, "--report", report];
          const { status, out, err } = await plumb(["audit", url, ...more, "--patience", "20000"]);
          assertEquals([status, err], [0, ""], out);
          const { levels } = JSON.parse(readFileSync(report, "utf8")) as { levels: readonly Level[] };
          assertEquals(levels.map(({ level }) => level), [5, 4]);
          for (const { level, cases } of levels) {
            const of = (verdict: string) =>
              cases.filter((one) => one.verdict === verdict).map(({ id }) => id);
            assertEquals(of("fail"), []);
            assert(of("pass").length > 0);
            const notPassed = [...of("inconclusive"), ...of("unsupported")];
            assertEquals(
              notPassed.filter((id) => !(id in NOT_SHOWN || mayBeLeft(id, "mqtts"))),
              [],
              `level ${level}`,
            );
          }
        });
      }),
  );
});

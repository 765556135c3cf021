/**
 * Other people's Clients log in over TLS, by certificate, token and password, at a broker as the command line starts it.
 * mosquitto's programs with a password: src/cli/closed_test.ts; MQTT.js without TLS, and by SCRAM: src/login/clients_test.ts.
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { exportSPKI, generateKeyPair, SignJWT } from "jose";
import { connectAsync, type IClientOptions } from "mqtt";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { describe, test } from "node:test";
import {
  CLIENT_CA,
  CLIENT_CERT,
  CLIENT_KEY,
  CRL,
  REVOKED_CERT,
  REVOKED_KEY,
} from "../../../src/testing/client_certificates.ts";
import { patient, until } from "../../../src/testing/patience.ts";
import { CA, CERT, KEY } from "../../../src/testing/tls.ts";
import { whatIsMissing } from "../interop/mosquitto.ts";
import { inFolder, ran, userAdded, withBroker } from "./closed_broker.ts";

/** Debian's, which Python of another origin does not see. */
const PYTHON = "/usr/bin/python3";
const isPaho = spawnSync(PYTHON, ["-c", "import paho.mqtt.client"]).status === 0;
const required = process.env["PLUMB_REQUIRE_MOSQUITTO"] === "1";
const mosquitto = whatIsMissing();

const listener = (more: string) =>
  `[[listener]]
url = "mqtts://127.0.0.1:0"
tls.certificate = "cert.pem"
tls.key = "key.pem"
permissions = "permissions.toml"
${more}`;

describe("Clients of others log in over TLS", () => {
  test(
    "mosquitto_pub and mosquitto_sub by a certificate: its name is the user, and there is no way in without it",
    { ...patient, skip: mosquitto !== undefined && !required ? mosquitto : false },
    () =>
      inFolder(async (folder) => {
        folder.file("cert.pem", CERT);
        folder.file("key.pem", KEY);
        folder.file("client_ca.pem", CLIENT_CA);
        folder.file("crl.pem", CRL);
        folder.file(
          "permissions.toml",
          `[user.pump]\nallow = [{ publish = "pumps/%u", subscribe = "pumps/%u" }]\n`,
        );
        const own = listener(
          `tls.ca = "client_ca.pem"\ntls.crl = "crl.pem"\ntls.client-certificate = "required"\ntls.identity = "cn"\n` +
            `[[listener.login]]\nkind = "certificate"\n`,
        );
        const ca = folder.file("ca.pem", CA);
        const pump = ["--cert", folder.file("c.pem", CLIENT_CERT), "--key", folder.file("c.key", CLIENT_KEY)];
        const lost = [
          "--cert",
          folder.file("r.pem", REVOKED_CERT),
          "--key",
          folder.file("r.key", REVOKED_KEY),
        ];
        const strange = ["--cert", folder.file("s.pem", CERT), "--key", folder.file("s.key", KEY)];
        await withBroker(folder.file("plumb.toml", `memory = true\n${own}`), 1, async ({ ports: [port] }) => {
          for (const version of ["5", "311", "31"]) {
            const at = ["-h", "localhost", "-p", `${port}`, "-V", version, "--cafile", ca, "-q", "1"];
            const text = `level ${version}`;
            const pub = (...more: string[]) =>
              ran("mosquitto_pub", ...at, "-t", "pumps/pump", "-m", text, ...more);
            // Retained, so that it comes whether or not the subscription is there already.
            assertEquals((await pub("-r", ...pump)).status, 0);
            const heard = await ran("mosquitto_sub", ...at, ...pump, "-t", "pumps/pump", "-C", "1");
            assertEquals([heard.status, heard.out], [0, `${text}\n`]);
            const wide = await ran("mosquitto_sub", ...at, ...pump, "-t", "pumps/#", "-C", "1");
            assertMatch(wide.err, /All subscription requests were denied/);
            for (const others of [[], lost, strange, ["-u", "pump", "-P", "x"]]) {
              assert((await pub(...others)).status !== 0, others.join(" "));
            }
          }
        });
      }),
  );

  test(
    "MQTT.js by a token; not by one that is forged, expired or for somebody else",
    patient,
    () =>
      inFolder(async (folder) => {
        folder.file("cert.pem", CERT);
        folder.file("key.pem", KEY);
        folder.file(
          "permissions.toml",
          `[group.staff]\nallow = [{ publish = "%{site}/#", subscribe = "%{site}/#" }]\n`,
        );
        const keys = await generateKeyPair("ES256", { extractable: true });
        const others = await generateKeyPair("ES256");
        folder.file("token.pem", await exportSPKI(keys.publicKey));
        const own = listener(
          `[[listener.login]]\nkind = "token"\nkey-file = "token.pem"\nissuer = ["https://id.example"]\naudience = ["mqtt"]\n`,
        );
        const token = (key: Parameters<SignJWT["sign"]>[0], expires: string, audience = "mqtt") =>
          new SignJWT({ sub: "ann", groups: ["staff"], site: "cellar" }).setProtectedHeader({ alg: "ES256" })
            .setIssuer("https://id.example").setAudience(audience).setExpirationTime(expires).sign(key);
        await withBroker(folder.file("plumb.toml", `memory = true\n${own}`), 1, async ({ ports: [port] }) => {
          const url = `mqtts://localhost:${port}`;
          for (const protocolVersion of [4, 5] as const) {
            const options = {
              protocolVersion,
              ca: CA,
              username: "x",
              reconnectPeriod: 0,
            } satisfies IClientOptions;
            const password = await token(keys.privateKey, "1h");
            const client = await connectAsync(url, { ...options, password });
            const came: string[] = [];
            client.on("message", (topic) => came.push(topic));
            await client.subscribeAsync("cellar/#", { qos: 1 });
            await client.publishAsync("attic/a", "", { qos: 1 }).catch(() => {});
            await client.publishAsync("cellar/a", "", { qos: 1 });
            await until(() => came.length > 0, "the message comes");
            assertEquals(came, ["cellar/a"]);
            await client.endAsync();
            const bad = protocolVersion === 5 ? 0x86 : 4;
            for (
              const wrong of [
                await token(others.privateKey, "1h"),
                await token(keys.privateKey, "-1h"),
                await token(keys.privateKey, "1h", "http"),
                `${btoa('{"alg":"none"}')}.${password.split(".")[1]}.`.replaceAll("=", ""),
              ]
            ) {
              const refused = await connectAsync(url, { ...options, password: wrong }).catch((error) =>
                error
              );
              assertEquals((refused as { code?: number }).code, bad);
            }
          }
        });
      }),
  );

  test(
    "paho-mqtt for Python by a password: right, wrong and unknown",
    {
      ...patient,
      skip: isPaho || required ? false : "paho-mqtt is not installed (Debian: python3-paho-mqtt)",
    },
    () =>
      inFolder(async (folder) => {
        folder.file("cert.pem", CERT);
        folder.file("key.pem", KEY);
        folder.file(
          "permissions.toml",
          `[user.ann]\nallow = [{ publish = "home/#", subscribe = "home/#" }]\n`,
        );
        await userAdded(`${folder.path}/passwords`, "ann", "of ann");
        const own = listener(`[[listener.login]]\nkind = "password-file"\nfile = "passwords"\n`);
        const ca = folder.file("ca.pem", CA);
        const script = new URL("round_trip.py", import.meta.url).pathname;
        await withBroker(folder.file("plumb.toml", `memory = true\n${own}`), 1, async ({ ports: [port] }) => {
          for (const [level, bad] of [[4, 4], [5, 0x86]] as const) {
            const said = async (user: string, password: string) => {
              const { out, err } = await ran(
                PYTHON,
                script,
                `${port}`,
                `${level}`,
                ca,
                user,
                password,
                "home/a",
              );
              return out === "" ? err : out.trim();
            };
            assertEquals(
              [await said("ann", "of ann"), await said("ann", "no"), await said("nobody", "of ann")],
              ["came", `${bad}`, `${bad}`],
            );
          }
        });
      }),
  );
});

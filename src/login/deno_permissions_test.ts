/** The permissions on Deno that docs/run.md names for each link are enough, and none of them can be left out. @module */
import { assert, assertEquals } from "@std/assert";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from "jose";
import { service } from "../testing/login.ts";
import { patient } from "../testing/patience.ts";
import type { LinkOptions } from "./open.ts";

const isDeno = "Deno" in globalThis;
const folder = mkdtempSync(join(tmpdir(), "plumb-permissions-"));
after(() => rmSync(folder, { recursive: true }));
const child = fileURLToPath(new URL("../testing/login_child.ts", import.meta.url));
const sources = dirname(fileURLToPath(import.meta.url));
const only = { ...patient, skip: !isDeno };

/** What the program says with these permissions and no others. */
function run(allow: readonly string[], links: readonly LinkOptions[], request: object): Promise<string> {
  const words = [child, JSON.stringify({ links }), JSON.stringify(request)];
  const none = "--allow-env=PLUMB_NOTHING"; // without any such flag node:child_process adds -A
  const args = ["run", "--no-prompt", "--no-check", "--quiet", none, ...allow, ...words];
  const one = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [one.stdout, one.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => said += text);
  }
  return new Promise((resolve) => one.on("close", () => resolve(said)));
}

/** All of them let in; without any one of them nobody is. */
async function needs(
  allow: readonly string[],
  links: readonly LinkOptions[],
  request: object,
): Promise<void> {
  assertEquals(await run(allow, links, request), "code 0\n");
  for (const left of allow) {
    const said = await run(allow.filter((one) => one !== left), links, request);
    assert(!said.includes("code 0"), `it needs no ${left}`);
  }
}

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text, { mode: 0o600 });
  return join(folder, name);
}

describe("on Deno", () => {
  test("anonymous and certificate need nothing", only, async () => {
    await needs([], [{ kind: "certificate" }, { kind: "anonymous", from: "always" }], {});
  });

  test("a password file: to read the file, and the folder of the threads", only, async () => {
    const path = file(
      "ann",
      "ann:$argon2id$v=19$m=19456,t=2,p=1$sWAUvyurnbxZs7dYxhrQRw$tuDw9c2cDGS+BAbR3+Yigg3sPp/t/IDdkuH4uSsLfdA\n",
    );
    const allow = [`--allow-read=${path}`, `--allow-read=${sources}`];
    await needs(allow, [{ kind: "password-file", file: path }], { username: "ann", password: "secret" });
  });

  test("tokens: to read the file of the keys, or to reach their URL", only, async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
    const jwk = await exportJWK(publicKey);
    const token = await new SignJWT({ sub: "ann" }).setProtectedHeader({ alg: "ES256" }).setIssuer("i")
      .setAudience("a").setExpirationTime("1h").sign(privateKey);
    const keyFile = file("keys", await exportSPKI(publicKey));
    await needs([`--allow-read=${keyFile}`], [{ kind: "token", keyFile }], { password: token });
    const one = await service(() => [200, JSON.stringify(jwk)]);
    const links: LinkOptions[] = [{ kind: "token", keysUrl: one.url, issuer: "i", audience: "a" }];
    await needs([`--allow-net=${new URL(one.url).host}`], links, { password: token });
    await one.close();
  });

  test("a service: to reach its URL, and to read the file of its headers", only, async () => {
    const one = await service(({ headers }) => [
      headers["x-key"] === "k" ? 200 : 403,
      '{"result":"accept"}',
    ]);
    const headersFile = file("headers", "X-Key: k\n");
    const allow = [`--allow-net=${new URL(one.url).host}`, `--allow-read=${headersFile}`];
    await needs(allow, [{ kind: "http", url: one.url, headersFile }], {});
    const urls = { userUrl: one.url, aclUrl: one.url };
    await needs(allow, [{ kind: "go-auth", ...urls, headersFile }], { username: "u", password: "p" });
    await one.close();
  });
});

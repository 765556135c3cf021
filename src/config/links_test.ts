/**
 * Login chains in `plumb.toml`, link by link.
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, test } from "node:test";
import { CallError } from "../cli/error.ts";
import { linksOf, loginOf } from "../cli/login.ts";
import { loginSettings } from "../cli/login_set.ts";
import { settingsOf } from "../cli/options.ts";
import { type ConfigError, parseConfig } from "./file.ts";
import { LINK_KINDS } from "./links.ts";
import { tomlValue } from "./write.ts";

const NOTHING = (): undefined => undefined;

async function settings(text: string, ...args: string[]) {
  return settingsOf(args, NOTHING, await parseConfig(text, "p.toml"));
}

describe("a login chain in plumb.toml", () => {
  test("a link that cannot be made is told with its line, its keys and its file as they are written", async () => {
    const cases: readonly (readonly [string, string])[] = [
      ['kind = "token"', "one of key-file, secret-file, keys-url and open-id"],
      ['kind = "token"\nkey-file = "/no/suchFile/inHere"', "'/no/suchFile/inHere'"],
      ['kind = "go-auth"\nuser-url = "x"\nacl-url = "y"', "user-url is no URL"],
    ];
    for (const [link, says] of cases) {
      const given = await settings(`[[login]]\nkind = "certificate"\n[[login]]\n${link}\n`);
      const error = await assertRejects(() => loginOf(given, undefined as never), CallError, says);
      assertEquals(error.message.split(": ")[0], "p.toml:3");
    }
  });

  test("is written link by link, for all listeners or for one", async () => {
    const all = await settings(
      '[[login]]\nkind = "token"\nkey-file = "k"\nissuer = "i"\naudience = ["a", "b"]\nleeway-seconds = 1\n' +
        '[[login]]\nkind = "anonymous"\nfrom = "always"\n' +
        '[[listener]]\nurl = "mqtt://127.0.0.1:1"\n' +
        '[[listener]]\nurl = "mqtt://127.0.0.1:2"\n[[listener.login]]\nkind = "certificate"\n' +
        '[[listener]]\nurl = "mqtt://127.0.0.1:3"\nlogin.anonymous = "never"\n',
    );
    const chain = [
      { kind: "token", keyFile: "k", issuer: "i", audience: ["a", "b"], leewaySeconds: 1 },
      { kind: "anonymous", from: "always" },
    ];
    const never = [{ kind: "anonymous", from: "never", credentials: "ignored" }];
    assertEquals(
      [undefined, ...all.listen.map(({ own }) => own)].map((own) =>
        linksOf(loginSettings(all, own)) as unknown
      ),
      [chain, chain, [{ kind: "certificate" }], never],
    );
  });

  test("a flag for the same is told which link it excludes", async () => {
    const text = '\n[[login]]\nkind = "certificate"\n';
    const error = await assertRejects(() => settings(text, "--anonymous", "never"), CallError);
    assertEquals(error.message, "--anonymous and the [[login]] of p.toml:2 exclude each other");
  });

  for (
    const [text, fault] of [
      ["login = []", "1:1: login is an array of tables: write [[login]] for each"],
      [
        "[[login]]",
        "1:3: a [[login]] needs a kind: anonymous, certificate, password-file, token, http, home-assistant, go-auth",
      ],
      [
        '[[login]]\nkind = "jwt"',
        '2:1: kind takes anonymous, certificate, password-file, token, http, home-assistant, go-auth, not "jwt"',
      ],
      ['[[login]]\nkind = "http"', "1:3: a [[login]] of kind http needs url"],
      ['[[login]]\nkind = "http"\nurl = 1', "3:1: url takes a text in quotes, not 1"],
      [
        '[[login]]\nkind = "anonymous"\nform = "never"',
        "3:1: unknown key form of a [[login]] of kind anonymous; did you mean from?",
      ],
      [
        '[[listener]]\nurl = "a"\n[[listener.login]]\nkind = "go-auth"\nuser-url = "u"',
        "3:3: a [[listener.login]] of kind go-auth needs acl-url",
      ],
    ] as const
  ) {
    test(`${JSON.stringify(text)} is a fault`, async () => {
      const error = await assertRejects(() => parseConfig(text, "p.toml")) as ConfigError;
      assertEquals(error.faults, [`p.toml:${fault}`]);
    });
  }

  test("every key of every kind is taken", async () => {
    for (const [kind, { rows }] of Object.entries(LINK_KINDS)) {
      const lines = rows.map((row) => {
        const value = row.kind === "choice"
          ? row.choices!.at(-1)!
          : row.kind === "integer"
          ? `${row.most}`
          : "https://x";
        return `${row.key} = ${tomlValue(row, [row.kind === "switch" ? "true" : value])}\n`;
      });
      const { login } = await settings(`[[login]]\nkind = "${kind}"\n${lines.join("")}`);
      const { kind: is, ...options } = login![0]!.options as unknown as Record<string, unknown>;
      assertEquals(is, kind);
      assertEquals(Object.keys(options).toSorted(), rows.map(({ option }) => option).toSorted());
      for (const row of rows) {
        if (row.kind === "integer") assertEquals(options[row.option], row.most);
      }
    }
  });

  test("certificates for other names are tables too", async () => {
    const tables = '[[tls.sni]]\ncertificate = "a"\nkey = "b"\n[[listener]]\nurl = "mqtts://127.0.0.1:1"\n' +
      'tls.certificate = "c"\ntls.key = "d"\n[[listener.tls.sni]]\ncertificate = "e"\nkey = "f"\n';
    const { tls, listen } = await settings(tables);
    assertEquals(tls as unknown, { sni: [{ certificate: "a", key: "b" }] });
    assertEquals(listen[0]!.own!.tls as unknown, {
      certificate: "c",
      key: "d",
      sni: [{ certificate: "e", key: "f" }],
    });
    const fault = await assertRejects(() => settings('[[tls.sni]]\ncert = "a"\nkey = "b"')) as ConfigError;
    assertEquals(fault.faults, [
      "p.toml:1:3: a [[tls.sni]] needs certificate",
      "p.toml:2:1: unknown key cert of a [[tls.sni]]; did you mean certificate?",
    ]);
  });

  test("every number has a range and a default, and every key a help", () => {
    for (const [kind, { rows, required }] of Object.entries(LINK_KINDS)) {
      for (const { key, about, kind: of, least, most, default: value } of rows) {
        assert(about.length > 0, `${kind} ${key}`);
        if (of === "integer") assert(least! <= Number(value) && Number(value) <= most!, `${kind} ${key}`);
      }
      for (const key of required) assert(rows.some((row) => row.key === key), `${kind} ${key}`);
    }
  });

  test("names files for secrets, and holds none", () => {
    const rows = Object.values(LINK_KINDS).flatMap(({ rows }) => rows);
    for (const row of rows.filter(({ key }) => /secret|headers|password/.test(key))) {
      assert(row.isPath, row.key);
    }
    assert(!rows.some(({ key }) => key === "headers" || key === "secret"));
  });
});

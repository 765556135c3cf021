/**
 * The options of `serve()` for settings.
 * @module
 */
import { assertEquals } from "@std/assert";
import { test } from "node:test";
import type { AuthorizationRequest, Policy } from "../broker/mod.ts";
import { policyOf } from "../broker/policy.ts";
import { parseConfig } from "../config/file.ts";
import { Log } from "./log.ts";
import { settingsOf } from "./options.ts";
import { serveOptionsOf } from "./serve_options.ts";
import { Watch } from "./watch.ts";

const LOG = new Log({ level: "off", format: "logfmt", stream: { write: () => {}, colours: false } });

test("the authorizer of a chain is not asked about Clients of a listener with another chain", async () => {
  const text = `[[login]]
kind = "go-auth"
user-url = "http://localhost:1/user"
acl-url = "http://localhost:1/acl"
[[listener]]
url = "mqtt://127.0.0.1:1"
[[listener]]
url = "mqtt://127.0.0.1:2"
login.anonymous = "always"
`;
  const chain = { authenticate: () => ({ code: 0 as const }), authenticationMethods: [] };
  const { listen = [], ...broker } = serveOptionsOf(
    settingsOf([], () => undefined, await parseConfig(text, "p.toml")),
    {
      tls: { shared: undefined, own: new Map() },
      logins: { of: ({ login }) => login === undefined ? chain : { ...chain, authorize: () => 0x87 } },
      permissions: { of: () => ({}) },
      web: new Watch().web,
    },
    LOG,
  );
  const asked = ({ authorize }: Policy) => authorize?.({} as AuthorizationRequest);
  const policies = listen.map((one) => policyOf(typeof one === "string" ? {} : one, policyOf(broker)));
  assertEquals(policies.map(asked), [0x87, 0]);
});

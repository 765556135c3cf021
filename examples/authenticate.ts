/**
 * User names, passwords and an authorizer; and a second listener for guests, who may only read.
 * Run: `deno run -A examples/authenticate.ts [URL] [GUEST_URL]`, or `bun examples/authenticate.ts`; Ctrl-C ends it.
 *
 * `ada` (password `engine`) may use topics below `users/ada/`, and publish to `news/`; guests may subscribe to `news/` at QoS 0.
 * @module
 */
import { scrypt, timingSafeEqual } from "node:crypto";
import process from "node:process";
import { promisify } from "node:util";
import {
  type AuthenticationRequest,
  type AuthorizationRequest,
  ReasonCode,
  serve,
  type Verdict,
} from "../mod.ts"; // from a package: "@plumb/mqtt"

const [url = "mqtt://127.0.0.1:1883", guestUrl = "mqtt://127.0.0.1:1884"] = process.argv.slice(2);

const derive = promisify<Uint8Array, string, number, Uint8Array>(scrypt);
/** In a real program these come from a file or a database. */
const USERS: ReadonlyMap<string, { readonly salt: string; readonly key: Uint8Array }> = new Map([
  ["ada", { salt: "a salt", key: await derive(new TextEncoder().encode("engine"), "a salt", 32) }],
]);

/** May be as slow as it must: what the Client sends meanwhile waits, and other Clients do not. */
async function authenticate({ username = "", password }: AuthenticationRequest): Promise<Verdict> {
  const user = USERS.get(username);
  if (user === undefined || password === undefined) return { code: ReasonCode.BadUserNameOrPassword };
  const key = await derive(password, user.salt, user.key.length);
  return { code: timingSafeEqual(key, user.key) ? 0 : ReasonCode.BadUserNameOrPassword };
}

function authorize({ action, client, topic }: AuthorizationRequest): ReasonCode {
  const isOwn = topic.startsWith(`users/${client.username}/`);
  const isNews = action === "publish" && topic.startsWith("news/");
  return isOwn || isNews ? 0 : ReasonCode.NotAuthorized;
}

const server = await serve({
  listen: [
    url,
    {
      url: guestUrl, // everything said here is for this listener alone
      authenticate: () => ({ code: 0 }),
      authorize: ({ action, topic }) =>
        action === "subscribe" && topic.startsWith("news/") ? 0 : ReasonCode.NotAuthorized,
      maximumQos: 0,
      limits: { packetBytesMax: 1024, subscriptionsPerSessionMax: 10 },
    },
  ],
  authenticate,
  authorize,
  hooks: {
    refused: ({ address }, { message }) => console.log(`${address} did not come in: ${message}`),
    denied: ({ clientId }, { message }) => console.log(`${clientId}: ${message}`),
  },
});

console.log(`listening on ${server.addresses.join(", ")}`);
await new Promise((resolve) => process.once("SIGINT", resolve));
await server.close();
console.log("closed");

/**
 * Requests for logins, a service by HTTP that says what a test wants, and the Client's half of SCRAM.
 * Knows what a link is asked; refuses to know the links.
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { AuthenticationRequest, Verdict } from "../broker/mod.ts";
import { loginChain } from "../login/chain.ts";
import type { LoginChain, LoginEvent } from "../login/mod.ts";

/** A request; a text as password or data is sent as UTF-8. */
export function loginRequest(
  given: Partial<Omit<AuthenticationRequest, "password" | "data">> & {
    readonly password?: string | Uint8Array;
    readonly data?: string | Uint8Array;
  } = {},
): AuthenticationRequest {
  return {
    kind: "connect",
    peer: { address: "192.0.2.1", port: 40_000, transport: "tcp" },
    level: 5,
    clientId: "client",
    username: undefined,
    method: undefined,
    will: undefined,
    userProperties: [],
    state: undefined,
    ...given,
    password: bytesOf(given.password),
    data: bytesOf(given.data),
  };
}

function bytesOf(text: string | Uint8Array | undefined): Uint8Array | undefined {
  return typeof text === "string" ? new TextEncoder().encode(text) : text;
}

/** A chain whose verdicts are without the reasons that no Client gets to see. */
export function seenChain(...given: Parameters<typeof loginChain>): LoginChain {
  const chain = loginChain(...given);
  const { authenticate } = chain;
  const seen = ({ why: _, ...rest }: Verdict): Verdict => rest;
  return Object.assign(chain, {
    authenticate: (request: AuthenticationRequest) => {
      const verdict = authenticate(request) as Verdict | Promise<Verdict>;
      return verdict instanceof Promise ? verdict.then(seen) : seen(verdict);
    },
  });
}

/** Events as they come. */
export function eventList(): {
  readonly events: LoginEvent[];
  readonly onEvent: (event: LoginEvent) => void;
} {
  const events: LoginEvent[] = [];
  return { events, onEvent: (event) => events.push(event) };
}

/** A request that a service got. */
export interface Served {
  readonly path: string;
  readonly method: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** A service on this machine; `answer` gives the status and the body, or nothing for a request that is never answered. */
export async function service(
  answer: (served: Served, response: ServerResponse) => readonly [number, string] | undefined,
): Promise<{ readonly url: string; readonly served: Served[]; close(): Promise<void> }> {
  const served: Served[] = [];
  const server = createServer((request, response) => {
    const chunks: Uint8Array[] = [];
    request.on("data", (chunk: Uint8Array) => chunks.push(chunk)).on("end", () => {
      const { url = "", method = "", headers } = request;
      const one = { path: url, method, headers, body: Buffer.concat(chunks).toString("utf8") };
      served.push(one);
      const said = answer(one, response);
      if (said !== undefined) {
        response.writeHead(said[0], { "content-type": "application/json" }).end(said[1]);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    served,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A name as it stands in a message of SCRAM. */
export function encodeName(name: string): string {
  return name.replaceAll("=", "=3D").replaceAll(",", "=2C");
}

/** The Client's half of SCRAM (RFC 5802). */
export class ScramClient {
  readonly #hash: "sha256" | "sha512";
  readonly #bare: string;
  readonly #password: string;
  readonly #header: string;
  #signature: Buffer | undefined;

  constructor(
    mechanism: string,
    username: string,
    password: string,
    nonce = "fyko+d2lbbFgONRv9qkxdawL",
    header = "n,,",
  ) {
    this.#hash = mechanism === "SCRAM-SHA-256" ? "sha256" : "sha512";
    this.#bare = `n=${encodeName(username)},r=${nonce}`;
    this.#password = password;
    this.#header = header;
  }

  first(): string {
    return this.#header + this.#bare;
  }

  final(challenge: string): string {
    const [, nonce, salt, rounds] = /^r=(.+),s=(.+),i=(\d+)$/.exec(challenge)!;
    const hash = this.#hash;
    const bytes = hash === "sha256" ? 32 : 64;
    const salted = pbkdf2Sync(this.#password, Buffer.from(salt!, "base64"), Number(rounds), bytes, hash);
    const hmac = (key: Uint8Array, text: string) => createHmac(hash, key).update(text).digest();
    const clientKey = hmac(salted, "Client Key");
    const withoutProof = `c=${Buffer.from(this.#header).toString("base64")},r=${nonce}`;
    const signed = `${this.#bare},${challenge},${withoutProof}`;
    const mask = hmac(createHash(hash).update(clientKey).digest(), signed);
    this.#signature = hmac(hmac(salted, "Server Key"), signed);
    return `${withoutProof},p=${
      Buffer.from(clientKey.map((byte, index) => byte ^ mask[index]!)).toString("base64")
    }`;
  }

  /** Whether the Server has shown that it knows the Client. */
  isServer(final: string): boolean {
    return final === `v=${this.#signature?.toString("base64")}`;
  }
}

/**
 * The npm package `@nats-io/transport-node`, and a connection of it.
 * Knows what of it is used, and how its errors are told; refuses to know what is sent.
 * @module
 */
import { NatsError } from "./error.ts";
import { CLUSTER } from "../limits.ts";
import { asksForCertificate } from "./greeting.ts";
import type { Access } from "./options.ts";

/** A message of the package. */
export interface ClientMessage {
  readonly data: Uint8Array;
  readonly reply?: string | undefined;
  readonly headers?: { readonly code: number; readonly description: string } | undefined;
}

/** Headers of the package. */
export interface ClientHeaders {
  set(name: string, value: string): void;
}

/** What is used of a connection. No type of the package itself is named here, so that whoever has no cluster does not need it. */
export interface Client {
  readonly info?: {
    readonly version: string;
    readonly max_payload: number;
    readonly jetstream?: boolean;
    readonly cluster?: string;
  };
  publish(subject: string, bytes: Uint8Array, options?: { reply?: string }): void;
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: ClientMessage) => void },
  ): { unsubscribe(): void };
  request(
    subject: string,
    bytes: Uint8Array,
    options: { timeout: number; headers?: never },
  ): Promise<ClientMessage>;
  status(): AsyncIterable<{ readonly type: string; readonly error?: Error }>;
  close(): Promise<void>;
}

/** What is used of the package. */
interface Package {
  connect(options: object): Promise<unknown>;
  headers(): ClientHeaders;
  createInbox(): string;
  nkeyAuthenticator(seed: Uint8Array): (nonce?: string) => unknown;
  credsAuthenticator(file: Uint8Array): (nonce?: string) => unknown;
}

/** A connection, and what else is needed of the package. */
export interface Connected {
  readonly client: Client;
  readonly headers: () => ClientHeaders;
  readonly inbox: () => string;
}

/** ms: the longest that a server may take for its greeting; the package waits 20 s. */
const GREETING_MS = 5_000;
/** Questions whether the server is there that have no answer when it is left. The package asks every 2 minutes. */
const PINGS = 3;
/** ms between two tries at the same server. */
const AGAIN_MS = 250;

/**
 * Connects, once; a connection that breaks later is made again for ever.
 * @throws {NatsError}
 */
export async function connectClient(access: Access): Promise<Connected> {
  const nats = await load();
  const { servers, user, password: pass, token, tls, name, isTls, silenceMs = CLUSTER.deadMs } = access;
  const greetingMs = Math.max(GREETING_MS, silenceMs);
  const authenticator = authenticatorOf(nats, access);
  if (tls?.cert === undefined && await asksForCertificate(servers, greetingMs)) {
    throw new NatsError("tls", `NATS at ${servers.join(", ")} asks for a certificate: give one, and its key`);
  }
  try {
    const client = await nats.connect({
      servers: [...servers],
      ...(user !== undefined && { user, pass }),
      ...(token !== undefined && { token }),
      ...(authenticator !== undefined && { authenticator }),
      ...(isTls && { tls: { ...tls } }),
      ...(name !== undefined && { name }),
      timeout: greetingMs,
      pingInterval: silenceMs / PINGS,
      maxPingOut: PINGS - 1,
      reconnectTimeWait: AGAIN_MS,
      maxReconnectAttempts: -1,
      ignoreAuthErrorAbort: true,
      noAsyncTraces: true,
    });
    return { client: client as Client, headers: () => nats.headers(), inbox: () => nats.createInbox() };
  } catch (error) {
    throw connectError(error, servers.join(", "));
  }
}

async function load(): Promise<Package> {
  try {
    // A bundler that does not find it inside `try` leaves it to the program.
    const nats: unknown = await import("@nats-io/transport-node");
    return (nats as { default?: Package }).default ?? nats as Package;
  } catch (error) {
    throw new NatsError(
      "package",
      `a cluster needs the package @nats-io/transport-node, which is not here: npm install @nats-io/transport-node (${
        firstLine(error)
      })`,
    );
  }
}

/** What signs the server's question; it has been tried once, since the package leaves a connection hanging when it throws. */
function authenticatorOf(
  nats: Package,
  { nkey, credentials }: Access,
): ((nonce?: string) => unknown) | undefined {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  try {
    const made = nkey !== undefined
      ? nats.nkeyAuthenticator(bytes(nkey.trim()))
      : credentials !== undefined
      ? nats.credsAuthenticator(bytes(credentials))
      : undefined;
    made?.("nonce");
    return made;
  } catch {
    throw new NatsError(
      "options",
      nkey !== undefined
        ? "NATS: the NKey is no seed: one of a user begins with SU and has 58 characters"
        : "NATS: the credentials cannot be read: a file with a JWT and a seed, as nsc makes it, would be right",
    );
  }
}

/** Words of the package and of the three runtimes. */
const WORDS: readonly (readonly [words: RegExp, trouble: "login" | "tls"])[] = [
  [/authorization violation|authentication (expired|timeout)|user authentication/i, "login"],
  [
    /certificate|self.signed|\btls\b|\bssl\b|UnknownIssuer|NotValidForName|UNABLE_TO_|CERT_|altname|handshake/i,
    "tls",
  ],
];

function connectError(error: unknown, servers: string): NatsError {
  const said = `${firstLine(error)} ${(error as { code?: unknown } | undefined)?.code ?? ""}`.trim();
  const trouble = WORDS.find(([words]) => words.test(said))?.[1] ?? "unreachable";
  const line = {
    login: `refuses the login: look at user and password, token, NKey or credentials`,
    tls:
      `TLS fails (${said}): the server must offer it, and its certificate must be of an authority that is trusted`,
    unreachable: `cannot be reached (${said}): is nats-server running there?`,
  }[trouble];
  return new NatsError(trouble, `NATS at ${servers} ${line}`);
}

/** The first line of what an error says. */
export function firstLine(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  return said.split("\n")[0]!;
}

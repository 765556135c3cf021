/**
 * Where the servers are, and who we are there.
 * Knows addresses and secrets; refuses to know files: whoever has one passes its contents.
 * @module
 */
import { NatsError } from "./error.ts";

/** How to reach NATS. Secrets come in no error and no log line. */
export interface NatsOptions {
  /** `host`, `host:port`, `nats://host:port` or `tls://host:port`; one that has a user and a password, or a token, gives these to all. */
  readonly servers: readonly string[];
  /** Who we are there. */
  readonly user?: string;
  /** Of the user. */
  readonly password?: string;
  /** In place of user and password. */
  readonly token?: string;
  /** The seed of an NKey of a user: `SU…`. */
  readonly nkey?: string;
  /** The contents of a credentials file: a JWT and a seed. */
  readonly credentials?: string;
  /** PEM texts. Without it TLS is used if the server offers it, and the system's certificates are trusted. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /**
   * ms: a server that says nothing for so long is left, and an answer of it is awaited no longer. By default `CLUSTER.deadMs` and
   * `CLUSTER.answerMs`.
   */
  readonly silenceMs?: number;
  /** What the servers call this connection. */
  readonly name?: string;
  /** Told in a line what goes wrong later on: a permission that is missing, a listener that throws. */
  readonly troubled?: (line: string) => void;
}

/** The options with the secrets out of the addresses. */
export interface Access extends NatsOptions {
  /** `host:port` each. */
  readonly servers: readonly string[];
  readonly isTls: boolean;
}

const PORT = "4222";

/**
 * Takes the options apart.
 * @throws {NatsError} where they make no sense.
 */
export function accessOf(options: NatsOptions): Access {
  let { user, password, token } = options;
  let isTls = options.tls !== undefined;
  if (options.servers.length === 0) throw bad("no server is named: nats://127.0.0.1:4222, say");
  const servers = options.servers.map((server, i) => {
    const url = urlOf(server, i);
    if (url.protocol === "tls:") isTls = true;
    const name = decode(url.username, i);
    if (url.password !== "") {
      user ??= name;
      password ??= decode(url.password, i);
    } else if (name !== "") token ??= name;
    return `${url.hostname}:${url.port || PORT}`;
  });
  const ways = [user, token, options.nkey, options.credentials].filter((way) => way !== undefined);
  if (ways.length > 1) throw bad("user, token, NKey and credentials are different ways to log in: give one");
  if (password !== undefined && user === undefined) throw bad("a password without a user");
  if ((options.tls?.cert === undefined) !== (options.tls?.key === undefined)) {
    throw bad("a certificate and its key come together");
  }
  const given = { ...options, servers, isTls };
  return {
    ...given,
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...(token !== undefined && { token }),
  };
}

/** No message repeats an address that may have a secret. */
function urlOf(server: string, index: number): URL {
  const url = URL.parse(/^[a-z]+:\/\//i.test(server) ? server : `nats://${server}`);
  const isRight = url !== null && url.hostname !== "" && /^(nats|tls):$/.test(url.protocol) &&
    /^\/?$/.test(url.pathname) && url.search === "" && url.hash === "";
  if (isRight) return url;
  throw bad(
    `address ${
      index + 1
    } of the servers is not understood: nats://host:4222 or tls://host:4222 would be right`,
  );
}

function decode(part: string, index: number): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw bad(`address ${index + 1} of the servers has a % that is not followed by two digits`);
  }
}

function bad(what: string): NatsError {
  return new NatsError("options", `NATS: ${what}`);
}

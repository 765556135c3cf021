/**
 * A login chain from plain options, as a configuration file has them. A link that is not asked for is not loaded.
 * Knows which options make which link; refuses to know where options come from.
 * @module
 */
import type { PolicyOptions } from "../broker/mod.ts";
import { UsageError } from "../codec/error.ts";
import type { Anonymous } from "./anonymous.ts";
import { type ChainOptions, type LoginChain, loginChain } from "./chain.ts";
import type { GoAuthOptions } from "./go_auth.ts";
import type { HashPool, HashPoolOptions } from "./hash_pool.ts";
import type { HomeAssistantOptions } from "./home_assistant.ts";
import type { HttpOptions } from "./http.ts";
import type { LoginEvents, LoginLink } from "./link.ts";
import type { PasswordOptions } from "./password.ts";
import type { TokenLinkOptions } from "./token_keys.ts";
import type { WatchOptions } from "./watched_file.ts";

/** A file of headers for a service, `NAME: VALUE` in each line: the place of a secret. */
export interface HeadersFile {
  /** Its path. */
  readonly headersFile?: string;
}

/** One link. */
export type LinkOptions =
  | { readonly kind: "anonymous"; readonly from?: Anonymous; readonly credentials?: "passed on" | "ignored" }
  | { readonly kind: "certificate" }
  | ({ readonly kind: "password-file"; readonly file: string } & PasswordOptions & WatchOptions)
  | ({ readonly kind: "token" } & TokenLinkOptions)
  | ({ readonly kind: "http" } & HttpOptions & HeadersFile & WatchOptions)
  | ({ readonly kind: "home-assistant" } & HomeAssistantOptions & HeadersFile & WatchOptions)
  | ({ readonly kind: "go-auth" } & GoAuthOptions & HeadersFile & WatchOptions);

/** Links in their order, and the numbers of the chain and of its threads. */
export interface LoginOptions extends ChainOptions, Omit<HashPoolOptions, "clock"> {
  /** In the order in which they are asked. */
  readonly links: readonly LinkOptions[];
}

/** For the policy of a broker or a listener. */
export interface Login extends LoginChain {
  /** §5.4.2 the authorizer of a `go-auth` link, if there is one. */
  readonly authorize?: NonNullable<PolicyOptions["authorize"]>;
}

/** A link cannot be made: its options are wrong, or its file cannot be read. `cause` has the error, whose message this one has. */
export class LinkError extends UsageError {
  /** Of the link in `links`. */
  readonly index: number;

  /** `index` is the link's in `links`. */
  constructor(index: number, cause: Error) {
    super(cause.message, { cause });
    this.index = index;
  }
}

/**
 * Makes the links, and reads their files.
 * @throws {LinkError} for the first link that cannot be made; then nothing is left open.
 * @throws {UsageError} for numbers out of range, and for a method that two links know.
 */
export async function openLogin({ links, ...options }: LoginOptions): Promise<Login> {
  const made: LoginLink[] = [];
  let authorize: Login["authorize"];
  let pool: Promise<HashPool> | undefined;
  const onEvent = options.onEvent ?? (() => {});
  const threads = async () => {
    const { HashPool } = await import("./hash_pool.ts");
    return new HashPool({ ...options, onEvent });
  };
  const make = async (one: LinkOptions): Promise<readonly LoginLink[]> => {
    switch (one.kind) {
      case "anonymous":
        return [(await import("./anonymous.ts")).anonymousLink(one.from, one.credentials)];
      case "certificate":
        return [(await import("./certificate.ts")).certificateLink()];
      case "password-file":
        return await passwordLinks({ onEvent, ...one }, await (pool ??= threads()));
      case "token":
        return [await (await import("./token_keys.ts")).openTokenLink({ onEvent, ...one })];
      case "http": {
        const { httpLink } = await import("./http.ts");
        return [await withHeaders(one, onEvent, (given) => httpLink({ onEvent, ...one, ...given }))];
      }
      case "home-assistant": {
        const { homeAssistantLink } = await import("./home_assistant.ts");
        return [await withHeaders(one, onEvent, (given) => homeAssistantLink({ onEvent, ...one, ...given }))];
      }
      case "go-auth": {
        const { goAuth } = await import("./go_auth.ts");
        return [
          await withHeaders(one, onEvent, (given) => {
            const service = goAuth({ onEvent, ...one, ...given });
            authorize = service.authorize;
            return service.link;
          }),
        ];
      }
      default:
        throw new UsageError(`There is no link ${JSON.stringify((one as { kind: unknown }).kind)}`);
    }
  };
  try {
    for (const [index, one] of links.entries()) {
      made.push(
        ...await make(one).catch((error: Error) => {
          throw new LinkError(index, error);
        }),
      );
    }
    return Object.assign(loginChain(made, { ...options, onEvent }), authorize !== undefined && { authorize });
  } catch (error) {
    for (const link of made) await link.close?.();
    throw error;
  }
}

/** Passwords, and SCRAM for users that have lines for it. */
async function passwordLinks(
  { file: path, ...options }: Extract<LinkOptions, { kind: "password-file" }>,
  pool: HashPool,
): Promise<LoginLink[]> {
  const { passwordLink } = await import("./password.ts");
  const { PasswordFile } = await import("./password_file.ts");
  const { scramLink } = await import("./scram.ts");
  const link = passwordLink(
    {
      get users() {
        return file.users;
      },
    },
    pool,
    options,
  );
  const file = await PasswordFile.open(path, options); // behind all that may throw
  const close = async () => {
    file.close();
    await pool.close();
  };
  options.onEvent?.({
    level: "info",
    message: "password file read",
    fields: { file: path, users: file.users.size },
  });
  return [{ ...link, reload: () => file.reload(), close }, scramLink(file)];
}

async function withHeaders(
  { headersFile, headers: own, pollMs }: HeadersFile & WatchOptions & Pick<HttpOptions, "headers">,
  onEvent: LoginEvents,
  make: (given: { headers?: Record<string, string> }) => LoginLink,
): Promise<LoginLink> {
  if (headersFile === undefined) return make({});
  const { WatchedFile } = await import("./watched_file.ts");
  const headers: Record<string, string> = {};
  const link = make({ headers });
  const file = await WatchedFile.open(headersFile, (text) => {
    const read = headersOf(text);
    for (const name of Object.keys(headers)) delete headers[name];
    Object.assign(headers, own, read); // the link has the object
  }, { onEvent, isSecret: true, ...pollMs !== undefined && { pollMs } });
  return { ...link, reload: () => file.reload(), close: () => file.close() };
}

function headersOf(text: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const [, name, value] = /^([\w-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)[ \t]*$/.exec(line) ??
      [];
    if (name === undefined) throw new UsageError(`headersFile: line ${index + 1} is not NAME: VALUE`);
    headers[name.toLowerCase()] = value!;
  }
  return headers;
}

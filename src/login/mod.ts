/**
 * §3.1.4, §4.12, §5.4.1 Who may come in: links for a login chain.
 * Knows what users of the library may import; refuses to know command lines.
 *
 * @example
 * ```ts
 * import { serve } from "@plumb/mqtt";
 * import { anonymousLink, HashPool, loginChain, PasswordFile, passwordLink, scramLink } from "@plumb/mqtt/login";
 *
 * const file = await PasswordFile.open("passwords");
 * const chain = loginChain([passwordLink(file, new HashPool()), scramLink(file), anonymousLink("loopback")]);
 * await using server = await serve(chain);
 * ```
 * @module
 */
export { ANONYMOUS, type Anonymous, anonymousLink } from "./anonymous.ts";
export { certificateLink } from "./certificate.ts";
export { CHAIN_NUMBERS, FAILED_LOGIN_NUMBERS, HASH_NUMBERS } from "./numbers.ts";
export { type ChainOptions, type LoginChain, loginChain } from "./chain.ts";
export {
  type Attempt,
  type FailedLoginLimit,
  type FailedLoginNumbers,
  FailedLogins,
  type HeldBack,
} from "./failed_logins.ts";
export { GO_AUTH_NUMBERS, type GoAuth, goAuth, type GoAuthOptions } from "./go_auth.ts";
export type { HashAnswer, HashJob } from "./hash.ts";
export { HashPool, type HashPoolOptions } from "./hash_pool.ts";
export { HOOK_NUMBERS, type HookNumber, type HookOptions } from "./hook.ts";
export { homeAssistantLink, type HomeAssistantOptions } from "./home_assistant.ts";
export { HTTP_NUMBERS, type HttpAnswer, httpLink, type HttpOptions } from "./http.ts";
export { KEY_NUMBERS, type KeySetOptions } from "./key_set.ts";
export { LATER } from "./link.ts";
export type { LinkAnswer, LinkFunction, LoginEvent, LoginEvents, LoginLink } from "./link.ts";
export type { NumberRow } from "./options.ts";
export {
  type HeadersFile,
  LinkError,
  type LinkOptions,
  type Login,
  type LoginOptions,
  openLogin,
} from "./open.ts";
export { PASSWORD_NUMBERS, passwordLink, type PasswordOptions, type Users } from "./password.ts";
export { PasswordFile } from "./password_file.ts";
export type { User } from "./password_lines.ts";
export { scramLink, type ScramUsers } from "./scram.ts";
export { TOKEN_NUMBERS, type TokenOptions } from "./token.ts";
export { openTokenLink, type TokenLinkOptions, type TokenSource } from "./token_keys.ts";
export { FILE_NUMBERS, type WatchOptions } from "./watched_file.ts";
export {
  type Argon2id,
  type Mechanism,
  MECHANISMS,
  type Pbkdf2,
  type ScramKeys,
  type Sha512,
  type Verifier,
} from "./verifier.ts";

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
export { CHAIN_NUMBERS, type ChainOptions, type LoginChain, loginChain } from "./chain.ts";
export { GO_AUTH_NUMBERS, type GoAuth, goAuth, type GoAuthOptions } from "./go_auth.ts";
export { HASH_NUMBERS, HashPool, type HashPoolOptions } from "./hash_pool.ts";
export { HOOK_NUMBERS, type HookOptions } from "./hook.ts";
export { HTTP_NUMBERS, type HttpAnswer, httpLink, type HttpOptions } from "./http.ts";
export { KEY_NUMBERS, type KeySetOptions } from "./key_set.ts";
export type { LinkAnswer, LinkFunction, LoginEvent, LoginEvents, LoginLink } from "./link.ts";
export type { NumberRow } from "./options.ts";
export { type LinkOptions, type Login, type LoginOptions, openLogin } from "./open.ts";
export { PASSWORD_NUMBERS, passwordLink, type PasswordOptions } from "./password.ts";
export { PasswordFile } from "./password_file.ts";
export { scramLink } from "./scram.ts";
export { TOKEN_NUMBERS, type TokenOptions } from "./token.ts";
export { openTokenLink, type TokenLinkOptions, type TokenSource } from "./token_keys.ts";
export { FILE_NUMBERS, type WatchOptions } from "./watched_file.ts";

/**
 * The log of a broker: one line for each event that an owner asks about later. Never a payload, never a password.
 * Knows which events are worth a line, and its words; refuses to know how a line is written.
 * @module
 */
import type { ClientInfo, PeerInfo, Refusal } from "../broker/mod.ts";
import { systemCode } from "../runtime/listen.ts";
import type { ServeHooks } from "../server/serve.ts";
import { addressGroup } from "../transport/address_group.ts";
import type { Fields, Log, LOG_LEVELS } from "./log.ts";
import { handshakeTrouble } from "./tls.ts";

const LEVELS = { 3: "3.1", 4: "3.1.1", 5: "5.0" } as const;
/** §2.4 Session taken over. */
const TAKEN_OVER = 0x8e;

/** Hooks that log at this level. */
export function hooksFor(log: Log, level: typeof LOG_LEVELS[number]): ServeHooks {
  const who = ({ clientId, username }: Pick<ClientInfo, "clientId" | "username">): Fields => ({
    client: log.cut(clientId),
    user: username === undefined ? undefined : log.cut(username),
  });
  const why = ({ code, rule, message, why }: Refusal): Fields => ({
    code: `0x${code.toString(16).padStart(2, "0")}`,
    rule,
    detail: log.cut(message),
    why: why === undefined ? undefined : log.cut(why),
  });
  const hooks: ServeHooks = {
    connected: (client, present) =>
      log.info("connected", {
        ...who(client),
        mqtt: LEVELS[client.level],
        peer: where(client.peer),
        session: present ? "present" : "new",
        keepalive: client.keepAlive,
      }),
    disconnected: (client, clean, refusal) =>
      log[refusal?.why === undefined ? "info" : "warn"]("disconnected", {
        ...who(client),
        how: howEnded(clean, refusal),
        ...refusal && why(refusal),
      }),
    refused: (peer, refusal, client) =>
      log.warnSeldom(`${refusal.rule} ${addressGroup(peer.address)}`, "refused", {
        ...client && who(client),
        peer: where(peer),
        ...why(refusal),
      }),
    handshakeFailed: (peer, error) => {
      // A port scan, or a Client without TLS that leaves, is no reason for a warning.
      const message = "TLS handshake failed";
      const why = log.cut(handshakeTrouble(error));
      const fields = { peer: where(peer), why };
      if (systemCode(error) === "ECONNRESET") log.debug(message, fields);
      else log.warnSeldom(`handshake ${addressGroup(peer.address)} ${why}`, message, fields);
    },
    discarded: (client, refusal) => log.info("discarded", { ...who(client), ...why(refusal) }),
    tolerated: (what, peer, client) =>
      log.info("tolerated", { ...client && who(client), peer: where(peer), what }),
    revoked: (client, filter) =>
      log.info("subscription revoked", { client: log.cut(client), filter: log.cut(filter) }),
    limited: (limit, name) => log.warnSeldom(limit, "limit reached", { limit, who: log.cut(name) }),
    storeFailed: (error) =>
      log.error("store failed: QoS 1 and 2 are refused", {
        error: error instanceof Error ? error.message : String(error),
      }),
    storeRecovered: () => log.warn("store recovered"),
    failed: (error) =>
      log.error("failed", { error: error instanceof Error ? error.stack ?? error.message : String(error) }),
  };
  if (level !== "debug") return hooks;
  return { // They may be called for every message, which costs time: set only if their lines are shown.
    ...hooks,
    denied: (client, refusal) => log.debug("denied", { ...who(client), ...why(refusal) }),
    subscribed: (client, filter, { qos }) =>
      log.debug("subscribed", { ...who(client), filter: log.cut(filter), qos }),
    unsubscribed: (client, filter) => log.debug("unsubscribed", { ...who(client), filter: log.cut(filter) }),
    dropped: ({ topic, qos }, client, reason) =>
      log.debug("dropped", { client: log.cut(client), topic: log.cut(topic), qos, reason }),
    sessionEnded: (client) => log.debug("session ended", { client: log.cut(client) }),
  };
}

/** How an accepted connection ended; why the Server has ended it stands beside it. */
function howEnded(clean: boolean, refusal: Refusal | undefined): string {
  if (refusal === undefined) return clean ? "said good-bye" : "lost";
  return refusal.code === TAKEN_OVER ? "taken over" : "ended by the Server";
}

function where({ transport, address, port }: PeerInfo): string {
  if (transport === "unix") return `unix:${address}`;
  return `${transport}:${address.includes(":") ? `[${address}]` : address}:${port}`;
}

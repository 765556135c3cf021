/**
 * The settings that make a broker a member of a cluster.
 * Knows names, kinds and defaults; refuses to know NATS.
 * @module
 */
import { type Setting, setting } from "./setting.ts";

/** The most shards that a cluster may have: each is linked to each other one. */
export const SHARDS_MAX = 64;

/** Of a cluster whose number of shards nobody has said: two or three machines have the same number of them. */
export const DEFAULT_SHARDS = 6;

const NAME = {
  pattern: /^[A-Za-z0-9_-]{1,32}$/,
  takes: '1 to 32 letters, digits, "-" and "_"',
};

function row(key: string, given: Pick<Setting, "kind" | "about" | "option"> & Partial<Setting>): Setting {
  return setting({ key: `cluster.${key}`, scope: "broker", reload: "restart", ...given });
}

function file(key: string, about: string, option: string): Setting {
  return row(key, {
    kind: "text",
    value: "FILE",
    isPath: true,
    rare: true,
    about,
    option: `cluster.${option}`,
  });
}

/** How a program reaches the servers of a cluster, and which cluster it means. */
export const CLUSTER_ACCESS: readonly Setting[] = [
  row("servers", {
    name: "cluster",
    kind: "list",
    least: 1,
    value: "URL",
    // The rest of an address is checked where a message can be told apart from a secret.
    form: { pattern: /^\S+$/, takes: "nats://HOST:PORT, or tls://" },
    about: "be a member of a cluster; a NATS server of it, nats://HOST:PORT",
    option: "cluster.servers",
  }),
  row("name", {
    kind: "text",
    rare: true,
    value: "NAME",
    default: "default",
    form: NAME,
    about: "which cluster, if the servers have several",
    option: "cluster.name",
  }),
  row("user", {
    kind: "text",
    value: "NAME",
    rare: true,
    about: "who the broker is at the NATS servers",
    option: "cluster.user",
  }),
  file("password-file", "its password there; else the variable PLUMB_CLUSTER_PASSWORD", "passwordFile"),
  file(
    "token-file",
    "a token in place of user and password; else the variable PLUMB_CLUSTER_TOKEN",
    "tokenFile",
  ),
  file("nkey-file", "the seed of an NKey in place of them: SU…", "nkeyFile"),
  file(
    "credentials-file",
    "a credentials file of NATS in place of them: a JWT and a seed",
    "credentialsFile",
  ),
  file(
    "ca",
    "certificates that may have issued those of the NATS servers, in PEM; without it those of the system",
    "ca",
  ),
  file("cert", "a certificate that the broker shows there, in PEM", "certificate"),
  file("key", "its private key, in PEM", "key"),
];

/** All settings of a member. */
export const CLUSTER_SETTINGS: readonly Setting[] = [
  ...CLUSTER_ACCESS,
  row("member", {
    kind: "text",
    rare: true,
    value: "NAME",
    defaultIs: "the name of the machine",
    form: NAME,
    about: "the name of this member: each has another one, and keeps it",
    option: "cluster.member",
  }),
  row("shards", {
    kind: "integer",
    rare: true,
    value: "N",
    least: 1,
    most: SHARDS_MAX,
    default: String(DEFAULT_SHARDS),
    about: "processes that all members have together; the first member says it, once and for all",
    option: "cluster.shards",
  }),
  row("replicas", {
    kind: "choice",
    rare: true,
    choices: ["1", "3", "5"],
    value: "N",
    defaultIs: "3 with three servers or more, else 1",
    about: "servers that keep each message",
    option: "cluster.replicas",
  }),
];

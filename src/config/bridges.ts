/**
 * Bridges as they are written in `plumb.toml`: `[[bridge]]`, with a `[[bridge.topic]]` for each filter.
 * Knows their keys; refuses to know what a bridge does. Loaded only where one is written or described.
 * @module
 */
import { BRIDGE_NUMBERS } from "../bridge/numbers.ts";
import { kebab, type Setting, setting } from "./setting.ts";

type BridgeRow =
  & Pick<Setting, "kind" | "about">
  & Partial<Pick<Setting, "choices" | "default" | "isPath" | "form" | "least" | "most" | "unit">>;

function row(option: string, given: BridgeRow, key = kebab(option)): Setting {
  return setting({ key, scope: "broker", reload: "now", option, ...given });
}

const path = (option: string, about: string, key?: string) =>
  row(option, { kind: "text", isPath: true, about }, key);

/** The keys of a `[[bridge]]`. */
export const BRIDGE_ROWS: readonly Setting[] = [
  row("name", {
    kind: "text",
    form: { pattern: /^[\w.-]+$/, takes: "letters, digits, dots, _ and -" },
    about: "its name in the log, in figures and in the topic of its state",
  }),
  row("url", {
    kind: "text",
    form: {
      pattern: /^((mqtts?|tcp|tls|ssl|wss?):\/\/[^/@\s?#]+(\/[^@\s]*)?|unix:\/[^\s]+)$/i,
      takes: "mqtt://HOST:PORT, mqtts://, ws://, wss:// or unix:/PATH, without a user and a password",
    },
    about:
      "the other broker: mqtt://HOST:PORT or, with TLS, mqtts://HOST:PORT; ws://HOST:PORT/PATH, wss://, unix:/PATH",
  }),
  row("level", {
    kind: "integer",
    least: 4,
    most: 5,
    default: "5",
    about: "the level of the protocol: 5 for MQTT 5.0, 4 for 3.1.1",
  }),
  row("clientId", {
    kind: "text",
    about:
      "its Client Identifier at the other broker; default plumb.NAME: brokers that share one need others",
  }),
  row("username", { kind: "text", about: "its user name there" }),
  path("passwordFile", "a file with its password there, in the first line; it is read for each connection"),
  row("passwordVariable", {
    kind: "text",
    form: { pattern: /^[A-Za-z_]\w*$/, takes: "the name of a variable of the environment" },
    about: "a variable of the environment with its password, in place of a file",
  }),
  path("tls.ca", "certificates to trust in place of the system's, in PEM"),
  path("tls.cert", "a certificate to show to the other broker, in PEM", "tls.certificate"),
  path("tls.key", "its private key, in PEM, without a passphrase"),
  row("tls.insecure", { kind: "switch", default: "false", about: "trust any certificate: for tests" }),
  row("isClean", {
    kind: "switch",
    default: "false",
    about: "nothing is kept: what comes while there is no connection is dropped",
  }, "clean"),
  row("state", {
    kind: "choice",
    choices: ["both", "local", "off"],
    default: "both",
    about: "at which brokers its state is published, retained: 1 while it is connected, else 0",
  }),
  row("stateTopic", {
    kind: "text",
    form: { pattern: /^[^+#\0]+$/, takes: "a Topic Name" },
    about: "the topic of its state; default $SYS/broker/connection/NAME/state",
  }),
  row("bridgeBit", {
    kind: "switch",
    default: "true",
    about:
      "at level 4 tell the other broker that this is a bridge, as mosquitto's try_private does: it brings nothing back then, and leaves RETAIN as it is",
  }),
  ...Object.entries(BRIDGE_NUMBERS).map(([name, { default: value, ...number }]) =>
    row(`numbers.${name}`, { kind: "integer", default: String(value), ...number }, kebab(name))
  ),
];

/** The keys that it must have. */
export const BRIDGE_REQUIRED: readonly string[] = ["name", "url"];

/** The keys of a `[[bridge.topic]]`. */
export const BRIDGE_TOPIC_ROWS: readonly Setting[] = [
  row("filter", {
    kind: "text",
    about:
      "a Topic Filter, behind the prefixes; without one they are two topics, of which each stands for the other",
  }),
  row("direction", {
    kind: "choice",
    choices: ["out", "in", "both"],
    default: "out",
    about: "out to the other broker, in from it, or both",
  }),
  row("qos", {
    kind: "integer",
    least: 0,
    most: 2,
    default: "1",
    about: "the most that messages keep of their QoS",
  }),
  row("localPrefix", {
    kind: "text",
    about: "stands before the filter, and before each topic, at this broker",
  }),
  row("remotePrefix", { kind: "text", about: "the same at the other broker" }),
];

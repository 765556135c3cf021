/**
 * The flags that `plumb pub`, `plumb sub` and `plumb request` have in common, with mosquitto's names.
 * Knows flags and what stands in the help; refuses to know what is done with them.
 * @module
 */
import { TRUST_OPTIONS } from "../trust.ts";
import type { ArgumentGroup, ArgumentRow } from "./arguments.ts";

/** Values of -V: mosquitto's, and the numbers that stand in CONNECT. */
export const VERSIONS: Readonly<Record<string, 3 | 4 | 5>> = {
  "5": 5,
  mqttv5: 5,
  "311": 4,
  mqttv311: 4,
  "4": 4,
  "31": 3,
  mqttv31: 3,
  "3": 3,
};

const QOS = ["0", "1", "2"];

/** -q */
export function qosRow(about: string): ArgumentRow {
  return { name: "qos", short: "q", kind: "choice", choices: QOS, default: "0", about };
}

/** -D takes three arguments, of a pair four. */
const PROPERTY: ArgumentRow = {
  name: "property",
  short: "D",
  kind: "text",
  value: "PACKET NAME VALUE",
  group: ([, name]) => name === "user-property" ? 4 : 3,
  about: "a property of MQTT 5.0; may be given more than once",
};

/** Where to connect, and as which Client. */
export const CONNECTION: ArgumentGroup = {
  title: "Connection",
  rows: [
    {
      name: "host",
      short: "h",
      kind: "text",
      value: "HOST",
      default: "localhost",
      about: "the Server",
    },
    {
      name: "port",
      short: "p",
      kind: "integer",
      value: "PORT",
      least: 1,
      most: 65_535,
      defaultIs: "1883, with TLS 8883",
      about: "its port",
    },
    {
      name: "url",
      short: "L",
      kind: "text",
      value: "URL",
      variable: "PLUMB_URL",
      about:
        "both, and more: mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT][/TOPIC], ws[s]://HOST[:PORT][/PATH], unix:/PATH",
    },
    {
      name: "username",
      short: "u",
      kind: "text",
      value: "USER",
      variable: "PLUMB_USERNAME",
      about: "the user name",
    },
    {
      name: "pw",
      also: "password",
      short: "P",
      kind: "text",
      value: "PASSWORD",
      variable: "PLUMB_PASSWORD",
      about:
        "its password; others can see a command line: PLUMB_PASSWORD and --password-file keep it from them",
    },
    {
      name: "password-file",
      kind: "text",
      value: "FILE",
      about: "a file whose first line is the password",
    },
    {
      name: "id",
      short: "i",
      kind: "text",
      value: "ID",
      about: "the Client Identifier; default: the Server chooses one",
    },
    {
      name: "id-prefix",
      short: "I",
      kind: "text",
      value: "PREFIX",
      rare: true,
      about: "a Client Identifier of this and the process id",
    },
    {
      name: "protocol-version",
      short: "V",
      kind: "choice",
      value: "VERSION",
      choices: Object.keys(VERSIONS),
      about: "5, 311 or 31; default: 5, and 311 with a Server that does not know 5",
    },
    {
      name: "disable-clean-session",
      short: "c",
      kind: "flag",
      about: "keep the session when the connection ends: subscriptions, and messages that come meanwhile",
    },
    {
      name: "session-expiry-interval",
      short: "x",
      kind: "text",
      value: "SECONDS",
      rare: true,
      about: "how long, at MQTT 5.0; -1 is for ever; default for ever with -c, else 0",
    },
    {
      name: "keepalive",
      short: "k",
      kind: "integer",
      value: "SECONDS",
      least: 0,
      most: 65_535,
      default: "60",
      rare: true,
      about: "Keep Alive; 0 for none",
    },
    {
      name: "max-inflight",
      short: "M",
      kind: "integer",
      value: "N",
      least: 1,
      most: 65_535,
      rare: true,
      about: "messages of QoS 1 and 2 that may be under way to the Server, at most",
    },
    {
      name: "reconnect",
      kind: "choice",
      choices: ["never", "lost", "always"],
      defaultIs: "lost for `plumb sub` and -l, else never",
      about: "connect again: when the connection is lost; or also when the first cannot be made",
    },
    { name: "quiet", kind: "flag", about: "say nothing on stderr" },
  ],
};

/** What the Server publishes when the Client is gone. */
export const WILL: ArgumentGroup = {
  title: "Will",
  rows: [
    { name: "will-topic", kind: "text", value: "TOPIC", rare: true, about: "where the Server publishes it" },
    { name: "will-payload", kind: "text", value: "TEXT", rare: true, about: "its payload; default empty" },
    { name: "will-qos", kind: "choice", choices: QOS, rare: true, about: "its QoS; default 0" },
    { name: "will-retain", kind: "flag", rare: true, about: "it is retained" },
  ],
};

/** TLS, and properties. */
export const TLS_AND_PROPERTIES: readonly ArgumentGroup[] = [
  { ...TRUST_OPTIONS, title: "With TLS (mqtts://, wss://; any of these with -h asks for it)" },
  { title: "Properties", rows: [PROPERTY] },
];

/** -h is the host. */
export const HELP: ArgumentGroup = {
  title: "Other",
  rows: [
    { name: "help", kind: "flag", about: "print this help" },
    { name: "help-all", kind: "flag", about: "print the help of all flags" },
  ],
};

/** The flags for what a message looks like when it is printed. */
export const PRINTING: readonly ArgumentRow[] = [
  { name: "verbose", short: "v", kind: "flag", about: "the topic before the payload" },
  {
    name: "format",
    short: "F",
    kind: "text",
    value: "FORMAT",
    about: "each message in this form, as mosquitto_sub has it: '%t %q %p', '@H:@M:@S %x', '%j'",
  },
  { name: "json", kind: "flag", about: "each message as a line of JSON, with all properties" },
  { name: "no-newline", short: "N", kind: "flag", about: "no end of line behind a message" },
];

/** Exit statuses, for people. */
export const CLIENT_STATUS_HELP: string =
  "Exit status: 0 all is well, also when Ctrl-C ends it; 1 no connection, it was lost, or the Server refused a message\n" +
  "or a subscription; 2 it was called wrong; 27 the time of -W is over; 141 nothing reads the output any more; any\n" +
  "other: the Server refused the connection with this code of CONNACK (below MQTT 5.0 they are 1 to 5).";

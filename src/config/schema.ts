/**
 * Every setting of the broker in one table: from it come the flags, the variables, the help, the keys of `plumb.toml` and its JSON Schema.
 * Knows names, kinds, ranges and defaults; refuses to know their effects.
 *
 * A row is a setting: what is added here is a flag, a variable and a key, and stands in the help and in the JSON Schema.
 * @module
 */
import { type LimitName, type LimitRow, LIMITS } from "../broker/limits.ts";
import { RELOAD_OF_LIMITS } from "../broker/reconfigure.ts";
import { TOLERANCES } from "../codec/mend.ts";
import { LOG_FORMATS, LOG_LEVELS, LOG_LIMITS, type LogLimitName } from "../cli/log.ts";
import { API_NUMBERS, type ApiNumber } from "../api/numbers.ts";
import { DEFAULT_LISTEN, DEFAULT_TLS_LISTEN, DEFAULT_WEB_LISTEN } from "../server/address.ts";
import type { Anonymous } from "../login/anonymous.ts";
import { CHAIN_NUMBERS, HASH_NUMBERS } from "../login/numbers.ts";
import type { NumberRow as LoginRow } from "../login/options.ts";
import { HOOK_NUMBERS, WEBHOOK_NUMBERS } from "../rules/numbers.ts";
import { CLUSTER_SETTINGS } from "./cluster.ts";
import { kebab, type Scope, type Section, type Setting, setting } from "./setting.ts";

/** Of src/login/anonymous.ts, which is loaded when a broker starts. */
const ANONYMOUS: readonly Anonymous[] = ["loopback", "never", "always"];

/** The default directory of sessions and messages. */
export const DEFAULT_DATA = "./plumb-data";

/** The most processes that one broker may be: each is linked to each other one. */
const WORKERS_MAX = 64;

/** Names of limits that people know from other brokers. */
const KNOWN_AS: Partial<Record<LimitName, { readonly short: string; readonly also: string }>> = {
  sessionsMax: { short: "s", also: "max-sessions" },
  connectionsMax: { short: "a", also: "max-active-sessions" },
};

/** What a limit of the engine holds for. */
const SCOPES: Readonly<Record<LimitRow["scope"], Scope>> = {
  broker: "broker",
  listener: "listener",
  session: "session",
  connection: "Client",
};

/** The name of a number of login chains. */
export type LoginNumber = keyof typeof CHAIN_NUMBERS | keyof typeof HASH_NUMBERS;

const LOGIN_NUMBERS: Readonly<Record<LoginNumber, LoginRow>> = { ...CHAIN_NUMBERS, ...HASH_NUMBERS };

type NumberRow = Pick<Setting, "kind" | "value" | "least" | "most" | "default" | "unit" | "about" | "rare">;

/** The parts of a row that a table of limits gives. */
function numberRow({ least, most, default: value, unit, about }: Omit<LimitRow, "scope">): NumberRow {
  return {
    kind: "integer",
    value: "N",
    least,
    most,
    default: String(value),
    unit,
    about: unit === "bytes" || unit === "ms" || unit === "s" ? `${about} (${unit})` : about,
    rare: true,
  };
}

/** A feature, of which CONNACK tells Clients where the standard has a property for it. */
function feature(option: string, about: string, isOn = true): Setting {
  const name = kebab(option);
  return setting({
    key: `features.${name}`,
    name,
    kind: "switch",
    value: "true|false",
    default: String(isOn),
    about,
    rare: true,
    scope: "listener",
    reload: "new connections",
    option: `features.${option}`,
  });
}

/** The rows of `[webhook]`. */
function webhookRows(): Setting[] {
  const row = (option: string, given: Pick<Setting, "kind" | "about"> & Partial<Setting>): Setting =>
    setting({
      key: `webhook.${kebab(option)}`,
      rare: true,
      scope: "broker",
      reload: "now",
      option: `webhook.${option}`,
      ...given,
    });
  return [
    row("url", {
      kind: "text",
      value: "URL",
      form: { pattern: /^https?:\/\/[^\s]+$/, takes: "https://HOST/PATH, or http://" },
      about: "a service that is told what happens, by POST in JSON",
    }),
    row("events", {
      kind: "list",
      choices: ["connect", "disconnect", "subscribe", "publish"],
      least: 1,
      value: "EVENT",
      defaultIs: "connect and disconnect",
      about: "what it is told: connect, disconnect, subscribe, publish; may be given more than once",
    }),
    row("topics", {
      kind: "list",
      least: 1,
      value: "FILTER",
      defaultIs: "# if publish is among the events, else none",
      about: "Topic Filters of the messages that it is told; may be given more than once",
    }),
    row("secretFile", {
      kind: "text",
      isPath: true,
      value: "FILE",
      about: "a secret that signs the requests; else the variable PLUMB_WEBHOOK_SECRET",
    }),
    row("payload", {
      kind: "choice",
      choices: ["text", "base64"],
      default: "text",
      value: "FORM",
      about: "how payloads are sent: as text if they are UTF-8, or always in base64",
    }),
    ...Object.entries(WEBHOOK_NUMBERS).map(([option, number]) =>
      row(option, { ...numberRow(number), rare: true })
    ),
  ];
}

/** All settings, in the order of the help. */
export const SECTIONS: readonly Section[] = [
  {
    title: "Where to listen",
    rows: [
      setting({
        key: "listen",
        kind: "list",
        least: 1,
        value: "URL",
        defaultIs: `${DEFAULT_LISTEN}, ${DEFAULT_TLS_LISTEN}, ${DEFAULT_WEB_LISTEN}`,
        about: "a listener: mqtt://HOST:PORT, ws://HOST:PORT/PATH; mqtts://, wss:// with TLS; unix:/PATH; " +
          "may be given more than once; localhost is 127.0.0.1 and ::1, [::] all",
        scope: "broker",
        reload: "now",
        option: "listen",
      }),
      setting({
        key: "listen-addr",
        short: "l",
        kind: "text",
        value: "ADDR",
        default: "localhost",
        about: "for one listener without TLS: its address",
        scope: "broker",
        reload: "now",
        option: "listen",
      }),
      setting({
        key: "port",
        short: "p",
        kind: "integer",
        value: "N",
        least: 0,
        most: 65_535,
        default: "1883",
        about: "its port; 0 takes any free one",
        scope: "broker",
        reload: "now",
        option: "listen",
      }),
      setting({
        key: "workers",
        kind: "integer",
        choices: ["auto"],
        value: "N",
        least: 1,
        most: WORKERS_MAX,
        default: "1",
        about: "processes that are one broker; auto: one for each core",
        scope: "broker",
        reload: "restart",
        option: "workers",
      }),
      ...CLUSTER_SETTINGS,
      setting({
        key: "tls.certificate",
        isPath: true,
        name: "tls-cert",
        kind: "text",
        value: "FILE",
        about: "the certificate for mqtts://, in PEM, its issuers behind it; without it one is made",
        scope: "listener",
        reload: "new connections",
        option: "tls.certificate",
      }),
      setting({
        key: "tls.key",
        isPath: true,
        kind: "text",
        value: "FILE",
        about: "its private key, in PEM, without a passphrase",
        scope: "listener",
        reload: "new connections",
        option: "tls.key",
      }),
      setting({
        key: "tls.names",
        kind: "list",
        value: "NAME",
        rare: true,
        about:
          "names and addresses of this machine, besides those it knows of, for the certificate that is made",
        scope: "broker",
        reload: "new connections",
        option: "tlsNames",
      }),
      setting({
        key: "tls.client-certificate",
        kind: "choice",
        choices: ["none", "optional", "required"],
        value: "MODE",
        default: "none",
        rare: true,
        about: "whether Clients show a certificate: none, optional, required",
        scope: "listener",
        reload: "new connections",
        option: "tls.clientCertificate",
      }),
      setting({
        key: "tls.ca",
        isPath: true,
        kind: "text",
        value: "FILE",
        rare: true,
        about: "certificates that may have issued those of Clients, in PEM",
        scope: "listener",
        reload: "new connections",
        option: "tls.ca",
      }),
      setting({
        key: "tls.crl",
        isPath: true,
        kind: "text",
        value: "FILE",
        rare: true,
        about: "their revocation lists, in PEM",
        scope: "listener",
        reload: "new connections",
        option: "tls.crl",
      }),
      setting({
        key: "tls.identity",
        kind: "choice",
        choices: ["cn", "san", "fingerprint", "dn"],
        value: "PART",
        default: "cn",
        rare: true,
        about: "what of a Client's certificate is its identity: cn, san, fingerprint, dn",
        scope: "listener",
        reload: "new connections",
        option: "tls.identity",
      }),
      setting({
        key: "tls.minimum-version",
        kind: "choice",
        choices: ["1.2", "1.3"],
        value: "VERSION",
        default: "1.2",
        rare: true,
        about: "the oldest version of TLS that is spoken",
        scope: "listener",
        reload: "new connections",
        option: "tls.minimumVersion",
      }),
      setting({
        key: "tls.handshakes-max",
        kind: "integer",
        value: "N",
        least: 1,
        most: 1_000_000,
        default: "10000",
        unit: "handshakes",
        rare: true,
        about: "TLS handshakes that may be under way at a listener",
        scope: "listener",
        reload: "new connections",
        option: "tls.handshakesMax",
      }),
      setting({
        key: "proxy-protocol",
        kind: "list",
        value: "ADDRESS",
        rare: true,
        about:
          "proxies, as addresses or networks (10.0.0.0/8), whose connections begin with a PROXY header; may be given more than once",
        scope: "listener",
        reload: "new connections",
        option: "proxyProtocol",
      }),
      setting({
        key: "websocket.origins",
        kind: "list",
        value: "ORIGIN",
        form: { pattern: /^(\*|https?:\/\/[^/\s]+)$/, takes: "https://HOST, https://HOST:PORT or *" },
        rare: true,
        about:
          "origins of pages that may connect by ws:// or wss://, besides pages of the broker's own host: https://example.org, or * for all; may be given more than once",
        scope: "listener",
        reload: "new connections",
        option: "webSocket.origins",
      }),
      setting({
        key: "websocket.proxies",
        kind: "list",
        value: "ADDRESS",
        rare: true,
        about:
          "HTTP proxies in front of ws:// and wss:// whose X-Forwarded-For is believed, as addresses or networks; may be given more than once",
        scope: "listener",
        reload: "new connections",
        option: "webSocket.proxies",
      }),
      setting({
        key: "websocket.test-page",
        kind: "flag",
        rare: true,
        about: "show everybody who asks by HTTP the browser tests, at /test/ of ws:// and wss:// listeners",
        scope: "listener",
        reload: "new connections",
        option: "webSocket.testPage",
      }),
      setting({
        key: "websocket.metrics",
        kind: "flag",
        rare: true,
        about:
          "show everybody who asks by HTTP the figures of the broker, at /metrics (OpenMetrics), /livez and /readyz of ws:// and wss:// listeners",
        scope: "listener",
        reload: "new connections",
        option: "webSocket.metrics",
      }),
      setting({
        key: "websocket.metrics-names",
        kind: "flag",
        rare: true,
        about:
          "the same with the names of the busiest Clients and the first two levels of the busiest topics",
        scope: "listener",
        reload: "new connections",
        option: "webSocket.metricsNames",
      }),
      setting({
        key: "websocket.page",
        kind: "flag",
        rare: true,
        about:
          "show the page, the HTTP API and the documentation at ws:// and wss:// listeners, for those who log in; the default listener does",
        scope: "listener",
        reload: "new connections",
        option: "webSocket.page",
      }),
      setting({
        key: "websocket.api",
        kind: "flag",
        rare: true,
        about: "show the HTTP API alone, at /api/v1, for those who log in",
        scope: "listener",
        reload: "new connections",
        option: "webSocket.api",
      }),
    ],
  },
  {
    title: "Who may come in",
    rows: [
      setting({
        key: "login.password-file",
        name: "password-file",
        isPath: true,
        kind: "text",
        value: "FILE",
        about: "users and their passwords, as plumb passwd writes them; files of mosquitto_passwd do too",
        scope: "listener",
        reload: "new connections",
        option: "passwordFile",
      }),
      setting({
        key: "login.anonymous",
        name: "anonymous",
        kind: "choice",
        choices: ANONYMOUS,
        default: "loopback",
        value: "FROM",
        about: "from where clients without a user name may come: loopback is this machine; never; always",
        scope: "listener",
        reload: "new connections",
        option: "anonymous",
      }),
    ],
  },
  {
    title: "What they may do",
    rows: [
      setting({
        key: "permissions",
        isPath: true,
        kind: "text",
        value: "FILE",
        about: "what Clients may do, in TOML; default everything",
        scope: "listener",
        reload: "now",
        option: "permissions",
      }),
      setting({
        key: "mosquitto-acl",
        isPath: true,
        kind: "text",
        value: "FILE",
        rare: true,
        about: "the same from an ACL file of mosquitto's",
        scope: "listener",
        reload: "now",
        option: "mosquittoAcl",
      }),
    ],
  },
  {
    title: "Sessions and retained messages",
    rows: [
      setting({
        key: "data",
        isPath: true,
        kind: "text",
        value: "DIR",
        default: DEFAULT_DATA,
        about: "the directory they are kept in, made if need be",
        scope: "broker",
        reload: "restart",
        option: "data",
      }),
      setting({
        key: "memory",
        kind: "flag",
        about: "keep nothing: they end with the process",
        scope: "broker",
        reload: "restart",
        option: "data",
      }),
      setting({
        key: "durability",
        kind: "text",
        value: "LEVEL",
        default: "fsync",
        form: {
          pattern: /^(fsync|os|interval=0{0,6}[1-9]\d{0,6}|log|replicated)$/,
          takes: "fsync, os or interval=MS, in a cluster log or replicated",
        },
        about:
          "a message is acknowledged when it is on the disk (fsync), when the system has it (os: a power cut may lose it) " +
          "or at once (interval=MS: the last MS milliseconds may be lost)",
        scope: "broker",
        reload: "restart",
        option: "durability",
      }),
      setting({
        key: "strict-store",
        kind: "flag",
        rare: true,
        about:
          "do not start with a damaged store; without this it is set aside, and all that can be read of it is saved",
        scope: "broker",
        reload: "restart",
        option: "strictStore",
      }),
    ],
  },
  {
    title: "Log, on stderr",
    rows: [
      setting({
        key: "log.level",
        kind: "choice",
        choices: LOG_LEVELS,
        default: "info",
        value: "LEVEL",
        about: `the least that is written: ${LOG_LEVELS.join(", ")}`,
        scope: "broker",
        reload: "now",
        option: "logLevel",
      }),
      setting({
        key: "log.format",
        kind: "choice",
        choices: LOG_FORMATS,
        rare: true,
        default: "logfmt",
        about: "the form of a line",
        scope: "broker",
        reload: "now",
        option: "logFormat",
      }),
      ...(Object.keys(LOG_LIMITS) as LogLimitName[]).map((limit): Setting =>
        setting({
          key: kebab(limit).replace("-", "."), // log.lines-per-second-max
          ...numberRow(LOG_LIMITS[limit]),
          scope: "broker",
          reload: "now",
          option: `logLimits.${limit}`,
        })
      ),
    ],
  },
  {
    title: "Figures",
    rows: [
      setting({
        key: "sys-interval",
        kind: "integer",
        value: "N",
        least: 0,
        most: 86_400,
        default: "10",
        unit: "s",
        rare: true,
        about:
          "from one message of a topic below $SYS/broker to the next, while somebody subscribes to it; 0 for none (s)",
        scope: "broker",
        reload: "restart",
        option: "sysInterval",
      }),
      setting({
        key: "otel",
        kind: "flag",
        rare: true,
        about:
          "spans of connects, subscriptions, commits and logins for OpenTelemetry, by the package @opentelemetry/api and an SDK that is loaded before",
        scope: "broker",
        reload: "restart",
        option: "otel",
      }),
    ],
  },
  {
    title: "Page and HTTP API",
    rows: [
      setting({
        key: "web.admins",
        name: "admins",
        kind: "list",
        value: "USER",
        rare: true,
        about:
          "users who may log in to the page and the HTTP API with their password, besides the owner of the token (plumb page); may be given more than once",
        scope: "broker",
        reload: "now",
        option: "web.admins",
      }),
      setting({
        key: "web.hosts",
        kind: "list",
        value: "NAME",
        form: { pattern: /^[a-z0-9._-]+$/i, takes: "a name without port" },
        rare: true,
        about:
          "names of this machine by which the page and the HTTP API may be called, besides localhost and its addresses; may be given more than once",
        scope: "broker",
        reload: "now",
        option: "web.hosts",
      }),
      setting({
        key: "web.token-file",
        name: "api-token-file",
        isPath: true,
        kind: "text",
        value: "FILE",
        defaultIs: "api-token in the data directory; with --memory in .plumb of the user",
        rare: true,
        about: "the token of the owner, made if the file is not there",
        scope: "broker",
        reload: "restart",
        option: "web.tokenFile",
      }),
    ],
  },
  {
    title: "What happens then",
    rows: [
      setting({
        key: "hooks",
        isPath: true,
        kind: "text",
        value: "FILE",
        rare: true,
        about: "TypeScript or JavaScript that is called when Clients come, go, subscribe and publish",
        scope: "broker",
        reload: "now",
        option: "hooks",
      }),
      ...webhookRows(),
    ],
  },
  {
    title: "Features",
    rows: [
      setting({
        key: "features.maximum-qos",
        name: "maximum-qos",
        kind: "integer",
        value: "N",
        least: 0,
        most: 2,
        default: "2",
        about: "the highest QoS of a PUBLISH and of a subscription, announced as Maximum QoS",
        rare: true,
        scope: "listener",
        reload: "new connections",
        option: "features.maximumQos",
      }),
      feature("retainAvailable", "messages may be retained"),
      feature("wildcardSubscriptionAvailable", "a Topic Filter may have wildcards"),
      feature("subscriptionIdentifiersAvailable", "a SUBSCRIBE may have a Subscription Identifier"),
      feature("sharedSubscriptionAvailable", "a Topic Filter may begin with $share/"),
      feature(
        "takeoverByOthers",
        "a Client may take over the session of another user by its Client Identifier",
        false,
      ),
      setting({
        key: "tolerate",
        kind: "list",
        choices: Object.keys(TOLERANCES),
        value: "NAME",
        rare: true,
        about:
          "a deviation from the standard that Clients may make, for devices that cannot be mended; may be given more " +
          `than once: ${
            Object.entries(TOLERANCES).map(([name, { about }]) => `${name} (${about})`).join("; ")
          }`,
        scope: "listener",
        reload: "new connections",
        option: "tolerate",
      }),
    ],
  },
  {
    title: "Limits",
    rows: (Object.entries(LIMITS) as [LimitName, LimitRow][]).map(([limit, row]): Setting =>
      setting({
        key: `limits.${kebab(limit)}`,
        name: kebab(limit),
        ...numberRow(row),
        ...KNOWN_AS[limit],
        ...limit === "memoryBytesMax" && {
          defaultIs: `${row.default}, or half of the memory there is if that is less`,
        },
        scope: SCOPES[row.scope],
        reload: RELOAD_OF_LIMITS[limit],
        option: `limits.${limit}`,
      })
    ).concat((Object.entries(LOGIN_NUMBERS) as [LoginNumber, LoginRow][]).map(([name, row]) => {
      const { default: value, ...rest } = numberRow(row);
      return setting({
        key: `limits.${kebab(name)}`,
        name: kebab(name),
        ...rest,
        ...name === "hashesMax" ? { defaultIs: "by the number of cores" } : { default: value! },
        scope: "broker",
        reload: "new connections",
        option: `loginLimits.${name}`,
      });
    })).concat((Object.keys(API_NUMBERS) as ApiNumber[]).map((name) =>
      setting({
        key: `limits.${kebab(name)}`,
        name: kebab(name),
        ...numberRow(API_NUMBERS[name]),
        scope: "broker",
        reload: "now",
        option: `apiLimits.${name}`,
      })
    )).concat(
      Object.entries(HOOK_NUMBERS).map(([name, row]) =>
        setting({
          key: `limits.${kebab(name)}`,
          name: kebab(name),
          ...numberRow(row),
          scope: "broker",
          reload: "now",
          option: `hookLimits.${name}`,
        })
      ),
    ),
  },
];

/** All settings. */
export const SETTINGS: readonly Setting[] = SECTIONS.flatMap(({ rows }) => rows);

/** The key of the tables of listeners, `[[listener]]`. */
export const LISTENER = "listener";

/** The key of the tables of bridges, `[[bridge]]`, whose keys `bridges.ts` has. */
export const BRIDGE = "bridge";

/** The key of a login chain: a table with its settings in short, or tables of its links, `[[login]]`. */
export const LOGIN = "login";

/** The key of the tables of certificates for other names, `[[tls.sni]]`. */
export const SNI = "sni";

/** The settings of one of them: it must have both. */
export const SNI_ROWS: readonly Setting[] = [
  setting({
    key: "certificate",
    isPath: true,
    kind: "text",
    about: "the certificate for Clients that ask for a name in it, in PEM, its issuers behind it",
    scope: "listener",
    reload: "new connections",
    option: "certificate",
  }),
  setting({
    key: "key",
    isPath: true,
    kind: "text",
    about: "its private key, in PEM, without a passphrase",
    scope: "listener",
    reload: "new connections",
    option: "key",
  }),
];

/** Where a listener listens: the one key that a `[[listener]]` must have. */
export const LISTENER_URL: Setting = setting({
  key: "url",
  kind: "text",
  value: "URL",
  about:
    "mqtt://HOST:PORT or, with TLS, mqtts://HOST:PORT; ws://HOST:PORT/PATH, wss://HOST:PORT/PATH, unix:/PATH; localhost is 127.0.0.1 and ::1",
  scope: "listener",
  reload: "now",
  option: "url",
});

/** The settings that a `[[listener]]` may have, in place of those of the broker. */
export const LISTENER_SETTINGS: readonly Setting[] = SETTINGS.filter(({ scope }) => scope !== "broker");

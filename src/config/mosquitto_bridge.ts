/**
 * A bridge of a `mosquitto.conf` as a `[[bridge]]` of ours.
 * Knows mosquitto's options of bridges (2.0 and 2.1) and their defaults; refuses to know all others.
 * @module
 */
import { BRIDGE_NUMBERS } from "../bridge/numbers.ts";
import { BRIDGE } from "./schema.ts";
import { escaped, quoted } from "./write.ts";

/** Old names of options. */
const ALSO: Readonly<Record<string, string>> = {
  addresses: "address",
  clean_session: "cleansession",
  clientid: "remote_clientid",
  password: "remote_password",
  username: "remote_username",
};

/** One line of the file. */
interface OptionLine {
  readonly where: string;
  readonly option: string;
  readonly value: string;
}

type Values = Readonly<Record<string, string>>;
/** What an option gives: our keys with TOML values, or a remark. */
type Option = (value: string, bridge: MosquittoBridge) => Values | string;

const NO_COUNTERPART = "has no counterpart";
const MS = 1_000;

const none = (): string => NO_COUNTERPART;
const same = (): Values => ({});
const only = (right: string, why = NO_COUNTERPART): Option => (value) => value === right ? {} : why;
const text = (key: string): Option => (value) => ({ [key]: quoted(value) });
const truth = (yes: Values | string, no: Values | string): Option => (value) =>
  value === "true" ? yes : value === "false" ? no : "takes true or false";

function number(key: keyof typeof BRIDGE_NUMBERS, ours: string): Option {
  const { least, most } = BRIDGE_NUMBERS[key];
  return (value) =>
    /^\d+$/.test(value)
      ? { [ours]: String(Math.min(Math.max(Number(value), least), most)) }
      : "takes a whole number";
}

const secured = (key: string): Option => (value, bridge) => {
  bridge.isTls = true;
  return { [key]: quoted(bridge.path(value)) };
};

const withPsk: Option = (_, bridge) => {
  bridge.isLeftOut = true;
  return `${NO_COUNTERPART}: this bridge is left out`;
};

/** All of them, but `connection`. */
export const MOSQUITTO_BRIDGE_OPTIONS: Readonly<Record<string, Option>> = {
  address(value, bridge) {
    const [first = "", ...more] = value.split(/\s+/);
    bridge.address = first;
    return more.length === 0 ? {} : `has several addresses: only ${first} is taken`;
  },
  topic: (value, bridge) => bridge.topic(value),
  remote_clientid(value, bridge) {
    bridge.clientId = value;
    return { "client-id": quoted(value) };
  },
  remote_username: text("username"),
  remote_password(_, bridge) {
    const file = `${BRIDGE}-${bridge.name}.password`;
    bridge.set("password-file", quoted(file), "remote_password");
    return `is a secret: write it into the file ${file} beside plumb.toml, that only the broker may read`;
  },
  bridge_protocol_version: (value) =>
    value === "mqttv50"
      ? { level: "5" }
      : value === "mqttv311"
      ? {}
      : value === "mqttv31"
      ? "mqttv31 has no counterpart: it is 3.1.1 here"
      : "takes mqttv50, mqttv311 or mqttv31",
  cleansession: truth({ clean: "true" }, {}),
  keepalive_interval: number("keepAliveSeconds", "keep-alive-seconds"),
  restart_timeout(value) {
    const [base = NaN, cap = base] = value.split(/\s+/).map(Number);
    if (!(base >= 1 && cap >= base)) return "takes one or two whole numbers";
    return { "reconnect-ms-min": String(base * MS), "reconnect-ms-max": String(cap * MS) };
  },
  notifications: truth({}, { state: quoted("off") }),
  notifications_local_only: truth({ state: quoted("local") }, {}),
  notification_topic: text("state-topic"),
  try_private: truth({}, { "bridge-bit": "false" }),
  bridge_receive_maximum: number("receiveMaximum", "receive-maximum"),
  bridge_cafile: secured("tls.ca"),
  bridge_certfile: secured("tls.certificate"),
  bridge_keyfile: secured("tls.key"),
  bridge_capath(_, bridge) {
    bridge.isTls = true;
    return `${NO_COUNTERPART}: put the certificates into one file, and name it in tls.ca`;
  },
  bridge_tls_use_os_certs(value, bridge) {
    if (value === "true") bridge.isTls = true;
    return {};
  },
  bridge_insecure: only("false", `${NO_COUNTERPART}: the certificate must be for the host of the url`),
  bridge_identity: withPsk,
  bridge_psk: withPsk,
  bridge_tls_version: (value) =>
    /^tlsv1\.[23]$/.test(value) ? {} : `${NO_COUNTERPART}: TLS 1.2 and 1.3 are spoken`,
  bridge_alpn: none,
  bridge_require_ocsp: only("false"),
  bridge_bind_address: none,
  bridge_max_packet_size: only("0"),
  bridge_max_topic_alias: same,
  bridge_outgoing_retain: only("true"),
  bridge_session_expiry_interval: () => `${NO_COUNTERPART}: the session at the other broker lasts for ever`,
  bridge_attempt_unsubscribe: same,
  bridge_reload_type: same,
  bridge_tcp_keepalive: none,
  bridge_tcp_user_timeout: none,
  start_type: only("automatic", `${NO_COUNTERPART}: it is always connected`),
  idle_timeout: none,
  threshold: none,
  round_robin: only("false"),
  local_cleansession: () => `${NO_COUNTERPART}: it is as cleansession`,
  local_clientid: () => "is not needed: a bridge is a part of the broker",
  local_username: () => "is not needed: a bridge may do everything",
  local_password: () => "is not needed: a bridge may do everything",
};

/** Whether an option belongs to bridges. */
export function isOfBridge(option: string): boolean {
  return option === "connection" || Object.hasOwn(MOSQUITTO_BRIDGE_OPTIONS, ALSO[option] ?? option);
}

/** One `connection`. */
export class MosquittoBridge {
  readonly name: string;
  readonly path: (value: string) => string;
  address = "";
  clientId: string | undefined;
  isTls = false;
  isLeftOut = false;
  readonly #where: string;
  readonly #entries: Map<string, { readonly value: string; readonly from: string }> = new Map();
  readonly #topics: { readonly values: Values; readonly from: string }[] = [];
  #line = "";

  constructor({ where, value }: OptionLine, path: (value: string) => string) {
    this.#where = where;
    this.name = value.replace(/[^\w.-]/g, "-");
    this.path = path;
    this.#line = where;
    this.set("level", "4", "mosquitto's default");
  }

  /** A line behind it; gives a remark if there is one. */
  read({ where, option, value }: OptionLine): string | undefined {
    this.#line = where;
    const found = MOSQUITTO_BRIDGE_OPTIONS[ALSO[option] ?? option]!(value, this);
    if (typeof found === "string") return `${option} ${found}`;
    for (const [key, one] of Object.entries(found)) this.set(key, one, option);
    return undefined;
  }

  /** A value, and the option that it is from. */
  set(key: string, value: string, option: string): void {
    const from = option.includes(" ") ? option : `${this.#line}: ${option}`;
    this.#entries.set(key, { value, from });
  }

  /** `topic PATTERN [[[out|in|both] QOS] LOCAL REMOTE]`. */
  topic(value: string): Values | string {
    const [filter = "", direction = "out", qos = "0", local = "", remote = ""] = value.split(/\s+/)
      .map((part) => part === '""' ? "" : part);
    if (!["out", "in", "both"].includes(direction) || !/^[012]$/.test(qos)) {
      return "takes a pattern, then out, in or both, then 0, 1 or 2, then two prefixes";
    }
    if (filter === "" && (local === "" || remote === "")) return "without a pattern needs two topics";
    const values = {
      ...filter !== "" && { filter: quoted(filter) },
      direction: quoted(direction),
      qos,
      ...local !== "" && { "local-prefix": quoted(local) },
      ...remote !== "" && { "remote-prefix": quoted(remote) },
    };
    this.#topics.push({ values, from: `${this.#line}: topic` });
    return {};
  }

  /** Our tables; undefined, and a remark, if there can be none. */
  toml(remark: (where: string, text: string) => void): string | undefined {
    if (this.isLeftOut) return undefined;
    if (this.address === "" || this.#topics.length === 0) {
      const missing = this.address === "" ? "address" : "topic";
      remark(this.#where, `connection ${this.name} has no ${missing}: this bridge is left out`);
      return undefined;
    }
    if (this.clientId === undefined) {
      remark(
        this.#where,
        `connection ${this.name}: its Client Identifier is plumb.${this.name} here, and with mosquitto ${this.name} behind the name of the machine; client-id sets another`,
      );
    } else if (!this.#entries.has("state-topic") && this.#entries.get("state")?.value !== quoted("off")) {
      this.set("state-topic", quoted(`$SYS/broker/connection/${this.clientId}/state`), "mosquitto's default");
    }
    const lines = (values: Iterable<readonly [string, string, string]>) =>
      [...values].map(([key, value, from]) => `${key} = ${value}  # ${escaped(from)}\n`).join("");
    const [, host = "", port = "1883"] = /^(.*?)(?::(\d+))?$/.exec(this.address)!;
    const url = `${this.isTls ? "mqtts" : "mqtt"}://${
      host.includes(":") && host[0] !== "[" ? `[${host}]` : host
    }:${port}`;
    return [
      `[[${BRIDGE}]]  # ${escaped(this.#where)}\nname = ${quoted(this.name)}\nurl = ${quoted(url)}\n`,
      lines([...this.#entries].map(([key, { value, from }]) => [key, value, from])),
      ...this.#topics.map(({ values, from }) =>
        `[[${BRIDGE}.topic]]  # ${escaped(from)}\n` +
        Object.entries(values).map(([key, value]) => `${key} = ${value}\n`).join("")
      ),
    ].join("");
  }
}

/**
 * A `mosquitto.conf` as our settings: what each option of mosquitto is here, and what has no counterpart or another meaning.
 * Knows mosquitto's options (2.0 and 2.1) and their defaults; refuses to know files and the command line.
 * @module
 */
import { LIMITS } from "../broker/limits.ts";
import { isOfBridge, MosquittoBridge } from "./mosquitto_bridge.ts";
import { LISTENER, LISTENER_SETTINGS, LOGIN, SETTINGS } from "./schema.ts";
import { kebab } from "./setting.ts";
import { escaped, quoted } from "./write.ts";

/** One line of a file. */
export interface MosquittoLine {
  /** `mosquitto.conf:12`. */
  readonly where: string;
  readonly option: string;
  readonly value: string;
}

/** What an import gives. */
export interface Imported {
  /** Our `plumb.toml`. */
  readonly toml: string;
  /** A line for each option that has no counterpart or another meaning. */
  readonly remarks: readonly string[];
}

/** The options of a text: `#` begins a comment only at the beginning of a line. */
export function mosquittoLines(text: string, path: string): MosquittoLine[] {
  return text.split(/\r?\n/).flatMap((line, i) => {
    const [, option, value = ""] = /^\s*([^\s#]\S*)(?:\s+(.*?))?\s*$/.exec(line) ?? [];
    return option === undefined ? [] : [{ where: `${path}:${i + 1}`, option, value }];
  });
}

/** What a line gives: settings by key with TOML values, remarks, or both; nothing if we do the same anyway. */
export interface Meaning {
  readonly set?: Readonly<Record<string, string>>;
  readonly remark?: string;
  /** The listener would let in whom mosquitto keeps out, or does not speak MQTT: it is left out. */
  readonly isLeftOut?: true;
}

/** An option of mosquitto. */
export interface MosquittoOption {
  /** `security`: of all listeners, unless `per_listener_settings` is true. */
  readonly scope: "global" | "security" | "listener";
  /** `path` makes a path absolute: here relative ones are meant from the directory of `plumb.toml`. */
  is(value: string, path: (value: string) => string): Meaning;
}

/** s: the most that `sys-interval` may be. */
const SYS_INTERVAL_MAX = 86_400;
const NO_COUNTERPART = "has no counterpart";

function none(scope: MosquittoOption["scope"], why = NO_COUNTERPART): MosquittoOption {
  return { scope, is: () => ({ remark: why }) };
}

/** The same here whatever mosquitto does, or nothing that can be set. */
function same(scope: MosquittoOption["scope"]): MosquittoOption {
  return { scope, is: () => ({}) };
}

/** Nothing to say if the value is this one, which is what happens here. */
function only(scope: MosquittoOption["scope"], value: string, why = NO_COUNTERPART): MosquittoOption {
  return { scope, is: (given) => given === value ? {} : { remark: why } };
}

function path(scope: MosquittoOption["scope"], key: string): MosquittoOption {
  return { scope, is: (value, path) => ({ set: { [key]: quoted(path(value)) } }) };
}

/** A limit, or several with one value; 0 is no limit there, and the highest value here. */
function limit(
  scope: MosquittoOption["scope"],
  names: readonly (keyof typeof LIMITS)[],
  remark?: string,
): MosquittoOption {
  return {
    scope,
    is: (value) => {
      const number = Number(value);
      if (!/^-?\d+$/.test(value)) return { remark: "takes a whole number" };
      const set = Object.fromEntries(names.map((name) => {
        const { least, most } = LIMITS[name];
        const ours = number <= 0 && least > 0 ? most : Math.min(Math.max(number, least), most);
        return [`limits.${kebab(name)}`, String(ours)];
      }));
      return { set, ...remark !== undefined && { remark } };
    },
  };
}

/** A limit whose 0 is no limit though ours has a 0 of its own. */
function queueLimit(name: "queuedMessagesMax" | "queuedBytesMax"): MosquittoOption {
  const { is } = limit("global", [name]);
  return {
    scope: "global",
    is: (value, path) => is(value === "0" ? String(LIMITS[name].most) : value, path),
  };
}

/** A whole number of seconds, as far as ours goes. */
function sysInterval(): MosquittoOption {
  return {
    scope: "global",
    is: (value) =>
      /^\d+$/.test(value)
        ? { set: { "sys-interval": String(Math.min(Number(value), SYS_INTERVAL_MAX)) } }
        : { remark: "takes a whole number" },
  };
}

/** A setting for true, and perhaps one for false. */
function truth(scope: MosquittoOption["scope"], yes: Meaning, no: Meaning = {}): MosquittoOption {
  return {
    scope,
    is: (value) => value === "true" ? yes : value === "false" ? no : { remark: "takes true or false" },
  };
}

/** The level of our log for each type of mosquitto's; 0 is the most. */
const LOG_TYPES: Readonly<Record<string, "debug" | "info" | "warn" | "error" | "off">> = {
  all: "debug",
  debug: "debug",
  subscribe: "debug",
  unsubscribe: "debug",
  information: "info",
  notice: "info",
  warning: "warn",
  error: "error",
  none: "off",
};

const UNITS: Readonly<Record<string, number>> = { h: 1, d: 24, w: 24 * 7, m: 24 * 30, y: 24 * 365 };
const SECONDS_PER_HOUR = 3600;
/** Where mosquitto listens without a word about it. */
const MOSQUITTO_LISTEN = "mqtt://localhost:1883";
/** A PUBLISH is this much larger than its payload, at most, without properties. */
const AROUND_PAYLOAD_BYTES = 65_546;

/** Every option of mosquitto that is not of bridges (`mosquitto_bridge.ts`). Those that are done elsewhere in this file are marked so. */
export const MOSQUITTO_OPTIONS: Readonly<Record<string, MosquittoOption>> = {
  // Listeners, and what stands around them.
  listener: same("global"), // by `Importer`
  port: same("listener"), // by `Importer`
  bind_address: same("listener"), // by `Importer`
  socket_domain: same("listener"), // by `Importer`
  protocol: same("listener"), // by `Importer`
  per_listener_settings: same("global"), // by `Importer`
  include_dir: same("global"), // by the reader of files
  bind_interface: none("listener", "has no counterpart: write the address of the interface into the url"),
  max_connections: {
    scope: "listener",
    is: (value) =>
      value === "-1"
        ? {}
        : { remark: "has no counterpart for one listener: limits.connections-max is for all" },
  },
  global_max_connections: limit("global", ["connectionsMax"]),
  global_max_clients: limit("global", ["sessionsMax"], "counts sessions, also of Clients that are away"),
  max_topic_alias: limit("listener", ["topicAliasMaximum"]),
  max_topic_alias_broker: limit("global", ["topicAliasesOutMax"]),
  max_qos: {
    scope: "listener",
    is: (value) =>
      /^[012]$/.test(value) ? { set: { "features.maximum-qos": value } } : { remark: "takes 0, 1 or 2" },
  },
  mount_point: none("listener"),
  use_username_as_clientid: only("listener", "false"),
  accept_protocol_versions: none("listener", "has no counterpart: 3.1, 3.1.1 and 5.0 are accepted"),
  enable_proxy_protocol: none("listener", "has no counterpart: name the proxies in proxy-protocol"),
  proxy_protocol_v2_require_tls: none("listener"),
  http_dir: none("listener"),
  websockets_headers_size: none("listener"),
  websockets_origin: same("listener"), // by `Importer`
  websockets_log_level: none("global"),
  // TLS.
  certfile: path("listener", "tls.certificate"),
  keyfile: path("listener", "tls.key"),
  cafile: path("listener", "tls.ca"),
  crlfile: path("listener", "tls.crl"),
  require_certificate: truth("listener", { set: { "tls.client-certificate": quoted("required") } }),
  use_identity_as_username: truth("listener", { set: { "tls.identity": quoted("cn") } }),
  use_subject_as_username: truth("listener", { set: { "tls.identity": quoted("dn") } }),
  capath: none("listener", "has no counterpart: put the certificates into one file, and name it in tls.ca"),
  tls_version: {
    scope: "listener",
    is: (value) =>
      value === "tlsv1.3"
        ? { set: { "tls.minimum-version": quoted("1.3") } }
        : value === "tlsv1.2"
        ? {}
        : { remark: "has no counterpart: TLS 1.2 and 1.3 are spoken" },
  },
  ciphers: none("listener"),
  "ciphers_tls1.3": none("listener"),
  dhparamfile: none("listener"),
  tls_engine: none("listener"),
  tls_engine_kpass_sha1: none("listener"),
  tls_keyform: only("listener", "pem"),
  psk_hint: {
    scope: "listener",
    is: () => ({ remark: "has no counterpart: this listener is left out", isLeftOut: true }),
  },
  psk_file: none("security"),
  disable_client_cert_date_checks: only("listener", "false"),
  // Who may come, and what they may do.
  allow_anonymous: truth(
    "security",
    { set: { "login.anonymous": quoted("always") } },
    { set: { "login.anonymous": quoted("never") } },
  ),
  listener_allow_anonymous: truth(
    "listener",
    { set: { "login.anonymous": quoted("always") } },
    { set: { "login.anonymous": quoted("never") } },
  ),
  password_file: path("security", "login.password-file"),
  acl_file: path("security", "mosquitto-acl"),
  allow_zero_length_clientid: only("security", "true"),
  auto_id_prefix: none("security"),
  listener_auto_id_prefix: none("listener"),
  clientid_prefixes: none("global"),
  check_retain_source: none("global"),
  auth_plugin: none("security"),
  auth_plugin_deny_special_chars: none("security"),
  plugin: none("security"),
  plugin_load: none("global"),
  plugin_use: none("listener"),
  global_plugin: none("global"),
  enable_control_api: only("global", "false"),
  // What is kept.
  persistence: same("global"), // by `Importer`
  persistence_location: same("global"), // by `Importer`
  persistence_file: none("global", "has no counterpart: what mosquitto has kept is not read"),
  autosave_interval: none(
    "global",
    "is not needed: an acknowledgement means that a message is on the disk (durability)",
  ),
  autosave_on_changes: same("global"),
  persistent_client_expiration: {
    scope: "global",
    is: (value) => {
      const [, count, unit = ""] = /^(\d+)\s*([hdwmy])$/.exec(value) ?? [];
      if (count === undefined) return { remark: "takes a number and one of h d w m y" };
      const seconds = Math.min(Number(count) * UNITS[unit]! * SECONDS_PER_HOUR, 0xffff_ffff);
      return {
        set: { "limits.session-expiry-seconds-max": String(seconds) },
        remark: "holds for sessions of MQTT 5.0 too",
      };
    },
  },
  // Limits.
  max_inflight_messages: limit("global", ["inFlightMax", "inFlightMaxLevel4"]),
  max_inflight_bytes: only("global", "0"),
  max_queued_messages: queueLimit("queuedMessagesMax"),
  max_queued_bytes: queueLimit("queuedBytesMax"),
  message_size_limit: {
    scope: "global",
    is: (value) => {
      if (value === "0") return { set: { "limits.packet-bytes-max": String(LIMITS.packetBytesMax.most) } };
      if (!/^\d+$/.test(value)) return { remark: "takes a whole number" };
      const bytes = Math.min(Number(value) + AROUND_PAYLOAD_BYTES, LIMITS.packetBytesMax.most);
      return {
        set: { "limits.packet-bytes-max": String(bytes) },
        remark: "bounds the whole packet here, and a Client that sends a larger one is disconnected",
      };
    },
  },
  max_packet_size: limit("global", ["packetBytesMax"]),
  max_keepalive: limit("global", ["keepAliveSecondsMax"]),
  memory_limit: only("global", "0"),
  packet_buffer_size: same("global"),
  queue_qos0_messages: only("global", "false"),
  upgrade_outgoing_qos: only("global", "false"),
  retain_available: truth("global", {}, { set: { "features.retain-available": "false" } }),
  retain_expiry_interval: none("global"),
  set_tcp_nodelay: same("global"),
  sys_interval: sysInterval(),
  allow_duplicate_messages: only(
    "global",
    "false",
    "is never so: a message comes once for overlapping subscriptions",
  ),
  // The log, and the process.
  log_type: same("global"), // by `Importer`
  log_dest: only("global", "stderr", "is always stderr"),
  log_facility: none("global"),
  log_timestamp: only("global", "true"),
  log_timestamp_format: none("global"),
  connection_messages: only("global", "true"),
  pid_file: none("global"),
  user: none("global", "has no counterpart: start Plumb as this user"),
  // Of old versions.
  retry_interval: same("global"),
  store_clean_interval: same("global"),
  max_log_entries: none("global"),
};

function optionOf(name: string): MosquittoOption | undefined {
  if (/^(auth_opt_|plugin_opt_)/.test(name)) return none("security");
  return Object.hasOwn(MOSQUITTO_OPTIONS, name) ? MOSQUITTO_OPTIONS[name] : undefined;
}

/** A setting of the new file, and the line that it comes from. */
interface Entry {
  readonly value: string;
  readonly from: string;
  /** The line of `from`, if it is one. */
  readonly where?: string;
}

/** A listener of mosquitto. */
interface MosquittoListener {
  from: string;
  port: string;
  host: string | undefined;
  domain: string | undefined;
  /** The line that says so. */
  webSocket: string | undefined;
  isLeftOut: boolean;
  readonly entries: Map<string, Entry>;
}

function listenerOf(from: string, port: string, host: string | undefined): MosquittoListener {
  return { from, port, host, domain: undefined, webSocket: undefined, isLeftOut: false, entries: new Map() };
}

function urlOf({ port, host, domain, webSocket, entries }: MosquittoListener): string {
  if (host?.startsWith("/")) return `unix:${host}`;
  const scheme = `${webSocket === undefined ? "mqtt" : "ws"}${entries.has("tls.certificate") ? "s" : ""}`;
  const any = domain === "ipv4" ? "0.0.0.0" : "::";
  const name = host ?? any;
  return `${scheme}://${name.includes(":") ? `[${name}]` : name}:${port}`;
}

const ORIGINS = "websocket.origins";
const FIRST_LISTENER = "mosquitto's default listener";

class Importer {
  readonly #remarks: { readonly where: string; readonly text: string }[] = [];
  readonly #path: (value: string) => string;
  readonly #broker = new Map<string, Entry>();
  readonly #listeners: MosquittoListener[] = [];
  readonly #bridges: MosquittoBridge[] = [];
  /** Options before the first `listener`, and `port`, make one more. */
  readonly #first: MosquittoListener = listenerOf(FIRST_LISTENER, "1883", undefined);
  #logLevels: { readonly level: string; readonly from: string }[] = [];
  #persistence: MosquittoLine | undefined;
  #location: MosquittoLine | undefined;
  #isPerListener = false;

  constructor(path: (value: string) => string) {
    this.#path = path;
  }

  /** In the order of the lines; behind them those of no line. */
  remarks(lines: readonly MosquittoLine[]): string[] {
    const order = new Map(lines.map(({ where }, i) => [where, i]));
    const at = (where: string) => order.get(where) ?? lines.length;
    return this.#remarks.toSorted((a, b) => at(a.where) - at(b.where)).map(({ where, text }) =>
      `${where}: ${text}`
    );
  }

  #remark(where: string, text: string): void {
    this.#remarks.push({ where, text });
  }

  read(lines: readonly MosquittoLine[]): void {
    this.#isPerListener = lines.some(({ option, value }) =>
      option === "per_listener_settings" && value === "true"
    );
    for (const line of lines) this.#line(line);
  }

  #line(line: MosquittoLine): void {
    const { where, option: name, value } = line;
    if (isOfBridge(name)) return this.#bridge(line);
    const option = optionOf(name);
    if (option === undefined) {
      return void this.#remark(where, `${name} is not an option of mosquitto`);
    }
    const listener = this.#listeners.at(-1) ?? this.#first;
    switch (name) {
      case "listener":
        return this.#listen(line);
      case "port":
        this.#first.port = value;
        this.#first.from = where;
        return;
      case "bind_address":
        this.#first.host = value;
        this.#first.from = where;
        return;
      case "persistence":
        this.#persistence = line;
        return;
      case "persistence_location":
        this.#location = line;
        return;
      case "log_type":
        return this.#log(line);
      case "socket_domain":
        listener.domain = value;
        return;
      case "protocol":
        return this.#protocol(listener, line);
      case "websockets_origin":
        return this.#origin(listener, line);
    }
    const { set = {}, remark, isLeftOut } = option.is(value, this.#path);
    if (isLeftOut) listener.isLeftOut = true;
    if (remark !== undefined) this.#remark(where, `${name} ${remark}`);
    const isOfListener = option.scope === "listener" || (option.scope === "security" && this.#isPerListener);
    const entries = !isOfListener ? this.#broker : listener.entries;
    for (const [key, value] of Object.entries(set)) {
      entries.set(key, { value, where, from: `${where}: ${name}` });
    }
  }

  #bridge(line: MosquittoLine): void {
    const { where, option } = line;
    if (option === "connection") return void this.#bridges.push(new MosquittoBridge(line, this.#path));
    const bridge = this.#bridges.at(-1);
    const remark = bridge === undefined ? `${option} does nothing without a connection` : bridge.read(line);
    if (remark !== undefined) this.#remark(where, remark);
  }

  #listen({ where, value }: MosquittoLine): void {
    const [port = "", host] = value.split(/\s+/);
    if (host?.startsWith("/")) {
      this.#remark(
        where,
        "listener on a Unix socket is for its owner alone: ?mode=660 in its url lets its group in",
      );
    }
    this.#listeners.push(listenerOf(where, port, host));
  }

  #protocol(listener: MosquittoListener, { where, value }: MosquittoLine): void {
    listener.webSocket = value === "websockets" ? where : undefined;
    if (value === "websockets" || value === "mqtt") return;
    listener.isLeftOut = true;
    this.#remark(where, `protocol ${value} has no counterpart: this listener is left out`);
  }

  /** One of several. `*` is none there, and all of them here. */
  #origin({ entries }: MosquittoListener, { where, option, value }: MosquittoLine): void {
    if (!/^https?:\/\/[^/\s]+$/i.test(value)) {
      return this.#remark(where, `${option} takes https://HOST or https://HOST:PORT, as browsers send it`);
    }
    const others = entries.get(ORIGINS)?.value.slice(1, -1);
    const all = [...others === undefined ? [] : [others], quoted(value)].join(", ");
    entries.set(ORIGINS, { value: `[${all}]`, where, from: `${where}: ${option}` });
  }

  #log({ where, option, value }: MosquittoLine): void {
    const level = Object.hasOwn(LOG_TYPES, value) ? LOG_TYPES[value] : undefined;
    if (level === undefined) this.#remark(where, `${option} ${value} ${NO_COUNTERPART}`);
    else this.#logLevels.push({ level, from: `${where}: ${option}` });
  }

  /** The text of the new file. */
  toml(source: string): string {
    this.#settle();
    const all = this.#allListeners();
    const listeners = all.filter(({ isLeftOut }) => !isLeftOut);
    if (listeners.length === 0) {
      const from = all.length === 0 ? "mosquitto's default" : "every listener is left out";
      this.#broker.set("listen", { value: quoted(MOSQUITTO_LISTEN), from });
    }
    const isOfAll = !this.#isPerListener || listeners.length === 0;
    if (all.length > 0 && isOfAll && !this.#broker.has("login.anonymous")) {
      this.#broker.set("login.anonymous", {
        value: quoted("never"),
        from: "mosquitto's default with a listener",
      });
    }
    return [
      `# Written by \`plumb import\` from ${
        escaped(source)
      }. plumb --help-all says what the settings mean.\n`,
      this.#table(this.#broker, new Set(SETTINGS.map(({ key }) => key))),
      ...listeners.map((listener) => this.#listenerTable(listener)),
      ...this.#bridges.flatMap((bridge) => bridge.toml((where, text) => this.#remark(where, text)) ?? []),
    ].join("\n");
  }

  /** What several lines decide together. */
  #settle(): void {
    const persistence = this.#persistence;
    if (persistence?.value === "true") {
      const location = this.#location;
      const from = location === undefined
        ? `${persistence.where}: persistence`
        : `${location.where}: persistence_location`;
      const directory = this.#path(location?.value ?? ".").replace(/\/+$/, "");
      this.#broker.set("data", { value: quoted(`${directory}/plumb`), from });
      this.#remark(persistence.where, `persistence: what mosquitto has kept (mosquitto.db) is not read`);
    } else {
      const from = persistence === undefined ? "mosquitto's default" : `${persistence.where}: persistence`;
      this.#broker.set("memory", { value: "true", from });
      if (this.#location !== undefined) {
        this.#remark(this.#location.where, "persistence_location does nothing without persistence true");
      }
    }
    const order = ["debug", "info", "warn", "error", "off"];
    const [most] = [...this.#logLevels].sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level));
    if (most !== undefined) this.#broker.set("log.level", { value: quoted(most.level), from: most.from });
  }

  /** The listeners, the one without a `listener` line first. */
  #allListeners(): readonly MosquittoListener[] {
    const { from, entries, isLeftOut, webSocket } = this.#first;
    const isAsked = from !== FIRST_LISTENER || entries.size > 0 || isLeftOut || webSocket !== undefined;
    return [...isAsked ? [this.#first] : [], ...this.#listeners];
  }

  #listenerTable(listener: MosquittoListener): string {
    const { from, webSocket, entries } = listener;
    const url = urlOf(listener);
    if (webSocket !== undefined && !entries.has(ORIGINS)) {
      this.#remark(
        webSocket,
        `protocol websockets: pages of other hosts than the broker's need ${ORIGINS}`,
      );
    }
    const isByCertificate = entries.has("tls.identity");
    if (this.#isPerListener && !isByCertificate && !entries.has("login.anonymous")) {
      entries.set("login.anonymous", { value: quoted("never"), from: "mosquitto's default with a listener" });
    }
    // mosquitto takes no notice of a password where the certificate says who it is.
    const chain = isByCertificate ? `[[${LISTENER}.${LOGIN}]]\nkind = "certificate"\n` : "";
    const isLeftOut = (key: string) =>
      (isByCertificate && key.startsWith(`${LOGIN}.`)) ||
      (/^tls\.(ca|crl)$/.test(key) && !entries.has("tls.client-certificate")); // it asks no Client for one
    const kept = new Map([...entries].filter(([key]) => !isLeftOut(key)));
    const known = new Set(LISTENER_SETTINGS.map(({ key }) => key));
    return `[[${LISTENER}]]  # ${escaped(from)}\nurl = ${quoted(url)}\n${this.#table(kept, known)}${chain}`;
  }

  /** Lines of keys; those that this version does not have are comments. */
  #table(entries: ReadonlyMap<string, Entry>, known: ReadonlySet<string>): string {
    return [...entries].map(([key, { value, from, where = from }]) => {
      if (known.has(key)) return `${key} = ${value}  # ${escaped(from)}\n`;
      this.#remark(
        where,
        `${
          where === from ? "" : `${from.slice(where.length + 2)} `
        }${NO_COUNTERPART} in this version: it would be ${key} = ${value}`,
      );
      return `# ${key} = ${value}  # ${escaped(from)}: not in this version\n`;
    }).join("");
  }
}

/**
 * The lines of a `mosquitto.conf`, with those of the files that it includes, as our settings. `path` makes a path absolute; `source` is
 * named in the first line.
 */
export function importMosquitto(
  lines: readonly MosquittoLine[],
  source: string,
  path: (value: string) => string,
): Imported {
  const importer = new Importer(path);
  importer.read(lines);
  const toml = importer.toml(source);
  return { toml, remarks: importer.remarks(lines).map(escaped) };
}

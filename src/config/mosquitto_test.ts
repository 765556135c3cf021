/**
 * Configurations of mosquitto as ours.
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { settingsOf } from "../cli/options.ts";
import { parseConfig } from "./file.ts";
import { importMosquitto, MOSQUITTO_OPTIONS, mosquittoLines } from "./mosquitto.ts";

const absolute = (path: string) => path.startsWith("/") ? path : `/cwd/${path}`;

function imported(text: string) {
  return importMosquitto(mosquittoLines(text, "m.conf"), "m.conf", absolute);
}

/** The lines of the new file without the first comment, the default listener, and what stands behind values. */
function written(text: string): string[] {
  return imported(text).toml.split("\n").slice(1).filter((line) =>
    line !== "" && !line.startsWith("listen = ")
  )
    .map((line) => line.replace(/ {2}# .*/, ""));
}

describe("importMosquitto()", () => {
  test("nothing is a broker on loopback that keeps nothing", async () => {
    const { toml, remarks } = imported("");
    assertEquals([written(""), remarks], [["memory = true"], []]);
    const { listen, data } = settingsOf([], () => undefined, await parseConfig(toml, "p"));
    assertEquals([listen.map(({ url }) => url), data], [["mqtt://localhost:1883"], undefined]);
  });

  test("each value says from which line it comes", () =>
    assertMatch(
      imported("# one\n\n max_keepalive  99 \n").toml,
      /limits\.keep-alive-seconds-max = 99 {2}# m\.conf:3: max_keepalive\n/,
    ));

  const cases: readonly (readonly [text: string, ours: readonly string[], remarks?: readonly string[]])[] = [
    ["persistence true", ['data = "/cwd/./plumb"'], [
      "m.conf:1: persistence: what mosquitto has kept (mosquitto.db) is not read",
    ]],
    ["persistence true\npersistence_location /var/m/\nautosave_interval 60", ['data = "/var/m/plumb"'], [
      "m.conf:1: persistence: what mosquitto has kept (mosquitto.db) is not read",
      "m.conf:3: autosave_interval is not needed: an acknowledgement means that a message is on the disk (durability)",
    ]],
    ["persistence false\npersistence_location /var/m", ["memory = true"], [
      "m.conf:2: persistence_location does nothing without persistence true",
    ]],
    ["max_inflight_messages 0", [
      "limits.in-flight-max = 65535",
      "limits.in-flight-max-level4 = 65535",
      "memory = true",
    ]],
    ["max_queued_messages 0\nmax_queued_bytes 5", [
      "limits.queued-messages-max = 4294967295",
      "limits.queued-bytes-max = 5",
      "memory = true",
    ]],
    ["max_packet_size 20", ["limits.packet-bytes-max = 64", "memory = true"]],
    ["message_size_limit 100", ["limits.packet-bytes-max = 65646", "memory = true"], [
      "m.conf:1: message_size_limit bounds the whole packet here, and a Client that sends a larger one is disconnected",
    ]],
    ["persistent_client_expiration 2d", ["limits.session-expiry-seconds-max = 172800", "memory = true"], [
      "m.conf:1: persistent_client_expiration holds for sessions of MQTT 5.0 too",
    ]],
    ["retain_available false\nset_tcp_nodelay true", ["features.retain-available = false", "memory = true"]],
    ["log_type warning\nlog_type error\nlog_dest stdout", ["memory = true", 'log.level = "warn"'], [
      "m.conf:3: log_dest is always stderr",
    ]],
    ["log_type none", ["memory = true", 'log.level = "off"']],
    ["log_type all\nlog_type internal", ["memory = true", 'log.level = "debug"'], [
      "m.conf:2: log_type internal has no counterpart",
    ]],
    ["sys_interval 30", ["memory = true", "sys-interval = 30"]],
    ["sys_interval x\nfoo 1\nmax_keepalive x", ["memory = true"], [
      "m.conf:1: sys_interval takes a whole number",
      "m.conf:2: foo is not an option of mosquitto",
      "m.conf:3: max_keepalive takes a whole number",
    ]],
    ["connection a\ntopic # both", ["memory = true"], [
      "m.conf:1: connection a has no address: this bridge is left out",
    ]],
    ["connection a\naddress b\nbridge_identity i\nbridge_psk 12\ntopic #", ["memory = true"], [
      "m.conf:3: bridge_identity has no counterpart: this bridge is left out",
      "m.conf:4: bridge_psk has no counterpart: this bridge is left out",
    ]],
    ["address b\ntopic # up", ["memory = true"], [
      "m.conf:1: address does nothing without a connection",
      "m.conf:2: topic does nothing without a connection",
    ]],
  ];
  for (const [text, ours, remarks = []] of cases) {
    test(`reads ${JSON.stringify(text)}`, () => {
      assertEquals(written(text).sort(), [...ours].sort());
      assertEquals(imported(text).remarks, remarks);
    });
  }

  test("a connection is a [[bridge]], and its password no part of it", async () => {
    const { toml, remarks } = imported(
      "connection my edge\naddress broker.example other:1\nremote_clientid edge\nremote_username u\nremote_password s3cret\n" +
        'topic # both 2 local/ remote/\ntopic "" in 0 a b/c\ntopic x\ntopic y sideways\nnotifications_local_only true\n' +
        "restart_timeout 10 30\ntry_private false\nbridge_cafile ca.pem\nstart_type lazy\nbridge_insecure true\n" +
        "connection b\naddress [::1]:8883\nbridge_protocol_version mqttv50\ncleansession true\nnotifications false\ntopic z in 1\n",
    );
    assertEquals(toml.includes("s3cret") || remarks.join().includes("s3cret"), false);
    const { bridges } = settingsOf([], () => undefined, await parseConfig(toml, "/etc/p.toml"));
    assertEquals(bridges!.map(({ options }) => options), [
      {
        name: "my-edge",
        url: "mqtts://broker.example:1883",
        level: 4,
        clientId: "edge",
        username: "u",
        passwordFile: "/etc/bridge-my-edge.password",
        tls: { ca: "/cwd/ca.pem" },
        state: "local",
        stateTopic: "$SYS/broker/connection/edge/state",
        bridgeBit: false,
        numbers: { reconnectMsMin: 10_000, reconnectMsMax: 30_000 },
        topics: [
          { filter: "#", direction: "both", qos: 2, localPrefix: "local/", remotePrefix: "remote/" },
          { direction: "in", qos: 0, localPrefix: "a", remotePrefix: "b/c" },
          { filter: "x", direction: "out", qos: 0 },
        ],
      },
      {
        name: "b",
        url: "mqtt://[::1]:8883",
        level: 5,
        isClean: true,
        state: "off",
        topics: [{ filter: "z", direction: "in", qos: 1 }],
      },
    ] as unknown);
    assertEquals(remarks, [
      "m.conf:2: address has several addresses: only broker.example is taken",
      "m.conf:5: remote_password is a secret: write it into the file bridge-my-edge.password beside plumb.toml, that only the broker may read",
      "m.conf:9: topic takes a pattern, then out, in or both, then 0, 1 or 2, then two prefixes",
      "m.conf:14: start_type has no counterpart: it is always connected",
      "m.conf:15: bridge_insecure has no counterpart: the certificate must be for the host of the url",
      "m.conf:16: connection b: its Client Identifier is plumb.b here, and with mosquitto b behind the name of the machine; client-id sets another",
    ]);
  });

  test("a listener is a [[listener]]: on all addresses, unless it names one; with TLS if it has a certificate", async () => {
    const text = "listener 1883\nlistener 1884 127.0.0.1\nmax_qos 1\nlistener 1885\nsocket_domain ipv4\n" +
      "listener 8883 ::1\ncertfile c.pem\nkeyfile /k.pem\nmax_topic_alias 7\nallow_anonymous true\n";
    const { listen } = settingsOf([], () => undefined, await parseConfig(imported(text).toml, "/etc/p.toml"));
    assertEquals(listen.map(({ url, own }) => [url, own]), [
      ["mqtt://[::]:1883", {}],
      ["mqtt://127.0.0.1:1884", { features: { maximumQos: 1 } }],
      ["mqtt://0.0.0.0:1885", {}],
      ["mqtts://[::1]:8883", {
        tls: { certificate: "/cwd/c.pem", key: "/k.pem" },
        limits: { topicAliasMaximum: 7 },
      }],
    ] as unknown[][]);
  });

  test("port, bind_address and options before the first listener are a listener too", async () => {
    const urls = async (text: string) => {
      const { listen } = settingsOf([], () => undefined, await parseConfig(imported(text).toml, "p"));
      return listen.map(({ url }) => url);
    };
    assertEquals(await urls("port 1884"), ["mqtt://[::]:1884"]);
    assertEquals(await urls("bind_address localhost\nlistener 2"), [
      "mqtt://localhost:1883",
      "mqtt://[::]:2",
    ]);
    assertEquals(await urls("certfile /c\nkeyfile /k\nlistener 2\n"), ["mqtts://[::]:1883", "mqtt://[::]:2"]);
  });

  test("WebSocket and Unix sockets are taken, with what is stricter here", () => {
    const { toml, remarks } = imported(
      "listener 9001\nprotocol websockets\nlistener 0 /run/m.sock\nlistener 1\nlistener 2\nprotocol http_api\n",
    );
    assertEquals(toml.match(/url = .*/g), [
      'url = "ws://[::]:9001"',
      'url = "unix:/run/m.sock"',
      'url = "mqtt://[::]:1"',
    ]);
    assertEquals(remarks.filter((line) => line.startsWith("m.conf")), [
      "m.conf:2: protocol websockets: pages of other hosts than the broker's need websocket.origins",
      "m.conf:3: listener on a Unix socket is for its owner alone: ?mode=660 in its url lets its group in",
      "m.conf:6: protocol http_api has no counterpart: this listener is left out",
    ]);
  });

  test("all origins of pages are taken over, and nothing that is none: * would be every page", () => {
    const of = (...origins: readonly string[]) => {
      const lines = origins.map((origin) => `websockets_origin ${origin}\n`).join("");
      const { toml, remarks } = imported(`listener 9001 ::1\nprotocol websockets\n${lines}`);
      return [toml.match(/websocket.*= .*\]/g), ...remarks];
    };
    assertEquals(of("https://a.example", "http://b.example:8080"), [
      ['websocket.origins = ["https://a.example", "http://b.example:8080"]'],
    ]);
    assertEquals(of("*", "example.org"), [
      null,
      "m.conf:2: protocol websockets: pages of other hosts than the broker's need websocket.origins",
      "m.conf:3: websockets_origin takes https://HOST or https://HOST:PORT, as browsers send it",
      "m.conf:4: websockets_origin takes https://HOST or https://HOST:PORT, as browsers send it",
    ]);
  });

  test("a listener that would be more open than mosquitto's is left out too", () => {
    const urls = (text: string) => imported(text).toml.match(/(url|listen|login\.anonymous) = \S+/g);
    assertEquals(urls("listener 1\npsk_hint h\npsk_file f\nallow_anonymous true\nlistener 2 ::1\n"), [
      'login.anonymous = "always"',
      'url = "mqtt://[::1]:2"',
    ]);
    assertEquals(urls("port 9001\nprotocol http_api\nlistener 2 ::1\n"), [
      'login.anonymous = "never"',
      'url = "mqtt://[::1]:2"',
    ]);
    for (const own of ["", "per_listener_settings true\n"]) {
      assertEquals(urls(`${own}listener 9001\nprotocol http_api\n`), [
        'listen = "mqtt://localhost:1883"',
        'login.anonymous = "never"',
      ]);
    }
  });

  test("the oldest version of TLS stays the oldest", () => {
    const of = (version: string) => {
      const { toml, remarks } = imported(`listener 1\ncertfile /c\nkeyfile /k\ntls_version ${version}\n`);
      return [/tls.minimum-version = \S+/.exec(toml)?.[0], ...remarks];
    };
    assertEquals(of("tlsv1.3"), ['tls.minimum-version = "1.3"']);
    assertEquals(of("tlsv1.2"), [undefined]);
    assertEquals(of("tlsv1.1"), [
      undefined,
      "m.conf:4: tls_version has no counterpart: TLS 1.2 and 1.3 are spoken",
    ]);
  });

  test("passwords and permissions are of all listeners, or of one with per_listener_settings", () => {
    const lines =
      "listener 1\nallow_anonymous false\npassword_file p\nacl_file a\nlistener 2\nrequire_certificate true\n";
    const at = (text: string, what: string) =>
      imported(text).toml.split(/(?=\[\[listener)/).map((part) => part.includes(`${what} = `));
    for (const key of ["login.anonymous", "login.password-file", "mosquitto-acl"]) {
      assertEquals(at(lines, key), [true, false, false], key);
    }
    const own = `${lines}per_listener_settings true`;
    assertEquals(at(own, "login.password-file"), [false, true, false]);
    assertEquals(at(own, "login.anonymous"), [false, true, true]); // never is mosquitto's default
    assertEquals(at(own, "tls.client-certificate"), [false, false, true]);
  });

  test("a listener that takes the certificate for the user name asks for nothing else", () => {
    const lines = "listener 8883 ::1\ncertfile /c\nkeyfile /k\ncafile /ca\nrequire_certificate true\n" +
      "use_identity_as_username true\npassword_file /p\n";
    for (const all of [lines, `per_listener_settings true\n${lines}`]) {
      const { toml } = imported(all);
      const listener = toml.slice(toml.indexOf("[[listener]]")).replaceAll(/ +#.*/g, "");
      assertEquals(
        listener,
        '[[listener]]\nurl = "mqtts://[::1]:8883"\ntls.certificate = "/c"\ntls.key = "/k"\ntls.ca = "/ca"\n' +
          'tls.client-certificate = "required"\ntls.identity = "cn"\n[[listener.login]]\nkind = "certificate"\n',
      );
    }
  });

  test("an authority without a use for it, as Clients show no certificate, is left out", () => {
    const { toml, remarks } = imported("listener 8883 ::1\ncertfile /c\nkeyfile /k\ncafile /ca\n");
    assertEquals([toml.includes("tls.ca"), remarks.filter((line) => line.startsWith("m.conf"))], [false, []]);
  });

  test("every option is taken over, or named, or changes nothing; what is written is a valid file", async () => {
    const values = fc.constantFrom(
      "true",
      "false",
      "0",
      "1",
      "20",
      "-1",
      "7d",
      "/some/file",
      "x y",
      '"',
      "all",
      "mqtt",
    );
    const line = fc.tuple(fc.constantFrom(...Object.keys(MOSQUITTO_OPTIONS)), values)
      .filter(([name]) => !["listener", "port", "bind_address"].includes(name));
    const listener = fc.integer({ min: 1, max: 65_535 }).map((port) => ["listener", `${port}`] as const);
    await fc.assert(fc.asyncProperty(fc.array(fc.oneof(line, line, line, listener)), async (lines) => {
      const { toml, remarks } = imported(lines.map((words) => words.join(" ")).join("\n"));
      for (const remark of remarks) assert(/^[^\n]+$/.test(remark));
      await parseConfig(toml, "p");
    }));
  });
});

/** What packages carry: the chart for Kubernetes, the app for Home Assistant, the unit for systemd, the settings in each. @module */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Ajv } from "ajv";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { VERSION } from "../../src/cli/version.ts";
import { type ConfigFile, parseConfig } from "../../src/config/file.ts";
import { fileOf, TARGETS } from "./binaries.ts";
import { rendered } from "./go_template.ts";

type Manifest = Readonly<Record<string, unknown>>;

function read(path: string): string {
  return readFileSync(new URL(path, import.meta.url), "utf8");
}

/** The value at a path such as `spec.ports.0.name`. */
function at(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((inside, name) => (inside as Manifest)?.[name], value);
}

const CHART = "helm/plumb";
const values = parse(read(`${CHART}/values.yaml`)) as Manifest;
const IMAGE = { repository: "registry.example/plumb", tag: "", pullPolicy: "IfNotPresent" };

/** A manifest of the chart for these values over the defaults. */
function manifest(name: string, own: Manifest = {}): Manifest {
  const all = { ...values, image: IMAGE, ...own };
  const chart = parse(read(`${CHART}/Chart.yaml`)) as Manifest;
  const text = rendered(read(`${CHART}/templates/${name}.yaml`), {
    Values: all,
    Release: { Name: "home" },
    Chart: { AppVersion: chart["appVersion"] },
  });
  return parse(text) as Manifest;
}

async function settings(own: Manifest = {}): Promise<ConfigFile> {
  const text = at(manifest("configmap", own), "data");
  return await parseConfig((text as Record<string, string>)["plumb.toml"]!, "plumb.toml");
}

describe("the Helm chart", () => {
  const validate = new Ajv({ allErrors: true }).compile(JSON.parse(read(`${CHART}/values.schema.json`)));

  test("has default values that its schema takes, and a schema that refuses others", () => {
    assertEquals(validate(values), true, JSON.stringify(validate.errors));
    const WRONG: readonly Manifest[] = [
      { replicas: 2 },
      { image: {} },
      { persistence: { size: "much" } },
      { service: { ...values["service"] as Manifest, mqtt: 0 } },
      { service: { ...values["service"] as Manifest, type: "None" } },
      { terminationGracePeriodSeconds: 1 },
    ];
    for (const wrong of WRONG) assertEquals(validate({ ...values, ...wrong }), false, JSON.stringify(wrong));
  });

  test("is of the program's version, and wants an image that somebody has built", () => {
    const chart = parse(read(`${CHART}/Chart.yaml`)) as Manifest;
    assertEquals([chart["apiVersion"], chart["version"], chart["appVersion"]], ["v2", VERSION, VERSION]);
    assertThrows(
      () => manifest("statefulset", { image: values["image"] }),
      Error,
      "build and push the image",
    );
  });

  test("has settings that the broker takes, with and without secrets", async () => {
    const plain = await settings();
    const urls = ["mqtt://0.0.0.0:1883", "mqtts://0.0.0.0:8883", "ws://0.0.0.0:8080"];
    assertEquals(plain.listeners.map(({ url }) => url), urls);
    const own = 'sys-interval = 0\nlog.level = "warn"';
    const full = await settings({ settings: own, usersSecret: "u", tlsSecret: "t" });
    assertEquals(full.values.get("password-file")?.values, ["/etc/plumb-users/users"]);
    assertEquals(full.values.get("log-level")?.values, ["warn"]);
    assertEquals(full.values.get("tls-key")?.values, ["/etc/plumb-tls/tls.key"]);
  });

  test("runs one broker, without root, with a store of its own and probes that the broker answers", () => {
    const set = manifest("statefulset");
    assertEquals([set["apiVersion"], set["kind"], at(set, "spec.replicas")], ["apps/v1", "StatefulSet", 1]);
    assertEquals(at(set, "spec.selector.matchLabels"), at(set, "spec.template.metadata.labels"));
    const pod = at(set, "spec.template.spec");
    assertEquals(at(pod, "securityContext.runAsNonRoot"), true);
    const container = at(pod, "containers.0");
    assertEquals(at(container, "image"), `registry.example/plumb:${VERSION}`);
    assertEquals(at(container, "securityContext.capabilities.drop"), ["ALL"]);
    assertEquals(at(container, "resources"), values["resources"]);
    const paths = ["startupProbe", "livenessProbe", "readinessProbe"].map((probe) =>
      at(container, `${probe}.httpGet.path`)
    );
    assertEquals(paths, ["/readyz", "/livez", "/readyz"]);
    const claims = at(set, "spec.volumeClaimTemplates") as readonly Manifest[];
    const volumes = [...at(pod, "volumes") as readonly Manifest[], ...claims.map((one) => one["metadata"])];
    const names = volumes.map((volume) => at(volume, "name"));
    const mounts = at(container, "volumeMounts") as readonly Manifest[];
    assertEquals(mounts.map(({ name }) => name).sort(), names.sort());
  });

  test("mounts secrets when they are named", () => {
    const container = at(manifest("statefulset", { usersSecret: "u", tlsSecret: "t" }), "spec.template.spec");
    const volumes = at(container, "volumes") as readonly Manifest[];
    assertEquals(volumes.map(({ name }) => name), ["tmp", "settings", "users", "tls"]);
  });

  test("has a Service for each port of the container", () => {
    const service = manifest("service", {
      service: { ...values["service"] as Manifest, type: "LoadBalancer" },
    });
    const ports = at(service, "spec.ports") as readonly Manifest[];
    const container = at(
      manifest("statefulset"),
      "spec.template.spec.containers.0.ports",
    ) as readonly Manifest[];
    assertEquals(ports.map(({ targetPort }) => targetPort), container.map(({ name }) => name));
    assertEquals(at(service, "spec.externalTrafficPolicy"), "Local");
    assertEquals(at(manifest("service"), "spec.externalTrafficPolicy"), undefined);
  });
});

test("a template with what is not known here is an error, not a wrong text", () => {
  for (const text of ["{{ include .Values.a }}", "{{ $x }}", "{{- if .Values.a }}"]) {
    assertThrows(() => rendered(text, { Values: { a: "b" } }));
  }
});

describe("the app for Home Assistant", () => {
  const config = parse(read("home_assistant/plumb/config.yaml")) as Manifest;

  test("provides MQTT, is found by Home Assistant, and is looked after", () => {
    assertEquals(config["version"], VERSION);
    assertEquals([config["services"], config["discovery"], config["auth_api"]], [
      ["mqtt:provide"],
      ["mqtt"],
      true,
    ]);
    assertMatch(String(config["watchdog"]), /^http:\/\/\[HOST\]:8080\/livez$/);
    assertEquals(config["arch"], ["aarch64", "amd64"]);
  });

  test("has an option for each row of its schema, and words for each", () => {
    const words = parse(read("home_assistant/plumb/translations/en.yaml")) as Manifest;
    const names = Object.keys(config["schema"] as Manifest);
    assertEquals(Object.keys(config["options"] as Manifest), names);
    assertEquals(Object.keys(words["configuration"] as Manifest), names);
    assertEquals(Object.keys(words["network"] as Manifest), Object.keys(config["ports"] as Manifest));
  });
});

describe("the package for Debian", () => {
  test("has settings that the broker takes", async () => {
    const file = await parseConfig(read("debian/plumb.toml"), "/etc/plumb/plumb.toml");
    assertEquals(file.values.get("data")?.values, ["/var/lib/plumb"]);
    const commented = read("debian/plumb.toml").replace(/^# (?=\[|password)/gm, "");
    const all = await parseConfig(commented, "/etc/plumb/plumb.toml");
    assertEquals(all.values.get("password-file")?.values, ["/etc/plumb/users"]);
  });

  test("has a unit that is told when the broker is ready, and that it lives", () => {
    const unit = read("debian/plumb.service");
    for (
      const line of [
        "Type=notify",
        "NotifyAccess=all",
        "WatchdogSec=60",
        "User=plumb",
        "StateDirectory=plumb",
      ]
    ) {
      assert(unit.split("\n").includes(line), line);
    }
  });
});

test("targets have names of their own, and Windows an ending", () => {
  const files = TARGETS.map(fileOf);
  assertEquals(new Set(files).size, 5);
  assertEquals(files.filter((file) => file.endsWith(".exe")), ["plumb-windows-x64.exe"]);
});

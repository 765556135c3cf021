/**
 * A package for Debian: the executable, a unit of systemd, a user of its own.
 * Knows which file goes where; refuses to know how the executable is made. Needs Debian's `dpkg-deb`.
 * @module
 */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { VERSION } from "../../src/cli/version.ts";
import { pathOf } from "../lib/tree.ts";
import { must } from "./binaries.ts";

/** Where the files of `scripts/release/debian` go, and who may do what with them. */
const FILES: readonly (readonly [file: string, path: string, mode: number])[] = [
  ["plumb.service", "usr/lib/systemd/system/plumb.service", 0o644],
  ["sysusers.conf", "usr/lib/sysusers.d/plumb.conf", 0o644],
  ["plumb.toml", "etc/plumb/plumb.toml", 0o644],
  ["postinst", "DEBIAN/postinst", 0o755],
  ["prerm", "DEBIAN/prerm", 0o755],
  ["postrm", "DEBIAN/postrm", 0o755],
];

/**
 * Makes `plumb_VERSION_ARCHITECTURE.deb` in a folder.
 * @throws {Error}
 */
export async function makeDeb(executable: string, architecture: string, folder: string): Promise<string> {
  const root = `${folder}/deb-${architecture}`;
  rmSync(root, { recursive: true, force: true });
  const put = (from: string, path: string, mode: number) => {
    mkdirSync(dirname(`${root}/${path}`), { recursive: true });
    copyFileSync(from, `${root}/${path}`);
    chmodSync(`${root}/${path}`, mode);
  };
  put(executable, "usr/bin/plumb", 0o755);
  for (const [file, path, mode] of FILES) put(pathOf(`scripts/release/debian/${file}`), path, mode);
  put(pathOf("LICENSE"), "usr/share/doc/plumb/copyright", 0o644);
  writeFileSync(`${root}/DEBIAN/conffiles`, "/etc/plumb/plumb.toml\n");
  const { description } = JSON.parse(readFileSync(pathOf("deno.json"), "utf8"));
  writeFileSync(
    `${root}/DEBIAN/control`,
    [
      "Package: plumb",
      `Version: ${VERSION}`,
      `Architecture: ${architecture}`,
      "Maintainer: The Plumb authors <noreply@plumb.invalid>",
      `Installed-Size: ${Math.ceil(statSync(executable).size / 1024)}`,
      "Depends: libc6 (>= 2.28)",
      "Recommends: systemd",
      "Section: net",
      "Priority: optional",
      `Description: ${description.split("\n")[0]}`,
      " A broker with sessions and retained messages that survive crashes, logins and",
      " permissions, WebSocket, figures, and an auditor for other brokers.",
      "",
    ].join("\n"),
  );
  const deb = `${folder}/plumb_${VERSION}_${architecture}.deb`;
  await must(["dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", root, deb], deb);
  rmSync(root, { recursive: true });
  return deb;
}

/**
 * Bundles what small users import and fails if the broker comes along; prints the bytes.
 * Knows what may be in such a bundle; refuses to know how the modules are arranged.
 * @module
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { bun, run } from "./lib/run.ts";
import { pathOf } from "./lib/tree.ts";

/** Less than this is a bundle of nothing: an export that is not there makes no error. */
const SMALLEST_BYTES = 1500;

interface Bundle {
  readonly what: string;
  readonly exports: string;
  readonly from: string;
  /** Whether the broker belongs into it. */
  readonly broker: boolean;
}

/** A name that only the broker's table of limits has, and that no minifier shortens. */
const MARKER = "queuedMessagesMax";

const BUNDLES: readonly Bundle[] = [
  {
    what: "encodePublish() by ./codec",
    exports: "encodePublish, Writer",
    from: "src/codec/mod.ts",
    broker: false,
  },
  { what: "encodePacket() by mod.ts", exports: "encodePacket", from: "mod.ts", broker: false },
  { what: "decodePacket() by mod.ts", exports: "decodePacket", from: "mod.ts", broker: false },
  { what: "all of ./codec", exports: "*", from: "src/codec/mod.ts", broker: false },
  { what: "all of ./transport", exports: "*", from: "src/transport/mod.ts", broker: false },
  {
    what: "a Client with a dialer of its own",
    exports: "connectBy",
    from: "src/client_api/client.ts",
    broker: false,
  },
  { what: "the engine of a Client", exports: "ClientEngine", from: "src/client/engine.ts", broker: false },
  { what: "Broker by mod.ts", exports: "Broker", from: "mod.ts", broker: true },
];

/** Bundles one entry; the text of the bundle, or what the bundler had against it. */
async function build({ exports, from }: Bundle, folder: string): Promise<{ code: number; text: string }> {
  const entry = join(folder, "entry.ts");
  const output = join(folder, "bundle.js");
  const names = exports === "*" ? "*" : `{ ${exports} }`;
  writeFileSync(entry, `export ${names} from ${JSON.stringify(pathOf(from))};\n`);
  const command = [...bun(), "build", entry, "--target=browser", "--minify", `--outfile=${output}`];
  const built = await run(command, { quiet: true });
  return { code: built.code, text: built.code === 0 ? readFileSync(output, "utf8") : built.text };
}

const folder = mkdtempSync(join(tmpdir(), "plumb-size-"));
let failed = 0;
try {
  for (const bundle of BUNDLES) {
    if (!existsSync(pathOf(bundle.from))) {
      console.log(`${bundle.what}: ${bundle.from} is not there yet`);
      continue;
    }
    const { code, text } = await build(bundle, folder);
    const wrong = code !== 0
      ? `does not bundle\n${text}`
      : text.length < SMALLEST_BYTES
      ? "is too small to hold what it is asked for"
      : text.includes(MARKER) === bundle.broker
      ? ""
      : bundle.broker
      ? `has no ${MARKER}, so this check shows nothing`
      : `has the broker inside (${MARKER})`;
    if (wrong !== "") failed++;
    console.log(`${bundle.what}: ${wrong || `${text.length} bytes, ${gzipSync(text).length} compressed`}`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
process.exit(failed === 0 ? 0 : 1);

/**
 * Files that are read again when they change: certificates, permissions.
 * Knows when files are others than before, and at rest; refuses to know what stands in them.
 * @module
 */
import { stat } from "node:fs/promises";
import { clearInterval, setInterval } from "node:timers";

/** Files are looked at so often, ms. They are not watched: the system tells nothing of a link that points elsewhere now. */
const LOOK_MS = 2000;

/** What tells these files from what they are at another time. */
export async function stateOf(files: readonly string[]): Promise<string> {
  const states = await Promise.all(files.map((file) =>
    stat(file).then(
      ({ ino, size, mtimeMs, ctimeMs }) => [ino, size, mtimeMs, ctimeMs].join(),
      () => "missing",
    )
  ));
  return states.join("\n");
}

/**
 * Calls `changed` when one of these files is another than at the last look, and all of them are at the next look as they were: who
 * replaces a certificate and its key is not caught between the two. Returns what ends it. `looked` is called after each look, for tests;
 * `known` is what `stateOf()` gave before the files were read, without which the first look counts as that.
 */
export function watchFiles(
  files: readonly string[],
  changed: () => void,
  everyMs: number = LOOK_MS,
  looked: () => void = () => {},
  known?: string,
): () => void {
  let candidate: string | undefined;
  let isLooking = false;
  const look = async () => {
    if (isLooking) return; // a slow disk
    isLooking = true;
    const present = await stateOf(files);
    isLooking = false;
    known ??= present;
    if (present !== known && present === candidate) {
      known = present;
      changed();
    }
    candidate = present;
    looked();
  };
  void look();
  const timer = setInterval(() => void look(), everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

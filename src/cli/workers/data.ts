/**
 * The data of a broker that has another number of processes than before.
 * Knows the steps, and the one that decides; refuses to know rows.
 *
 * With another number of workers than before all is written to `workers.new`, and that is renamed to `workers.moved` when it is complete on the
 * disk: from then on it is what counts. Whoever finds it finishes the work: the old files go, and it gets their place.
 * @module
 */
import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers";
import { homeOf } from "../../nodes/home.ts";
import { divide, type Divided } from "../../store/divide.ts";
import { StoreError, troubleWith } from "../../store/error.ts";
import { bytesOf, isThere, removeDatabase, STORE_FILE, syncName } from "../../store/files.ts";
import { type Lock, lockDirectory } from "../../store/lock.ts";
import { CallError } from "../error.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../options.ts";
import { openData, STORE_ADVICE } from "../open_data.ts";
import { MOVED, NEW, storesIn, WORKERS } from "./layout.ts";

/** A worker whose supervisor is gone ends within ten seconds: so often, and ms between. */
const TRIES = 120;
const AGAIN_MS = 100;

/**
 * Brings the data of a directory into the form for so many processes, and gives the lock of the directory, which is made if it is not there.
 * @throws {CallError} if a broker has it, or if it cannot be done; then it is as it was.
 */
export async function arrange(
  data: string,
  of: number,
  settings: Pick<Settings, "durability" | "strictStore">,
  log: Log,
): Promise<Lock> {
  let lock: Lock | undefined = attempt(data, () => {
    mkdirSync(data, { recursive: true });
    return lockDirectory(data);
  });
  const release = () => {
    lock?.release();
    lock = undefined;
  };
  try {
    attempt(data, () => run(finish(data)));
    const before = storesIn(data);
    for (const directory of before) if (directory !== data) await left(directory);
    if (before.length === of) return lock;
    const isEmpty = before.length === 1 && bytesOf(join(data, STORE_FILE)) === 0;
    for (const directory of isEmpty ? [] : before) { // sound, of our version, and without a log
      if (directory === data) release(); // whoever opens the store takes it
      await (await openData(directory, settings, log)).close();
      lock ??= attempt(data, () => lockDirectory(data));
    }
    const begun = performance.now();
    const { sessions, retained } = attempt(data, () => run(move(data, isEmpty ? [] : before, of)));
    if (isEmpty) return lock;
    const ms = Math.round(performance.now() - begun);
    log.info("data moved", { from: before.length, to: of, sessions, retained, ms });
    return lock;
  } catch (error) {
    release();
    throw error;
  }
}

/** Waits until the worker of a supervisor that was killed has left its store. */
async function left(directory: string): Promise<void> {
  for (let tries = 1;; tries++) {
    try {
      return lockDirectory(directory).release();
    } catch (error) {
      const isLocked = error instanceof StoreError && error.trouble === "locked";
      if (!isLocked || tries === TRIES) return; // whoever opens it says what is wrong
      await new Promise<void>((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

function run<T>(steps: Generator<string, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Writes all that these stores have for so many processes; a process may end between any two steps. */
export function* move(data: string, before: readonly string[], of: number): Generator<string, Divided> {
  const files = Array.from({ length: of }, (_, i) => join(data, NEW, `${i + 1}-of-${of}`, STORE_FILE));
  rmSync(join(data, NEW), { recursive: true, force: true });
  for (const file of files) mkdirSync(dirname(file), { recursive: true });
  yield "made directories";
  const divided = before.length === 0
    ? { sessions: 0, retained: 0 }
    : divide(before.map((directory) => join(directory, STORE_FILE)), files, homeOf);
  yield "written";
  for (const file of files) for (const path of [file, dirname(file)]) syncName(path);
  syncName(join(data, NEW));
  yield "safe";
  renameSync(join(data, NEW), join(data, MOVED));
  syncName(join(data, MOVED));
  yield "decided";
  yield* finish(data);
  return divided;
}

/** Removes what is not complete, and gives what is its place; as often as it is begun. */
export function* finish(data: string): Generator<string, void> {
  const [workers, moved] = [join(data, WORKERS), join(data, MOVED)];
  rmSync(join(data, NEW), { recursive: true, force: true });
  if (!isThere(moved)) return;
  const own = join(data, STORE_FILE);
  const one = join(moved, "1-of-1", STORE_FILE);
  const isOne = isThere(dirname(one));
  if (!isOne || isThere(one)) removeDatabase(own);
  yield "removed the store of one process";
  if (isThere(one)) renameSync(one, own);
  syncName(own);
  yield "gave one process its store";
  keepDamaged(data);
  rmSync(workers, { recursive: true, force: true });
  yield "removed the stores of workers";
  if (isOne) rmSync(moved, { recursive: true });
  else renameSync(moved, workers);
  syncName(workers);
}

/** Stores that were set aside stay for a person to look at: in the data directory, with the worker behind their names. */
function keepDamaged(data: string): void {
  const workers = join(data, WORKERS);
  for (const worker of isThere(workers) ? readdirSync(workers) : []) {
    for (const name of readdirSync(join(workers, worker))) {
      if (!name.startsWith(`${STORE_FILE}.damaged-`)) continue;
      renameSync(join(workers, worker, name), join(data, `${name}.worker-${worker}`));
    }
  }
}

/** @throws {CallError} */
function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof CallError) throw error;
    const { message, trouble } = error instanceof StoreError ? error : troubleWith(path, error);
    throw new CallError(`${message}${STORE_ADVICE[trouble] ?? ""}`);
  }
}

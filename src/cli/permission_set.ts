/**
 * The permissions of all listeners: those of the broker, and those of listeners with a file of their own.
 * Knows which rules go on when settings or files change; refuses to know what rules mean.
 * @module
 */
import type { Permissions } from "../permissions/mod.ts";
import type { Log } from "./log.ts";
import type { Listen, Settings } from "./options.ts";
import { type PermissionFiles, type PermissionText, readRules } from "./permissions.ts";

/** The files of a listener: its own in place of that of the broker. */
export function permissionFiles(
  { permissions, mosquittoAcl }: PermissionFiles,
  own: Listen["own"] = {},
): PermissionFiles {
  const isOwn = own.permissions !== undefined || own.mosquittoAcl !== undefined;
  return isOwn
    ? { permissions: own.permissions, mosquittoAcl: own.mosquittoAcl }
    : { permissions, mosquittoAcl };
}

/** The rules of one file. */
interface Entry {
  /** Of the broker, or of the listener with this place and URL. */
  readonly owner: string;
  readonly files: PermissionFiles;
  readonly permissions: Permissions;
  /** The text that holds. */
  text: string;
  /** The text and rules that are to hold once all settings do. */
  next: PermissionText | undefined;
}

/** The permissions of one configuration, by their files. */
export class PermissionSet {
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #log: Log;
  #isClosed = false;
  #stop: () => void = () => {};
  #last: Promise<void> = Promise.resolve();

  private constructor(entries: ReadonlyMap<string, Entry>, log: Log) {
    this.#entries = entries;
    this.#log = log;
  }

  /**
   * Reads all files. The permissions of `before` go on, with what their file says now once `apply()` is called, and where the file is
   * another one now: sessions that are away have them.
   * @throws {CallError} for a file that cannot be read or used.
   */
  static async open(settings: Settings, log: Log, before?: PermissionSet): Promise<PermissionSet> {
    const entries = new Map<string, Entry>();
    const wanted = [
      { owner: "", files: permissionFiles(settings), where: "" },
      ...settings.listen.map(({ own, flag, url }, i) => ({
        owner: `${i} ${url}`,
        files: permissionFiles(settings, own),
        where: own === undefined ? "" : `${flag.replace(/: url$/, "")}: `,
      })),
    ];
    const names = new Set(wanted.map(({ files }) => nameOf(files)));
    for (const { owner, files, where } of wanted) {
      const name = nameOf(files);
      if (entries.has(name)) continue;
      const read = await readRules(files, where);
      if (read === undefined) continue;
      const same = before?.find(name);
      const known = same ?? before?.left(owner, names);
      const { text, rules } = read;
      if (known !== undefined) {
        const next = known === same && text === known.text ? undefined : read;
        entries.set(name, { ...known, owner, files, next });
      } else {
        const { Permissions } = await import("../permissions/mod.ts");
        entries.set(name, { owner, files, permissions: new Permissions(rules), text, next: undefined });
      }
    }
    return new PermissionSet(entries, log);
  }

  private find(name: string): Entry | undefined {
    return this.#entries.get(name);
  }

  /** The permissions of this owner, if their file is none of these. */
  private left(owner: string, names: ReadonlySet<string>): Entry | undefined {
    return [...this.#entries].find(([name, entry]) => entry.owner === owner && !names.has(name))?.[1];
  }

  /** Whether there are none. */
  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** The option of `serve()` for these files. */
  of(files: PermissionFiles): { readonly permissions?: Permissions } {
    const entry = this.#entries.get(nameOf(files));
    return entry === undefined ? {} : { permissions: entry.permissions };
  }

  /** What the files said when they were read holds from now on. */
  apply(): void {
    for (const entry of this.#entries.values()) this.#take(entry);
  }

  #take(entry: Entry): void {
    const { next } = entry;
    if (next === undefined) return;
    entry.permissions.replace(next.rules);
    entry.text = next.text;
    entry.next = undefined;
    this.#log.info("permissions read again", { file: next.file });
  }

  /** Reads all files again, unless it is closed meanwhile; one that is not right changes nothing. One at a time: the last text holds. */
  reload(): Promise<void> {
    return this.#last = this.#last.then(() => this.#reload());
  }

  async #reload(): Promise<void> {
    for (const entry of this.#entries.values()) {
      try {
        const read = await readRules(entry.files);
        if (this.#isClosed) return;
        if (read !== undefined && read.text !== entry.text) entry.next = read;
        this.#take(entry);
      } catch (error) {
        this.#log.error("permissions not read again, the old ones stay", { why: (error as Error).message });
      }
    }
  }

  /** From now on files that change are read again, and now once: they may have changed since. */
  watch(): void {
    const files = [...this.#entries.values()].map(({ files }) => files.permissions ?? files.mosquittoAcl!);
    if (files.length === 0) return;
    void import("./watch_files.ts").then(({ watchFiles }) => {
      if (this.#isClosed) return;
      this.#stop = watchFiles(files, () => void this.reload());
      void this.reload();
    });
  }

  /** Nothing is read again any more. */
  close(): void {
    this.#isClosed = true;
    this.#stop();
  }
}

function nameOf({ permissions, mosquittoAcl }: PermissionFiles): string {
  return JSON.stringify([permissions, mosquittoAcl]);
}

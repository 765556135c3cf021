/**
 * What views are made of: fields, tables, questions, errors.
 * Knows how these look and are operated; refuses to know what they are used for.
 * @module
 */
import type { ComponentChildren, VNode } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Asked, AskedParts } from "./api.ts";

/** What went wrong, where it belongs. */
export function Problem({ error }: { readonly error: Error | undefined }): VNode | null {
  return error === undefined ? null : <p class="problem" role="alert">{sentence(error.message)}</p>;
}

/** What went well: read out when it comes. */
export function Good({ children }: { readonly children?: ComponentChildren }): VNode {
  return <p class="good" role="status">{children}</p>;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A part of a view under a heading. */
export function Card(
  { title, children, aside, id }: {
    readonly title: string;
    readonly children: ComponentChildren;
    readonly aside?: ComponentChildren;
    readonly id?: string;
  },
): VNode {
  const heading = useId();
  return (
    <section class="card" aria-labelledby={heading} id={id}>
      <div class="head">
        <h2 id={heading}>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  );
}

/** A labelled input. */
export interface FieldProps {
  readonly label: string;
  readonly value: string;
  readonly set: (value: string) => void;
  readonly hint?: string;
  readonly class?: string;
  readonly type?: "text" | "password" | "search" | "number";
  readonly name?: string;
  readonly placeholder?: string;
  readonly autocomplete?: "username" | "current-password" | "new-password" | "off";
  readonly min?: number;
  readonly max?: number;
  readonly required?: boolean;
  readonly disabled?: boolean;
}

/** A labelled input. */
export function Field(
  { label, hint, set, class: of = "", autocomplete = "off", ...input }: FieldProps,
): VNode {
  const id = useId();
  const { type = "text", ...rest } = input;
  return (
    <div class={`field ${of}`}>
      <label for={id}>{label}</label>
      <input
        id={id}
        // Preact's types tell inputs apart by one type each.
        type={type as "text"}
        spellcheck={false}
        autocapitalize="off"
        autocomplete={autocomplete}
        {...rest}
        {...hint !== undefined && { "aria-describedby": `${id}-hint` }}
        onInput={(event) => set(event.currentTarget.value)}
      />
      {hint !== undefined && <p class="hint" id={`${id}-hint`}>{hint}</p>}
    </div>
  );
}

/** A labelled choice. */
export function Choice<T extends string>(
  { label, value, of, set }: {
    readonly label: string;
    readonly value: T;
    readonly of: Readonly<Record<T, string>>;
    readonly set: (value: T) => void;
  },
): VNode {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => set(event.currentTarget.value as T)}>
        {Object.entries<string>(of).map(([name, words]) => <option key={name} value={name}>{words}</option>)}
      </select>
    </div>
  );
}

/** QoS, said once. */
export const QOS: Readonly<Record<"0" | "1" | "2", string>> = {
  0: "0, at most once",
  1: "1, at least once",
  2: "2, exactly once",
};

/** A box that is ticked or not. */
export function Tick(
  { label, is, set, disabled = false }: {
    readonly label: string;
    readonly is: boolean;
    readonly set: (is: boolean) => void;
    readonly disabled?: boolean;
  },
): VNode {
  return (
    <label class="tick">
      <input
        type="checkbox"
        checked={is}
        disabled={disabled}
        onChange={(event) => set(event.currentTarget.checked)}
      />
      <span>{label}</span>
    </label>
  );
}

/** One column of a table. */
export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => ComponentChildren;
  /** Aligned to the right. */
  readonly isNumber?: true;
  /** Left out on a narrow screen. */
  readonly isWide?: true;
}

/** Rows under headings; the first column is the heading of its row. */
export function Table<T>(
  { name, columns, rows, keyOf }: {
    readonly name: string;
    readonly columns: readonly Column<T>[];
    readonly rows: readonly T[];
    readonly keyOf: (row: T, at: number) => string;
  },
): VNode {
  const classes = ({ isNumber, isWide }: Column<T>) =>
    [isNumber && "number", isWide && "wide"].filter(Boolean).join(" ") || undefined;
  return (
    <div class="scroll" role="region" aria-label={name} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.title} scope="col" class={classes(column)}>{column.title}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={keyOf(row, at)}>
              {columns.map((column, i) =>
                i === 0
                  ? <th key={column.title} scope="row" class={classes(column)}>{column.cell(row)}</th>
                  : <td key={column.title} class={classes(column)}>{column.cell(row)}</td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A table of a list that is read part by part. */
export function Parts<T>(
  { name, list, columns, keyOf, none }: {
    readonly name: string;
    readonly list: AskedParts<T>;
    readonly columns: readonly Column<T>[];
    readonly keyOf: (row: T, at: number) => string;
    readonly none: string;
  },
): VNode {
  const { items, error, isBusy, hasMore, more, again } = list;
  return (
    <>
      <Problem error={error} />
      {error !== undefined && items.length > 0 && (
        <p>
          <button type="button" onClick={again}>Read it from the beginning</button>
        </p>
      )}
      {items.length > 0 && <Table name={name} columns={columns} rows={items} keyOf={keyOf} />}
      {items.length === 0 && error === undefined && <p class="muted">{isBusy ? "Reading …" : none}</p>}
      {hasMore && items.length > 0 && (
        <p>
          <button type="button" onClick={more} disabled={isBusy}>Show more</button>
        </p>
      )}
    </>
  );
}

/** What is shown while an answer is awaited, and where it fails. */
export function Answer<T>(
  { asked, children }: { readonly asked: Asked<T>; readonly children: (data: T) => ComponentChildren },
): VNode {
  const { data, error } = asked;
  return (
    <>
      <Problem error={error} />
      {data === undefined ? error === undefined && <p class="muted">Reading …</p> : children(data)}
    </>
  );
}

/** A name of many words in one, which may be broken between them. */
export function Name({ of }: { readonly of: string }): VNode {
  const parts = of.split(/(?=[A-Z])|(?<=[-.])/);
  return <code class="name">{parts.map((part, at) => at === 0 ? part : [<wbr key={at} />, part])}</code>;
}

/** Names and values. */
export function Facts({ of }: { readonly of: Readonly<Record<string, ComponentChildren>> }): VNode {
  return (
    <dl class="facts">
      {Object.entries(of).filter(([, value]) => value !== undefined).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** What a person is asked before something that cannot be undone. */
export interface Question {
  readonly title: string;
  readonly text?: ComponentChildren;
  /** On the button that does it. */
  readonly act: string;
  readonly isDanger?: boolean;
  /** Rejects with why it could not be done, which the dialog shows. */
  run(): Promise<unknown>;
}

/** Asks it, in a dialog; `over` is called when it is answered, whichever way. */
export function Ask(
  { question, over }: { readonly question: Question; readonly over: (done: boolean) => void },
): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const [error, setError] = useState<Error | undefined>();
  const [isBusy, setBusy] = useState(false);
  const title = useId();
  useEffect(() => {
    dialog.current!.showModal();
  }, []);
  const isDone = useRef(false);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      await question.run();
      isDone.current = true;
      dialog.current?.close();
    } catch (why) {
      setError(why as Error);
      setBusy(false);
    }
  };
  // When it is closed the focus is back where it was: only then it may go.
  return (
    <dialog ref={dialog} aria-labelledby={title} onClose={() => over(isDone.current)}>
      <form onSubmit={submit}>
        <h2 id={title}>{question.title}</h2>
        {question.text}
        <Problem error={error} />
        <div class="row end">
          <button type="button" onClick={() => dialog.current!.close()}>Cancel</button>
          <button type="submit" class={question.isDanger ? "danger" : "main"} disabled={isBusy}>
            {question.act}
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** The value, as it was a moment ago: for what is asked with each letter. */
export function useSettled<T>(value: T, ms: number = 250): T {
  const [settled, set] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => set(() => value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

/**
 * Limits, settings and listeners, as they hold at present.
 * Knows how they are shown; refuses to know what they do.
 * @module
 */
import type { ComponentChildren, VNode } from "preact";
import { useState } from "preact/hooks";
import type { LimitRow, ListenerRow, Part, SettingRow } from "../answers.ts";
import { useAnswer } from "../api.ts";
import { count, withUnit } from "../format.ts";
import { Answer, Card, Field, Name, Table, Tick } from "../ui.tsx";

const SCOPES: Readonly<Record<string, string>> = {
  broker: "of the whole broker",
  listener: "of each listener",
  connection: "of each connection",
  session: "of each session",
};

/** The view. */
export function Limits(): VNode {
  const [search, setSearch] = useState("");
  const has = (...texts: readonly string[]) =>
    texts.some((text) => text.toLowerCase().includes(search.trim().toLowerCase()));
  return (
    <>
      <form class="row" role="search" onSubmit={(event) => event.preventDefault()}>
        <Field
          label="Search"
          type="search"
          class="grow"
          placeholder="part of a name or of its meaning"
          value={search}
          set={setSearch}
        />
      </form>
      <LimitTable has={has} />
      <ListenerList />
      <SettingTable has={has} />
    </>
  );
}

type Has = (...texts: readonly string[]) => boolean;

function Named({ name, about }: { readonly name: string; readonly about: string }): VNode {
  return (
    <>
      <Name of={name} />
      <span class="about">{about}</span>
    </>
  );
}

function LimitTable({ has }: { readonly has: Has }): VNode {
  const limits = useAnswer<Part<LimitRow>>("/limits", 5_000);
  const [isReached, setReached] = useState(false);
  return (
    <Card title="Limits">
      <Tick label="Only limits that were reached" is={isReached} set={setReached} />
      <Answer asked={limits}>
        {({ items }) => {
          const rows = items.filter(({ name, about, reached }) =>
            has(name, about) && (!isReached || reached > 0)
          );
          if (rows.length === 0) {
            return (
              <p class="muted">
                {isReached ? "None of them was reached since the start." : "None is like that."}
              </p>
            );
          }
          return (
            <Table<LimitRow>
              name="Limits"
              rows={rows}
              keyOf={({ name }) => name}
              columns={[
                { title: "Limit", cell: ({ name, about }) => <Named name={name} about={about} /> },
                { title: "Scope", isWide: true, cell: ({ scope }) => SCOPES[scope] ?? scope },
                {
                  title: "Value",
                  isNumber: true,
                  cell: ({ value, unit }) => <span class="wraps">{withUnit(value, unit)}</span>,
                },
                {
                  title: "Default",
                  isNumber: true,
                  isWide: true,
                  cell: (row) => row.default === row.value ? "the same" : withUnit(row.default, row.unit),
                },
                {
                  title: "Reached",
                  isNumber: true,
                  cell: ({ reached }) =>
                    reached === 0 ? "never" : reached === 1 ? "once" : `${count(reached)} times`,
                },
              ]}
            />
          );
        }}
      </Answer>
    </Card>
  );
}

function ListenerList(): VNode {
  const listeners = useAnswer<Part<ListenerRow>>("/listeners");
  return (
    <Card title="Listeners">
      <Answer asked={listeners}>
        {({ items }) => (
          <Table<ListenerRow>
            name="Listeners"
            rows={items}
            keyOf={({ url }) => url}
            columns={[
              { title: "Asked for", cell: ({ url }) => <code>{url}</code> },
              {
                title: "Open at",
                cell: ({ addresses }) =>
                  addresses.length === 0
                    ? <span class="bad">not open</span>
                    : addresses.map((one) => (
                      <div key={one}>
                        <code>{one}</code>
                      </div>
                    )),
              },
              { title: "Login", isWide: true, cell: ({ login }) => login.join(", ") || "none" },
            ]}
          />
        )}
      </Answer>
    </Card>
  );
}

function SettingTable({ has }: { readonly has: Has }): VNode {
  const settings = useAnswer<Part<SettingRow>>("/settings");
  const [isChanged, setChanged] = useState(false);
  return (
    <Card title="Settings">
      <p class="muted">
        They are changed in the file of settings, by flags or by variables. Secrets are not shown.
      </p>
      <Tick label="Only settings that are not the default" is={isChanged} set={setChanged} />
      <Answer asked={settings}>
        {({ items }) => {
          const rows = items.filter(({ key, about, isDefault }) =>
            has(key, about) && !(isChanged && isDefault)
          );
          if (rows.length === 0) return <p class="muted">None is like that.</p>;
          return (
            <Table<SettingRow>
              name="Settings"
              rows={rows}
              keyOf={({ key }) => key}
              columns={[
                { title: "Key", cell: ({ key, about }) => <Named name={key} about={about} /> },
                {
                  title: "Value",
                  cell: ({ values, unit, isDefault }) => (
                    <>
                      {values.length === 0 ? "not set" : inWords(values, unit)}
                      {isDefault && <span class="about">the default</span>}
                    </>
                  ),
                },
                { title: "A change holds", isWide: true, cell: ({ reload }) => RELOADS[reload] },
              ]}
            />
          );
        }}
      </Answer>
    </Card>
  );
}

function inWords(values: readonly string[], unit: string | null): ComponentChildren {
  const [value = ""] = values;
  if (unit !== null && /^\d+$/.test(value)) return withUnit(Number(value), unit);
  return <code>{values.join(", ")}</code>;
}

const RELOADS: Readonly<Record<SettingRow["reload"], string>> = {
  now: "at once",
  "new connections": "for new connections",
  restart: "with the next start",
};

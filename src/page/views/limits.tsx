/**
 * Limits, settings and listeners, as they hold at present.
 * Knows how they are shown; refuses to know what they do.
 * @module
 */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { LimitRow, ListenerRow, Part, SettingRow } from "../answers.ts";
import { useAnswer } from "../api.ts";
import { count, withUnit } from "../format.ts";
import { Answer, Card, Field, Table, Tick } from "../ui.tsx";

/** The view. */
export function Limits(): VNode {
  const limits = useAnswer<Part<LimitRow>>("/limits", 5_000);
  const settings = useAnswer<Part<SettingRow>>("/settings");
  const listeners = useAnswer<Part<ListenerRow>>("/listeners");
  const [search, setSearch] = useState("");
  const [isBitten, setBitten] = useState(false);
  const has = (text: string) => text.toLowerCase().includes(search.trim().toLowerCase());
  return (
    <>
      <form class="row" role="search" onSubmit={(event) => event.preventDefault()}>
        <Field
          label="Search"
          type="search"
          class="grow"
          placeholder="part of a name"
          value={search}
          set={setSearch}
        />
        <Tick label="Only limits that were reached" is={isBitten} set={setBitten} />
      </form>
      <Card title="Limits">
        <Answer asked={limits}>
          {({ items }) => {
            const rows = items.filter(({ name, about = "", bit }) =>
              (has(name) || has(about)) && (!isBitten || bit > 0)
            );
            return rows.length === 0
              ? (
                <p class="muted">
                  {isBitten ? "None of them was reached since the start." : "There is none of this name."}
                </p>
              )
              : (
                <Table<LimitRow>
                  name="Limits"
                  rows={rows}
                  keyOf={({ name }) => name}
                  columns={[
                    {
                      title: "Limit",
                      cell: ({ name, about }) => (
                        <>
                          <code>{name}</code>
                          {about !== undefined && <span class="about">{about}</span>}
                        </>
                      ),
                    },
                    { title: "Value", isNumber: true, cell: ({ value, unit }) => withUnit(value, unit) },
                    {
                      title: "Reached",
                      isNumber: true,
                      cell: ({ bit }) => bit === 0 ? "never" : `${count(bit)} times`,
                    },
                  ]}
                />
              );
          }}
        </Answer>
      </Card>
      <Card title="Listeners">
        <Answer asked={listeners}>
          {({ items }) => (
            <ul class="plain">
              {items.map(({ url, connections }) => (
                <li key={url}>
                  <code>{url}</code>
                  {connections !== undefined && (
                    <span class="muted">{` ${count(connections)} connections`}</span>
                  )}
                </li>
              ))}
            </ul>
          )}
        </Answer>
      </Card>
      <Card title="Settings">
        <p class="muted">
          They are changed in the file of settings, by flags or by variables. Secrets are not shown.
        </p>
        <Answer asked={settings}>
          {({ items }) => (
            <Table<SettingRow>
              name="Settings"
              rows={items.filter(({ key, about = "" }) => has(key) || has(about))}
              keyOf={({ key }) => key}
              columns={[
                {
                  title: "Key",
                  cell: ({ key, about }) => (
                    <>
                      <code>{key}</code>
                      {about !== undefined && <span class="about">{about}</span>}
                    </>
                  ),
                },
                { title: "Value", cell: ({ value }) => <code>{words(value)}</code> },
              ]}
            />
          )}
        </Answer>
      </Card>
    </>
  );
}

function words(value: unknown): string {
  if (value === null || value === undefined || value === "") return "not set";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(words).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

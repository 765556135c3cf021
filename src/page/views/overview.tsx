/**
 * What goes on: rates, counts, latencies, memory, the store, limits that bite.
 * Knows which figures a person wants first; refuses to know where they come from.
 * @module
 */
import type { ComponentChildren, VNode } from "preact";
import type { BusyRow, Figures } from "../answers.ts";
import { Chart, type Line } from "../chart.tsx";
import { bytes, count, counted, duration, moment, rate, short, spaced } from "../format.ts";
import { levels, type Look, looks, quantiles, rates, timed } from "../live.ts";
import { to } from "../route.ts";
import { useStore } from "../store.ts";
import { Card, Facts, Name, Table } from "../ui.tsx";

/** What parts of the memory are for. */
const MEMORY: Readonly<Record<string, string>> = {
  outgoing: "On their way to Clients",
  payloads: "Payloads of 16 KiB and more",
  incoming: "Packets that are incomplete or wait",
  messages: "Messages of QoS 1 and 2 in queues and in flight",
  retained: "Retained messages",
  aliases: "Topic Aliases",
  wills: "Wills",
  subscriptions: "Subscriptions",
  sessions: "Sessions",
  connections: "Connections",
  topics: "Topic Names that are remembered",
  facts: "On their way to the disk",
  pool: "Buffers for the next packets",
};

/** What latencies are of. */
const LATENCIES: Readonly<Record<string, string>> = {
  publishToWrite: "From a message's arrival to its leaving",
  commit: "Until a commit is on the disk",
  authenticate: "Until a login is answered",
  authorize: "Until a permission is answered",
  pageIn: "Until waiting messages come from the disk",
  loopLag: "How late the broker's timers are",
};

function Tile({ name, value, more }: {
  readonly name: string;
  readonly value: string;
  readonly more?: ComponentChildren;
}): VNode {
  return (
    <div class="tile">
      <dt>{name}</dt>
      <dd>
        <span class="big">{value}</span>
        {more !== undefined && <span class="more">{more}</span>}
      </dd>
    </div>
  );
}

/** The view. */
export function Overview(): VNode {
  const all = useStore(looks);
  const last = all.at(-1);
  if (last === undefined) return <p class="muted">Reading …</p>;
  return (
    <>
      <State figures={last.figures} />
      <Tiles all={all} figures={last.figures} />
      <Lines all={all} />
      <div class="columns">
        <Memory figures={last.figures} />
        <Bites all={all} figures={last.figures} />
      </div>
      <div class="columns">
        <Busiest title="Clients that publish most" of={last.figures.busiest?.clients} link="clients" />
        <Busiest title="Topics that most is published to" of={last.figures.busiest?.prefixes} />
      </div>
    </>
  );
}

function State({ figures: broker }: { readonly figures: Figures }): VNode {
  const { process } = broker;
  const store = broker.isFailing
    ? "fails: packets that need it are refused"
    : broker.isUnsafe
    ? "writes what has just come"
    : "everything is safe";
  return (
    <Facts
      of={{
        Running: `since ${moment(process.since)}, ${
          duration(Math.round((Date.now() - process.since) / 1_000))
        }`,
        Version: process.version,
        ...broker.workers && { Workers: <Workers of={broker.workers} /> },
        Store: (
          <span class={broker.isFailing ? "bad" : ""}>
            {store}
            {broker.store !== undefined && `; ${bytes(broker.store.fileBytes)} on the disk`}
          </span>
        ),
      }}
    />
  );
}

function Workers({ of }: { readonly of: NonNullable<Figures["workers"]> }): VNode {
  const away = of.filter(({ isUp }) => !isUp).map(({ number }) => number);
  if (away.length === 0) return <>{`${of.length}, and all answer`}</>;
  const who = `${away.join(", ")} ${away.length === 1 ? "does" : "do"}`;
  return <span class="bad">{`${of.length}; worker ${who} not answer`}</span>;
}

function now(values: readonly (number | null)[]): number {
  return values.at(-1) ?? 0;
}

function Tiles({ all, figures }: { readonly all: readonly Look[]; readonly figures: Figures }): VNode {
  const { process, traffic } = figures;
  const two = all.slice(-2);
  const perSecond = (value: (figures: Figures) => number) => now(rates(two, value));
  return (
    <dl class="tiles">
      <Tile
        name="Messages in"
        value={rate(perSecond((broker) => broker.received))}
        more={`${count(figures.received)} since the start`}
      />
      <Tile
        name="Messages out"
        value={rate(perSecond((broker) => broker.traffic.messagesSent))}
        more={`${count(traffic.messagesSent)} since the start`}
      />
      <Tile
        name="Connected"
        value={count(figures.connected)}
        more={`at most ${count(traffic.connectedMost)} at a time`}
      />
      <Tile
        name="Sessions"
        value={count(figures.sessions)}
        more={counted(figures.subscriptions, "subscription")}
      />
      <Tile name="Retained" value={count(figures.retainedMessages)} more={bytes(figures.retainedBytes)} />
      <Tile
        name="Dropped"
        value={count(figures.dropped)}
        more={`copies since the start, ${rate(perSecond((broker) => broker.dropped))} now`}
      />
      <Tile
        name="Processor"
        value={`${short(100 * perSecond(({ process }) => process.cpuSeconds))} %`}
        more={`of one core; ${duration(process.cpuSeconds)} since the start`}
      />
      <Tile
        name="Memory of the process"
        value={bytes(process.residentBytes)}
        more={`${bytes(figures.memory.total)} of them counted below`}
      />
    </dl>
  );
}

function Lines({ all }: { readonly all: readonly Look[] }): VNode {
  const times = all.map(({ at }) => at);
  const last = all.at(-1);
  const latencies = last === undefined ? [] : timed(last.figures);
  const charts: readonly {
    readonly title: string;
    readonly format: (value: number) => string;
    readonly lines: readonly Line[];
  }[] = [
    {
      title: "Messages each second",
      format: rate,
      lines: [
        { name: "in", values: rates(all, (broker) => broker.received) },
        { name: "out", values: rates(all, (broker) => broker.traffic.messagesSent) },
      ],
    },
    {
      title: "Bytes each second",
      format: (value) => `${bytes(value)}/s`,
      lines: [
        { name: "in", values: rates(all, (broker) => broker.traffic.bytesReceived) },
        { name: "out", values: rates(all, (broker) => broker.traffic.bytesSent) },
      ],
    },
    {
      title: "Clients",
      format: (value) => Number.isInteger(value) ? count(value) : "",
      lines: [
        { name: "connected", values: levels(all, (broker) => broker.connected) },
        { name: "sessions", values: levels(all, (broker) => broker.sessions) },
      ],
    },
    ...latencies.map((name) => ({
      title: LATENCIES[name] ?? spaced(name),
      format: duration,
      lines: [
        { name: "half of them below", values: quantiles(all, name, 0.5) },
        { name: "99 of 100 below", values: quantiles(all, name, 0.99) },
      ],
    })),
  ];
  return (
    <div class="charts">
      {charts.map((chart) => <Chart key={chart.title} times={times} {...chart} />)}
    </div>
  );
}

function Memory({ figures: { memory } }: { readonly figures: Figures }): VNode {
  const { total, ...parts } = memory;
  const rows = Object.entries(parts).filter(([, value]) => value > 0).sort(([, a], [, b]) => b - a);
  return (
    <Card title="What the memory is for">
      <p class="muted">{bytes(total)} are counted for the limit of memory.</p>
      <Table
        name="Memory"
        rows={rows}
        keyOf={([name]) => name}
        columns={[
          { title: "Part", cell: ([name]) => MEMORY[name] ?? spaced(name) },
          { title: "Bytes", isNumber: true, cell: ([, value]) => bytes(value) },
          {
            title: "Share",
            isNumber: true,
            cell: ([, value]) => `${short(100 * value / Math.max(1, total))} %`,
          },
        ]}
      />
    </Card>
  );
}

function Bites(
  { all, figures }: { readonly all: readonly Look[]; readonly figures: Figures },
): VNode {
  const first = all[0]!.figures;
  const limits = Object.entries(figures.limits).sort(([, a], [, b]) => b - a);
  const refusals = Object.entries(figures.refusals).sort(([, a], [, b]) => b - a).slice(0, 10);
  const before = (of: Readonly<Record<string, number | undefined>>, name: string) => of[name] ?? 0;
  return (
    <Card title="Limits that bite" aside={<a href={to("limits")}>All limits</a>}>
      {limits.length === 0 ? <p class="muted">No limit was reached since the start.</p> : (
        <Table
          name="Limits that were reached"
          rows={limits}
          keyOf={([name]) => name}
          columns={[
            { title: "Limit", cell: ([name]) => <Name of={name} /> },
            { title: "Since the start", isNumber: true, cell: ([, times]) => count(times) },
            {
              title: "While you look",
              isNumber: true,
              cell: ([name, times]) => count(times - before(first.limits, name)),
            },
          ]}
        />
      )}
      <h3>Refusals</h3>
      {refusals.length === 0 ? <p class="muted">Nothing was refused since the start.</p> : (
        <Table
          name="Refusals"
          rows={refusals}
          keyOf={([rule]) => rule}
          columns={[
            {
              title: "Rule",
              cell: ([rule]) => (
                <a href={`docs/statements/${rule}`}>
                  <code>{rule}</code>
                </a>
              ),
            },
            { title: "Since the start", isNumber: true, cell: ([, times]) => count(times) },
          ]}
        />
      )}
    </Card>
  );
}

/** Rows that are shown. */
const BUSIEST = 8;

function Busiest({ title, of, link }: {
  readonly title: string;
  readonly of: readonly BusyRow[] | undefined;
  readonly link?: string;
}): VNode | null {
  if (of === undefined || of.length === 0) return null;
  return (
    <Card title={title}>
      <Table<BusyRow>
        name={title}
        rows={of.slice(0, BUSIEST)}
        keyOf={({ name }) => name}
        columns={[
          {
            title: link === undefined ? "First levels" : "Client",
            cell: ({ name }) =>
              link === undefined ? <code>{name}</code> : <a href={to(link, name)}>{name}</a>,
          },
          { title: "Messages", isNumber: true, cell: ({ perSecond }) => rate(perSecond) },
        ]}
      />
    </Card>
  );
}

/**
 * Clients and their sessions: who is there, what they are subscribed to, what waits for them.
 * Knows what can be looked at and ended; refuses to know how the broker finds it.
 * @module
 */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { ClientRow, QueuedRow, SessionRow, SubscriptionRow } from "../answers.ts";
import { ApiError, call, inPath, query, useAnswer, useParts } from "../api.ts";
import { bytes, count, counted, duration, moment } from "../format.ts";
import { route, to } from "../route.ts";
import { useStore } from "../store.ts";
import {
  Ask,
  Card,
  Choice,
  type Column,
  Facts,
  Field,
  Good,
  Parts,
  Problem,
  type Question,
  Tick,
  useSettled,
} from "../ui.tsx";

const LEVELS: Readonly<Record<number, string>> = { 3: "3.1", 4: "3.1.1", 5: "5.0" };

function nameOf(clientId: string): string {
  return clientId === "" ? "(empty)" : clientId;
}

function ago(since: number): string {
  return duration(Math.max(0, Math.round((Date.now() - since) / 1_000)));
}

const OPEN = {
  title: "Client",
  cell: ({ clientId }: { readonly clientId: string }) => (
    <a href={to("clients", clientId)}>{nameOf(clientId)}</a>
  ),
};
const USER = {
  title: "User",
  cell: ({ user }: { readonly user: string | null }) => user ?? <span class="muted">none</span>,
};

const CLIENTS: readonly Column<ClientRow>[] = [
  OPEN,
  USER,
  { title: "Address", isWide: true, cell: ({ address }) => address },
  { title: "MQTT", isWide: true, cell: ({ level }) => LEVELS[level] ?? level },
  { title: "Subscriptions", isNumber: true, isWide: true, cell: ({ subscriptions }) => count(subscriptions) },
  { title: "Queued", isNumber: true, cell: ({ queued }) => count(queued) },
  { title: "Connected for", isNumber: true, isWide: true, cell: ({ since }) => ago(since) },
];

const SESSIONS: readonly Column<SessionRow>[] = [
  OPEN,
  USER,
  { title: "State", cell: ({ connected }) => connected ? "connected" : "away" },
  { title: "Subscriptions", isNumber: true, isWide: true, cell: ({ subscriptions }) => count(subscriptions) },
  { title: "Queued", isNumber: true, cell: ({ queued }) => count(queued) },
  { title: "Ends when away for", isNumber: true, isWide: true, cell: ({ expiry }) => lasts(expiry) },
];

function lasts(expiry: number | null): string {
  return expiry === null ? "never" : expiry === 0 ? "at once" : duration(expiry);
}

type Kind = "clients" | "all" | "away";

/** The view: the list, or one of them. */
export function Clients(): VNode {
  const { of } = useStore(route);
  return of === undefined ? <List /> : <One key={of} clientId={of} />;
}

function List(): VNode {
  const [search, setSearch] = useState("");
  const [kind, setKind] = useState<Kind>("clients");
  const settled = useSettled(search.trim());
  const clients = useParts<ClientRow>(kind === "clients" ? "/clients" : undefined, {
    search: settled,
    limit: 50,
  });
  const sessions = useParts<SessionRow>(kind === "clients" ? undefined : "/sessions", {
    search: settled,
    connected: kind === "away" ? false : undefined,
    limit: 50,
  });
  const list = kind === "clients" ? clients : sessions;
  const none = settled === "" ? "There are none." : `None has ${JSON.stringify(settled)} in its name.`;
  return (
    <>
      <form class="row" role="search" onSubmit={(event) => event.preventDefault()}>
        <Field
          label="Search"
          type="search"
          placeholder="part of a Client Identifier or a user"
          class="grow"
          value={search}
          set={setSearch}
        />
        <Choice<Kind>
          label="Show"
          value={kind}
          set={setKind}
          of={{
            clients: "connected Clients",
            all: "all sessions",
            away: "sessions of Clients that are away",
          }}
        />
        <button type="button" onClick={list.again} disabled={list.isBusy}>Refresh</button>
      </form>
      {kind === "clients"
        ? (
          <Parts
            name="Clients"
            list={clients}
            columns={CLIENTS}
            keyOf={({ clientId }) => clientId}
            none={none}
          />
        )
        : (
          <Parts
            name="Sessions"
            list={sessions}
            columns={SESSIONS}
            keyOf={({ clientId }) => clientId}
            none={none}
          />
        )}
    </>
  );
}

function One({ clientId }: { readonly clientId: string }): VNode {
  const path = inPath(clientId);
  const client = useAnswer<ClientRow>(`/clients/${path}`, 2_000);
  const isAway = client.error instanceof ApiError && client.error.status === 404;
  const found = useAnswer<{ readonly items: readonly SessionRow[] }>(
    isAway ? `/sessions${query({ search: clientId, limit: 100 })}` : undefined,
  );
  const session = found.data?.items.find((one) => one.clientId === clientId);
  const [question, setQuestion] = useState<Question | undefined>();
  const [told, setTold] = useState<string | undefined>();
  const name = nameOf(clientId);
  const again = (): void => {
    client.again();
    found.again();
  };
  return (
    <>
      <p>
        <a href={to("clients")}>All Clients</a>
      </p>
      <Card
        title={name}
        aside={
          <div class="row">
            <a class="button" href={to("explain", clientId)}>Explain</a>
            {(client.data !== undefined || session !== undefined) && (
              <button
                type="button"
                class="danger"
                onClick={() => setQuestion(ending(clientId, client.data !== undefined))}
              >
                {client.data !== undefined ? "Disconnect …" : "End the session …"}
              </button>
            )}
          </div>
        }
      >
        <Good>{told}</Good>
        {!isAway && <Problem error={client.error} />}
        <Problem error={found.error} />
        {client.data !== undefined && <ClientFacts client={client.data} />}
        {isAway && session !== undefined && <SessionFacts session={session} />}
        {isAway && found.data !== undefined && session === undefined && (
          <p>There is no Client and no session of this name.</p>
        )}
        {client.data === undefined && !isAway && client.error === undefined && <p class="muted">Reading …</p>}
      </Card>
      <Subscriptions clientId={clientId} />
      <Queue clientId={clientId} />
      {question !== undefined && (
        <Ask
          question={question}
          over={(done) => {
            setQuestion(undefined);
            if (!done) return;
            setTold("Done.");
            again();
          }}
        />
      )}
    </>
  );
}

function ClientFacts({ client }: { readonly client: ClientRow }): VNode {
  const { bytesIn, bytesOut, inFlight, receiveMaximum } = client;
  return (
    <Facts
      of={{
        State: `connected since ${moment(client.since)}, ${ago(client.since)}`,
        User: client.user ?? "none",
        Address: client.address,
        Listener: client.listener ?? undefined,
        MQTT: LEVELS[client.level] ?? client.level,
        "Keep Alive": client.keepAlive === 0 ? "none" : duration(client.keepAlive),
        "In flight": inFlight === undefined
          ? undefined
          : `${counted(inFlight, "message")}${
            receiveMaximum === undefined ? "" : ` of at most ${count(receiveMaximum)}`
          }`,
        Queued: counted(client.queued, "message"),
        "Bytes in": bytesIn === undefined ? undefined : bytes(bytesIn),
        "Bytes out": bytesOut === undefined ? undefined : bytes(bytesOut),
      }}
    />
  );
}

function SessionFacts({ session }: { readonly session: SessionRow }): VNode {
  return (
    <Facts
      of={{
        State: "away; its session is kept",
        User: session.user ?? "none",
        "Ends when away for": lasts(session.expiry),
        Queued: `${counted(session.queued, "message")}${
          session.queuedBytes === undefined ? "" : `, ${bytes(session.queuedBytes)}`
        }`,
      }}
    />
  );
}

/** What is asked before a Client is cut off. */
function ending(clientId: string, isConnected: boolean): Question {
  let alsoSession = false;
  return {
    title: isConnected ? `Disconnect ${nameOf(clientId)}?` : `End the session of ${nameOf(clientId)}?`,
    text: isConnected
      ? (
        <>
          <p>Its connection is closed. Most Clients connect again at once.</p>
          <AlsoSession set={(is) => alsoSession = is} />
        </>
      )
      : <p>Its subscriptions, and the messages that wait for it, are lost.</p>,
    act: isConnected ? "Disconnect" : "End the session",
    isDanger: true,
    run: () =>
      isConnected
        ? call(
          "DELETE",
          `/clients/${inPath(clientId)}${query({ reason: "0x98", session: alsoSession || undefined })}`,
        )
        : call("DELETE", `/sessions/${inPath(clientId)}`),
  };
}

function AlsoSession({ set }: { readonly set: (is: boolean) => void }): VNode {
  const [is, setIs] = useState(false);
  return (
    <Tick
      label="End its session too: its subscriptions, and the messages that wait for it, are lost"
      is={is}
      set={(value) => {
        setIs(value);
        set(value);
      }}
    />
  );
}

const RETAIN_HANDLING = ["always", "if new", "never"];

function Subscriptions({ clientId }: { readonly clientId: string }): VNode {
  const list = useParts<SubscriptionRow>(`/sessions/${inPath(clientId)}/subscriptions`, { limit: 100 });
  return (
    <Card title="Subscriptions">
      <Parts
        name="Subscriptions"
        list={hushed(list)}
        keyOf={({ filter, share }) => `${share ?? ""} ${filter}`}
        none="It is subscribed to nothing."
        columns={[
          { title: "Topic Filter", cell: ({ filter, share }) => <code>{shared(filter, share)}</code> },
          { title: "QoS", isNumber: true, cell: ({ qos }) => qos },
          { title: "No Local", isWide: true, cell: ({ noLocal }) => noLocal ? "yes" : "no" },
          {
            title: "Retain As Published",
            isWide: true,
            cell: ({ retainAsPublished }) => retainAsPublished ? "yes" : "no",
          },
          {
            title: "Retained messages",
            isWide: true,
            cell: ({ retainHandling = 0 }) => RETAIN_HANDLING[retainHandling],
          },
          {
            title: "Identifier",
            isNumber: true,
            isWide: true,
            cell: ({ identifier }) => identifier ?? "none",
          },
        ]}
      />
    </Card>
  );
}

function shared(filter: string, share: string | null | undefined): string {
  return share === undefined || share === null || filter.startsWith("$share/")
    ? filter
    : `$share/${share}/${filter}`;
}

/** A session that is not there is told once, above. */
function hushed<T extends { readonly error: Error | undefined }>(list: T): T {
  return list.error instanceof ApiError && list.error.status === 404 ? { ...list, error: undefined } : list;
}

function Queue({ clientId }: { readonly clientId: string }): VNode {
  const list = useParts<QueuedRow>(`/sessions/${inPath(clientId)}/queue`, { limit: 50 });
  return (
    <Card
      title="Messages that wait for it"
      aside={<button type="button" class="small" onClick={list.again} disabled={list.isBusy}>Refresh</button>}
    >
      <Parts
        name="Messages that wait"
        list={hushed(list)}
        keyOf={(_, at) => String(at)}
        none="Nothing waits."
        columns={[
          { title: "Topic", cell: ({ topic }) => <code>{topic}</code> },
          { title: "QoS", isNumber: true, cell: ({ qos }) => qos },
          { title: "Size", isNumber: true, cell: (row) => bytes(row.bytes) },
          { title: "Age", isNumber: true, cell: ({ age }) => typeof age === "number" ? duration(age) : "–" },
          {
            title: "Expires in",
            isNumber: true,
            isWide: true,
            cell: ({ expiry }) => typeof expiry === "number" ? duration(expiry) : "never",
          },
          { title: "State", isWide: true, cell: ({ state }) => state ?? "" },
        ]}
      />
    </Card>
  );
}

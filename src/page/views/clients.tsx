/**
 * Clients and their sessions: who is there, what they are subscribed to, what waits for them.
 * Knows what can be looked at and ended; refuses to know how the broker finds it.
 * @module
 */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { ClientView, OneClient, QueuedView, SessionView, SubscriptionView } from "../answers.ts";
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

const CLIENTS: readonly Column<ClientView>[] = [
  OPEN,
  USER,
  { title: "Address", isWide: true, cell: ({ address }) => address },
  { title: "MQTT", isWide: true, cell: ({ level }) => LEVELS[level] },
  { title: "Subscriptions", isNumber: true, isWide: true, cell: ({ subscriptions }) => count(subscriptions) },
  { title: "Queued", isNumber: true, cell: ({ queued }) => count(queued) },
  { title: "Connected for", isNumber: true, isWide: true, cell: ({ since }) => ago(since) },
];

const SESSIONS: readonly Column<SessionView>[] = [
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
  const clients = useParts<ClientView>(kind === "clients" ? "/clients" : undefined, {
    search: settled,
    limit: 50,
  });
  const sessions = useParts<SessionView>(kind === "clients" ? undefined : "/sessions", {
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
  const client = useAnswer<OneClient>(`/clients/${path}`, 2_000);
  const isAway = client.error instanceof ApiError && client.error.status === 404;
  const left = useAnswer<SessionView>(isAway ? `/sessions/${path}` : undefined);
  const isNobody = left.error instanceof ApiError && left.error.status === 404;
  const session = isAway ? left.data : undefined;
  const [question, setQuestion] = useState<Question | undefined>();
  const [told, setTold] = useState<string | undefined>();
  const name = nameOf(clientId);
  const again = (): void => {
    client.again();
    left.again();
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
        {!isNobody && <Problem error={left.error} />}
        {client.data !== undefined && <ClientFacts of={client.data} />}
        {isAway && session !== undefined && <SessionFacts session={session} />}
        {isAway && isNobody && <p>There is no Client and no session of this name.</p>}
        {client.data === undefined && !isAway && client.error === undefined && <p class="muted">Reading …</p>}
      </Card>
      <Subscriptions clientId={clientId} />
      <Queue clientId={clientId} stored={(client.data?.session ?? session)?.stored ?? 0} />
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

function ClientFacts({ of: { client, session } }: { readonly of: OneClient }): VNode {
  return (
    <Facts
      of={{
        State: `connected since ${moment(client.since)}, ${ago(client.since)}`,
        User: client.user ?? "none",
        Address: `${client.address}${client.port === 0 ? "" : `, port ${client.port}`}, by ${
          TRANSPORTS[client.transport]
        }`,
        MQTT: LEVELS[client.level],
        "Keep Alive": client.keepAlive === 0 ? "none" : duration(client.keepAlive),
        "In flight": `${counted(client.inFlight, "message")} of at most ${count(client.receiveMaximum)}`,
        Sent: `${bytes(client.bytesOut)}, of these ${bytes(client.waitingBytes)} wait for it to read them`,
        ...sessionFacts(session),
      }}
    />
  );
}

const TRANSPORTS: Readonly<Record<ClientView["transport"], string>> = {
  tcp: "TCP",
  tls: "TLS",
  ws: "WebSocket",
  wss: "WebSocket over TLS",
  unix: "a Unix socket",
  memory: "memory",
};

function SessionFacts({ session }: { readonly session: SessionView }): VNode {
  return (
    <Facts
      of={{
        State: `away; its session ${
          session.expiresAt === null ? "is kept" : `ends at ${moment(session.expiresAt)}`
        }`,
        User: session.user ?? "none",
        "Last address": session.address ?? undefined,
        MQTT: LEVELS[session.level],
        ...sessionFacts(session),
      }}
    />
  );
}

function sessionFacts(session: SessionView): Readonly<Record<string, string>> {
  return {
    "Session ends when away for": lasts(session.expiry),
    Queued: session.queued === 0
      ? "no messages"
      : `${counted(session.queued, "message")}, ${bytes(session.queuedBytes)}${
        session.stored === 0 ? "" : `; ${count(session.stored)} of them on disk alone`
      }`,
    Will: session.will === null ? "none" : `to ${session.will}`,
  };
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
          `/clients/${inPath(clientId)}${query({ session: alsoSession || undefined })}`,
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
  const list = useParts<SubscriptionView>(`/sessions/${inPath(clientId)}/subscriptions`, { limit: 100 });
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
            cell: ({ retainHandling }) => RETAIN_HANDLING[retainHandling],
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

const STATES: Readonly<Record<QueuedView["state"], string>> = {
  waiting: "waits for room",
  sent: "sent",
  again: "to be sent again",
  released: "nearly done (PUBREL)",
};

function Queue({ clientId, stored }: { readonly clientId: string; readonly stored: number }): VNode {
  const list = useParts<QueuedView>(`/sessions/${inPath(clientId)}/queue`, { limit: 50 });
  return (
    <Card
      title="Messages that wait or are not acknowledged"
      aside={<button type="button" class="small" onClick={list.again} disabled={list.isBusy}>Refresh</button>}
    >
      <Parts
        name="Messages that wait"
        list={hushed(list)}
        keyOf={(_, at) => String(at)}
        none={stored === 0 ? "Nothing waits." : "None of them is in memory."}
        columns={[
          { title: "Topic", cell: ({ topic }) => <code>{topic}</code> },
          { title: "QoS", isNumber: true, cell: ({ qos }) => qos },
          { title: "Size", isNumber: true, cell: (row) => bytes(row.bytes) },
          {
            title: "Expires in",
            isNumber: true,
            isWide: true,
            cell: ({ expiry }) => expiry === null ? "never" : duration(expiry),
          },
          { title: "From", isWide: true, cell: ({ publisher }) => publisher ?? "–" },
          { title: "State", cell: ({ state }) => STATES[state] },
        ]}
      />
      {stored > 0 && (
        <p class="muted">{counted(stored, "message")} on the disk alone: they are counted, and not shown.</p>
      )}
    </Card>
  );
}

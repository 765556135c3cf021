/**
 * Why a Client gets a message, where it and the publisher may be at different workers.
 * Knows whose steps count; refuses to know what the steps say.
 * @module
 */
import type { ExplainStep } from "../../broker/mod.ts";
import { ApiError } from "../error.ts";
import type { Call, Operation } from "../operation.ts";
import { clientOperations } from "../routes/clients.ts";
import { sessionOperations } from "../routes/sessions.ts";
import type { Asking } from "./asking.ts";

/** What is looked at where the publisher is. */
const OF_PUBLISHER: ReadonlySet<ExplainStep["what"]> = new Set([
  "topic",
  "publisher",
  "permission to publish",
  "store",
]);

interface Explained {
  readonly gets: boolean | null;
  readonly because: string;
  readonly steps: readonly ExplainStep[];
  readonly copies: readonly { readonly share: string | null }[];
  readonly receivers: number | null;
}

const CLIENT = clientOperations.find(({ id }) => id === "client")!;
const SESSION = sessionOperations.find(({ id }) => id === "session")!;

/** The worker of the Client answers, for the publisher that of the publisher; the others say who else gets it. */
export async function explainAmong(asking: Asking, operation: Operation, call: Call): Promise<unknown> {
  const { client, publisher, ...rest } = call.given;
  const [there, from] = await Promise.all([
    whereIs(asking, SESSION, call, client as string),
    publisher === undefined ? undefined : whereIs(asking, CLIENT, call, publisher as string),
  ]);
  const withoutPublisher = { ...call, given: { client: client!, ...rest } };
  const main = there ?? from ?? asking.number;
  const isApart = from !== undefined && from !== main;
  const [answer, published] = await Promise.all([
    asking.at(main, operation, isApart ? withoutPublisher : call) as Promise<Explained | undefined>,
    isApart ? asking.at(from, operation, call) as Promise<Explained | undefined> : undefined,
  ]);
  if (answer === undefined || (isApart && published === undefined)) {
    throw new ApiError("not-running", `Worker ${asking.missing.join(", ")} does not answer: try again`);
  }
  const whole = published === undefined ? answer : together(answer, published);
  const isPublished = !whole.steps.some(({ what, result }) => result === "no" && OF_PUBLISHER.has(what));
  const others = await Promise.all(
    asking.all.filter((worker) => worker !== main).map(async (worker) => {
      const said = await asking.at(worker, operation, withoutPublisher) as Explained | undefined;
      return { worker, said };
    }),
  );
  const notes = [{ worker: main, said: whole as Explained | undefined }, ...others].flatMap((
    { worker, said },
  ) =>
    (said?.steps ?? []).filter(({ what }) => what === "others")
      .map((step): ExplainStep => ({ ...step, detail: `Worker ${worker}: ${step.detail}` }))
  );
  const counts = [whole, ...others.flatMap(({ said }) => said === undefined ? [] : [said])].map((one) =>
    one.receivers
  );
  const at = whole.steps.findIndex(({ what }) => what === "others");
  const steps = at < 0 ? whole.steps : [...whole.steps.slice(0, at), ...notes, ...whole.steps.slice(at + 1)];
  return asking.reply({
    ...whole,
    steps,
    receivers: !isPublished
      ? 0
      : counts.includes(null)
      ? null
      : counts.reduce<number>((sum, one) => sum + one!, 0),
  });
}

async function whereIs(
  asking: Asking,
  operation: Operation,
  call: Call,
  id: string,
): Promise<number | undefined> {
  const found = await Promise.all(asking.all.map(async (worker) => {
    try {
      return await asking.at(worker, operation, { ...call, given: { id } }) === undefined
        ? undefined
        : worker;
    } catch (error) {
      if (error instanceof ApiError && error.code === "not-found") return undefined;
      throw error;
    }
  }));
  return found.find((worker) => worker !== undefined);
}

/** `answer` is about the Client without a publisher, `published` is of the publisher's worker, where the Client has no session. */
function together(answer: Explained, published: Explained): Explained {
  const first = published.steps.filter(({ what }) => OF_PUBLISHER.has(what));
  const steps = [...first, ...answer.steps.filter(({ what }) => !OF_PUBLISHER.has(what))];
  if (first.some(({ result }) => result === "no")) {
    return { ...answer, gets: false, because: published.because, steps, copies: [] };
  }
  const unknown = first.find(({ result }) => result === "unknown");
  if (unknown !== undefined && answer.gets === true) return { ...answer, ...foretold(unknown), steps };
  return chosenElsewhere({ ...answer, steps });
}

/** Which member of a shared group gets the message is for the worker to say where it comes in, not for that of the Client. */
function chosenElsewhere(answer: Explained): Explained {
  const isGroup = ({ what, result }: ExplainStep) => what === "shared group" && result !== "note";
  if (!answer.steps.some(isGroup)) return answer;
  const steps = answer.steps.map((step): ExplainStep => {
    if (!isGroup(step)) return step;
    const { rule: _, limit: __, ...rest } = step;
    const detail = "The worker of the publisher chooses among the members at all workers, its own first";
    return { ...rest, result: "unknown", detail: `${detail}. Were it this one: ${step.detail}` };
  });
  const copies = answer.copies.filter(({ share }) => share === null);
  if (copies.length > 0) return { ...answer, steps, copies };
  const isRefused = answer.gets === false &&
    answer.steps.some((step) => step.result === "no" && !isGroup(step));
  if (isRefused) return { ...answer, steps, copies };
  return { ...answer, ...foretold(steps.find(isGroup)!), steps, copies };
}

function foretold({ detail }: ExplainStep): Pick<Explained, "gets" | "because"> {
  return { gets: null, because: `Whether it gets it cannot be foretold. ${detail}.` };
}

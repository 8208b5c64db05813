/** What is in production, what waits to take its place with the gate's reasons, and the ways forward and back. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { client, type Job, type ModelRoles, type RoleEvent, unwrap } from "../api/client";
import * as queries from "../api/queries";
import { dateTime } from "../logic/format";
import { type Check, decisionAbout, nameOf, verdictOf } from "../logic/learning";
import { Bar } from "./basics";
import { Sheet } from "./Sheet";
import { useAsking } from "./useAsking";
import { Checks, Comparison } from "./Verdict";

type Change = "promote" | "despite" | "shadow" | "retire" | "back";

interface Asked {
  readonly change: Change;
  readonly model: string;
  /** What the gate has against it. */
  readonly objections: readonly Check[];
}

const WORDS: Readonly<Record<Change, { title: string; action: string; done: string; says: string }>> = {
  promote: {
    title: "Promote",
    action: "Promote",
    done: "Judged once more beside production; it is promoted if the gate lets it pass",
    says: "Both models are judged once more on the frozen test set. If the gate lets it pass, plates are scored by it from then on. Earlier scores stay.",
  },
  despite: {
    title: "Promote despite the gate",
    action: "Promote despite the gate",
    done: "Judged once more, then promoted",
    says: "The gate refuses this model, for the reasons below. What does it not see? Yours stands beside them in the history.",
  },
  shadow: {
    title: "Let it score in the shadow",
    action: "Shadow",
    done: "It scores silently beside production from now on",
    says: "It scores silently beside the one in production: its scores are kept, and change nothing on the map.",
  },
  retire: {
    title: "Take it off the list",
    action: "Retire",
    done: "Retired",
    says: "The model and its scores are kept; it only waits for nothing any more.",
  },
  back: {
    title: "Go back",
    action: "Go back",
    done: "The model before does the work again",
    says: "What is in production is given up; the model before does the work again. Scores stay, each with its version.",
  },
};

export function Roles({ roles, who }: { roles: ModelRoles; who: string }) {
  const jobs = useQuery(queries.jobs()).data?.items ?? [];
  const [asked, setAsked] = useState<Asked>();
  const held = roles.production;
  const waiting = [...roles.candidates, ...roles.shadows].sort((one, other) => other.id - one.id);
  return (
    <>
      <section className="panel card" aria-label="In production">
        <header>
          <h2>In production</h2>
          {held !== null && (
            <button
              type="button"
              className="button end"
              onClick={() => {
                setAsked({ change: "back", model: held.model, objections: [] });
              }}
            >
              Go back to {roles.before[0] === undefined ? roles.default_model : nameOf(roles.before[0].model)}
            </button>
          )}
        </header>
        {held === null ? (
          <p>
            <ModelLink model={roles.default_model} /> <span className="muted">as the settings say; nothing was promoted yet</span>
          </p>
        ) : (
          <>
            <p>
              <ModelLink model={held.model} />{" "}
              <span className="muted">
                {held.goes_back ? "again " : ""}since {dateTime(held.at)}, by {held.who}
                {held.why === "" ? "" : `: ${held.why}`}
              </span>
            </p>
            {verdictOf(held.evidence) !== undefined && (
              <details>
                <summary>What was measured then</summary>
                <Comparison evidence={held.evidence} />
              </details>
            )}
          </>
        )}
      </section>
      {waiting.map((event) => (
        <Waiting
          key={event.id}
          event={event}
          job={decisionAbout(jobs, nameOf(event.model))}
          onAsk={(change) => {
            const objections = verdictOf(event.evidence)?.checks.filter(({ passed }) => !passed) ?? [];
            setAsked({ change, model: event.model, objections });
          }}
        />
      ))}
      {asked !== undefined && (
        <ChangeSheet
          asked={asked}
          task={roles.task}
          who={who}
          onClose={() => {
            setAsked(undefined);
          }}
        />
      )}
      {roles.history.length > 0 && <History events={roles.history} />}
    </>
  );
}

function ModelLink({ model }: { model: string }) {
  const name = model.includes("@") ? nameOf(model) : model;
  return (
    <>
      <Link to={`/models/${name}`}>
        <b>{name}</b>
      </Link>
      {model.includes("@") && <code> {model.slice(name.length + 1)}</code>}
    </>
  );
}

interface WaitingProps {
  readonly event: RoleEvent;
  readonly job: Job | undefined;
  readonly onAsk: (change: Change) => void;
}

function Waiting({ event, job, onAsk }: WaitingProps) {
  const passed = verdictOf(event.evidence)?.passed === true;
  const shadow = event.role === "shadow";
  const running = job !== undefined && (job.state === "queued" || job.state === "running");
  return (
    <section className="panel card" aria-label={`${shadow ? "Shadow" : "Candidate"} ${nameOf(event.model)}`}>
      <header>
        <h2>{shadow ? "Shadow" : "Candidate"}</h2>
        <ModelLink model={event.model} />
        <span className="end actions">
          <button
            type="button"
            className={passed ? "button primary" : "button"}
            disabled={running}
            onClick={() => {
              onAsk(passed ? "promote" : "despite");
            }}
          >
            {passed ? "Promote" : "Promote despite the gate"}
          </button>
          {!shadow && (
            <button
              type="button"
              className="button"
              onClick={() => {
                onAsk("shadow");
              }}
            >
              Shadow
            </button>
          )}
          <button
            type="button"
            className="button quiet"
            onClick={() => {
              onAsk("retire");
            }}
          >
            Retire
          </button>
        </span>
      </header>
      <p className="muted">
        {dateTime(event.at)}, {event.who}
        {event.why === "" ? "" : `: ${event.why}`}
      </p>
      {running && (
        <p className="deciding">
          <Bar done={job.done} total={job.total} label={`Judging ${event.model}`} /> {job.message}
        </p>
      )}
      {job?.state === "failed" && <p className="error-text">{job.message}</p>}
      <Comparison evidence={event.evidence} />
    </section>
  );
}

function ChangeSheet({ asked, task, who, onClose }: { asked: Asked; task: string; who: string; onClose: () => void }) {
  const [why, setWhy] = useState("");
  const words = WORDS[asked.change];
  const { ask, pending } = useAsking(
    (given: string) => change(asked, task, who, given),
    { done: () => words.done, failed: `${words.title}: it was not done` },
    onClose,
  );
  return (
    <Sheet
      title={`${words.title}: ${nameOf(asked.model)}`}
      action={words.action}
      disabled={pending || (asked.change === "despite" && why.trim() === "")}
      onSubmit={() => {
        ask(why.trim());
      }}
      onClose={onClose}
    >
      <p>{words.says}</p>
      {asked.change === "despite" && <Checks checks={asked.objections} />}
      <label>
        {asked.change === "despite" ? "Why" : "Why, for those who come after"}
        <input
          className="field"
          maxLength={1000}
          value={why}
          onChange={(event) => {
            setWhy(event.target.value);
          }}
        />
      </label>
      <p className="muted">In the name of {who}.</p>
    </Sheet>
  );
}

function change(asked: Asked, task: string, who: string, why: string): Promise<unknown> {
  const body = { task, model: nameOf(asked.model), who, why };
  switch (asked.change) {
    case "back":
      return unwrap(client.POST("/api/v1/model-roles/roll-backs", { body: { task, who, why } }));
    case "shadow":
      return unwrap(client.POST("/api/v1/model-roles/shadows", { body }));
    case "retire":
      return unwrap(client.POST("/api/v1/model-roles/retirements", { body }));
    case "promote":
    case "despite":
      return unwrap(
        client.POST("/api/v1/model-roles/promotions", { body: { ...body, despite_gate: asked.change === "despite" } }),
      );
  }
}

function History({ events }: { events: readonly RoleEvent[] }) {
  return (
    <details className="panel card" open>
      <summary>
        <h2>History</h2>
      </summary>
      <ol className="history">
        {events.map((event) => (
          <li key={event.id}>
            <span className="muted num">{dateTime(event.at)}</span>
            <span className="chip">{event.goes_back ? "production again" : event.role}</span>
            <span>
              <b>{nameOf(event.model)}</b> by {event.who}
              {event.why === "" ? "" : `: ${event.why}`}
            </span>
          </li>
        ))}
      </ol>
    </details>
  );
}

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import * as queries from "../api/queries";
import { Failure, Segmented } from "../components/basics";
import { Datasets } from "../components/Datasets";
import { Drift } from "../components/Drift";
import { Roles } from "../components/Roles";
import { Trainings } from "../components/Trainings";
import { useCurator } from "../components/useCurator";
import { useShortcuts } from "../components/useShortcuts";
import { useTitle } from "../components/useTitle";

const FIRST = "crystals/visible";

export default function LearningPage() {
  useTitle("Learning");
  const [parameters, setParameters] = useSearchParams();
  const [who, setWho] = useCurator();
  const tasks = useQuery(queries.reviewTasks());
  const task = parameters.get("task") ?? tasks.data?.find((one) => one.name === FIRST)?.name ?? tasks.data?.[0]?.name ?? "";
  const roles = useQuery(queries.modelRoles(task));
  const datasets = useQuery(queries.datasets(task));
  useShortcuts((shortcut) => {
    if (shortcut !== "u" || tasks.data === undefined) return false;
    const place = tasks.data.findIndex((one) => one.name === task);
    const next = tasks.data[(place + 1) % tasks.data.length];
    if (next !== undefined) setParameters({ task: next.name });
    return true;
  });
  return (
    <div className="page narrow learning">
      <header>
        <h1>Learning</h1>
        {tasks.data !== undefined && (
          <Segmented
            label="What is learnt"
            value={task}
            choices={tasks.data.map((one) => ({ value: one.name, name: one.title }))}
            onChange={(name) => {
              setParameters({ task: name });
            }}
          />
        )}
        <Who who={who} onChosen={setWho} />
      </header>
      {roles.isError || datasets.isError ? (
        <Failure
          error={roles.error ?? datasets.error ?? new Error("no answer")}
          retry={() => {
            void roles.refetch();
            void datasets.refetch();
          }}
        />
      ) : roles.data == null || datasets.data === undefined ? (
        <div className="skeleton plate-skeleton" aria-label="Loading" />
      ) : who === "" ? (
        <div className="state">
          <h2>Who are you?</h2>
          <p>
            Your name stands beside what you build, train and promote. Write it above; <Link to="/curation">curation</Link>{" "}
            knows you by the same one.
          </p>
        </div>
      ) : (
        <div className="cards">
          <Roles key={task} roles={roles.data} who={who} />
          <Trainings key={`${task} trainings`} task={task} datasets={datasets.data} />
          <Datasets key={`${task} data`} task={task} who={who} versions={datasets.data} />
          {datasets.data.length > 0 && task.startsWith("crystals/") && <Drift key={`${task} drift`} task={task} />}
        </div>
      )}
    </div>
  );
}

function Who({ who, onChosen }: { who: string; onChosen: (name: string) => void }) {
  const [name, setName] = useState("");
  if (who !== "") {
    return (
      <button
        type="button"
        className="button quiet end"
        title="Somebody else decides"
        onClick={() => {
          onChosen("");
        }}
      >
        {who}
      </button>
    );
  }
  return (
    <form
      className="end"
      onSubmit={(event) => {
        event.preventDefault();
        if (name.trim() !== "") onChosen(name.trim());
      }}
    >
      <input
        className="field"
        autoFocus
        aria-label="Your name"
        placeholder="Your name"
        maxLength={200}
        value={name}
        onChange={(event) => {
          setName(event.target.value);
        }}
      />
    </form>
  );
}

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import type { DatasetDiff, DatasetRow } from "../api/client";
import * as queries from "../api/queries";
import { Command, Failure, Segmented } from "../components/basics";
import { Parts, RowPicture } from "../components/Datasets";
import { useShortcuts } from "../components/useShortcuts";
import { useTitle } from "../components/useTitle";
import { dateTime, plural } from "../logic/format";
import { diffInWords } from "../logic/learning";

const PER_PAGE = 60;
const MOST = 480;

type Part = "all" | "train" | "validation" | "test";
const PARTS: readonly { value: Part; name: string }[] = [
  { value: "all", name: "All" },
  { value: "train", name: "Train" },
  { value: "validation", name: "Validation" },
  { value: "test", name: "Test" },
];

export default function DatasetPage() {
  const id = Number(useParams().datasetId);
  const query = useQuery(queries.dataset(id));
  const found = query.data;
  const others = useQuery(queries.datasets(found?.task ?? "")).data?.filter((one) => one.id !== id) ?? [];
  const [chosen, setChosen] = useState<number>();
  const before = chosen ?? found?.parent_id ?? undefined;
  const navigate = useNavigate();
  useShortcuts((shortcut) => {
    if (shortcut !== "Escape") return false;
    void navigate(found === undefined ? "/learning" : `/learning?task=${found.task}`);
    return true;
  });
  useTitle(found?.name ?? "Data set");
  if (query.isError) {
    return (
      <div className="page narrow">
        <Failure error={query.error} retry={() => void query.refetch()} />
      </div>
    );
  }
  return (
    <div className="page narrow learning">
      <header>
        <div className="crumbs">
          <Link to={found === undefined ? "/learning" : `/learning?task=${found.task}`}>Learning</Link> /
          <h1>{found?.name ?? "Data set"}</h1>
        </div>
      </header>
      {found === undefined ? (
        <div className="skeleton plate-skeleton" aria-label="Loading" />
      ) : (
        <div className="cards">
          <section className="panel card">
            <p>
              <Parts counts={found.counts} />
            </p>
            <p className="muted">
              {dateTime(found.created_at)}, made by {found.made_by}
              {found.why === "" ? "" : `: ${found.why}`}
              {found.test_set === null ? "; no test set" : `; judged by the frozen test set ${found.test_set}`}
            </p>
            <p className="muted">
              Manifest <code>{found.manifest_sha256.slice(0, 16)}</code>: the same images with the same labels have the
              same one. To take them elsewhere:
            </p>
            <Command text={`structloop loop datasets export "${found.name}" FOLDER`} />
          </section>
          {others.length > 0 && (
            <section className="panel card" aria-label="What differs">
              <header>
                <h2>What differs</h2>
                <label className="labelled">
                  from{" "}
                  <select
                    className="field"
                    value={before ?? ""}
                    onChange={(event) => {
                      setChosen(Number(event.target.value));
                    }}
                  >
                    {before === undefined && <option value="">choose a version</option>}
                    {others.map((one) => (
                      <option key={one.id} value={one.id}>
                        {one.name}
                      </option>
                    ))}
                  </select>
                </label>
              </header>
              {before !== undefined && <Difference before={before} after={id} />}
            </section>
          )}
          <Rows id={id} />
        </div>
      )}
    </div>
  );
}

function Difference({ before, after }: { before: number; after: number }) {
  const query = useQuery(queries.datasetDiff(before, after));
  if (query.isError) return <Failure error={query.error} retry={() => void query.refetch()} />;
  if (query.data === undefined) return <p className="muted">Comparing …</p>;
  const diff: DatasetDiff = query.data;
  return (
    <>
      <p>{diffInWords(diff.counts).join("; ")}</p>
      {diff.relabelled.length > 0 && (
        <>
          <h4>Labelled otherwise</h4>
          <ul className="wall s">
            {diff.relabelled.map((change) => (
              <li key={change.key}>
                <RowPicture row={change.after} />
                <span className="muted">was {change.before.label}</span>
              </li>
            ))}
          </ul>
        </>
      )}
      {diff.added.length > 0 && <Wall title="Added" rows={diff.added} />}
      {diff.removed.length > 0 && <Wall title="Removed" rows={diff.removed} />}
    </>
  );
}

function Wall({ title, rows }: { title: string; rows: readonly DatasetRow[] }) {
  return (
    <details>
      <summary>
        {title}: {plural(rows.length, "image")}
      </summary>
      <ul className="wall s">
        {rows.map((row) => (
          <li key={row.key}>
            <RowPicture row={row} />
          </li>
        ))}
      </ul>
    </details>
  );
}

function Rows({ id }: { id: number }) {
  const [part, setPart] = useState<Part>("all");
  const [limit, setLimit] = useState(PER_PAGE);
  const query = useQuery(queries.datasetRows(id, part === "all" ? undefined : part, limit));
  return (
    <section className="panel card" aria-label="Images">
      <header>
        <h2>Images</h2>
        <Segmented label="Part" value={part} choices={PARTS} onChange={setPart} />
      </header>
      {query.isError && <Failure error={query.error} retry={() => void query.refetch()} />}
      <ul className="wall s">
        {query.data?.items.map((row) => (
          <li key={row.key}>
            <RowPicture row={row} />
          </li>
        ))}
      </ul>
      {query.data !== undefined && query.data.items.length < query.data.total && limit < MOST && (
        <button
          type="button"
          className="button"
          onClick={() => {
            setLimit(limit + PER_PAGE);
          }}
        >
          More of {query.data.total}
        </button>
      )}
    </section>
  );
}

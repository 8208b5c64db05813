import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { Link, useSearchParams } from "react-router";
import type { Job, PlateFilter, PlateOrder, PlateSummary } from "../api/client";
import * as queries from "../api/queries";
import { Bar, Command, Failure } from "../components/basics";
import { Icon } from "../components/Icon";
import { ImportDialog } from "../components/ImportDialog";
import { MiniPlate } from "../components/MiniPlate";
import { MoreOnSight } from "../components/MoreOnSight";
import { useNow } from "../components/useNow";
import { useShortcuts } from "../components/useShortcuts";
import { useTitle } from "../components/useTitle";
import { ago, count, dateTime, percentOrDash, plural } from "../logic/format";
import { isFinal, jobTitle } from "../logic/jobs";

const STATES: readonly { value: PlateFilter; name: string }[] = [
  { value: "all", name: "All plates" },
  { value: "hits", name: "With hits" },
  { value: "scored", name: "Scored" },
  { value: "unscored", name: "Not scored" },
  { value: "problems", name: "With problems" },
];
const ORDERS: readonly { value: PlateOrder; name: string }[] = [
  { value: "newest-hit", name: "Newest hits" },
  { value: "imported", name: "Newest images" },
  { value: "best", name: "Best probability" },
  { value: "barcode", name: "Barcode" },
];
const DEBOUNCE_MS = 200;

export function PlatesPage() {
  useTitle("Plates");
  const [params, setParams] = useSearchParams();
  const search = params.get("search") ?? "";
  const state = STATES.find(({ value }) => value === params.get("state"))?.value ?? "all";
  const sort = ORDERS.find(({ value }) => value === params.get("sort"))?.value ?? "newest-hit";
  const query = useInfiniteQuery(queries.plates({ search, state, sort }));
  const jobs = useQuery(queries.jobs()).data?.items ?? [];
  const running = jobs.filter((job) => !isFinal(job.state));
  const [importing, setImporting] = useState(false);
  useShortcuts((shortcut) => {
    if (shortcut !== "i") return false;
    setImporting(true);
    return true;
  });

  const set = (name: string, value: string, usual: string) => {
    setParams(
      (old) => {
        if (value === usual) old.delete(name);
        else old.set(name, value);
        return old;
      },
      { replace: true },
    );
  };

  const plates = query.data?.pages.flatMap((page) => page.items) ?? [];
  const total = query.data?.pages[0]?.total ?? 0;
  const filtered = search !== "" || state !== "all";
  return (
    <div className="page">
      <header>
        <h1>Plates</h1>
        {query.data !== undefined && (
          <span className="muted num">
            {plural(total, "plate")}
            {filtered ? " match" : ""}
          </span>
        )}
        <div className="actions">
          <button
            type="button"
            className="button"
            title="Import a folder of images (i)"
            onClick={() => {
              setImporting(true);
            }}
          >
            Import…
          </button>
        </div>
      </header>
      <div className="toolbar">
        <Search
          value={search}
          onChange={(value) => {
            set("search", value, "");
          }}
        />
        <select
          className="field"
          aria-label="Which plates"
          value={state}
          onChange={(event) => {
            set("state", event.target.value, "all");
          }}
        >
          {STATES.map(({ value, name }) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
        <label className="labelled">
          Sort by
          <select
            className="field"
            value={sort}
            onChange={(event) => {
              set("sort", event.target.value, "newest-hit");
            }}
          >
            {ORDERS.map(({ value, name }) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      <RunningJobs jobs={running} />
      {query.isPending ? (
        <PlatesSkeleton />
      ) : query.isError && plates.length === 0 ? (
        <Failure error={query.error} retry={() => void query.refetch()} />
      ) : plates.length > 0 ? (
        <PlateList plates={plates} busy={query.isPlaceholderData} />
      ) : filtered ? (
        <div className="state">
          <h2>No plate matches</h2>
          <p>Look for part of a barcode or of a project’s name, or show all plates.</p>
          <button
            type="button"
            className="button"
            onClick={() => {
              setParams({}, { replace: true });
            }}
          >
            Show all plates
          </button>
        </div>
      ) : (
        <NoPlates />
      )}
      <MoreOnSight query={query} />
      {importing && (
        <ImportDialog
          onClose={() => {
            setImporting(false);
          }}
        />
      )}
    </div>
  );
}

function Search({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const input = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState(value);
  const [given, setGiven] = useState(value);
  if (given !== value) {
    // The address changed by other means, such as the back button.
    setGiven(value);
    if (value !== typed.trim()) setTyped(value);
  }
  const timer = useRef(0);
  useEffect(
    () => () => {
      window.clearTimeout(timer.current);
    },
    [],
  );
  useShortcuts((shortcut) => {
    if (shortcut !== "/") return false;
    input.current?.select();
    return true;
  });
  return (
    <div className="search">
      <Icon name="search" />
      <input
        ref={input}
        className="field"
        type="search"
        placeholder="Barcode or project"
        aria-label="Search plates"
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value);
          const next = event.target.value.trim();
          window.clearTimeout(timer.current);
          timer.current = window.setTimeout(() => {
            onChange(next);
          }, DEBOUNCE_MS);
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
        }}
      />
      <kbd>/</kbd>
    </div>
  );
}

function RunningJobs({ jobs }: { jobs: readonly Job[] }) {
  if (jobs.length === 0) return null;
  return (
    <ul className="running-jobs panel" aria-label="Running jobs">
      {jobs.map((job) => (
        <li key={job.id}>
          <span>
            {jobTitle(job)} <strong>{job.subject}</strong>
          </span>
          <Bar done={job.done} total={job.total} label={`${jobTitle(job)} ${job.subject}`} />
          <span className="muted num">
            {job.state === "queued" ? "waiting" : job.total === null ? job.message : `${count(job.done)} of ${count(job.total)}`}
          </span>
        </li>
      ))}
    </ul>
  );
}

function PlateList({ plates, busy }: { plates: readonly PlateSummary[]; busy: boolean }) {
  const now = useNow();
  return (
    <ul className="plates panel" aria-busy={busy}>
      {plates.map((plate) => (
        <li key={plate.id}>
          <Link to={`/plates/${plate.id}`} className="plate-row">
            <MiniPlate plate={plate} />
            <span className="name">
              <span className="barcode">{plate.barcode}</span>
              <span className="muted">
                {plate.project ?? plate.layout}
                {" · "}
                {plate.rows * plate.columns} wells × {plural(plate.drops.length, "drop")}
              </span>
            </span>
            <span className="cell hits">
              <span className="figure num">{plate.scored_count === 0 ? "–" : count(plate.hit_count)}</span>
              <span className="muted">{plate.hit_count === 1 ? "hit" : "hits"}</span>
            </span>
            <span className="cell">
              <span className="figure num">{percentOrDash(plate.best_probability)}</span>
              <span className="muted">best</span>
            </span>
            <span className="cell progress">
              <span className="num">
                {plate.state === "unscored"
                  ? "not scored"
                  : plate.state === "scored"
                    ? "all scored"
                    : `${count(plate.scored_count)} of ${count(plate.experiment_count)} scored`}
              </span>
              <span className="muted num">
                {plural(plate.image_count, "image")}, {plural(plate.inspection_count, "inspection")}
              </span>
            </span>
            <span className="cell when" title={dateTime(plate.newest_hit_at ?? plate.imported_at)}>
              <span>{ago(plate.newest_hit_at ?? plate.imported_at, now)}</span>
              <span className="muted">{plate.newest_hit_at === null ? "imported" : "newest hit"}</span>
            </span>
            <span className="cell flag">
              {plate.problem_count > 0 && (
                <span className="chip warn" title="Files that could not be imported">
                  {plural(plate.problem_count, "problem")}
                </span>
              )}
            </span>
            <Icon name="right" />
          </Link>
        </li>
      ))}
    </ul>
  );
}

function PlatesSkeleton() {
  return (
    <div className="plates panel" aria-label="Loading plates" aria-busy="true">
      {[1, 2, 3, 4].map((row) => (
        <div key={row} className="plate-row">
          <span className="mini-plate skeleton" />
          <span className="name">
            <span className="skeleton line" />
          </span>
        </div>
      ))}
    </div>
  );
}

function NoPlates() {
  return (
    <div className="state">
      <div className="art">
        <svg width={132} height={64} viewBox="0 0 132 64" fill="none" stroke="currentColor" aria-hidden="true">
          <rect x={0.5} y={0.5} width={131} height={63} rx={6} />
          {Array.from({ length: 32 }, (_, index) => (
            <circle key={index} cx={17 + 14 * (index % 8)} cy={11 + 14 * Math.floor(index / 8)} r={4.5} />
          ))}
        </svg>
      </div>
      <h2>No plates yet</h2>
      <p>Import a folder of drop images from your imager. The images stay where they are; they are only read. Press <b>Import…</b> above, or:</p>
      <Command text="structloop crystals import PATH" />
      <p>
        Or start with a simulated plate: <code>structloop demo</code>
      </p>
    </div>
  );
}

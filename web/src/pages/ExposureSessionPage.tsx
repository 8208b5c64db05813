import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import type { Limits } from "../api/client";
import * as queries from "../api/exposureQueries";
import { Failure, Segmented } from "../components/basics";
import { ExposureExport } from "../components/ExposureExport";
import { ExposureTable, ExposureTiles } from "../components/ExposureList";
import { ExposureSummary } from "../components/ExposureSummary";
import { Icon } from "../components/Icon";
import { LearnSheet } from "../components/LearnSheet";
import { LimitsSheet } from "../components/LimitsSheet";
import { Places } from "../components/Places";
import { useKept } from "../components/preferences";
import { ScatterPlot } from "../components/ScatterPlot";
import { Standing } from "../components/Standing";
import { Trends } from "../components/Trends";
import { useExposureMarks, useSetLimits, useUndo } from "../components/useExposureMarks";
import { keep, type Mark, useExposureView } from "../components/useExposureView";
import { useShortcuts } from "../components/useShortcuts";
import { useTitle } from "../components/useTitle";
import type { VirtualHandle } from "../components/Virtual";
import { FAILED, type Kind } from "../logic/exposures";
import { count, plural } from "../logic/format";
import { countProblematic, type LimitEnd, PROBLEMATIC, withLimit } from "../logic/judging";

export default function ExposureSessionPage() {
  const id = Number(useParams().sessionId);
  return <Dashboard key={id} id={id} />;
}

function Dashboard({ id }: { id: number }) {
  const { marks, mark } = useExposureMarks(id);
  const { detail, query, columns, view, listing, judged, shown, rows } = useExposureView(id, marks);
  const places = useQuery(queries.exposurePlaces(id));
  const navigate = useNavigate();
  const { undo } = useUndo();
  const held = detail.data?.limits;
  const setLimits = useSetLimits(id, held);
  const list = useRef<VirtualHandle>(null);
  const search = useRef<HTMLInputElement>(null);
  const [look, setLook] = useKept("exposures.list", ["table", "pictures"], "table");
  const [sheet, setSheet] = useState<"limits" | "learn" | "export">();
  const [origin, setOrigin] = useState("");
  useTitle(detail.data?.session.name ?? "Exposures");

  const { problematic } = judged.verdicts;
  const current = view.chosen === undefined ? undefined : columns?.rowOf.get(view.chosen);
  // Until somebody picks one, the newest that could be processed is shown, and stays the newest while more come.
  const newest = useMemo(() => newestOf(columns?.flags ?? new Uint8Array(), shown), [columns, shown]);
  const row = current ?? newest;
  const active = useMemo(() => {
    if (columns === undefined || view.selected.size === 0) return shown;
    return Uint8Array.from(columns.ids, (one, place) => Number(shown[place] === 1 && view.selected.has(one)));
  }, [columns, shown, view.selected]);

  const pick = useCallback(
    (wanted: number | undefined) => {
      keep(id, { chosen: wanted === undefined ? undefined : columns?.ids[wanted] });
    },
    [id, columns],
  );
  const select = useCallback(
    (chosen: readonly number[], add = false) => {
      if (columns === undefined) return;
      const ids = chosen.map((one) => columns.ids[one] ?? -1);
      keep(id, { selected: new Set(add ? [...view.selected, ...ids] : ids) });
    },
    [id, columns, view.selected],
  );
  const tryLimits = useCallback(
    (limits: Limits, from = "") => {
      setOrigin(from);
      keep(id, { draft: limits });
    },
    [id],
  );
  const moveLimit = useCallback(
    (end: LimitEnd, value: number | null) => {
      const from = judged.limits;
      if (from !== undefined) tryLimits(withLimit(from, end, value));
    },
    [judged.limits, tryLimits],
  );
  const place = row === undefined ? -1 : rows.indexOf(row);
  useEffect(() => {
    if (place >= 0 && view.chosen !== undefined) list.current?.show(place);
  }, [place, view.chosen]);

  const step = (by: number) => {
    if (rows.length > 0) pick(rows[Math.min(rows.length - 1, Math.max(0, place + by))]);
  };
  const open = (wanted: number | undefined) => {
    if (wanted === undefined || columns === undefined) return;
    pick(wanted);
    void navigate(`/exposures/${id}/${columns.ids[wanted] ?? 0}${listing.search}`);
  };
  const markCurrent = (label: Mark) => {
    if (row !== undefined && columns !== undefined) mark([columns.ids[row] ?? -1], label);
  };
  const apply = () => {
    if (view.draft !== undefined) setLimits.mutate({ limits: view.draft, origin });
  };
  const clear = () => {
    if (view.draft !== undefined) keep(id, { draft: undefined });
    else if (view.selected.size > 0) keep(id, { selected: new Set() });
    else if (view.chosen !== undefined) keep(id, { chosen: undefined });
    else void navigate("/exposures");
  };
  useShortcuts((shortcut) => {
    const keys: Record<string, () => void> = {
      j: () => { step(1); },
      k: () => { step(-1); },
      ArrowDown: () => { step(1); },
      ArrowUp: () => { step(-1); },
      PageDown: () => { step(15); },
      PageUp: () => { step(-15); },
      Home: () => { step(-rows.length); },
      End: () => { step(rows.length); },
      Enter: () => { open(row); },
      g: () => { markCurrent("good"); step(1); },
      b: () => { markCurrent("bad"); step(1); },
      z: undo,
      l: () => { setSheet("limits"); },
      e: () => { setSheet("export"); },
      v: () => { setLook(look === "table" ? "pictures" : "table"); },
      n: () => { pick(undefined); },
      "/": () => { search.current?.focus(); },
      Escape: clear,
    };
    const run = keys[shortcut];
    if (run === undefined) return false;
    run();
    return true;
  });

  if (detail.isError) return <Failure error={detail.error} retry={() => void detail.refetch()} />;
  if (query.isError) return <Failure error={query.error} retry={() => void query.refetch()} />;
  if (detail.data === undefined || columns === undefined || held === undefined || judged.limits === undefined) {
    return <div className="skeleton plate-skeleton" aria-label="Loading" />;
  }
  const { session } = detail.data;
  const bad = countProblematic(judged.verdicts);
  const fine = columns.ids.filter((_, one) => (problematic[one] ?? NaN) < PROBLEMATIC);
  const kinds: readonly { value: Kind; name: string; of: number }[] = [
    { value: "all", name: "All", of: columns.ids.length },
    { value: "fine", name: "Fine", of: fine.length },
    { value: "problematic", name: "Problematic", of: bad },
    { value: "failed", name: "Failed", of: columns.ids.length - fine.length - bad },
    { value: "marked", name: "Marked", of: marks.size },
  ];
  const listed = {
    columns,
    verdicts: judged.verdicts,
    rows,
    marks,
    current: row,
    sorting: listing.sorting,
    onSort: (by: string) => {
      const down = listing.sorting.by === by ? !listing.sorting.descending : by !== "name" && by !== "square";
      listing.set({ sort: by, down: down ? undefined : "0" });
    },
    onPick: pick,
    onOpen: open,
  };
  return (
    <div className="page exposures">
      <Standing session={session} marks={marks.size} onLearn={() => { setSheet("learn"); }} onLimits={() => { setSheet("limits"); }} onExport={() => { setSheet("export"); }} />
      {columns.ids.length === 0 ? (
        <div className="state">
          <h2>No exposure is processed yet</h2>
          <p>They appear here as soon as the first one is through.</p>
        </div>
      ) : (
        <>
          {judged.drafted && (
            <div className="draft-bar" role="status">
              <strong className="num">{count(bad)} problematic</strong>
              <span className="num">
                {session.problematic === bad ? "as now" : `${bad > session.problematic ? "+" : "−"}${count(Math.abs(bad - session.problematic))}`}
                {" · "}
                {count(fine.length)} of {count(fine.length + bad)} stay
              </span>
              {origin !== "" && <span className="chip">{origin}</span>}
              <span className="ends">
                <button type="button" className="button quiet" onClick={() => { keep(id, { draft: undefined }); }}>
                  Discard <kbd>Esc</kbd>
                </button>
                <button type="button" className="button primary" disabled={setLimits.isPending} onClick={apply}>
                  Apply these limits
                </button>
              </span>
            </div>
          )}
          <div className="exposure-columns">
            <Trends
              columns={columns}
              judged={judged}
              held={held}
              active={active}
              shown={shown}
              row={row}
              onPick={pick}
              onSelect={select}
              onLimit={moveLimit}
            />
            <div className="exposure-side">
              <ExposureSummary
                columns={columns}
                verdicts={judged.verdicts}
                row={row}
                mark={row === undefined ? undefined : marks.get(columns.ids[row] ?? -1)}
                address={(one) => `/exposures/${id}/${one}${listing.search}`}
                following={view.chosen === undefined && session.state === "running"}
                onMark={markCurrent}
              />
              <ScatterPlot
                columns={columns}
                problematic={problematic}
                limits={judged.limits}
                active={active}
                shown={shown}
                row={row}
                onPick={pick}
                onSelect={select}
              />
            </div>
          </div>
          <div className="toolbar exposure-filter">
            <Segmented
              label="Show"
              value={listing.filter.kind}
              choices={kinds.map(({ value, name, of }) => ({
                value,
                name: (
                  <>
                    {name} <span className="muted num">{count(of)}</span>
                  </>
                ),
              }))}
              onChange={(kind) => { listing.set({ kind: kind === "all" ? undefined : kind }); }}
            />
            <div className="search">
              <Icon name="search" />
              <input
                ref={search}
                className="field"
                type="search"
                placeholder="Name"
                aria-label="Search by name"
                value={listing.filter.search}
                onChange={(event) => { listing.set({ q: event.target.value }); }}
              />
              <kbd>/</kbd>
            </div>
            {listing.filter.square !== undefined && (
              <Chosen name={listing.filter.square} onClear={() => { listing.set({ square: undefined, grid: undefined }); }} />
            )}
            {view.selected.size > 0 && (
              <>
                <Chosen name={`${plural(view.selected.size, "exposure")} selected`} onClear={() => { select([]); }} />
                <button type="button" className="button" onClick={() => { mark(rows.slice(0, 500).map((one) => columns.ids[one] ?? -1), "bad"); }} disabled={rows.length > 500} title={rows.length > 500 ? "At most 500 at once" : "Marks all that are listed"}>
                  Mark all bad
                </button>
              </>
            )}
            <span className="end">
              <Segmented
                label="As"
                value={look}
                choices={[
                  { value: "table", name: "Table", title: "Table or pictures (v)" },
                  { value: "pictures", name: "Pictures", title: "Table or pictures (v)" },
                ]}
                onChange={setLook}
              />
            </span>
          </div>
          <div className="exposure-columns lower">
            <section className="panel exposure-list">
              {rows.length === 0 ? (
                <p className="muted nothing-listed">No exposure passes the filter.</p>
              ) : look === "table" ? (
                <ExposureTable ref={list} {...listed} />
              ) : (
                <ExposureTiles ref={list} {...listed} />
              )}
            </section>
            <Places
              places={places.data ?? []}
              square={listing.filter.square}
              drafted={judged.drafted}
              onPick={(chosen) => { listing.set({ square: chosen?.square ?? undefined, grid: chosen?.grid ?? undefined }); }}
            />
          </div>
        </>
      )}
      {sheet === "limits" && (
        <LimitsSheet
          columns={columns}
          limits={judged.limits}
          defaults={detail.data.default_limits}
          onTry={(limits) => { tryLimits(limits); setSheet(undefined); }}
          onClose={() => { setSheet(undefined); }}
        />
      )}
      {sheet === "learn" && (
        <LearnSheet sessionId={id} limits={judged.limits} onTry={(limits, from) => { tryLimits(limits, from); setSheet(undefined); }} onClose={() => { setSheet(undefined); }} />
      )}
      {sheet === "export" && (
        <ExposureExport
          sessionId={id}
          choices={[
            { name: view.selected.size > 0 ? "Selected" : "Listed", ids: rows.filter((one) => ((columns.flags[one] ?? 0) & FAILED) === 0).map((one) => columns.ids[one] ?? -1) },
            { name: "All that are fine", ids: fine },
          ]}
          onClose={() => { setSheet(undefined); }}
        />
      )}
      <p className="visually-hidden">
        <Link to="/exposures">All sessions</Link>
      </p>
    </div>
  );
}

/** The newest exposure that is shown and has results; where none has, the newest that is shown. */
function newestOf(flags: Uint8Array, shown: Uint8Array): number | undefined {
  let failed: number | undefined;
  for (let row = flags.length - 1; row >= 0; row -= 1) {
    if (shown[row] !== 1) continue;
    if (((flags[row] ?? 0) & FAILED) === 0) return row;
    failed ??= row;
  }
  return failed;
}

function Chosen({ name, onClear }: { name: string; onClear: () => void }) {
  return (
    <span className="chip accent">
      {name}
      <button type="button" className="chip-clear" aria-label={`Clear ${name}`} onClick={onClear}>
        <Icon name="close" size={12} />
      </button>
    </span>
  );
}

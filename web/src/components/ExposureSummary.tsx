/** The exposure one looks at, beside the plots: its picture, its rings, and what is said of it. */
import { Link } from "react-router";
import { exposurePictureUrl, exposurePowerUrl } from "../api/client";
import { causeName, type Columns, failureWords, indicatorOf, PICTURE, POWER, textAt, TRENDS, unitAt, valueText } from "../logic/exposures";
import { CAUSES, type Verdicts } from "../logic/judging";
import { MarkIcon, standingOf } from "./ExposureList";
import type { Mark } from "./useExposureView";

interface Props {
  readonly columns: Columns;
  readonly verdicts: Verdicts;
  readonly row: number | undefined;
  readonly mark: Mark | undefined;
  readonly address: (id: number) => string;
  readonly following: boolean;
  readonly onMark: (label: Mark) => void;
}

const BIG_PX = 512;

export function ExposureSummary({ columns, verdicts, row, mark, address, following, onMark }: Props) {
  if (row === undefined) {
    return (
      <section className="panel exposure-summary">
        <p className="muted">No exposure passes the filter.</p>
      </section>
    );
  }
  const id = columns.ids[row] ?? -1;
  const flags = columns.flags[row] ?? 0;
  const standing = standingOf(columns, verdicts, row);
  const cause = CAUSES[verdicts.why[row] ?? -1];
  const words = {
    fine: "Fine by these limits",
    problem: cause === undefined ? "Probably problematic" : `Problem: ${causeName(cause)}`,
    failed: "It could not be processed",
  }[standing];
  return (
    <section className="panel exposure-summary" aria-label="Exposure">
      <header>
        <Link to={address(id)} className="name" title="Open (Enter)">
          {columns.names[row]}
        </Link>
        {following && <span className="chip accent">newest</span>}
        <MarkIcon mark={mark} />
      </header>
      {standing !== "failed" && (
        <Link to={address(id)} className="pair" tabIndex={-1} aria-hidden="true">
          {(flags & PICTURE) === 0 ? <span className="nothing">no picture</span> : <img src={exposurePictureUrl(id, BIG_PX)} alt="" />}
          {(flags & POWER) === 0 ? <span className="nothing">no spectrum</span> : <img src={exposurePowerUrl(id, BIG_PX)} alt="" />}
        </Link>
      )}
      <div className={standing === "failed" ? "not-processed" : undefined} aria-live="polite">
        <p className={`verdict ${standing}`}>
          <i className={`standing ${standing}`} /> {words}
        </p>
        {standing === "failed" && (
          <p title={columns.failures.get(id)}>{failureWords(columns.names[row] ?? "", columns.failures.get(id) ?? "its process did not say why")}</p>
        )}
      </div>
      {standing !== "failed" && <Numbers columns={columns} row={row} problematic={verdicts.problematic[row] ?? 0} />}
      <footer>
        <span className="muted">{textAt(columns, "square", row) ?? "square not known"}</span>
        <button type="button" className="button" aria-pressed={mark === "good"} onClick={() => { onMark("good"); }}>
          Good <kbd>g</kbd>
        </button>
        <button type="button" className="button" aria-pressed={mark === "bad"} onClick={() => { onMark("bad"); }}>
          Bad <kbd>b</kbd>
        </button>
      </footer>
    </section>
  );
}

function Numbers({ columns, row, problematic }: { columns: Columns; row: number; problematic: number }) {
  return (
    <dl className="numbers">
      {TRENDS.filter(({ key }) => key !== "problematic").map((indicator) => {
        const value = columns.numbers[indicator.key]?.[row] ?? NaN;
        return (
          <div key={indicator.key}>
            <dt>{indicator.name}</dt>
            <dd className="num">
              {valueText(indicator, value)} <span className="muted">{unitAt(indicator, value)}</span>
            </dd>
          </div>
        );
      })}
      <div>
        <dt>{indicatorOf("problematic")?.name}</dt>
        <dd className="num">{Math.round(problematic * 100)} %</dd>
      </div>
    </dl>
  );
}

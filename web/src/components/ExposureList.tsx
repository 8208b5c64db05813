/** The exposures that pass the filter and the selection, as a table or as pictures with their power spectra. */
import type { Ref } from "react";
import { exposurePictureUrl, exposurePowerUrl } from "../api/client";
import { causeName, type Columns, FAILED, failureWords, indicatorOf, PICTURE, POWER, type Sorting, textAt, valueText } from "../logic/exposures";
import { CAUSES, PROBLEMATIC, type Verdicts } from "../logic/judging";
import { Icon } from "./Icon";
import type { Mark } from "./useExposureView";
import { Virtual, type VirtualHandle } from "./Virtual";

const ROW_PX = 30;
const TILE_PX = 276;
const TILE_HEIGHT_PX = 178;
const NUMBERS = [
  "total_motion_angstrom",
  "defocus_um",
  "astigmatism_um",
  "ctf_resolution_angstrom",
  "ice_nm",
  "particles_per_um2",
  "problematic",
] as const;

/** Names and units that fit the columns. */
const SHORT: Readonly<Record<string, readonly [string, string]>> = {
  astigmatism_um: ["Astig.", "µm"],
  ctf_resolution_angstrom: ["CTF", "Å"],
  particles_per_um2: ["Part.", "/µm²"],
};

interface Props {
  readonly ref?: Ref<VirtualHandle> | undefined;
  readonly columns: Columns;
  readonly verdicts: Verdicts;
  readonly rows: readonly number[];
  readonly marks: ReadonlyMap<number, Mark>;
  readonly current: number | undefined;
  readonly sorting: Sorting;
  readonly onSort: (by: string) => void;
  readonly onPick: (row: number) => void;
  readonly onOpen: (row: number) => void;
}

const timeOfDay = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export type Standing = "fine" | "problem" | "failed";

export function standingOf(columns: Columns, verdicts: Verdicts, row: number): Standing {
  if (((columns.flags[row] ?? 0) & FAILED) !== 0) return "failed";
  return (verdicts.problematic[row] ?? 0) >= PROBLEMATIC ? "problem" : "fine";
}

/** Why an exposure is not fine, in a few words. */
function whyOf(columns: Columns, verdicts: Verdicts, row: number): string {
  const id = columns.ids[row] ?? -1;
  const failure = columns.failures.get(id);
  if (failure !== undefined) return failureWords(columns.names[row] ?? "", failure);
  const cause = CAUSES[verdicts.why[row] ?? -1];
  if (cause === undefined) return "";
  return cause === "poor_condition" ? (textAt(columns, "condition", row) ?? causeName(cause)) : causeName(cause);
}

export function MarkIcon({ mark }: { mark: Mark | undefined }) {
  if (mark === undefined) return null;
  return (
    <span className={`mark ${mark}`} title={`Marked ${mark}`} role="img" aria-label={`marked ${mark}`}>
      <Icon name={mark === "good" ? "check" : "close"} size={14} />
    </span>
  );
}

const TAIL = 13;

/** A name of which the middle gives way: names of one session begin alike, and their ends tell them apart. */
function LongName({ text }: { text: string }) {
  return (
    <span className="long-name">
      <span>{text.slice(0, -TAIL)}</span>
      <span>{text.slice(-TAIL)}</span>
    </span>
  );
}

export function ExposureTable({ ref, ...props }: Props) {
  const { columns, verdicts, rows, marks, sorting, onSort } = props;
  const heading = (by: string, name: string, unit = "", short = name) => (
    <button
      key={by}
      type="button"
      className={`col ${by}`}
      aria-label={`Sort by ${name}`}
      title={`Sort by ${name}${unit === "" ? "" : `, ${unit}`}`}
      aria-pressed={sorting.by === by}
      onClick={() => {
        onSort(by);
      }}
    >
      {short}
      {unit !== "" && <span className="muted"> {unit}</span>}
      {sorting.by === by && <span aria-hidden="true">{sorting.descending ? " ↓" : " ↑"}</span>}
    </button>
  );
  return (
    <Virtual
      ref={ref}
      className="exposure-table"
      label="Exposures"
      count={rows.length}
      rowPx={ROW_PX}
      header={
        <div className="exposure-row head">
          <span className="col look" />
          {heading("time", "Taken")}
          {heading("name", "Name")}
          {heading("square", "Square")}
          {NUMBERS.map((key) => {
            const indicator = indicatorOf(key);
            const [short, unit] = SHORT[key] ?? [indicator?.name ?? key, indicator?.unit ?? ""];
            return heading(key, indicator?.name ?? key, unit, short);
          })}
          <span className="col why">Why</span>
        </div>
      }
    >
      {(index) => {
        const row = rows[index] ?? -1;
        const id = columns.ids[row] ?? -1;
        const standing = standingOf(columns, verdicts, row);
        return (
          <div
            key={id}
            role="listitem"
            className={`exposure-row ${standing}`}
            aria-current={row === props.current ? "true" : undefined}
            onClick={() => {
              props.onPick(row);
            }}
            onDoubleClick={() => {
              props.onOpen(row);
            }}
          >
            <span className="col look">
              <i className={`standing ${standing}`} title={standing} />
              <MarkIcon mark={marks.get(id)} />
            </span>
            <span className="col time num">{timeOfDay.format(columns.times[row] ?? 0)}</span>
            <span className="col name" title={columns.names[row]}>
              <LongName text={columns.names[row] ?? ""} />
            </span>
            <span className="col square">{textAt(columns, "square", row) ?? "–"}</span>
            {standing !== "failed" &&
              NUMBERS.map((key) => {
                const indicator = indicatorOf(key);
                const value = key === "problematic" ? verdicts.problematic[row] : columns.numbers[key]?.[row];
                return (
                  <span key={key} className={`col num ${key}`}>
                    {indicator === undefined ? "" : valueText(indicator, value ?? NaN)}
                  </span>
                );
              })}
            <span className="col why" title={columns.failures.get(id) ?? whyOf(columns, verdicts, row)}>
              {whyOf(columns, verdicts, row)}
            </span>
          </div>
        );
      }}
    </Virtual>
  );
}

export function ExposureTiles({ ref, ...props }: Props) {
  const { columns, verdicts, rows, marks } = props;
  const resolution = indicatorOf("ctf_resolution_angstrom");
  return (
    <Virtual
      ref={ref}
      className="exposure-tiles"
      label="Pictures of exposures"
      count={rows.length}
      rowPx={TILE_HEIGHT_PX}
      itemPx={TILE_PX}
    >
      {(index) => {
        const row = rows[index] ?? -1;
        const id = columns.ids[row] ?? -1;
        const flags = columns.flags[row] ?? 0;
        const standing = standingOf(columns, verdicts, row);
        const value = columns.numbers.ctf_resolution_angstrom?.[row] ?? NaN;
        return (
          <div
            key={id}
            role="listitem"
            className={`exposure-tile ${standing}`}
            aria-current={row === props.current ? "true" : undefined}
            title={columns.names[row]}
            onClick={() => {
              props.onPick(row);
            }}
            onDoubleClick={() => {
              props.onOpen(row);
            }}
          >
            <span className="pair">
              {(flags & PICTURE) === 0 ? <span className="nothing">no picture</span> : <img src={exposurePictureUrl(id)} alt="" />}
              {(flags & POWER) === 0 ? <span className="nothing">no spectrum</span> : <img src={exposurePowerUrl(id)} alt="" />}
            </span>
            <span className="caption">
              <i className={`standing ${standing}`} title={standing} />
              <span className="name">
                <LongName text={columns.names[row] ?? ""} />
              </span>
              <MarkIcon mark={marks.get(id)} />
              <span className="num">
                {standing === "failed" || resolution === undefined
                  ? "failed"
                  : `${valueText(resolution, value)}${Number.isFinite(value) ? " Å" : ""}`}
              </span>
            </span>
          </div>
        );
      }}
    </Virtual>
  );
}

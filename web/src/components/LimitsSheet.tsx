/** Every limit as a number, those without a plot too. */
import { useState } from "react";
import type { Limits } from "../api/client";
import { type Columns, INDICATORS } from "../logic/exposures";
import { type LimitEnd, limitAt, sameLimits, sideOf, type SwitchName, withLimit } from "../logic/judging";
import { Sheet } from "./Sheet";

interface Row {
  readonly name: string;
  readonly unit: string;
  readonly ends: readonly LimitEnd[];
}

const most = (limit: Extract<LimitEnd, { end: "only" }>["limit"], side: "low" | "high" = "high"): readonly LimitEnd[] => [
  { limit, end: "only", side },
];
const pair = (limit: Extract<LimitEnd, { end: "low" | "high" }>["limit"]): readonly LimitEnd[] => [
  { limit, end: "low" },
  { limit, end: "high" },
];

/** Every limit that is a number. */
export const ROWS: readonly Row[] = [
  { name: "Motion", unit: "Å", ends: most("most_total_motion_angstrom") },
  { name: "Early motion", unit: "Å", ends: most("most_early_motion_angstrom") },
  { name: "Defocus", unit: "µm", ends: pair("defocus_um") },
  { name: "Astigmatism", unit: "µm", ends: most("most_astigmatism_um") },
  { name: "CTF fit to", unit: "Å", ends: most("most_ctf_resolution_angstrom") },
  { name: "CTF confidence", unit: "", ends: most("least_ctf_confidence", "low") },
  { name: "Ice", unit: "nm", ends: pair("ice_nm") },
  { name: "Tilt", unit: "°", ends: most("most_tilt_deg") },
  { name: "Particles", unit: "/µm²", ends: pair("particles_per_um2") },
  { name: "Overlapping share", unit: "", ends: most("most_particle_overlap") },
  { name: "Empty share", unit: "", ends: most("most_empty_fraction") },
];
const SWITCHES: readonly { name: string; limit: SwitchName }[] = [
  { name: "Crystalline ice is allowed", limit: "crystalline_ice_allowed" },
  { name: "Rings of the support film are allowed", limit: "film_posing_allowed" },
  { name: "Poor condition (contaminated, broken, …) is allowed", limit: "poor_condition_allowed" },
];

const WORDS = { low: "at least", high: "at most" } as const;

/** Whether any exposure has what a row limits. */
function isMeasured(columns: Columns, { ends }: Row): boolean {
  const indicator = INDICATORS.find((one) => one.limits.some((end) => end.limit === ends[0]?.limit));
  const values = indicator === undefined ? undefined : columns.numbers[indicator.key];
  return values?.some((value) => !Number.isNaN(value)) ?? false;
}

interface Props {
  readonly columns: Columns;
  readonly limits: Limits;
  readonly defaults: Limits;
  readonly onTry: (limits: Limits) => void;
  readonly onClose: () => void;
}

/** What is typed is tried out on the plots; nothing is set here. */
export function LimitsSheet({ columns, limits, defaults, onTry, onClose }: Props) {
  const [now, setNow] = useState(limits);
  const field = (row: Row, side: "low" | "high") => {
    const end = row.ends.find((one) => sideOf(one) === side);
    return end === undefined ? (
      <span key={side} />
    ) : (
      <input
        key={side}
        className="field num"
        type="number"
        step="any"
        min={0}
        placeholder="no limit"
        aria-label={`${row.name} ${WORDS[side]}`}
        value={limitAt(now, end) ?? ""}
        onChange={(event) => {
          const value = event.target.valueAsNumber;
          setNow(withLimit(now, end, value > 0 ? value : null));
        }}
      />
    );
  };
  return (
    <Sheet
      title="Limits"
      action="Try on the plots"
      onSubmit={() => {
        onTry(now);
      }}
      onClose={onClose}
    >
      <p className="muted">An empty field is no limit. Nothing is set before you apply it on the page.</p>
      <div className="limit-fields">
        <span />
        <span className="muted">{WORDS.low}</span>
        <span className="muted">{WORDS.high}</span>
        {ROWS.map((row) => [
          <span key={row.name}>
            {row.name} <span className="muted">{row.unit}</span>
            {!isMeasured(columns, row) && <span className="muted unmeasured">not measured here</span>}
          </span>,
          field(row, "low"),
          field(row, "high"),
        ])}
      </div>
      <div className="limit-switches">
        {SWITCHES.map(({ name, limit }) => (
          <label key={limit} className="check">
            <input
              type="checkbox"
              checked={now[limit]}
              onChange={(event) => {
                setNow({ ...now, [limit]: event.target.checked });
              }}
            />
            {name}
          </label>
        ))}
      </div>
      <button type="button" className="button start" disabled={sameLimits(now, defaults)} onClick={() => { setNow(defaults); }}>
        Back to the defaults
      </button>
    </Sheet>
  );
}

/** Every limit as a number, those without a plot too; and limits that follow from marks, to look at before they hold. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Limits } from "../api/client";
import * as queries from "../api/exposureQueries";
import { plural } from "../logic/format";
import { type LimitEnd, limitAt, type SwitchName, withLimit } from "../logic/judging";
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

const ROWS: readonly Row[] = [
  { name: "Motion", unit: "Å", ends: most("most_total_motion_angstrom") },
  { name: "Early motion", unit: "Å", ends: most("most_early_motion_angstrom") },
  { name: "Defocus", unit: "µm", ends: pair("defocus_um") },
  { name: "Astigmatism", unit: "µm", ends: most("most_astigmatism_um") },
  { name: "CTF fit to", unit: "Å", ends: most("most_ctf_resolution_angstrom") },
  { name: "CTF confidence", unit: "", ends: most("least_ctf_confidence", "low") },
  { name: "Ice", unit: "nm", ends: pair("ice_nm") },
  { name: "Tilt", unit: "°", ends: most("most_tilt_deg") },
  { name: "Particles", unit: "per µm²", ends: pair("particles_per_um2") },
  { name: "Overlapping particles", unit: "share", ends: most("most_particle_overlap") },
  { name: "Empty share", unit: "", ends: most("most_empty_fraction") },
];
const SWITCHES: readonly { name: string; limit: SwitchName }[] = [
  { name: "Crystalline ice is allowed", limit: "crystalline_ice_allowed" },
  { name: "Rings of the support film are allowed", limit: "film_posing_allowed" },
  { name: "Poor condition (contaminated, broken, …) is allowed", limit: "poor_condition_allowed" },
];

interface Props {
  readonly limits: Limits;
  readonly defaults: Limits;
  readonly onTry: (limits: Limits) => void;
  readonly onClose: () => void;
}

/** What is typed is tried out on the plots; nothing is set here. */
export function LimitsSheet({ limits, defaults, onTry, onClose }: Props) {
  const [now, setNow] = useState(limits);
  return (
    <Sheet
      title="Limits"
      action="Try on the plots"
      wide
      onSubmit={() => {
        onTry(now);
      }}
      onClose={onClose}
    >
      <p className="muted">An empty field is no limit. Nothing is set before you apply it on the page.</p>
      <div className="limit-fields">
        {ROWS.map((row) => (
          <div key={row.name} className="limit-field">
            <span>{row.name}</span>
            {row.ends.map((end) => (
              <label key={end.end}>
                <span className="muted">{end.end === "low" || (end.end === "only" && end.side === "low") ? "at least" : "at most"}</span>
                <input
                  className="field num"
                  type="number"
                  step="any"
                  min={0}
                  aria-label={`${row.name} ${end.end === "low" || (end.end === "only" && end.side === "low") ? "at least" : "at most"}`}
                  value={limitAt(now, end) ?? ""}
                  onChange={(event) => {
                    const value = event.target.valueAsNumber;
                    setNow(withLimit(now, end, value > 0 ? value : null));
                  }}
                />
              </label>
            ))}
            <span className="muted">{row.unit}</span>
          </div>
        ))}
      </div>
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
      <button type="button" className="button quiet start" onClick={() => { setNow(defaults); }}>
        Back to the defaults
      </button>
    </Sheet>
  );
}

interface LearnProps {
  readonly sessionId: number;
  readonly onTry: (limits: Limits, origin: string) => void;
  readonly onClose: () => void;
}

export function LearnSheet({ sessionId, onTry, onClose }: LearnProps) {
  const query = useQuery(queries.learnedLimits(sessionId));
  const learned = query.data;
  return (
    <Sheet
      title="Limits learned from marks"
      action="Try on the plots"
      disabled={learned === undefined || learned.moved.length === 0}
      onSubmit={() => {
        if (learned !== undefined) onTry(learned.limits, `learned from ${plural(learned.marks, "mark")}`);
      }}
      onClose={onClose}
    >
      {query.isError && <p className="field-error">{query.error.message}</p>}
      {learned === undefined && !query.isError && <p className="muted">Learning …</p>}
      {learned !== undefined && (
        <>
          <p>
            {plural(learned.marks, "mark")}, {learned.good} of them good. The default limits agree with {learned.agreed_before} of
            them, the learned ones with {learned.agreed_after}.
          </p>
          {learned.moved.length === 0 ? (
            <p className="muted">No limit moves: the marks say nothing that the limits do not say already.</p>
          ) : (
            <ul className="learned">
              {learned.moved.map((one) => (
                <li key={one.name}>{one.words}</li>
              ))}
            </ul>
          )}
          {learned.remarks.map((remark) => (
            <p key={remark} className="muted">
              {remark}
            </p>
          ))}
        </>
      )}
    </Sheet>
  );
}

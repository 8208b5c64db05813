/** Everything that is known of one exposure, in words and numbers, with who says it. */
import type { ExposureDetail } from "../api/client";
import { dateTime, percent } from "../logic/format";

const number = (value: number | null, digits: number, unit: string): string =>
  value === null ? "not known" : `${value.toFixed(digits)}${unit === "" ? "" : ` ${unit}`}`;
const yes = (value: boolean | null, true_: string, false_: string): string =>
  value === null ? "not known" : value ? true_ : false_;
const share = (value: number | null): string => (value === null ? "not known" : percent(value));

function rings({ exposure }: ExposureDetail): string {
  if (exposure.rings_seen === false) return "no rings to be believed";
  if (exposure.ctf_resolution_angstrom === null) return "not known";
  return `${exposure.ctf_resolution_angstrom.toFixed(2)} Å`;
}

function defocus({ exposure }: ExposureDetail): string {
  const { defocus_u_um: u, defocus_v_um: v } = exposure;
  if (u === null || v === null) return "not known";
  return `${((u + v) / 2).toFixed(3)} µm`;
}

function astigmatism({ exposure }: ExposureDetail): string {
  const { defocus_u_um: u, defocus_v_um: v, astigmatism_angle_deg: angle } = exposure;
  if (u === null || v === null) return "not known";
  return `${((u - v) * 1000).toFixed(0)} nm${angle === null ? "" : ` at ${angle.toFixed(0)}°`}`;
}

function ice({ exposure, ice_rings_angstrom: spacings }: ExposureDetail): string {
  const thick =
    exposure.ice_nm !== null
      ? `${exposure.ice_nm.toFixed(0)} nm`
      : exposure.ice_relative !== null
        ? `${exposure.ice_relative.toFixed(2)} mean free paths`
        : "not known";
  const crystals = spacings.length > 0 ? ` (rings at ${spacings.map((one) => one.toFixed(2)).join(", ")} Å)` : "";
  return `${thick}${exposure.crystalline_ice === true ? `, crystalline${crystals}` : ""}`;
}

export function ExposureFacts({ detail }: { detail: ExposureDetail }) {
  const { exposure } = detail;
  const rows: readonly (readonly [string, string, (string | undefined)?])[] = [
    ["Motion", `${number(exposure.total_motion_angstrom, 1, "Å")}${exposure.early_motion_angstrom === null ? "" : `, ${exposure.early_motion_angstrom.toFixed(1)} Å of it early`}`],
    ["Defocus", defocus(detail)],
    ["Astigmatism", astigmatism(detail)],
    ...(exposure.phase_shift_deg === null || exposure.phase_shift_deg === 0 ? [] : ([["Phase shift", number(exposure.phase_shift_deg, 0, "°")]] as const)),
    ["Rings fit to", rings(detail)],
    ["Confidence", share(exposure.ctf_confidence)],
    ["Rings are", yes(exposure.film_poses, "those of the support film", "those of the ice")],
    ...(exposure.tilt_deg === null ? [] : ([["Tilt", number(exposure.tilt_deg, 1, "°")]] as const)),
    ["Ice", ice(detail), exposure.ice_method ?? undefined],
    ["Particles", exposure.particles === null ? "not looked for" : `${exposure.particles}, ${number(exposure.particles_per_um2, 0, "per µm²")}`, detail.picker ?? undefined],
    ...(exposure.particles === null
      ? []
      : ([
          ["Overlapping", share(exposure.particle_overlap)],
          ["Empty", share(exposure.empty_fraction)],
        ] as const)),
    [
      "Condition",
      exposure.condition === null
        ? "not known"
        : `${exposure.condition}${exposure.condition_probability === null ? "" : `, ${percent(exposure.condition_probability)} sure`}`,
      exposure.condition_model ?? undefined,
    ],
  ];
  return (
    <>
      {exposure.state !== "failed" && (
        <section>
          <h3>Numbers</h3>
          <dl className="facts">
            {rows.map(([name, text, note]) => (
              <Fact key={name} name={name} text={text} note={note} />
            ))}
          </dl>
        </section>
      )}
      {detail.remarks.length > 0 && (
        <section>
          <h3>Remarks</h3>
          <ul className="remarks">
            {detail.remarks.map((remark) => (
              <li key={remark}>{remark}</li>
            ))}
          </ul>
        </section>
      )}
      <section>
        <h3>Where it comes from</h3>
        <dl className="facts">
          <Fact name="Movie" text={detail.movie} />
          {detail.micrograph !== null && <Fact name="Micrograph" text={detail.micrograph} />}
          <Fact name="Place" text={[exposure.grid, exposure.square, exposure.hole].filter((one) => one !== null).join(", ") || "not known"} />
          {exposure.taken_at !== null && <Fact name="Taken" text={dateTime(exposure.taken_at)} />}
          <Fact name="Processed" text={`${dateTime(exposure.processed_at)}${exposure.seconds === null ? "" : `, in ${exposure.seconds.toFixed(1)} s`}`} />
          {detail.facts.map((fact) => (
            <Fact
              key={fact.name}
              name={fact.name.replaceAll("_", " ")}
              text={fact.value}
              note={[fact.origin, ...fact.others.map((other) => `but ${other}`)].join("; ")}
            />
          ))}
        </dl>
      </section>
    </>
  );
}

function Fact({ name, text, note }: { name: string; text: string; note?: string | undefined }) {
  return (
    <>
      <dt>{name}</dt>
      <dd className="num">
        {text}
        {note !== undefined && <span className="muted note-line"> {note}</span>}
      </dd>
    </>
  );
}

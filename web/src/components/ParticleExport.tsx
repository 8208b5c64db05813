/** A project's particles as a file of another program. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { exportUrl, type ParticleProject } from "../api/client";
import { plural } from "../logic/format";
import { Icon } from "./Icon";
import { useKept } from "./preferences";
import { showError, showToast } from "./toasts";

const FORMATS = [
  { value: "star", name: "RELION, one STAR file" },
  { value: "relion-folder", name: "RELION, a folder for import" },
  { value: "cs", name: "cryoSPARC (.cs)" },
  { value: "box", name: "EMAN (.box)" },
  { value: "cbox", name: "crYOLO (.cbox)" },
  { value: "topaz", name: "Topaz (.txt)" },
  { value: "coord", name: "Coordinates (.coord)" },
  { value: "csv", name: "Table (.csv)" },
] as const;
const NAMES = [
  { value: "relative", name: "below the folder" },
  { value: "absolute", name: "whole paths" },
  { value: "file", name: "file names" },
] as const;

export function ParticleExport({ project, threshold, particles }: { project: ParticleProject; threshold: number; particles: number }) {
  const [format, setFormat] = useKept("particles.format", FORMATS.map((one) => one.value), "star");
  const [names, setNames] = useKept("particles.names", NAMES.map((one) => one.value), "relative");
  const fetched = useMutation({
    mutationFn: async () => {
      const answer = await fetch(exportUrl(project.id, format, threshold, names));
      if (!answer.ok) {
        const problem = (await answer.json()) as { detail?: string; remedy?: string | null };
        throw new Error([problem.detail, problem.remedy].filter(Boolean).join("; "));
      }
      const name = /filename\*=UTF-8''(\S+)/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "picks";
      return { blob: await answer.blob(), name: decodeURIComponent(name), remarks: decodeURIComponent(answer.headers.get("X-Remarks") ?? "") };
    },
    onSuccess: ({ blob, name, remarks }) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = name;
      link.click();
      window.setTimeout(() => {
        URL.revokeObjectURL(link.href);
      }, 60_000);
      showToast({ text: `${name} is written.` });
      setRemarks(remarks);
    },
    onError: (error) => {
      showError("Nothing was exported", error);
    },
  });
  const [remarks, setRemarks] = useState("");
  return (
    <section className="panel card">
      <h3>Export</h3>
      <label className="labelled">
        Format
        <select
          className="field"
          value={format}
          onChange={(event) => {
            const chosen = FORMATS.find((one) => one.value === event.target.value);
            if (chosen !== undefined) setFormat(chosen.value);
          }}
        >
          {FORMATS.map((one) => (
            <option key={one.value} value={one.value}>
              {one.name}
            </option>
          ))}
        </select>
      </label>
      <label className="labelled" title="How the other program finds the micrographs">
        Micrographs as
        <select
          className="field"
          value={names}
          onChange={(event) => {
            const chosen = NAMES.find((one) => one.value === event.target.value);
            if (chosen !== undefined) setNames(chosen.value);
          }}
        >
          {NAMES.map((one) => (
            <option key={one.value} value={one.value}>
              {one.name}
            </option>
          ))}
        </select>
      </label>
      <button type="button" className="button" disabled={particles === 0 || fetched.isPending} onClick={() => { fetched.mutate(); }}>
        <Icon name="download" /> Export {plural(particles, "particle")}
      </button>
      {remarks !== "" && <p className="muted">{remarks}</p>}
    </section>
  );
}

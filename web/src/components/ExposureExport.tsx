/** Takes a selection of exposures along: as a table, or as RELION reads them. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { ApiError, client, type ExportFormat } from "../api/client";
import { plural } from "../logic/format";
import { Sheet } from "./Sheet";
import { showToast } from "./toasts";

const FORMATS: readonly { value: ExportFormat; name: string; file: string; words: string }[] = [
  { value: "ctf-star", name: "RELION micrographs_ctf.star", file: "micrographs_ctf.star", words: "Micrographs with their CTF, for picking and extraction." },
  { value: "corrected-star", name: "RELION corrected_micrographs.star", file: "corrected_micrographs.star", words: "Micrographs with their motion, for another CTF program." },
  { value: "csv", name: "CSV", file: "exposures.csv", words: "All indicators as a table of text." },
  { value: "parquet", name: "Parquet", file: "exposures.parquet", words: "The same for pandas and polars." },
];

const KEPT_MS = 60_000;

interface Choice {
  readonly name: string;
  readonly ids: readonly number[];
}

interface Props {
  readonly sessionId: number;
  readonly choices: readonly Choice[];
  readonly onClose: () => void;
}

export function ExposureExport({ sessionId, choices, onClose }: Props) {
  const [format, setFormat] = useState<ExportFormat>("ctf-star");
  const [chosen, setChosen] = useState(0);
  const ids = choices[chosen]?.ids ?? [];
  const save = useMutation({
    mutationFn: async () => {
      const { data, error, response } = await client.POST("/api/v1/exposures/sessions/{session_id}/export", {
        params: { path: { session_id: sessionId } },
        body: { format, ids: [...ids] },
        parseAs: "blob",
      });
      if (!response.ok) {
        const problem: unknown = error;
        const said = typeof problem === "object" && problem !== null && "detail" in problem ? String(problem.detail) : response.statusText;
        throw new ApiError(response.status, said);
      }
      const link = document.createElement("a");
      if (data === undefined) throw new ApiError(response.status, "The server sent nothing");
      link.href = URL.createObjectURL(data);
      link.download = FORMATS.find((one) => one.value === format)?.file ?? "exposures";
      link.click();
      // The browser reads it a little later.
      window.setTimeout(() => {
        URL.revokeObjectURL(link.href);
      }, KEPT_MS);
    },
    onSuccess: () => {
      showToast({ text: `${plural(ids.length, "exposure")} exported.` });
      onClose();
    },
  });
  return (
    <Sheet
      title="Export exposures"
      action={`Export ${plural(ids.length, "exposure")}`}
      disabled={ids.length === 0 || save.isPending}
      onSubmit={() => {
        save.mutate();
      }}
      onClose={onClose}
    >
      <fieldset className="choices">
        <legend>Which</legend>
        {choices.map((choice, place) => (
          <label key={choice.name} className="check">
            <input type="radio" name="which" checked={chosen === place} onChange={() => { setChosen(place); }} />
            {choice.name} <span className="muted num">{choice.ids.length}</span>
          </label>
        ))}
      </fieldset>
      <fieldset className="choices">
        <legend>As</legend>
        {FORMATS.map((one) => (
          <label key={one.value} className="check tall">
            <input type="radio" name="format" checked={format === one.value} onChange={() => { setFormat(one.value); }} />
            <span>
              {one.name}
              <span className="muted words">{one.words}</span>
            </span>
          </label>
        ))}
      </fieldset>
      {save.isError && (
        <p className="field-error" role="alert">
          {save.error.message}
        </p>
      )}
    </Sheet>
  );
}

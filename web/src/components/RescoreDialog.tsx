import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { client, unwrap } from "../api/client";
import * as queries from "../api/queries";
import { whoScores } from "../logic/learning";
import { Icon } from "./Icon";
import { showError, showToast } from "./toasts";

interface Props {
  readonly plateId: number;
  readonly barcode: string;
  readonly open: boolean;
  readonly onClose: () => void;
}

export function RescoreDialog({ plateId, barcode, open, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const info = useQuery(queries.info()).data;
  const roles = useQuery({ ...queries.allModelRoles(), enabled: open }).data;
  const models = useQuery({ ...queries.models(), enabled: open }).data ?? [];
  const [model, setModel] = useState("");
  const [rule, setRule] = useState("");
  const cache = useQueryClient();
  const score = useMutation({
    mutationFn: () =>
      unwrap(
        client.POST("/api/v1/plates/{plate_id}/score", {
          params: { path: { plate_id: plateId } },
          body: {
            models: model === "" ? [] : [model],
            rule: info?.combination_rules.find((known) => known === rule) ?? null,
          },
        }),
      ),
    onSuccess: () => {
      showToast({ text: `Scoring ${barcode} …` });
      void cache.invalidateQueries({ queryKey: ["jobs"] });
      onClose();
    },
    onError: (error) => {
      showError("The plate cannot be scored", error);
    },
  });
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <dialog ref={dialog} className="sheet small" aria-labelledby="rescore-title" onClose={onClose}>
      <header>
        <h2 id="rescore-title">Score {barcode}</h2>
        <button type="button" className="button quiet icon" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault();
          score.mutate();
        }}
      >
        <label>
          Model
          <select
            className="field"
            value={model}
            onChange={(event) => {
              setModel(event.target.value);
            }}
          >
            <option value="">in production</option>
            {models.map((other) => (
              <option key={other.name} value={other.name}>
                {other.name} ({other.modalities.join(", ")})
              </option>
            ))}
          </select>
        </label>
        {model === "" && roles !== undefined && <p className="muted">In production: {whoScores(roles)}.</p>}
        <label>
          Visible and UV become one by
          <select
            className="field"
            value={rule}
            onChange={(event) => {
              setRule(event.target.value);
            }}
          >
            <option value="">the usual rule{info === undefined ? "" : ` (${info.default_combination_rule})`}</option>
            {info?.combination_rules.map((other) => (
              <option key={other} value={other}>
                {other}
              </option>
            ))}
          </select>
        </label>
        <p className="muted">
          An image that this version of the model has scored already is not scored again. Earlier scorings are kept.
        </p>
        <div className="ends">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={score.isPending}>
            Score
          </button>
        </div>
      </form>
    </dialog>
  );
}

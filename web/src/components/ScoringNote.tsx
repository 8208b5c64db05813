/** Which model made the scores on this page, and what must be known before trusting them. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import type { Scoring } from "../api/client";
import * as queries from "../api/queries";
import { percent } from "../logic/format";

export function ScoringNote({ scoring }: { scoring: Scoring | null }) {
  const models = useQuery(queries.models()).data ?? [];
  if (scoring === null) return null;
  const { model_visible: visible, model_uv: uv } = scoring;
  const same = visible?.name === uv?.name && visible?.version === uv?.version;
  const used = [
    ...(visible === null ? [] : [{ ...visible, of: same ? "visible and UV" : "visible" }]),
    ...(uv === null || same ? [] : [{ ...uv, of: "UV" }]),
  ];
  const cards = models.filter((card) => used.some((one) => one.name === card.name));
  const synthetic = cards.some((card) => card.synthetic);
  const limitations = cards.flatMap((card) => card.limitations);
  return (
    <div className="scoring-note">
      <p>
        {used.map((one) => (
          <span key={one.of}>
            {one.of}: <Link to={`/models/${one.name}`}>{one.name}</Link> <code title="Version">{one.version}</code>
            {" · "}
          </span>
        ))}
        combined by {scoring.rule} · alarm from {percent(scoring.alarm_threshold)}
      </p>
      {(synthetic || limitations.length > 0) && (
        <details className="caution">
          <summary>
            {synthetic ? (
              <>
                <strong>Trained on simulated drops only.</strong> Look before you trust a score
              </>
            ) : (
              <strong>Known limits of this model</strong>
            )}
          </summary>
          <ul>
            {limitations.map((limitation) => (
              <li key={limitation}>{limitation}</li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import type { ModelCard } from "../api/client";
import * as queries from "../api/queries";
import { Command, Failure } from "../components/basics";
import { useTitle } from "../components/useTitle";
import { bytes, count, percent } from "../logic/format";

export function ModelsPage() {
  useTitle("Models");
  const query = useQuery(queries.models());
  return (
    <div className="page narrow">
      <header>
        <h1>Models</h1>
      </header>
      {query.isError ? (
        <Failure error={query.error} retry={() => void query.refetch()} />
      ) : query.data?.length === 0 ? (
        <div className="state">
          <h2>No model is installed</h2>
          <Command text="structloop models import FOLDER" />
        </div>
      ) : (
        <ul className="cards">
          {query.data?.map((model) => (
            <li key={model.name} className="panel card">
              <header>
                <h2>
                  <Link to={`/models/${model.name}`}>{model.name}</Link>
                </h2>
                {model.is_default && <span className="chip accent">default</span>}
                {model.synthetic && <span className="chip warn">trained on simulated drops only</span>}
              </header>
              <p>{model.summary}</p>
              <p className="muted num">
                {model.family} · {model.modalities.join(" and ")} · alarm from {percent(model.alarm_threshold)} ·{" "}
                {model.licence} · <code>{model.version}</code>
              </p>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

export function ModelPage() {
  const name = useParams().name ?? "";
  useTitle(name);
  const query = useQuery(queries.model(name));
  const model = query.data;
  return (
    <div className="page narrow">
      <header>
        <div className="crumbs">
          <Link to="/models">Models</Link> / <h1>{name}</h1>
        </div>
        {model?.is_default === true && <span className="chip accent">default</span>}
        {model?.synthetic === true && <span className="chip warn">trained on simulated drops only</span>}
      </header>
      {query.isError ? (
        <Failure error={query.error} retry={() => void query.refetch()} />
      ) : model === undefined ? (
        <div className="skeleton plate-skeleton" aria-label="Loading" />
      ) : (
        <Card card={model.card} />
      )}
    </div>
  );
}

function Card({ card }: { card: ModelCard }) {
  const input = card.input;
  return (
    <div className="model-card">
      <p className="lead">{card.summary}</p>
      <section className="panel card">
        <h3>Where it fails</h3>
        {card.limitations.length === 0 ? (
          <p className="muted">The card does not say.</p>
        ) : (
          <ul className="bullets">
            {card.limitations.map((limitation) => (
              <li key={limitation}>{limitation}</li>
            ))}
          </ul>
        )}
      </section>
      <section className="panel card">
        <h3>Trained on</h3>
        <p>
          <strong>{card.training.name}</strong>
          {card.training.images == null ? "" : `, ${count(card.training.images)} images`}
        </p>
        <p>{card.training.description}</p>
      </section>
      <section className="panel card">
        <h3>Facts</h3>
        <dl className="facts num">
          <dt>Version</dt>
          <dd>
            <code>{card.version}</code>
          </dd>
          <dt>Family</dt>
          <dd>{card.family}</dd>
          <dt>Light</dt>
          <dd>{card.modalities.join(", ")}</dd>
          <dt>Labels</dt>
          <dd>{card.labels.join(", ")}</dd>
          <dt>Alarm from</dt>
          <dd>{percent(card.alarm_threshold)}</dd>
          <dt>Input</dt>
          <dd>
            {input.width_px} × {input.height_px} pixels, {input.colour}, {input.resize}
          </dd>
          <dt>Licence</dt>
          <dd>{card.licence}</dd>
          <dt>Origin</dt>
          <dd>{card.origin}</dd>
          {card.base != null && (
            <>
              <dt>Based on</dt>
              <dd>{card.base}</dd>
            </>
          )}
          <dt>Files</dt>
          <dd>
            {card.files.map((file) => (
              <div key={file.path}>
                {file.path} <span className="muted">{bytes(file.size_bytes)}</span>
              </div>
            ))}
          </dd>
        </dl>
      </section>
      {card.metrics.length > 0 && (
        <section className="panel card">
          <h3>Measured</h3>
          <div className="table-scroll">
            <table className="num">
              <thead>
                <tr>
                  <th>Metric</th>
                  <th>Value</th>
                  <th>95 % interval</th>
                  <th>On</th>
                </tr>
              </thead>
              <tbody>
                {card.metrics.map((metric) => (
                  <tr key={`${metric.name} ${metric.dataset} ${metric.modality ?? ""}`}>
                    <td>
                      {metric.name}
                      {metric.modality == null ? "" : ` (${metric.modality})`}
                    </td>
                    <td>{metric.value.toFixed(3)}</td>
                    <td>
                      {metric.low == null || metric.high == null
                        ? "–"
                        : `${metric.low.toFixed(3)} to ${metric.high.toFixed(3)}`}
                    </td>
                    <td title={metric.note}>{metric.dataset}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      )}
    </div>
  );
}

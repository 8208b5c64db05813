/** Curation of exposures: one picture at a time, six answers with a key each. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Link } from "react-router";
import { client, type ConditionItem, type ConditionQueue, unwrap } from "../api/client";
import * as queries from "../api/queries";
import { Failure } from "../components/basics";
import { FillControls } from "../components/FillControls";
import { Icon } from "../components/Icon";
import { showError, showToast } from "../components/toasts";
import { conditionPictureUrl, type ConditionSitting, useConditions } from "../components/useConditions";
import { useCurator } from "../components/useCurator";
import { useShortcuts } from "../components/useShortcuts";
import { useSecondsShown } from "../components/useSitting";
import { useTitle } from "../components/useTitle";
import { WhoCurates } from "../components/WhoCurates";
import { answersPerMinute, whyExposureIsAsked } from "../logic/curation";
import { plural } from "../logic/format";

const SIZES = [20, 60, 200];
const SEEDS = 2 ** 31;

export default function ConditionPage() {
  useTitle("Condition of exposures");
  const [curator, setCurator] = useCurator();
  const known = useQuery({ ...queries.exposureQueue(""), enabled: curator === "" }).data?.curators ?? [];
  return (
    <WhoCurates curator={curator} onCurator={setCurator} explains="Your name stands beside every answer." known={known}>
      {(name) => <Desk key={curator} curator={curator} name={name} />}
    </WhoCurates>
  );
}

function Desk({ curator, name }: { curator: string; name: ReactNode }) {
  const sitting = useConditions(curator);
  const queue = useQuery(queries.exposureQueue(curator)).data;
  const item = sitting.items[0];
  if (item !== undefined && queue !== undefined) {
    return <Item key={item.id} item={item} queue={queue} sitting={sitting} name={name} />;
  }
  return (
    <div className="page narrow">
      <header>
        <h1>Condition of exposures</h1>
        {name}
      </header>
      {sitting.query.isError ? (
        <Failure error={sitting.query.error} retry={() => void sitting.query.refetch()} />
      ) : sitting.query.isPending || sitting.left > 0 || queue === undefined ? (
        <div className="skeleton plate-skeleton" aria-label="Loading the queue" />
      ) : (
        <Nothing queue={queue} onUndo={sitting.undo} />
      )}
    </div>
  );
}

interface ItemProps {
  readonly item: ConditionItem;
  readonly queue: ConditionQueue;
  readonly sitting: ConditionSitting;
  readonly name: ReactNode;
}

function Item({ item, queue, sitting, name }: ItemProps) {
  const seconds = useSecondsShown();
  const [failed, setFailed] = useState(false);
  const answer = (said: string) => {
    sitting.answer(item, said, seconds());
  };
  const later = () => {
    sitting.later(item);
  };
  useShortcuts((shortcut) => {
    const choice = queue.choices.find((one) => one.key === shortcut);
    if (choice !== undefined) answer(choice.answer);
    else if (shortcut === "j") later();
    else if (shortcut === "z") sitting.undo();
    else return false;
    return true;
  });
  const rate = answersPerMinute(sitting.answeredAt);
  const place = [item.grid, item.square, item.hole].filter((one) => one !== null).join(" / ");
  return (
    <div className="drop-page">
      <header className="drop-head">
        <div className="crumbs">
          <Link to={`/exposures/${item.session_id}`}>{item.session}</Link> /<h1>{item.name}</h1>
        </div>
        {place !== "" && <span className="muted">{place}</span>}
        {item.is_blind && (
          <span className="chip">
            <Icon name="blind" size={12} /> blind
          </span>
        )}
        <div className="tools">
          <button type="button" className="button" title="Put it behind the others (j)" onClick={later}>
            Later
          </button>
          {name}
        </div>
      </header>
      <div className="panes condition-pane">
        {failed ? (
          <p className="nothing">The picture of this exposure is not there any more; answer “unusable” or put it off.</p>
        ) : (
          <img
            src={conditionPictureUrl(item.exposure_id)}
            alt={`Micrograph ${item.name}`}
            onError={() => {
              setFailed(true);
            }}
          />
        )}
      </div>
      <aside className="drop-side" aria-label="Answer">
        <section>
          <div className="section-head">
            <h3>Its condition</h3>
            <button type="button" className="button quiet small" title="Undo the last answer (z)" onClick={sitting.undo}>
              <Icon name="undo" size={14} /> Undo
            </button>
          </div>
          <div className="score-pad condition-pad">
            {queue.choices.map((choice) => (
              <button
                key={choice.key}
                type="button"
                className="score"
                aria-keyshortcuts={choice.key}
                onClick={() => {
                  answer(choice.answer);
                }}
              >
                <kbd>{choice.key}</kbd>
                {choice.title}
              </button>
            ))}
          </div>
        </section>
        <section aria-label="Why it is asked">
          <h3>Why you are asked</h3>
          <p data-testid="why">{whyExposureIsAsked(item, queue.choices)}</p>
          <p className="muted small-print">
            {item.answer_count} given, {item.answers_needed === 1 ? "one settles it" : `${item.answers_needed} equal ones settle it`}
          </p>
        </section>
        <section className="facts-section" aria-label="Progress">
          <h3>Progress</h3>
          <dl className="facts num">
            <dt>Answered now</dt>
            <dd data-testid="answered">
              {sitting.answeredAt.length}
              {rate === undefined ? "" : `, ${Math.round(rate)} a minute`}
            </dd>
            <dt>Left for you</dt>
            <dd data-testid="left">{sitting.left}</dd>
          </dl>
        </section>
        <section className="facts-section" aria-label="Settled">
          <h3>Settled</h3>
          <Settled queue={queue} />
        </section>
      </aside>
    </div>
  );
}

function Settled({ queue }: { queue: ConditionQueue }) {
  return (
    <dl className="facts num">
      {queue.choices
        .filter((choice) => choice.answer in queue.settled_by_label)
        .map((choice) => (
          <div className="fact" key={choice.key}>
            <dt>{choice.title}</dt>
            <dd>{queue.settled_by_label[choice.answer]}</dd>
          </div>
        ))}
      {queue.undecided > 0 && (
        <div className="fact">
          <dt>Undecided</dt>
          <dd>{queue.undecided}</dd>
        </div>
      )}
      {queue.alpha !== null && (
        <div className="fact">
          <dt title="Krippendorff's alpha of all answers: 1 is perfect agreement, 0 is chance">Agreement</dt>
          <dd>α {queue.alpha.toFixed(2)}</dd>
        </div>
      )}
    </dl>
  );
}

function Nothing({ queue, onUndo }: { queue: ConditionQueue; onUndo: () => void }) {
  const cache = useQueryClient();
  const fill = useMutation({
    mutationFn: ({ size, answersNeeded }: { size: number; answersNeeded: number }) =>
      unwrap(
        client.POST("/api/v1/curation/exposures/fill", {
          body: { size, answers_needed: answersNeeded, seed: Math.floor(Math.random() * SEEDS) },
        }),
      ),
    onSuccess: (report) => {
      void cache.invalidateQueries({ queryKey: ["curation", "exposures"] });
      if (report.added_count > 0) showToast({ text: `${plural(report.added_count, "exposure")} joined` });
    },
    onError: (error) => {
      showError("The queue was not filled", error);
    },
  });
  useShortcuts((shortcut) => {
    if (shortcut !== "z") return false;
    onUndo();
    return true;
  });
  return (
    <div className="state">
      <div className="art">
        <Icon name="curation" size={40} />
      </div>
      <h2>Nothing waits for you</h2>
      <p>
        {queue.open > 0
          ? `${plural(queue.open, "exposure")} you have answered ${queue.open === 1 ? "waits" : "wait"} for another curator.`
          : "The queue holds exposures of whose condition the model is unsure, that somebody marked good and it calls poor, and a few drawn blind."}
      </p>
      <div className="fill-queue">
        <FillControls
          sizes={SIZES}
          size={60}
          items="exposures"
          pending={fill.isPending}
          pendingText="Looking …"
          onFill={(size, answersNeeded) => {
            fill.mutate({ size, answersNeeded });
          }}
        />
        {fill.data?.added_count === 0 && (
          <p className="muted" role="status">
            {fill.data.looked_at === 0
              ? "There is no exposure with a picture that was not asked about: process some movies first."
              : "Nothing new was found."}
          </p>
        )}
      </div>
      <Settled queue={queue} />
      <p>
        <Link to="/exposures">Sessions of exposures</Link> · <Link to="/curation">Curation of drops</Link>
      </p>
    </div>
  );
}

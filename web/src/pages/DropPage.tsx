import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useEffectEvent, useRef, useState } from "react";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import { deepZoomUrl, type DropDetail, type DropInspection, type Image, thumbnailUrl } from "../api/client";
import * as queries from "../api/queries";
import { Failure, Segmented } from "../components/basics";
import { DropPane } from "../components/DropPane";
import { DropSide } from "../components/DropSide";
import { Icon } from "../components/Icon";
import { LinkZoom } from "../components/LinkZoom";
import { useSwitch } from "../components/preferences";
import { TimeCourse } from "../components/TimeCourse";
import { showError, showToast } from "../components/toasts";
import { useCurateKey } from "../components/useCurateKey";
import { useScorer } from "../components/useScorer";
import { useHumanScoring } from "../components/useScoring";
import { useShortcuts } from "../components/useShortcuts";
import { useSteps } from "../components/useSteps";
import { useTitle } from "../components/useTitle";
import { ViewLink } from "../components/viewLink";
import { WhyDialog, type WhySubject } from "../components/WhyDialog";
import { dropName } from "../logic/cells";
import { isOpen, nextDisagreement } from "../logic/disagreements";
import { shownImages } from "../logic/images";
import { type HumanLabel, labelForKey } from "../logic/labels";
import { neighbours, orderOf, type Step } from "../logic/sequence";

const MS = 1000;

/** The inspection asked for, else the best, else the newest with an image. */
function chooseInspection(drop: DropDetail, asked: string | null) {
  const { inspections } = drop;
  return (
    inspections.find((one) => String(one.number) === asked) ??
    inspections.find((one) => one.number === drop.best_inspection) ??
    inspections.findLast((one) => one.images.length > 0) ??
    inspections.at(-1)
  );
}

/** The scores of an inspection that can be explained, the higher first. */
function scoresToExplain(drop: DropDetail, inspection: DropInspection): readonly WhySubject[] {
  const { scoring } = drop;
  const { score } = inspection;
  if (scoring === null || score === null) return [];
  const found = [
    { imageId: score.image_visible_id, light: "Visible", model: scoring.model_visible, probability: score.visible_probability },
    { imageId: score.image_uv_id, light: "UV", model: scoring.model_uv, probability: score.uv_probability },
  ];
  return found
    .flatMap(({ imageId, model, ...rest }) =>
      imageId === null || model === null || rest.probability === null ? [] : [{ imageId, model, ...rest }],
    )
    .sort((one, other) => (other.probability ?? 0) - (one.probability ?? 0));
}

export default function DropPage() {
  const route = useParams();
  const plateId = Number(route.plateId);
  const dropId = Number(route.dropId);
  const [params, setParams] = useSearchParams();
  const scoring = params.has("scoring") ? Number(params.get("scoring")) : undefined;
  const query = useQuery({ ...queries.drop(dropId, scoring), placeholderData: keepPreviousData });
  const drop = query.data;
  const [blind, setBlind] = useSwitch("blind");
  const [linked, setLinked] = useSwitch("linked", true);
  const [link] = useState(() => new ViewLink());
  const navigate = useNavigate();
  const { steps, hasMore, reached } = useSteps(plateId, params);
  const { position, previous, next } = neighbours(steps, dropId);
  const order = orderOf(params);
  // Until the next drop's facts have come, keys that score must not hit the one still on screen.
  const ready = drop?.id === dropId;
  const inspection = drop === undefined ? undefined : chooseInspection(drop, params.get("inspection"));
  useTitle(drop === undefined ? undefined : `${drop.well}.${drop.drop} ${drop.barcode}`);

  useEffect(() => {
    link.setLinked(linked);
  }, [link, linked]);
  const arrived = useEffectEvent(() => {
    reached(dropId);
  });
  useEffect(() => {
    arrived();
  }, [dropId, steps.length]);

  const goTo = (plate: number, id: number) => {
    void navigate(`/plates/${plate}/drops/${id}?${params.toString()}`, { replace: true });
  };
  const step = (to: Step | undefined, end: string) => {
    if (to === undefined) showToast({ text: end });
    else goTo(to.plateId, to.dropId);
  };
  const forward = () => {
    step(next, hasMore ? "Loading more …" : "That was the last drop of the list");
  };
  const back = () => {
    step(previous, "This is the first drop of the list");
  };
  const set = (name: string, value: string | undefined) => {
    setParams(
      (old) => {
        if (value === undefined) old.delete(name);
        else old.set(name, value);
        return old;
      },
      { replace: true },
    );
  };

  const toExplain = !ready || inspection === undefined ? [] : scoresToExplain(drop, inspection);
  const [whyOf, setWhyOf] = useState<string>();
  const here = `${dropId} ${inspection?.number ?? ""}`;
  const explain = () => {
    if (blind) showToast({ text: "Hidden while you score blind; h shows the model’s scores" });
    else if (toExplain.length === 0) showToast({ text: "Nothing to explain: this inspection has no score" });
    else setWhyOf(here);
  };

  const { score: store, undo } = useHumanScoring(goTo);
  const scorer = useScorer();
  const shownSince = useRef(0);
  useEffect(() => {
    shownSince.current = performance.now();
  }, [dropId]);
  const score = (label: HumanLabel) => {
    if (!ready || inspection === undefined) return;
    const seconds = Math.min(86_400, Math.round((performance.now() - shownSince.current) / (MS / 10)) / 10);
    scorer.as((annotator) => {
      store({
        label,
        plateId: drop.plate_id,
        name: `${drop.well} drop ${drop.drop}`,
        request: {
          drop_id: dropId,
          inspection: inspection.number,
          scheme: label.scheme,
          label: label.label,
          score_visible: !blind && inspection.score !== null,
          annotator,
          seconds,
        },
      });
      if (next !== undefined) goTo(next.plateId, next.dropId);
      else showToast({ text: "That was the last drop of the list" });
    });
  };
  const inspect = (move: 1 | -1) => {
    const stops = drop?.inspections ?? [];
    const index = stops.findIndex((one) => one.number === inspection?.number);
    const to = stops[index + move];
    if (to !== undefined) set("inspection", String(to.number));
  };
  const cache = useQueryClient();
  const toDisagreement = async () => {
    const { cells } = await cache.query(queries.plateMap(plateId, params.get("inspection") ?? "best", scoring));
    const found = cells[nextDisagreement(cells, cells.findIndex((cell) => cell.drop_id === dropId))];
    if (found === undefined) showToast({ text: "People and the model disagree on no drop of this plate" });
    else goTo(plateId, found.drop_id);
  };
  const stepToDisagreement = () => {
    if (blind) showToast({ text: "Hidden while you score blind" });
    else toDisagreement().catch((error: unknown) => {
      showError("The plate map cannot be read", error);
    });
  };
  // While one scores blind, not even that they disagree is told.
  const disputed = drop?.disagreements.findLast((found) => isOpen(found)) ?? null;
  useCurateKey(ready && !blind ? { drop_id: dropId, disagreement: disputed } : undefined);
  const cycleOrder = () => {
    set("order", order === "plate" ? "rank" : undefined);
  };
  const leave = () => {
    const list = new URLSearchParams(params);
    list.delete("order");
    if (order === "disagreements") list.set("disagree", "1");
    const path = order === "hits" ? "/hits" : `/plates/${plateId}`;
    void navigate(`${path}${list.size > 0 ? `?${list.toString()}` : ""}`);
  };

  const actions: Readonly<Record<string, () => void>> = {
    j: forward,
    ArrowRight: forward,
    k: back,
    ArrowLeft: back,
    ArrowDown: () => {
      if (drop?.next_well_drop_id != null) goTo(plateId, drop.next_well_drop_id);
    },
    ArrowUp: () => {
      if (drop?.previous_well_drop_id != null) goTo(plateId, drop.previous_well_drop_id);
    },
    "[": () => {
      inspect(-1);
    },
    "]": () => {
      inspect(1);
    },
    h: () => {
      setBlind(!blind);
      showToast({ text: blind ? "The model’s scores are shown" : "The model’s scores are hidden" });
    },
    l: () => {
      setLinked(!linked);
    },
    d: stepToDisagreement,
    r: cycleOrder,
    w: explain,
    z: undo,
    f: link.fit,
    p: link.actualPixels,
    "+": link.zoomIn,
    "=": link.zoomIn,
    "-": link.zoomOut,
    Escape: leave,
  };
  useShortcuts((shortcut) => {
    const label = labelForKey(shortcut);
    const action = actions[shortcut];
    if (label !== undefined) score(label);
    else if (action !== undefined) action();
    else return false;
    return true;
  });

  usePreload(next, scoring, params.get("inspection"));

  if (drop === undefined || inspection === undefined) {
    return (
      <div className="page">
        {query.isError ? (
          <Failure error={query.error} retry={() => void query.refetch()} />
        ) : drop !== undefined ? (
          <Failure error={new Error("This plate has no inspection yet")} />
        ) : (
          <div className="skeleton plate-skeleton" aria-label="Loading the drop" />
        )}
      </div>
    );
  }
  const images = shownImages(inspection);
  const ever = drop.inspections.flatMap((one) => one.images);
  const hasOther = ever.some((image) => image.modality !== "visible");
  const hasVisible = ever.some((image) => image.modality === "visible") || !hasOther;
  const name = dropName({ well: drop.well, drop: drop.drop }, 2);
  return (
    <div className="drop-page" aria-busy={!ready}>
      <header className="drop-head">
        <div className="crumbs">
          <Link to={`/plates/${drop.plate_id}`}>{drop.barcode}</Link> /
          <h1>
            {drop.well} <span className="of-well">drop {drop.drop}</span>
          </h1>
        </div>
        <div className="walk">
          <button type="button" className="button icon" aria-label="Previous drop" title="Previous drop (k)" onClick={back}>
            <Icon name="left" />
          </button>
          <span className="num" aria-label="Place in the list">
            {position === 0 ? "–" : position} / {steps.length}
            {hasMore ? "+" : ""}
          </span>
          <button type="button" className="button icon" aria-label="Next drop" title="Next drop (j)" onClick={forward}>
            <Icon name="right" />
          </button>
        </div>
        {order === "hits" ? (
          <span className="chip">ranked list</span>
        ) : order === "disagreements" ? (
          <span className="chip">disagreements</span>
        ) : (
          <Segmented
            label="Order"
            value={order}
            choices={[
              { value: "plate", name: "Plate order", title: "Along the rows (r)" },
              { value: "rank", name: "Rank", title: "The likeliest first (r)" },
            ]}
            onChange={(value) => {
              set("order", value === "plate" ? undefined : value);
            }}
          />
        )}
        <div className="tools">
          <button type="button" className="button icon" title="Fit into view (f)" aria-label="Fit into view" onClick={link.fit}>
            <Icon name="fit" />
          </button>
          <button
            type="button"
            className="button hide-narrow"
            title="One image pixel per screen pixel (p)"
            onClick={link.actualPixels}
          >
            1:1
          </button>
          {hasOther && hasVisible && <LinkZoom linked={linked} onChange={setLinked} />}
          <button
            type="button"
            className="button"
            title="Hide the model's scores (h)"
            aria-pressed={blind}
            onClick={() => {
              setBlind(!blind);
            }}
          >
            <Icon name={blind ? "blind" : "eye"} /> Blind
          </button>
        </div>
      </header>
      <div className={hasOther && hasVisible ? "panes two" : "panes"}>
        {hasVisible && (
          <DropPane
            title="Visible"
            image={images.visible}
            choices={images.visibleChoices}
            probability={inspection.score?.visible_probability}
            name={`${name}, visible, inspection ${inspection.number}`}
            blind={blind}
            link={link}
          />
        )}
        {hasOther && (
          <DropPane
            title="UV"
            image={images.other}
            choices={images.otherChoices}
            probability={inspection.score?.uv_probability}
            name={`${name}, UV, inspection ${inspection.number}`}
            blind={blind}
            link={link}
          />
        )}
      </div>
      {drop.inspections.length > 1 && (
        <TimeCourse
          inspections={drop.inspections}
          current={inspection.number}
          threshold={drop.scoring?.alarm_threshold}
          blind={blind}
          onChoose={(number) => {
            set("inspection", String(number));
          }}
        />
      )}
      <DropSide
        drop={drop}
        inspection={inspection}
        images={images}
        blind={blind}
        scorer={scorer}
        onScore={score}
        onUndo={undo}
        onWhy={toExplain.length > 0 ? explain : undefined}
      />
      {scorer.question}
      {whyOf === here && toExplain.length > 0 && (
        <WhyDialog
          subjects={toExplain}
          name={`${drop.barcode} ${name}, inspection ${inspection.number}`}
          onClose={() => {
            setWhyOf(undefined);
          }}
        />
      )}
    </div>
  );
}

/** Asks for what the next drop needs, so that it is there when one gets to it. */
function usePreload(next: Step | undefined, scoring: number | undefined, asked: string | null): void {
  const cache = useQueryClient();
  const nextId = next?.dropId;
  useEffect(() => {
    if (nextId === undefined) return undefined;
    const abort = new AbortController();
    const fetchAll = async () => {
      const detail = await cache.query(queries.drop(nextId, scoring));
      const inspection = chooseInspection(detail, asked);
      if (inspection === undefined || abort.signal.aborted) return;
      const { visible, other } = shownImages(inspection);
      const images: readonly Image[] = [visible, other].filter((image) => image !== undefined);
      for (const { id } of images) {
        new window.Image().src = thumbnailUrl(id);
        await fetch(deepZoomUrl(id), { signal: abort.signal });
      }
    };
    // What fails here fails again, visibly, when the drop is shown.
    fetchAll().catch(() => undefined);
    return () => {
      abort.abort();
    };
  }, [cache, nextId, scoring, asked]);
}

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { type ReactNode, useCallback, useEffect, useState } from "react";
import { Link, useSearchParams } from "react-router";
import type { CurationItem, DropDetail } from "../api/client";
import * as queries from "../api/queries";
import { Failure } from "../components/basics";
import { CurationSide } from "../components/CurationSide";
import { DropPane } from "../components/DropPane";
import { FillQueue } from "../components/FillQueue";
import { Icon } from "../components/Icon";
import { LinkZoom } from "../components/LinkZoom";
import { useSwitch } from "../components/preferences";
import { TimeCourse } from "../components/TimeCourse";
import { showToast } from "../components/toasts";
import { type CurationSitting, useCuration } from "../components/useCuration";
import { useCurator } from "../components/useCurator";
import { useShortcuts } from "../components/useShortcuts";
import { useSecondsShown } from "../components/useSitting";
import { useTitle } from "../components/useTitle";
import { ViewLink } from "../components/viewLink";
import { WhoCurates } from "../components/WhoCurates";
import { answersPerMinute, choiceForKey, type CuratorChoice } from "../logic/curation";
import { shownImages } from "../logic/images";
import { plural } from "../logic/format";

export default function CurationPage() {
  useTitle("Curation");
  const [curator, setCurator] = useCurator();
  const known = useQuery({ ...queries.curationQueue(undefined), enabled: curator === "" }).data?.curators ?? [];
  return (
    <WhoCurates
      curator={curator}
      onCurator={setCurator}
      explains="Two people answer each drop without seeing each other’s answer; where they differ, a third decides. Your name stands beside every answer."
      known={known.map((one) => one.curator)}
    >
      {(name) => <Desk key={curator} curator={curator} name={name} />}
    </WhoCurates>
  );
}

interface DeskProps {
  readonly curator: string;
  readonly name: ReactNode;
}

function Desk({ curator, name }: DeskProps) {
  const [wanted, forget] = useWanted();
  const sitting = useCuration(curator, wanted);
  const item = sitting.items[0];
  const { data, isPlaceholderData } = sitting.query;
  const answered = sitting.answeredAt.length > 0;
  useEffect(() => {
    if (wanted === undefined || data === undefined || isPlaceholderData) return;
    if (data.items[0]?.id === wanted && !answered) return;
    if (!answered) showToast({ text: "That drop does not wait for you: it is settled, or you have answered it" });
    forget();
  }, [wanted, data, isPlaceholderData, answered, forget]);
  if (item === undefined) {
    return (
      <div className="page narrow">
        <header>
          <h1>Curation</h1>
          {name}
        </header>
        {sitting.query.isError ? (
          <Failure error={sitting.query.error} retry={() => void sitting.query.refetch()} />
        ) : sitting.query.isPending || sitting.left > 0 ? (
          <div className="skeleton plate-skeleton" aria-label="Loading the queue" />
        ) : (
          <Nothing curator={curator} sitting={sitting} />
        )}
      </div>
    );
  }
  return <Item key={item.id} item={item} curator={curator} sitting={sitting} name={name} />;
}

/** The item that the address asks for, as a plate map's link does, and how to ask for it no more. */
function useWanted(): [number | undefined, () => void] {
  const [params, setParams] = useSearchParams();
  const item = Number(params.get("item"));
  const forget = useCallback(() => {
    setParams({}, { replace: true });
  }, [setParams]);
  return [Number.isInteger(item) && item > 0 ? item : undefined, forget];
}

function Nothing({ curator, sitting }: { curator: string; sitting: CurationSitting }) {
  const queue = useQuery(queries.curationQueue(curator)).data;
  const others = (queue?.open ?? 0) - (queue?.open_for_curator ?? 0);
  useShortcuts((shortcut) => {
    if (shortcut !== "z") return false;
    sitting.undo();
    return true;
  });
  return (
    <div className="state">
      <div className="art">
        <Icon name="check" size={40} />
      </div>
      <h2>{sitting.answeredAt.length > 0 ? "That was all for you" : "Nothing waits for you"}</h2>
      <p>
        {others > 0
          ? `${plural(others, "drop")} you have answered ${others === 1 ? "waits" : "wait"} for another curator.`
          : "The queue holds drops on which people and model disagree, of which the model is unsure, or whose labels look wrong, and a few drawn blind."}
      </p>
      <FillQueue />
      <p>
        <Link to="/">All plates</Link> · <Link to="/curation/exposures">Condition of exposures</Link>
      </p>
    </div>
  );
}

interface ItemProps extends DeskProps {
  readonly item: CurationItem;
  readonly sitting: CurationSitting;
}

function Item({ item, curator, sitting, name }: ItemProps) {
  const query = useQuery({ ...queries.drop(item.drop_id), placeholderData: keepPreviousData });
  const queue = useQuery(queries.curationQueue(curator)).data;
  const [linked, setLinked] = useSwitch("linked", true);
  const [link] = useState(() => new ViewLink());
  const [looked, setLooked] = useState(item.inspection);
  const seconds = useSecondsShown();
  useEffect(() => {
    link.setLinked(linked);
  }, [link, linked]);
  const drop = query.data?.id === item.drop_id ? query.data : undefined;
  const inspection = drop?.inspections.find((one) => one.number === looked);

  const answer = (choice: CuratorChoice) => {
    sitting.answer(item, choice, seconds());
  };
  const inspect = (move: 1 | -1) => {
    const stops = drop?.inspections ?? [];
    const to = stops[stops.findIndex((one) => one.number === looked) + move];
    if (to !== undefined) setLooked(to.number);
  };
  const actions: Readonly<Record<string, () => void>> = {
    j: () => {
      sitting.later(item);
    },
    "[": () => {
      inspect(-1);
    },
    "]": () => {
      inspect(1);
    },
    l: () => {
      setLinked(!linked);
    },
    z: sitting.undo,
    f: link.fit,
    p: link.actualPixels,
    "+": link.zoomIn,
    "=": link.zoomIn,
    "-": link.zoomOut,
  };
  useShortcuts((shortcut) => {
    const choice = choiceForKey(shortcut);
    const action = actions[shortcut];
    if (choice !== undefined) answer(choice);
    else if (action !== undefined) action();
    else return false;
    return true;
  });

  return (
    <div className="drop-page" aria-busy={drop === undefined}>
      <header className="drop-head">
        <div className="crumbs">
          <Link to={`/plates/${item.plate_id}`}>{item.barcode}</Link> /
          <h1>
            {item.well} <span className="of-well">drop {item.drop}</span>
          </h1>
        </div>
        <span className="muted num">inspection {looked}</span>
        {looked !== item.inspection && <span className="chip">asked about {item.inspection}</span>}
        {item.is_blind && (
          <span className="chip">
            <Icon name="blind" size={12} /> blind
          </span>
        )}
        <div className="tools">
          <button type="button" className="button icon" title="Fit into view (f)" aria-label="Fit into view" onClick={link.fit}>
            <Icon name="fit" />
          </button>
          <LinkZoom linked={linked} onChange={setLinked} />
          <button type="button" className="button" title="Put it behind the others (j)" onClick={actions.j}>
            Later
          </button>
          {name}
        </div>
      </header>
      {query.isError ? (
        <Failure error={query.error} retry={() => void query.refetch()} />
      ) : inspection === undefined ? (
        <div className="panes" aria-label="Loading the images" />
      ) : (
        <Panes item={item} inspection={inspection} link={link} />
      )}
      {drop !== undefined && drop.inspections.length > 1 && (
        <TimeCourse
          inspections={drop.inspections}
          current={looked}
          threshold={drop.scoring?.alarm_threshold}
          blind
          onChoose={setLooked}
        />
      )}
      <CurationSide
        item={item}
        queue={queue}
        left={sitting.left}
        answered={sitting.answeredAt.length}
        perMinute={answersPerMinute(sitting.answeredAt)}
        onAnswer={answer}
        onUndo={sitting.undo}
      />
    </div>
  );
}

interface PanesProps {
  readonly item: CurationItem;
  readonly inspection: DropDetail["inspections"][number];
  readonly link: ViewLink;
}

function Panes({ item, inspection, link }: PanesProps) {
  const images = shownImages(inspection);
  const hasOther = item.image_uv_id !== null || images.other !== undefined;
  const name = `${item.barcode} ${item.well} drop ${item.drop}`;
  return (
    <div className={hasOther ? "panes two" : "panes"}>
      <DropPane
        title="Visible"
        image={images.visible}
        choices={images.visibleChoices}
        probability={undefined}
        name={`${name}, visible`}
        blind
        link={link}
      />
      {hasOther && (
        <DropPane
          title="UV"
          image={images.other}
          choices={images.otherChoices}
          probability={undefined}
          name={`${name}, UV`}
          blind
          link={link}
        />
      )}
    </div>
  );
}

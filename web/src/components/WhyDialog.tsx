/** Why this score: the places of the image that it comes from, and the images that the model finds most alike. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { type ModelReference, type OcclusionMap, thumbnailUrl } from "../api/client";
import * as queries from "../api/why";
import { percentOrDash } from "../logic/format";
import { points } from "../logic/why";
import { Bar, Failure, Segmented, vars } from "./basics";
import { Icon } from "./Icon";
import { NearestExamples } from "./NearestExamples";

const PICTURE_PX = 640;

/** A score that can be explained: of one image, by one version of a model. */
export interface WhySubject {
  readonly imageId: number;
  readonly light: string;
  readonly model: ModelReference;
  readonly probability: number | null;
}

interface Props {
  readonly subjects: readonly WhySubject[];
  readonly name: string;
  readonly onClose: () => void;
}

/** Shown as long as it is rendered; `w` and Escape close it, `m` hides and shows the map. */
export function WhyDialog({ subjects, name, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [chosen, setChosen] = useState(0);
  const [mapShown, setMapShown] = useState(true);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const subject = subjects[chosen] ?? subjects[0];
  return (
    <dialog
      ref={dialog}
      className="sheet why"
      aria-label="Why this score"
      onClose={onClose}
      onKeyDown={(event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.key === "w") dialog.current?.close();
        else if (event.key === "m") setMapShown(!mapShown);
        else return;
        event.preventDefault();
      }}
    >
      <header>
        <h2>Why this score</h2>
        <span className="muted">{name}</span>
        {subjects.length > 1 && (
          <Segmented
            label="Which image"
            value={String(chosen)}
            choices={subjects.map((one, place) => ({
              value: String(place),
              name: `${one.light} ${percentOrDash(one.probability)}`,
            }))}
            onChange={(value) => {
              setChosen(Number(value));
            }}
          />
        )}
        <button
          type="button"
          className="button quiet icon end"
          aria-label="Close"
          onClick={() => {
            dialog.current?.close();
          }}
        >
          <Icon name="close" />
        </button>
      </header>
      {subject !== undefined && (
        <div className="why-halves">
          <Places
            key={`map ${subject.imageId} ${subject.model.version}`}
            subject={subject}
            mapShown={mapShown}
            onMapShown={setMapShown}
          />
          <NearestExamples key={`alike ${subject.imageId} ${subject.model.version}`} subject={subject} />
        </div>
      )}
    </dialog>
  );
}

interface PlacesProps {
  readonly subject: WhySubject;
  readonly mapShown: boolean;
  readonly onMapShown: (shown: boolean) => void;
}

function Places({ subject, mapShown, onMapShown }: PlacesProps) {
  const query = useQuery(queries.occlusion(subject.imageId, subject.model));
  const progress = query.data?.progress;
  const map = query.data?.map;
  return (
    <section className="why-places" aria-label="Where it comes from">
      <h3>Where it comes from</h3>
      {query.isError ? (
        <Failure error={query.error} retry={() => void query.refetch()} />
      ) : (
        <>
          <div className="why-picture">
            <img src={thumbnailUrl(subject.imageId, PICTURE_PX)} alt={`${subject.light} image`} />
            {map != null && mapShown && (
              <img className="overlay" src={map.overlay_url} alt="Map of what the score comes from" />
            )}
          </div>
          {map == null ? (
            <div className="why-progress" role="status">
              <Bar done={progress?.done ?? 0} total={progress?.total ?? null} label="Making the map" />
              <span className="muted">
                {progress == null ? "asking" : progress.message}
                {progress?.total == null ? " …" : `: ${progress.done} of ${progress.total}`}
              </span>
            </div>
          ) : (
            <MapLegend map={map} shown={mapShown} onShown={onMapShown} />
          )}
        </>
      )}
      <p className="muted small-print">
        {subject.model.name} {subject.model.version}
      </p>
    </section>
  );
}

function MapLegend({ map, shown, onShown }: { map: OcclusionMap; shown: boolean; onShown: (shown: boolean) => void }) {
  return (
    <>
      <div className="why-legend">
        <label>
          <input
            type="checkbox"
            checked={shown}
            onChange={(event) => {
              onShown(event.target.checked);
            }}
          />{" "}
          Map <kbd>m</kbd>
        </label>
        <div className="scale" style={vars({ "--against": map.colour_against, "--for": map.colour_for })}>
          <i />
          <span className="num">
            <span>{points(-map.scale)}</span>
            <span>0</span>
            <span>{points(map.scale)}</span>
          </span>
          <span className="ends-in-words">
            <span>against a crystal</span>
            <span>for a crystal</span>
          </span>
        </div>
      </div>
      <p data-testid="why-says">{map.says}</p>
      <p className="muted small-print">{map.caveat}</p>
    </>
  );
}

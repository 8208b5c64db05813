/** What a person and the model say of one drop, side by side, what became of it, and the way to those who settle it. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { client, type Disagreement as Disagreeing, type PlateMap, type PlateMapCell, unwrap } from "../api/client";
import { dropName, dropUrl } from "../logic/cells";
import { curateUrl, isOpen, stateInWords } from "../logic/disagreements";
import { percent } from "../logic/format";
import { Icon } from "./Icon";
import { showError, showToast } from "./toasts";

export function Disagreement({ dropId, found }: { dropId: number; found: Disagreeing }) {
  return (
    <div className="disagreement" data-testid="disagreement">
      <SideBySide found={found} />
      <span className="muted">{stateInWords(found)}</span>
      <ToCurators dropId={dropId} found={found} />
    </div>
  );
}

function SideBySide({ found }: { found: Disagreeing }) {
  return (
    <dl className={isOpen(found) ? "sides open" : "sides"}>
      <div>
        <dt>Person</dt>
        <dd>{found.human_label}</dd>
      </div>
      <div>
        <dt>Model</dt>
        <dd className="num">{percent(found.probability)} crystal</dd>
      </div>
    </dl>
  );
}

/** `Curate` where it waits for curators, `Ask curators` where it does not. */
function ToCurators({ dropId, found }: { dropId: number; found: Disagreeing }) {
  const { ask, pending } = useAskCurators();
  const url = curateUrl(found);
  if (url !== undefined) {
    return (
      <Link className="button" to={url} title="Open it in the queue (q)">
        <Icon name="curation" /> Curate
      </Link>
    );
  }
  if (found.state !== "unasked") return null;
  return (
    <button
      type="button"
      className="button"
      disabled={pending}
      title="Put it at the head of the curators’ queue (q)"
      onClick={() => {
        ask({ dropId, inspection: found.inspection });
      }}
    >
      <Icon name="curation" /> Ask curators
    </button>
  );
}

interface Question {
  readonly dropId: number;
  readonly inspection: number;
}

/** Puts a drop at the head of the curators' queue. */
export function useAskCurators(): { readonly ask: (question: Question) => void; readonly pending: boolean } {
  const cache = useQueryClient();
  const mutation = useMutation({
    mutationFn: ({ dropId, inspection }: Question) =>
      unwrap(client.POST("/api/v1/curation/items", { body: { drop_id: dropId, inspection, answers_needed: 2 } })),
    onSuccess: async (_queue, { dropId }) => {
      showToast({ text: "It waits at the head of the curators’ queue" });
      await Promise.all([
        cache.invalidateQueries({ queryKey: ["map"] }),
        cache.invalidateQueries({ queryKey: ["drop", dropId] }),
        cache.invalidateQueries({ queryKey: ["curation"] }),
      ]);
    },
    onError: (error) => {
      showError("Curators were not asked", error);
    },
  });
  return { ask: mutation.mutate, pending: mutation.isPending };
}

interface ListProps {
  readonly map: PlateMap;
  readonly scoring: number | undefined;
}

/** All open disagreements of the map, one under the other; or why there are none. */
export function DisagreementList({ map, scoring }: ListProps) {
  const open = map.cells.filter(({ disagreement }) => isOpen(disagreement));
  return (
    <section className="disagreements panel" aria-label="Disagreements">
      <h3>Where people and the model disagree</h3>
      {open.length === 0 ? (
        <p className="muted">{whyNone(map)}</p>
      ) : (
        <ul>
          {open.map((cell) => (
            <li key={cell.drop_id}>
              <Row map={map} cell={cell} scoring={scoring} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Row({ map, cell, scoring }: { map: PlateMap; cell: PlateMapCell; scoring: number | undefined }) {
  const found = cell.disagreement;
  if (found === null) return null;
  return (
    <>
      <Link
        className="name"
        to={dropUrl(map.plate_id, cell.drop_id, { inspection: found.inspection, scoring, order: "disagreements" })}
      >
        {dropName(cell, map.drops.length)}
      </Link>
      <Disagreement dropId={cell.drop_id} found={found} />
    </>
  );
}

function whyNone(map: PlateMap): string {
  if (map.scoring === null) return "The model has not scored this plate yet, so there is nothing to disagree with.";
  const labelled = map.cells.filter(({ label }) => label !== null).length;
  if (labelled === 0) return "Nobody has scored a drop of this plate yet. Open one, and say what it is by a key.";
  const settled = map.cells.filter(({ disagreement }) => disagreement !== null).length;
  return settled > 0
    ? "Curators have looked at every drop on which people and the model disagreed."
    : "Where people have scored drops of this map, the model says the same.";
}

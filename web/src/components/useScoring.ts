/** Human scores: given at once, stored in the background, and taken back in the order they were given. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Annotation, type AnnotationRequest, client, type PlateMap, unwrap } from "../api/client";
import { type HumanLabel, labelName } from "../logic/labels";
import { type Done, UndoStack } from "../logic/undo";
import { showError, showToast } from "./toasts";

interface Scored {
  readonly label: HumanLabel;
  readonly request: AnnotationRequest;
  readonly plateId: number;
  readonly name: string;
}

interface HumanScoring {
  readonly score: (scored: Scored) => void;
  readonly undo: () => void;
}

/** @param goTo Shows a drop again: the one whose score was taken back or could not be stored. */
export function useHumanScoring(goTo: (plateId: number, dropId: number) => void): HumanScoring {
  const [stack] = useState(() => new UndoStack<Annotation>());
  const cache = useQueryClient();

  const showLabel = (plateId: number, dropId: number, label: HumanLabel | undefined) => {
    cache.setQueriesData<PlateMap>({ queryKey: ["map", plateId] }, (map) =>
      map === undefined
        ? map
        : {
            ...map,
            cells: map.cells.map((cell) =>
              cell.drop_id === dropId
                ? {
                    ...cell,
                    label: label?.label ?? null,
                    label_scheme: label?.scheme ?? null,
                    label_is_crystal: label?.isCrystal ?? null,
                  }
                : cell,
            ),
          },
    );
  };
  const settle = (dropId: number) => {
    void cache.invalidateQueries({ queryKey: ["drop", dropId] });
    void cache.invalidateQueries({ queryKey: ["hits"], refetchType: "none" });
  };

  const takeBack = async (entry: Done<Annotation> | undefined) => {
    const taken = stack.take(entry);
    if (taken === undefined) {
      showToast({ text: "Nothing to undo" });
      return;
    }
    goTo(taken.plateId, taken.dropId);
    try {
      const { id, annotator } = await taken.stored;
      await unwrap(
        client.POST("/api/v1/annotations/{annotation_id}/withdraw", {
          params: { path: { annotation_id: id } },
          body: { annotator },
        }),
      );
      void cache.invalidateQueries({ queryKey: ["map", taken.plateId] });
      showToast({ text: `Taken back: ${taken.label}` });
    } catch (error) {
      stack.push(taken);
      showError(`“${taken.label}” could not be taken back`, error);
    }
    settle(taken.dropId);
  };

  const score = ({ label, request, plateId, name }: Scored) => {
    const dropId = request.drop_id;
    const stored = unwrap(client.POST("/api/v1/annotations", { body: request }));
    const entry: Done<Annotation> = { stored, dropId, plateId, label: `${name}, ${label.name}` };
    stack.push(entry);
    showLabel(plateId, dropId, label);
    const dismiss = showToast({
      text: `${name}: ${labelName(label.scheme, label.label)}`,
      action: {
        name: "Undo",
        key: "z",
        run: () => {
          dismiss();
          void takeBack(entry);
        },
      },
    });
    stored.then(
      () => {
        settle(dropId);
        // Whether the model says so too is for the server to tell, by the time one is back at the map.
        void cache.invalidateQueries({ queryKey: ["map", plateId], refetchType: "none" });
      },
      (error: unknown) => {
        dismiss();
        stack.take(entry);
        void cache.invalidateQueries({ queryKey: ["map", plateId] });
        showError(`The score of ${name} was not stored`, error);
        goTo(plateId, dropId);
      },
    );
  };
  return { score, undo: () => void takeBack(undefined) };
}

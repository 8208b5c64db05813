import { useEffect, useRef } from "react";
import { ANSWERS, CRYSTAL_TYPES } from "../logic/curation";
import { ANSWER_LABELS, GRADE_LABELS } from "../logic/labels";
import { Icon } from "./Icon";

interface Shortcut {
  readonly keys: readonly string[];
  readonly does: string;
}

const GROUPS: readonly { name: string; shortcuts: readonly Shortcut[] }[] = [
  {
    name: "Everywhere",
    shortcuts: [
      { keys: ["?"], does: "Show this help" },
      { keys: ["/"], does: "Search" },
      { keys: ["i"], does: "Import images, on the list of plates" },
      { keys: ["t"], does: "Theme: system, light, dark" },
      { keys: ["Esc"], does: "Close; go up one page" },
    ],
  },
  {
    name: "Plate map and lists",
    shortcuts: [
      { keys: ["←", "→", "↑", "↓"], does: "Move over drops" },
      { keys: ["Home", "End"], does: "Start and end of the row" },
      { keys: ["PgUp", "PgDn"], does: "First and last drop" },
      { keys: ["Enter"], does: "Open the drop" },
      { keys: ["[", "]"], does: "Earlier and later inspection" },
      { keys: ["m"], does: "Map or images" },
      { keys: ["d"], does: "Next drop on which people and the model disagree" },
      { keys: ["o"], does: "Only such drops, or all" },
      { keys: ["q"], does: "Take such a drop to the curators" },
    ],
  },
  {
    name: "Drop viewer: moving",
    shortcuts: [
      { keys: ["j", "→"], does: "Next drop" },
      { keys: ["k", "←"], does: "Previous drop" },
      { keys: ["↓"], does: "Next well" },
      { keys: ["↑"], does: "Previous well" },
      { keys: ["[", "]"], does: "Earlier and later inspection" },
      { keys: ["r"], does: "Plate order or rank" },
      { keys: ["d"], does: "Next drop on which people and the model disagree" },
      { keys: ["q"], does: "Take such a drop to the curators" },
    ],
  },
  {
    name: "Drop viewer: looking",
    shortcuts: [
      { keys: ["+", "-"], does: "Zoom" },
      { keys: ["f"], does: "Fit into view" },
      { keys: ["p"], does: "One image pixel per screen pixel" },
      { keys: ["l"], does: "Link zoom of visible and UV" },
      { keys: ["h"], does: "Hide the model's scores (blind)" },
      { keys: ["w"], does: "Why this score (m: its map on and off)" },
    ],
  },
  {
    name: "Scoring: then the next drop follows",
    shortcuts: [
      ...ANSWER_LABELS.map((label) => ({ keys: [label.key], does: label.name })),
      { keys: ["z"], does: "Undo the last score" },
    ],
  },
  {
    name: "Curation: then the next item follows",
    shortcuts: [
      ...[...ANSWERS, ...CRYSTAL_TYPES].map((choice) => ({ keys: [choice.key], does: choice.name })),
      { keys: ["j"], does: "Later: put it behind the others" },
      { keys: ["[", "]"], does: "Look at an earlier or later inspection" },
      { keys: ["z"], does: "Undo the last answer" },
    ],
  },
  {
    name: "Learning",
    shortcuts: [
      { keys: ["u"], does: "The next thing that is learnt: visible, UV, exposures" },
      { keys: ["b"], does: "Build a version of the data set" },
      { keys: ["n"], does: "Train on the data set that is chosen" },
    ],
  },
  {
    name: "Curation of exposures: then the next one follows",
    shortcuts: [
      { keys: ["1", "2", "3"], does: "Great, decent, contaminated or broken" },
      { keys: ["4", "5", "6"], does: "No ice, crystalline ice, ice without particles" },
      { keys: ["u", "x"], does: "Uncertain, unusable" },
      { keys: ["j"], does: "Later: put it behind the others" },
      { keys: ["z"], does: "Undo the last answer" },
    ],
  },
  {
    name: "Replayed session",
    shortcuts: [
      { keys: ["←", "→"], does: "Earlier and later exposure (Page keys: ten)" },
      { keys: ["Home", "End"], does: "Start and end of the session" },
      { keys: ["p"], does: "Play or pause" },
      { keys: ["n"], does: "Take the selected holes next" },
      { keys: ["f", "a"], does: "Forbid, allow the selected holes" },
      { keys: ["w"], does: "Prefer the selected holes" },
      { keys: ["z"], does: "Take back the last override" },
    ],
  },
  {
    name: "Exposures of a session",
    shortcuts: [
      { keys: ["j", "↓"], does: "Next in the list (Page keys: fifteen)" },
      { keys: ["k", "↑"], does: "Previous in the list" },
      { keys: ["Enter"], does: "Open the exposure" },
      { keys: ["n"], does: "Back to the newest" },
      { keys: ["g", "b"], does: "Mark good, bad; then the next follows" },
      { keys: ["z"], does: "Undo the last mark or limits" },
      { keys: ["l"], does: "Every limit as a number" },
      { keys: ["↑", "↓"], does: "On a limit: move it; Delete removes it" },
      { keys: ["v"], does: "Table or pictures" },
      { keys: ["e"], does: "Export" },
      { keys: ["Esc"], does: "Drop tried limits, then the selection" },
    ],
  },
  {
    name: "One exposure",
    shortcuts: [
      { keys: ["j", "→"], does: "Next exposure of the list" },
      { keys: ["k", "←"], does: "Previous exposure" },
      { keys: ["g", "b"], does: "Mark good, bad; then the next follows" },
      { keys: ["z"], does: "Undo the last mark or limits" },
      { keys: ["m", "p"], does: "Show local motion, particles" },
      { keys: ["+", "-", "f"], does: "Zoom, fit" },
    ],
  },
  {
    name: "Micrograph",
    shortcuts: [
      { keys: ["j", "→"], does: "Next micrograph" },
      { keys: ["k", "←"], does: "Previous micrograph" },
      { keys: ["u"], does: "The micrograph to label next" },
      { keys: ["b"], does: "Erase by box (or Shift and drag)" },
      { keys: ["z", "y"], does: "Undo, redo" },
      { keys: ["Enter"], does: "Accept what is shown; open again" },
      { keys: ["[", "]"], does: "Lower and higher threshold" },
      { keys: ["+", "-", "f"], does: "Zoom, fit" },
      { keys: ["h", "m"], does: "Hide circles; show masked areas" },
    ],
  },
  { name: "Grades (ISPyB)", shortcuts: GRADE_LABELS.map((label) => ({ keys: [label.key], does: label.name })) },
];

export function KeyboardHelp({ open, onClose }: { open: boolean; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <dialog ref={dialog} className="sheet" aria-labelledby="help-title" onClose={onClose}>
      <header>
        <h2 id="help-title">Keyboard</h2>
        <button type="button" className="button quiet icon" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <div className="shortcuts">
        {GROUPS.map((group) => (
          <section key={group.name}>
            <h3>{group.name}</h3>
            <dl>
              {group.shortcuts.map((shortcut) => (
                <div key={shortcut.does}>
                  <dt>
                    {shortcut.keys.map((key) => (
                      <kbd key={key}>{key}</kbd>
                    ))}
                  </dt>
                  <dd>{shortcut.does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </dialog>
  );
}

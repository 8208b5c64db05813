/** How a session gets on: its state, its pace, and what people should know of it. */
import { Link } from "react-router";
import type { ExposureSession } from "../api/client";
import { ago, count, plural } from "../logic/format";
import { StateChip } from "../pages/ExposureSessionsPage";
import { Icon } from "./Icon";
import { useNow } from "./useNow";

interface Props {
  readonly session: ExposureSession;
  readonly marks: number;
  readonly onLearn: () => void;
  readonly onLimits: () => void;
  readonly onExport: () => void;
}

export function Standing({ session, marks, onLearn, onLimits, onExport }: Props) {
  const now = useNow();
  return (
    <>
      <header>
        <div className="crumbs">
          <Link to="/exposures">Exposures</Link> / <h1>{session.name}</h1>
        </div>
        <StateChip session={session} />
        {session.made_up && <span className="chip">made up</span>}
        <span className="muted num pace">
          {plural(session.done + session.failed, "exposure")}
          {session.waiting > 0 && ` · ${count(session.waiting)} waiting`}
          {session.done_per_hour !== null && ` · ${Math.round(session.done_per_hour)} an hour`}
          {session.last_at !== null && ` · last one ${ago(session.last_at, now)}`}
        </span>
        <div className="actions">
          <button type="button" className="button" title="Every limit as a number (l)" onClick={onLimits}>
            Limits <kbd>l</kbd>
          </button>
          <button
            type="button"
            className="button"
            disabled={marks === 0}
            title={marks === 0 ? "Mark some exposures good (g) or bad (b) first" : "Limits that fit the marks"}
            onClick={onLearn}
          >
            Learn from {plural(marks, "mark")}
          </button>
          <button type="button" className="button" onClick={onExport}>
            <Icon name="download" /> Export <kbd>e</kbd>
          </button>
        </div>
      </header>
      {session.behind !== null && (
        <p className="note" role="status">
          <strong>Falls behind</strong> {session.behind}
        </p>
      )}
      {session.state === "killed" && (
        <p className="note" role="status">
          <strong>Not responding</strong>
          <span>
            Its process was last heard of {session.heartbeat_at === null ? "never" : ago(session.heartbeat_at, now)}. Start the same
            command again: it goes on where it was.
          </span>
        </p>
      )}
      {session.remarks.map((remark) => (
        <p key={remark} className="note">
          {remark}
        </p>
      ))}
    </>
  );
}

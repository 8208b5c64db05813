import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "react-router";
import { client, type ExposureSession, unwrap } from "../api/client";
import * as queries from "../api/exposureQueries";
import { Command, Failure, vars } from "../components/basics";
import { showError } from "../components/toasts";
import { useNow } from "../components/useNow";
import { useTitle } from "../components/useTitle";
import { ago, count, plural } from "../logic/format";

export const WATCH = "structloop micrographs watch /data/session/movies --out /data/session/processed";

/** Sessions whose movies are or were processed. */
export function ExposureSessionsPage() {
  useTitle("Exposures");
  const query = useQuery(queries.exposureSessions());
  const cache = useQueryClient();
  const navigate = useNavigate();
  const makeUp = useMutation({
    mutationFn: () => unwrap(client.POST("/api/v1/exposures/sessions/made-up")),
    onSuccess: (session) => {
      void cache.invalidateQueries({ queryKey: ["exposures", "sessions"] });
      void navigate(`/exposures/${session.id}`);
    },
    onError: (error) => {
      showError("No session could be made up", error);
    },
  });
  const sessions = query.data ?? [];
  const button = (
    <button type="button" className="button" disabled={makeUp.isPending} onClick={() => { makeUp.mutate(); }}>
      {makeUp.isPending ? "Making one up …" : "Make one up"}
    </button>
  );
  return (
    <div className="page narrow">
      <header>
        <h1>Exposures</h1>
        {sessions.length > 0 && <div className="actions">{button}</div>}
      </header>
      {query.isError ? (
        <Failure error={query.error} retry={() => void query.refetch()} />
      ) : query.isPending ? (
        <div className="skeleton plate-skeleton" aria-label="Loading" />
      ) : sessions.length === 0 ? (
        <div className="state">
          <h2>No movies have been processed yet</h2>
          <p>
            Start this where the movies arrive. Motion, CTF, ice and particles of every exposure then appear here while the
            session runs, with what they say of its squares.
          </p>
          <Command text={WATCH} />
          <p className="muted">
            For movies that are there already: <code>structloop micrographs process</code>. Or look at a session that is made
            up.
          </p>
          {button}
        </div>
      ) : (
        <ul className="cards">
          {sessions.map((session) => (
            <SessionCard key={session.id} session={session} />
          ))}
        </ul>
      )}
    </div>
  );
}

export function StateChip({ session }: { session: ExposureSession }) {
  const words = { running: "running", finished: "finished", stopped: "stopped", killed: "not responding" }[session.state];
  const style = { running: "accent", finished: "", stopped: "warn", killed: "danger" }[session.state];
  return <span className={`chip ${style}`}>{words}</span>;
}

function SessionCard({ session }: { session: ExposureSession }) {
  const now = useNow();
  const fine = session.done - session.problematic;
  const all = Math.max(1, session.done + session.failed);
  return (
    <li className="panel card">
      <header>
        <h2>
          <Link to={`/exposures/${session.id}`}>{session.name}</Link>
        </h2>
        <StateChip session={session} />
        {session.made_up && <span className="chip">made up</span>}
        {session.behind !== null && (
          <span className="chip warn" title={session.behind}>
            falls behind
          </span>
        )}
      </header>
      <div
        className="share-bar"
        role="img"
        aria-label={`${fine} fine, ${session.problematic} problematic, ${session.failed} failed`}
        style={vars({ "--fine": fine / all, "--problem": session.problematic / all, "--failed": session.failed / all })}
      >
        <i className="fine" />
        <i className="problem" />
        <i className="failed" />
      </div>
      <p className="num">
        {plural(session.done + session.failed, "exposure")}: {count(fine)} fine, {count(session.problematic)} problematic,{" "}
        {count(session.failed)} failed
        {session.waiting > 0 && ` · ${count(session.waiting)} waiting`}
      </p>
      <p className="muted">
        {session.last_at === null ? "nothing is processed yet" : `last one ${ago(session.last_at, now)}`}
        {session.done_per_hour !== null && ` · ${Math.round(session.done_per_hour)} an hour`} · {session.source}
      </p>
    </li>
  );
}

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Link, useNavigate } from "react-router";
import { client, type RecordedSession, unwrap } from "../api/client";
import * as queries from "../api/queries";
import { Failure } from "../components/basics";
import { showError } from "../components/toasts";
import { useTitle } from "../components/useTitle";
import { count, dateTime } from "../logic/format";

/** Recorded sessions, to replay: what would the targeting policy have done? */
export function SessionsPage() {
  useTitle("Targeting");
  const query = useQuery(queries.sessions());
  const cache = useQueryClient();
  const navigate = useNavigate();
  const file = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const opened = (session: RecordedSession) => {
    void cache.invalidateQueries({ queryKey: ["sessions"] });
    void navigate(`/targeting/${session.id}`);
  };
  const add = useMutation({
    mutationFn: async (given: File) =>
      unwrap(
        client.POST("/api/v1/targeting/sessions", {
          params: { query: { name: given.name } },
          headers: { "Content-Type": "text/csv" },
          body: await given.text(),
          bodySerializer: (body) => body,
        }),
      ),
    onSuccess: opened,
    onError: (error) => {
      showError("The session cannot be added", error);
    },
  });
  const simulate = useMutation({
    mutationFn: (seed: number) =>
      unwrap(client.POST("/api/v1/targeting/sessions/simulated", { params: { query: { seed } } })),
    onSuccess: opened,
    onError: (error) => {
      showError("No session could be made up", error);
    },
  });
  const remove = useMutation({
    mutationFn: async (id: string) => {
      const { response } = await client.DELETE("/api/v1/targeting/sessions/{session_id}", {
        params: { path: { session_id: id } },
      });
      if (!response.ok) throw new Error(response.statusText);
    },
    onSettled: () => cache.invalidateQueries({ queryKey: ["sessions"] }),
  });
  const sessions = query.data ?? [];
  const take = (files: FileList | null) => {
    const given = files?.[0];
    if (given !== undefined) add.mutate(given);
  };

  const buttons = (
    <>
      <button type="button" className="button primary" disabled={add.isPending} onClick={() => file.current?.click()}>
        Add a recorded session…
      </button>
      <button
        type="button"
        className="button"
        disabled={simulate.isPending}
        onClick={() => {
          simulate.mutate(1 + sessions.filter(({ simulated }) => simulated).length);
        }}
      >
        Make one up
      </button>
    </>
  );
  return (
    <div
      className={over ? "page narrow dropping" : "page narrow"}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => {
        setOver(false);
      }}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer.files);
      }}
    >
      <header>
        <h1>Targeting</h1>
        {sessions.length > 0 && <div className="actions">{buttons}</div>}
      </header>
      <input
        ref={file}
        type="file"
        accept=".csv,text/csv"
        hidden
        aria-label="CSV of holes"
        onChange={(event) => {
          take(event.target.files);
          event.target.value = "";
        }}
      />
      {query.isError ? (
        <Failure error={query.error} retry={() => void query.refetch()} />
      ) : query.isPending ? (
        <div className="skeleton plate-skeleton" aria-label="Loading" />
      ) : sessions.length === 0 ? (
        <div className="state">
          <h2>What would structloop have done?</h2>
          <p>
            Replay a past session hole by hole. Add a CSV with the columns <code>hole_id</code>, <code>atlas_tile</code>,{" "}
            <code>square</code>, <code>patch</code>, <code>x_px</code>, <code>y_px</code> and the measured{" "}
            <code>ctf_max_resolution_A</code>; any further column of numbers can be shown to the policy. Or try it on a
            session that is made up.
          </p>
          <div className="actions">{buttons}</div>
        </div>
      ) : (
        <ul className="cards">
          {sessions.map((session) => (
            <li key={session.id} className="panel card">
              <header>
                <h2>
                  <Link to={`/targeting/${session.id}`}>{session.name}</Link>
                </h2>
                {session.simulated && <span className="chip">made up</span>}
                <button
                  type="button"
                  className="button quiet"
                  aria-label={`Forget ${session.name}`}
                  onClick={() => {
                    if (window.confirm(`Forget ${session.name}? The file it came from is not touched.`))
                      remove.mutate(session.id);
                  }}
                >
                  Forget
                </button>
              </header>
              <p className="muted num">
                {count(session.holes)} holes in {count(session.squares)} squares of {count(session.tiles)} tiles · added{" "}
                {dateTime(session.added_at)}
              </p>
              <p className="muted">Known beforehand: {session.features.join(", ") || "nothing"}</p>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

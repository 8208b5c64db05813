/** What happens while one looks: the server's events bring the kept answers up to date, and say whether it is there. */
import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import type { ExposuresChanged, Job, JobList, PlatesChanged } from "./client";

export type Connection = "connecting" | "online" | "offline";

const EVENTS_URL = "/api/v1/events";
const HEALTH_URL = "/api/v1/health";
const RETRY_MS = 2000;
// A job that scores tells of a change many times a second; the lists are asked for again at most this often.
const REFRESH_MS = 1000;

class Live {
  #connection: Connection = "connecting";
  readonly #listeners = new Set<() => void>();
  #source: EventSource | undefined;
  #retry: number | undefined;
  #refresh: number | undefined;
  readonly #stale = new Set<number>();
  #refreshExposures: number | undefined;
  readonly #staleExposures = new Set<number>();
  #refreshParticles: number | undefined;
  #refreshLearning: number | undefined;
  #client: QueryClient | undefined;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  connection = (): Connection => this.#connection;

  start(client: QueryClient): () => void {
    this.#client = client;
    this.#open();
    return () => {
      this.#source?.close();
      window.clearTimeout(this.#retry);
      window.clearTimeout(this.#refresh);
      window.clearTimeout(this.#refreshExposures);
      window.clearTimeout(this.#refreshParticles);
      window.clearTimeout(this.#refreshLearning);
    };
  }

  /** Asks the server right away whether it is back. */
  retryNow = (): void => {
    window.clearTimeout(this.#retry);
    void this.#probe();
  };

  #set(connection: Connection): void {
    if (connection === this.#connection) return;
    this.#connection = connection;
    for (const listener of this.#listeners) listener();
  }

  #open(): void {
    this.#source?.close();
    const source = new EventSource(EVENTS_URL);
    this.#source = source;
    source.addEventListener("open", () => {
      if (this.#connection === "offline") void this.#client?.invalidateQueries();
      this.#set("online");
    });
    source.addEventListener("error", () => {
      // The browser would try again by itself, but says neither when nor whether: our own probe can be shown.
      source.close();
      void this.#probe();
    });
    source.addEventListener("job", (event: MessageEvent<string>) => {
      this.#jobChanged(JSON.parse(event.data) as Job);
    });
    source.addEventListener("plates", (event: MessageEvent<string>) => {
      for (const id of (JSON.parse(event.data) as PlatesChanged).plate_ids) this.#stale.add(id);
      this.#refresh ??= window.setTimeout(this.#refreshPlates, REFRESH_MS);
    });
    source.addEventListener("exposures", (event: MessageEvent<string>) => {
      for (const id of (JSON.parse(event.data) as ExposuresChanged).session_ids) this.#staleExposures.add(id);
      this.#refreshExposures ??= window.setTimeout(this.#refreshSessions, REFRESH_MS);
    });
    source.addEventListener("resync", () => void this.#client?.invalidateQueries());
  }

  async #probe(): Promise<void> {
    try {
      const answer = await fetch(HEALTH_URL, { cache: "no-store" });
      if (answer.ok) {
        this.#open();
        return;
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    this.#set("offline");
    this.#retry = window.setTimeout(this.retryNow, RETRY_MS);
  }

  #jobChanged(job: Job): void {
    this.#client?.setQueryData<JobList>(["jobs"], (list) => {
      if (list === undefined) return list;
      const known = list.items.some((other) => other.id === job.id);
      return {
        items: known ? list.items.map((other) => (other.id === job.id ? job : other)) : [job, ...list.items],
      };
    });
    if (job.kind.startsWith("particles.")) {
      this.#refreshParticles ??= window.setTimeout(() => {
        this.#refreshParticles = undefined;
        void this.#client?.invalidateQueries({ queryKey: ["particles"] });
      }, REFRESH_MS);
    }
    if (job.kind.startsWith("loop.")) {
      this.#refreshLearning ??= window.setTimeout(() => {
        this.#refreshLearning = undefined;
        for (const key of ["learning", "models"]) void this.#client?.invalidateQueries({ queryKey: [key] });
      }, REFRESH_MS);
    }
    if (this.#client?.getQueryData(["jobs"]) === undefined) {
      void this.#client?.invalidateQueries({ queryKey: ["jobs"] });
    }
  }

  #refreshSessions = (): void => {
    this.#refreshExposures = undefined;
    const ids = new Set(this.#staleExposures);
    this.#staleExposures.clear();
    void this.#client?.invalidateQueries({
      predicate: ({ queryKey: [kind, what, id] }) =>
        kind === "exposures" && (what === "sessions" || (what !== "one" && ids.has(Number(id)))),
    });
  };

  #refreshPlates = (): void => {
    this.#refresh = undefined;
    const ids = new Set(this.#stale);
    this.#stale.clear();
    for (const key of ["plates", "hits"]) void this.#client?.invalidateQueries({ queryKey: [key] });
    void this.#client?.invalidateQueries({
      predicate: ({ queryKey: [kind, id] }) =>
        (kind === "plate" || kind === "map" || kind === "problems") && (id === "all" || ids.has(Number(id))),
    });
    void this.#client?.invalidateQueries({
      predicate: ({ queryKey: [kind], state: { data } }) =>
        kind === "drop" && ids.has((data as { plate_id?: number } | undefined)?.plate_id ?? -1),
    });
  };
}

export const live = new Live();

export const useConnection = (): Connection => useSyncExternalStore(live.subscribe, live.connection);

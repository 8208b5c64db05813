import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { Link, useParams } from "react-router";
import type { Override, Replay, ReplayRequest, SessionHoles } from "../api/client";
import * as queries from "../api/queries";
import { Failure, Segmented } from "../components/basics";
import { expectationColour, SessionMap } from "../components/SessionMap";
import { useTheme } from "../components/theme";
import { useShortcuts } from "../components/useShortcuts";
import { useTitle } from "../components/useTitle";
import { percent } from "../logic/format";
import {
  chancesAt,
  decodeChances,
  forbiddenAt,
  goodSoFar,
  overrideText,
  parseMinutes,
  type Reach,
  reachOf,
  withOverride,
} from "../logic/replay";

const POLICIES = ["adaptive", "winstay", "sweep", "greedy", "random", "screening"] as const;
const BUDGETS = [60, 120, 240, 360, 480];
const DEFAULT_MOVES: [number, number, number, number] = [1, 2, 6, 8];
const PLAY_MS = 120;
const KNOWN = "predicted_ctf_resolution_A";

export default function SessionPage() {
  const id = useParams().sessionId ?? "";
  const query = useQuery(queries.session(id));
  useTitle(query.data?.session.name ?? "Targeting");
  if (query.isError) return <Failure error={query.error} retry={() => void query.refetch()} />;
  if (query.data === undefined) return <div className="skeleton plate-skeleton" aria-label="Loading" />;
  return <Player key={id} holes={query.data} />;
}

function Player({ holes }: { holes: SessionHoles }) {
  const { session } = holes;
  const [policy, setPolicy] = useState<NonNullable<ReplayRequest["policy"]>>("adaptive");
  const [features, setFeatures] = useState<readonly string[]>(session.features.filter((name) => name === KNOWN));
  const [budget, setBudget] = useState(240);
  const [moves, setMoves] = useState(DEFAULT_MOVES.join(", "));
  const [limit, setLimit] = useState(6);
  const [start, setStart] = useState(0);
  const [overrides, setOverrides] = useState<readonly Override[]>([]);
  const [wanted, setStep] = useState(0);
  const [playing, setPlaying] = useState(false);
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const [reach, setReach] = useState<Reach>("hole");

  const minutes = parseMinutes(moves);
  const [usedMinutes, setUsedMinutes] = useState(DEFAULT_MOVES);
  // While somebody types, the last good times stay in use.
  if (minutes !== undefined && minutes.join() !== usedMinutes.join()) setUsedMinutes(minutes);
  const query = useQuery({
    ...queries.replay(session.id, {
      policy,
      features: [...features],
      budget_minutes: budget,
      threshold_angstrom: limit,
      start,
      overrides: [...overrides],
      move_minutes: usedMinutes,
      seed: 0,
    }),
    placeholderData: keepPreviousData,
  });
  const replay = query.data;
  const lastStep = (replay?.steps.length ?? 1) - 1;
  const step = Math.min(wanted, lastStep);
  const all = useMemo(() => decodeChances(replay?.chances ?? ""), [replay]);
  const chances = chancesAt(all, holes.hole_id.length, step);
  const forbidden = useMemo(() => forbiddenAt(overrides, step), [overrides, step]);

  useEffect(() => {
    if (!playing) return undefined;
    const timer = window.setInterval(() => {
      setStep((old) => Math.min(old + 1, lastStep));
    }, PLAY_MS);
    return () => {
      window.clearInterval(timer);
    };
  }, [playing, lastStep]);
  const running = playing && step < lastStep;

  const exposed = new Set(replay?.steps.slice(0, step + 1).map(({ hole }) => hole));
  const open = [...selected].filter((row) => !exposed.has(row));
  const act = (action: Override["action"], weight = 1) => {
    const names = open.map((row) => holes.hole_id[row] ?? "").filter((name) => action !== "force" || !forbidden.has(name));
    if (names.length === 0) return;
    setPlaying(false);
    setOverrides((old) => withOverride(old, { after: step, action, hole_ids: names, weight }));
    setSelected(new Set());
  };
  const undo = () => {
    setOverrides((old) => old.slice(0, -1));
  };
  const go = (to: number) => {
    setPlaying(false);
    setStep(Math.max(0, Math.min(to, lastStep)));
  };
  useShortcuts((shortcut) => {
    const keys: Record<string, () => void> = {
      ArrowRight: () => {
        go(step + 1);
      },
      ArrowLeft: () => {
        go(step - 1);
      },
      PageDown: () => {
        go(step + 10);
      },
      PageUp: () => {
        go(step - 10);
      },
      Home: () => {
        go(0);
      },
      End: () => {
        go(lastStep);
      },
      p: () => {
        setPlaying(!running);
      },
      f: () => {
        act("forbid");
      },
      a: () => {
        act("allow");
      },
      n: () => {
        act("force");
      },
      w: () => {
        act("prioritise", 3);
      },
      z: undo,
      Escape: () => {
        setSelected(new Set());
      },
    };
    const run = keys[shortcut];
    if (run === undefined) return false;
    run();
    return true;
  });

  return (
    <div className="page session">
      <header>
        <div className="crumbs">
          <Link to="/targeting">Targeting</Link> / <h1>{session.name}</h1>
        </div>
        {session.simulated && <span className="chip">made up</span>}
        <span className="muted num">
          {session.holes} holes · {session.squares} squares · {session.tiles} tiles
        </span>
      </header>
      <div className="toolbar">
        <label className="labelled">
          Policy
          <select
            className="field"
            value={policy}
            onChange={(event) => {
              setPolicy(POLICIES.find((name) => name === event.target.value) ?? "adaptive");
            }}
          >
            {POLICIES.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label className="labelled">
          Minutes
          <select
            className="field"
            value={budget}
            onChange={(event) => {
              setBudget(Number(event.target.value));
            }}
          >
            {BUDGETS.map((value) => (
              <option key={value}>{value}</option>
            ))}
          </select>
        </label>
        <label className="labelled" title="Same patch, same square, same tile, elsewhere">
          Move minutes
          <input
            className="field moves"
            value={moves}
            aria-invalid={minutes === undefined}
            onChange={(event) => {
              setMoves(event.target.value);
            }}
          />
        </label>
        <label className="labelled">
          Good to (Å)
          <input
            className="field limit"
            type="number"
            min={1}
            max={30}
            step={0.5}
            value={limit}
            onChange={(event) => {
              const value = event.target.valueAsNumber;
              if (value > 0) setLimit(value);
            }}
          />
        </label>
        {session.features.map((name) => (
          <label key={name} className="check" title="Whether the policy may see this column">
            <input
              type="checkbox"
              checked={features.includes(name)}
              onChange={(event) => {
                setFeatures(event.target.checked ? [...features, name] : features.filter((one) => one !== name));
              }}
            />
            {name}
          </label>
        ))}
      </div>
      {minutes === undefined && (
        <p className="field-error" role="alert">
          Four numbers that do not fall: same patch, same square, same tile, elsewhere, such as 1, 2, 6, 8.
        </p>
      )}
      {query.isError && <Failure error={query.error} retry={() => void query.refetch()} />}
      <div className="session-columns">
        <section className="panel session-left">
          <SessionMap
            holes={holes}
            replay={replay}
            step={step}
            chances={chances}
            forbidden={forbidden}
            selected={selected}
            onPick={(row, extend) => {
              const rows = reachOf(holes, row, reach);
              setSelected((old) => {
                const next = new Set(extend ? old : []);
                const drop = rows.every((one) => old.has(one));
                for (const one of rows) {
                  if (drop) next.delete(one);
                  else next.add(one);
                }
                return next;
              });
            }}
          />
          <Legend chances={chances !== undefined} />
          <div className="scrubber">
            <button
              type="button"
              className="button"
              onClick={() => {
                if (!running && step === lastStep) setStep(0);
                setPlaying(!running);
              }}
            >
              {running ? "Pause" : "Play"}
            </button>
            <input
              type="range"
              aria-label="Exposure"
              min={0}
              max={lastStep}
              value={step}
              onChange={(event) => {
                go(Number(event.target.value));
              }}
            />
            <span className="num">
              {step} / {lastStep}
            </span>
          </div>
        </section>
        <aside className="session-right">
          {replay !== undefined && <Story replay={replay} step={step} busy={query.isPlaceholderData} />}
          <section className="panel card">
            <h3>Override</h3>
            <Segmented
              label="A click selects"
              value={reach}
              choices={[
                { value: "hole", name: "Hole" },
                { value: "patch", name: "Patch" },
                { value: "square", name: "Square" },
              ]}
              onChange={setReach}
            />
            <p className="muted">
              {open.length === 0
                ? "Click holes on the map (shift adds), then say what should happen from this moment on."
                : `${open.length} selected, from exposure ${step} on:`}
            </p>
            <div className="overrides">
              <button type="button" className="button" disabled={open.length === 0} onClick={() => { act("force"); }}>
                Take next <kbd>n</kbd>
              </button>
              <button type="button" className="button" disabled={open.length === 0} onClick={() => { act("forbid"); }}>
                Forbid <kbd>f</kbd>
              </button>
              <button type="button" className="button" disabled={open.length === 0} onClick={() => { act("allow"); }}>
                Allow <kbd>a</kbd>
              </button>
              <button
                type="button"
                className="button"
                disabled={open.length === 0}
                onClick={() => {
                  act("prioritise", 3);
                }}
              >
                Prefer × 3 <kbd>w</kbd>
              </button>
              <button
                type="button"
                className="button"
                disabled={selected.size !== 1}
                onClick={() => {
                  setStart([...selected][0] ?? 0);
                  setOverrides([]);
                  setSelected(new Set());
                  go(0);
                }}
              >
                Start here
              </button>
            </div>
            {overrides.length > 0 && (
              <ul className="override-list" aria-label="Overrides">
                {overrides.map((one, number) => (
                  <li key={`${one.after}-${one.action}-${one.hole_ids.join()}`}>
                    <span className="num muted">{one.after}</span> {overrideText(one)}
                    <button
                      type="button"
                      className="button quiet"
                      onClick={() => {
                        setOverrides(overrides.filter((_, other) => other !== number));
                      }}
                    >
                      Take back
                    </button>
                  </li>
                ))}
              </ul>
            )}
          </section>
        </aside>
      </div>
    </div>
  );
}

/** What happened at this exposure and why, with the table behind it. */
function Story({ replay, step, busy }: { replay: Replay; step: number; busy: boolean }) {
  const now = replay.steps[step];
  const next = replay.steps[step + 1];
  const good = goodSoFar(replay, step);
  const share = replay.possible > 0 ? replay.good / replay.possible : undefined;
  return (
    <section className="panel card" aria-busy={busy}>
      <div className="session-numbers">
        <div>
          <strong className="num">{good}</strong> good of <span className="num">{step}</span>
        </div>
        <div>
          <strong className="num">{now?.minutes.toFixed(0)}</strong> min
        </div>
        <div title="Good exposures in the whole session, and the most that was possible">
          <strong className="num">{replay.good}</strong> of <span className="num">{replay.possible}</span> possible
          {share !== undefined && ` (${percent(share)})`}
        </div>
      </div>
      <p className="session-reason" aria-live="polite">
        {next === undefined ? "The session ends here: no time is left for another exposure." : next.reason}
      </p>
      {next !== undefined && next.table.length > 0 && (
        <table className="session-table">
          <thead>
            <tr>
              <th>hole</th>
              <th>where</th>
              <th className="num">chance</th>
              <th className="num">good</th>
              <th className="num">min</th>
              <th className="num">per min</th>
            </tr>
          </thead>
          <tbody>
            {next.table.map((row) => (
              <tr key={row.hole_id}>
                <td>{row.hole_id}</td>
                <td className="muted">
                  {row.square} / {row.patch}
                </td>
                <td className="num">{percent(row.chance)}</td>
                <td className="num">{row.good.toFixed(1)}</td>
                <td className="num">{row.minutes.toFixed(0)}</td>
                <td className="num">
                  <strong>{row.good_per_minute.toFixed(2)}</strong>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Legend({ chances }: { chances: boolean }) {
  const dark = useTheme() === "dark";
  return (
    <div className="session-legend muted">
      {chances ? (
        <span>
          expected good 0 %{" "}
          <svg width="80" height="10" aria-hidden="true">
            {Array.from({ length: 10 }, (_, part) => (
              <rect key={part} x={part * 8} width="8" height="10" fill={expectationColour(part * 11, dark)} />
            ))}
          </svg>{" "}
          100 %
        </span>
      ) : (
        <span>this policy expects nothing</span>
      )}
      <span>
        <i className="dot good" /> good
      </span>
      <span>
        <i className="dot bad" /> bad
      </span>
      <span>
        <i className="dot forbidden" /> forbidden
      </span>
    </div>
  );
}

/** Limits that follow from marks, to look at before they are tried. */
import { useQuery } from "@tanstack/react-query";
import type { LearnedLimits, Limits } from "../api/client";
import * as queries from "../api/exposureQueries";
import { percent, plural } from "../logic/format";
import { type LimitEnd, limitAt, sideOf } from "../logic/judging";
import { ROWS } from "./LimitsSheet";
import { Sheet } from "./Sheet";

interface Props {
  readonly sessionId: number;
  /** Those that are looked at now. */
  readonly limits: Limits;
  readonly onTry: (limits: Limits, origin: string) => void;
  readonly onClose: () => void;
}

export function LearnSheet({ sessionId, limits, onTry, onClose }: Props) {
  const query = useQuery(queries.learnedLimits(sessionId));
  const learned = query.data;
  return (
    <Sheet
      title="Limits learned from marks"
      action="Try on the plots"
      wide
      disabled={learned === undefined || learned.moved.length === 0}
      onSubmit={() => {
        if (learned !== undefined) onTry(learned.limits, `learned from ${plural(learned.marks, "mark")}`);
      }}
      onClose={onClose}
    >
      {query.isError && <p className="field-error">{query.error.message}</p>}
      {learned === undefined && !query.isError && <p className="muted">Learning …</p>}
      {learned !== undefined && (
        <>
          <p>
            {plural(learned.marks, "mark")}, {learned.good} of them good. The default limits agree with {learned.agreed_before} of
            them, the learned ones with {learned.agreed_after}.
          </p>
          {learned.moved.length === 0 ? (
            <p className="muted">No limit moves: the marks say nothing that the limits do not say already.</p>
          ) : (
            <Changes learned={learned} limits={limits} />
          )}
          {learned.remarks.map((remark) => (
            <p key={remark} className="muted">
              {remark}
            </p>
          ))}
        </>
      )}
    </Sheet>
  );
}

const short = (value: number | null) => (value === null ? "none" : `${Number(value.toPrecision(3))}`);
/** As the server names one end of a limit. */
const nameOf = (end: LimitEnd) => (end.end === "only" ? end.limit : `${end.limit}.${end.end}`);

/** All that differs from the limits that are looked at: what the marks move, and what goes back to its default. */
function Changes({ learned, limits }: { learned: LearnedLimits; limits: Limits }) {
  const moved = new Map(learned.moved.map((one) => [one.name, one]));
  const rows = ROWS.flatMap(({ name, unit, ends }) =>
    ends
      .filter((end) => moved.has(nameOf(end)) || limitAt(limits, end) !== limitAt(learned.limits, end))
      .map((end) => ({ key: nameOf(end), name: `${name} ${sideOf(end) === "high" ? "at most" : "at least"}`, unit, end, move: moved.get(nameOf(end)) })),
  );
  return (
    <div className="table-scroll">
      <table className="learned num">
        <thead>
          <tr>
            <th scope="col">Limit</th>
            <th scope="col">Now</th>
            <th scope="col">Learned</th>
            <th scope="col">90 % between</th>
            <th scope="col">Sure</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ key, name, unit, end, move }) => (
            <tr key={key} title={move?.words}>
              <th scope="row">
                {name} <span className="muted">{unit}</span>
              </th>
              <td>{short(limitAt(limits, end))}</td>
              <td>
                <b>{short(limitAt(learned.limits, end))}</b>
              </td>
              {move === undefined ? (
                <td colSpan={2} className="muted">
                  the default: no mark moves it
                </td>
              ) : (
                <>
                  <td>{move.low === null || move.high === null ? "–" : `${short(move.low)} to ${short(move.high)}`}</td>
                  <td>{percent(move.probability)}</td>
                </>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

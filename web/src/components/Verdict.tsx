/** What was measured of a candidate beside production, and what the gate makes of it, in words. */
import { count, plural } from "../logic/format";
import { type Check, comparedMetrics, type Estimate, testSetSize, verdictOf } from "../logic/learning";
import { Icon } from "./Icon";

const POINTS = 100;

const share = (estimate: Estimate | undefined): string =>
  estimate === undefined ? "–" : `${(estimate.value * POINTS).toFixed(1)}\u00a0%`;

const signed = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(value * POINTS).toFixed(1)}`;

function tone(difference: Estimate | undefined): string {
  if (difference === undefined) return "muted";
  if (difference.low > 0) return "better";
  return difference.high < 0 ? "worse" : "";
}

export function Comparison({ evidence }: { evidence: Readonly<Record<string, unknown>> }) {
  const verdict = verdictOf(evidence);
  const metrics = comparedMetrics(evidence);
  const size = testSetSize(evidence);
  if (verdict === undefined) {
    return <p className="muted">It was not judged: its data set had no frozen test set.</p>;
  }
  // Intervals come from drawing plates anew: of one plate there is nothing to draw.
  const drawn = size?.groups !== 1;
  // Where nothing was promoted yet the default model stands beside it, and the gate asks nothing of that.
  const beside = metrics.some(({ current }) => current !== undefined);
  return (
    <div className="comparison">
      {metrics.length > 0 && (
        <div className="table-scroll">
          <table className="num">
            <caption>
              {size === undefined
                ? "On the frozen test set"
                : `On the frozen test set: ${count(size.images)} images${size.groups === undefined ? "" : ` of ${plural(size.groups, "plate")}`}`}
              {drawn ? "; in brackets 95 % intervals over plates" : "; one plate gives no interval of a difference"}
            </caption>
            <thead>
              <tr>
                <th scope="col">At the alarm threshold</th>
                {beside && <th scope="col">{verdict.current === null ? "Default model" : "In production"}</th>}
                <th scope="col">This one</th>
                {beside && <th scope="col">Difference, points</th>}
              </tr>
            </thead>
            <tbody>
              {metrics.map((metric) => (
                <tr key={metric.key}>
                  <th scope="row">{metric.name}</th>
                  {beside && <td>{share(metric.current)}</td>}
                  <td>
                    {share(metric.candidate)}
                    {!beside && metric.candidate !== undefined && (
                      <span className="muted">
                        {" "}
                        [{(metric.candidate.low * POINTS).toFixed(1)}, {(metric.candidate.high * POINTS).toFixed(1)}]
                      </span>
                    )}
                  </td>
                  {beside && (
                    <td className={drawn ? tone(metric.difference) : ""}>
                      {metric.difference === undefined
                        ? "–"
                        : drawn
                          ? `${signed(metric.difference.value)} [${signed(metric.difference.low)},\u00a0${signed(metric.difference.high)}]`
                          : signed(metric.difference.value)}
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <h4>{verdict.passed ? "The gate lets it pass" : "The gate refuses it"}</h4>
      <Checks checks={verdict.checks} />
    </div>
  );
}

export function Checks({ checks }: { checks: readonly Check[] }) {
  return (
    <ul className="checks">
      {checks.map((check) => (
        <li key={check.name} className={check.passed ? "passed" : "refused"}>
          <Icon name={check.passed ? "check" : "close"} size={14} />
          <span>
            <b>{check.name}</b>: {check.reason}
          </span>
        </li>
      ))}
    </ul>
  );
}

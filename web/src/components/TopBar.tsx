import { useQuery } from "@tanstack/react-query";
import { Link, NavLink } from "react-router";
import type { Job } from "../api/client";
import { useConnection, live } from "../api/live";
import * as queries from "../api/queries";
import { jobTitle, isFinal } from "../logic/jobs";
import { Bar } from "./basics";
import { Icon, type IconName, Logo } from "./Icon";
import { nextTheme, type ThemeChoice, useThemeChoice } from "./theme";

const PAGES: readonly { to: string; name: string; icon: IconName }[] = [
  { to: "/", name: "Plates", icon: "plates" },
  { to: "/hits", name: "Hits", icon: "hits" },
  { to: "/curation", name: "Curation", icon: "curation" },
  { to: "/learning", name: "Learning", icon: "learning" },
  { to: "/exposures", name: "Exposures", icon: "exposures" },
  { to: "/particles", name: "Particles", icon: "particles" },
  { to: "/targeting", name: "Targeting", icon: "target" },
  { to: "/models", name: "Models", icon: "models" },
  { to: "/jobs", name: "Jobs", icon: "jobs" },
];

const THEMES: Record<ThemeChoice, { icon: IconName; name: string }> = {
  system: { icon: "system", name: "Theme: as the system" },
  light: { icon: "sun", name: "Theme: light" },
  dark: { icon: "moon", name: "Theme: dark" },
};

function Running() {
  const jobs = useQuery(queries.jobs()).data?.items ?? [];
  const running: readonly Job[] = jobs.filter((job) => !isFinal(job.state));
  const first = running.find((job) => job.state === "running") ?? running[0];
  if (first === undefined) return null;
  const title = `${jobTitle(first)} ${first.subject}`;
  return (
    <Link className="running" to="/jobs" title={`${title}: ${first.message}`}>
      <Bar done={first.done} total={first.total} label={title} />
      <span className="what">{running.length > 1 ? `${running.length} jobs` : title}</span>
    </Link>
  );
}

export function TopBar({ onHelp }: { onHelp: () => void }) {
  const theme = THEMES[useThemeChoice()];
  return (
    <header className="topbar">
      <Link className="brand" to="/" aria-label="structloop: plates">
        <Logo />
        structloop
      </Link>
      <nav aria-label="Main">
        {PAGES.map((page) => (
          <NavLink key={page.to} to={page.to} end={page.to !== "/"} className={() => ""}>
            <Icon name={page.icon} />
            {page.name}
          </NavLink>
        ))}
      </nav>
      <div className="tools">
        <Running />
        <button type="button" className="button quiet icon" title={theme.name} aria-label={theme.name} onClick={nextTheme}>
          <Icon name={theme.icon} />
        </button>
        <button
          type="button"
          className="button quiet icon"
          title="Keyboard shortcuts (?)"
          aria-label="Keyboard shortcuts"
          onClick={onHelp}
        >
          <Icon name="help" />
        </button>
      </div>
    </header>
  );
}

export function OfflineBanner() {
  if (useConnection() !== "offline") return null;
  return (
    <div className="banner" role="alert">
      <Icon name="warn" />
      The server does not answer. What you see may be out of date; this page goes on by itself when the server is back.
      <button type="button" className="button quiet" onClick={live.retryNow}>
        Try now
      </button>
    </div>
  );
}

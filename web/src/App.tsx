import { QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState } from "react";
import { BrowserRouter, Link, Route, Routes } from "react-router";
import { live } from "./api/live";
import { makeQueryClient } from "./api/queries";
import { KeyboardHelp } from "./components/KeyboardHelp";
import { nextTheme } from "./components/theme";
import { Toasts } from "./components/toasts";
import { OfflineBanner, TopBar } from "./components/TopBar";
import { useShortcuts } from "./components/useShortcuts";
import { useTitle } from "./components/useTitle";
import { ExposureSessionsPage } from "./pages/ExposureSessionsPage";
import { HitsPage } from "./pages/HitsPage";
import { JobsPage } from "./pages/JobsPage";
import { ModelPage, ModelsPage } from "./pages/ModelsPage";
import { ParticleProjectPage } from "./pages/ParticleProjectPage";
import { ParticlesPage } from "./pages/ParticlesPage";
import { PlatePage } from "./pages/PlatePage";
import { PlatesPage } from "./pages/PlatesPage";
import { SessionsPage } from "./pages/SessionsPage";

const CurationPage = lazy(() => import("./pages/CurationPage"));
const ConditionPage = lazy(() => import("./pages/ConditionPage"));
const DropPage = lazy(() => import("./pages/DropPage"));
const DatasetPage = lazy(() => import("./pages/DatasetPage"));
const ExposurePage = lazy(() => import("./pages/ExposurePage"));
const ExposureSessionPage = lazy(() => import("./pages/ExposureSessionPage"));
const LearningPage = lazy(() => import("./pages/LearningPage"));
const LineagePage = lazy(() => import("./pages/LineagePage"));
const MicrographPage = lazy(() => import("./pages/MicrographPage"));
const SessionPage = lazy(() => import("./pages/SessionPage"));
const queryClient = makeQueryClient();

function NotFound() {
  useTitle("Not found");
  return (
    <div className="state">
      <h1>There is no such page</h1>
      <p>The address may be mistyped, or what it named may be gone.</p>
      <Link className="button" to="/">
        All plates
      </Link>
    </div>
  );
}

function Shell() {
  const [help, setHelp] = useState(false);
  useEffect(() => live.start(queryClient), []);
  useShortcuts((shortcut) => {
    if (shortcut === "?") setHelp(true);
    else if (shortcut === "t") nextTheme();
    else return false;
    return true;
  });
  return (
    <div className="shell">
      <TopBar
        onHelp={() => {
          setHelp(true);
        }}
      />
      <OfflineBanner />
      <main>
        <Suspense fallback={null}>
          <Routes>
            <Route path="/" element={<PlatesPage />} />
            <Route path="/plates/:plateId" element={<PlatePage />} />
            <Route path="/plates/:plateId/drops/:dropId" element={<DropPage />} />
            <Route path="/plates/:plateId/drops/:dropId/lineage" element={<LineagePage />} />
            <Route path="/hits" element={<HitsPage />} />
            <Route path="/curation" element={<CurationPage />} />
            <Route path="/curation/exposures" element={<ConditionPage />} />
            <Route path="/learning" element={<LearningPage />} />
            <Route path="/learning/datasets/:datasetId" element={<DatasetPage />} />
            <Route path="/models" element={<ModelsPage />} />
            <Route path="/models/:name" element={<ModelPage />} />
            <Route path="/jobs" element={<JobsPage />} />
            <Route path="/targeting" element={<SessionsPage />} />
            <Route path="/targeting/:sessionId" element={<SessionPage />} />
            <Route path="/exposures" element={<ExposureSessionsPage />} />
            <Route path="/exposures/:sessionId" element={<ExposureSessionPage />} />
            <Route path="/exposures/:sessionId/:exposureId" element={<ExposurePage />} />
            <Route path="/particles" element={<ParticlesPage />} />
            <Route path="/particles/:projectId" element={<ParticleProjectPage />} />
            <Route path="/particles/:projectId/:micrographId" element={<MicrographPage />} />
            <Route path="*" element={<NotFound />} />
          </Routes>
        </Suspense>
      </main>
      <Toasts />
      <KeyboardHelp
        open={help}
        onClose={() => {
          setHelp(false);
        }}
      />
    </div>
  );
}

export function App() {
  return (
    <QueryClientProvider client={queryClient}>
      <BrowserRouter>
        <Shell />
      </BrowserRouter>
    </QueryClientProvider>
  );
}

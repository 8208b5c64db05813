import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/shell.css";
import "./styles/lists.css";
import "./styles/plate.css";
import "./styles/drop.css";
import "./styles/curation.css";
import "./styles/learning.css";
import "./styles/why.css";
import "./styles/targeting.css";
import "./styles/particles.css";
import "./styles/exposures.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no element #root");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);

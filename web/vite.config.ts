import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const server = process.env.STRUCTLOOP_SERVER ?? "http://127.0.0.1:8765";

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "../src/structloop/api/web",
    emptyOutDir: true,
    // The server's content security policy allows nothing inline, so no asset becomes a data URL in a style sheet.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  server: {
    // `npm run dev` shows the interface with live reload; the data comes from a running `structloop serve`.
    proxy: { "/api": { target: server, changeOrigin: true, headers: { origin: server } } },
  },
  test: { include: ["src/**/*.test.ts"] },
});

// How Vite builds and serves the page; `npx vite` passes Socket.IO on to a node at HUBBUB_URL.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  root: new URL("src", import.meta.url).pathname,
  base: "/",
  plugins: [react()],
  // The policy allows no data: fonts or scripts, and the server hashes names for us to keep for ever.
  build: {
    outDir: new URL("dist", import.meta.url).pathname,
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    // One file: all of it is needed at once, and a test holds its size.
    chunkSizeWarningLimit: 900,
    reportCompressedSize: false,
  },
  server: {
    proxy: { "/socket.io": { target: process.env.HUBBUB_URL ?? "http://127.0.0.1:3000", ws: true } },
  },
});

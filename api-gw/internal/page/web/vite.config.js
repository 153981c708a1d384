import { defineConfig } from 'vite';

// The bundle is committed in ../dist: names without hashes, so that a change is a change of the same file.
export default defineConfig({
  base: '/',
  publicDir: 'public',
  build: {
    outDir: process.env.OUT_DIR ?? '../dist',
    emptyOutDir: true,
    assetsDir: 'page',
    target: 'es2022',
    modulePreload: false,
    license: { fileName: 'page/licenses.md' },
    rolldownOptions: {
      output: {
        entryFileNames: 'page/page.js',
        chunkFileNames: 'page/[name].js',
        assetFileNames: 'page/page[extname]',
      },
    },
  },
  // The page and the package that it uses share these.
  resolve: { dedupe: ['@noble/curves', '@noble/hashes'] },
  // `npx vite` serves the sources against a devnet: make run
  server: { proxy: { '/v1': 'http://127.0.0.1:8080', '/page/about.json': 'http://127.0.0.1:8080' } },
});

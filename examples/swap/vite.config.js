import { defineConfig } from 'vite';

export default defineConfig({
  build: { target: 'es2022' }, // the page waits at its top level
  server: { fs: { allow: ['../..'] } }, // the contracts and the package that seals are beside this folder
});

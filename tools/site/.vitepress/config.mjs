import { existsSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const page = (text, path) => ({ text, link: `/docs/${path}` });

/**
 * links leads links to folders to the README there, and takes away those to folders without one: a site has no folders. Files that are no
 * pages are beside the pages (stage.mjs), so VitePress need not look for a page of that name.
 */
function links(md) {
  md.core.ruler.push('folders and files', ({ tokens, env }) => {
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const href = token.type === 'link_open' && token.attrGet('href');
      if (!href || /^[a-z]+:|^#/.test(href)) continue;
      const path = normalize(join(dirname(env.relativePath), href.replace(/#.*/, '')));
      const what = statSync(join(root, path), { throwIfNoEntry: false });
      if (path === 'README.md') token.attrSet('href', '/'); // see rewrites
      if (what?.isFile() && !path.endsWith('.md')) token.attrSet('target', '_self');
      if (!what?.isDirectory()) continue;
      if (existsSync(join(root, path, 'README.md'))) token.attrSet('href', `/${path.replace(/\/$/, '')}/README.md`);
      else token.attrs = [];
    }
  });
}

export default {
  title: 'blindseq',
  description: 'The sequencer of an EVM rollup that nobody can front-run.',
  srcDir: '../../bin/site-pages',
  rewrites: { 'README.md': 'index.md' },
  ignoreDeadLinks: 'localhostLinks', // of a system that the reader runs; every other dead link ends the build
  markdown: { html: false, config: links },
  themeConfig: {
    outline: [2, 3],
    search: { provider: 'local' },
    sidebar: [
      { text: 'Use it', items: [{ text: 'Overview', link: '/' }, page('Tutorial', 'tutorial'), page('Wallets and dapps', 'wallets'), page('API', 'api'), { text: '@blindseq/seal', link: '/sdk/js/README' }] },
      { text: 'Run it', items: [page('Operations', 'operations'), page('Keyholders', 'keyholders'), page('Configuration', 'configuration'), page('Metrics', 'metrics'), page('Events', 'events')] },
      { text: 'Understand it', items: [page('Architecture', 'architecture'), page('Trust', 'security'), page('Reliability', 'reliability'), page('Performance', 'performance'), page('Glossary', 'glossary'), page('Decisions', 'adr/README')] },
      { text: 'Change it', items: [{ text: 'Contributing', link: '/CONTRIBUTING' }, { text: 'Changelog', link: '/CHANGELOG' }] },
    ],
  },
};

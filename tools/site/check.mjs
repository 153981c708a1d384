// Follows every link of the built site, also those of the sidebar and those to headings: VitePress looks for pages only.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const site = fileURLToPath(new URL('../../bin/site/', import.meta.url));
const pages = readdirSync(site, { recursive: true }).filter((file) => file.endsWith('.html'));
const read = (file) => readFileSync(site + file, 'utf8').replaceAll('&amp;', '&');
const ids = new Map(pages.map((page) => [page, new Set([...read(page).matchAll(/\bid="([^"]+)"/g)].map(([, id]) => id))]));

function problem(page, href) {
  const { pathname, hash } = new URL(href, `http://site/${page}`);
  let file = decodeURIComponent(pathname.slice(1));
  if (file === '' || file.endsWith('/')) file += 'index.html';
  if (!existsSync(site + file) || !statSync(site + file).isFile()) return 'no such page';
  if (hash && ids.has(file) && !ids.get(file).has(decodeURIComponent(hash.slice(1)))) return 'no such heading';
}

let links = 0;
for (const page of pages) {
  for (const [, href] of read(page).matchAll(/<a [^>]*?href="([^"]+)"/g)) {
    if (/^[a-z]+:/.test(href)) continue;
    links++;
    const wrong = problem(page, href);
    if (!wrong) continue;
    console.error(`${page}: ${href}: ${wrong}`);
    process.exitCode = 1;
  }
}
console.log(`${links} links of ${pages.length} pages`);
if (links < 1000) process.exitCode = 1;

// Gathers the pages of the repository, and the files that they link to, in bin/site-pages: VitePress takes its pages from one folder.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const to = fileURLToPath(new URL('../../bin/site-pages', import.meta.url));
const files = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
const pages = execFileSync('git', [...files, '*.md'], { cwd: root, encoding: 'utf8' }).split('\0').filter((page) => page && existsSync(join(root, page)));

function take(path, under) {
  const target = join(to, under, path);
  mkdirSync(dirname(target), { recursive: true });
  cpSync(join(root, path), target);
}

rmSync(to, { recursive: true, force: true });
for (const page of pages) {
  take(page, '');
  for (const [, link] of readFileSync(join(root, page), 'utf8').matchAll(/\]\(([^)\s#]+)[^)]*\)/g)) {
    const path = normalize(join(dirname(page), link));
    const file = !link.includes('://') && !path.startsWith('..') && existsSync(join(root, path)) && statSync(join(root, path)).isFile();
    if (!file || path.endsWith('.md')) continue;
    take(path, 'public'); // where links lead
    if (path.endsWith('.svg')) take(path, ''); // VitePress takes images from beside the page
  }
}
symlinkSync(fileURLToPath(new URL('node_modules', import.meta.url)), join(to, 'node_modules')); // what the built pages import
console.log(`${pages.length} pages`);

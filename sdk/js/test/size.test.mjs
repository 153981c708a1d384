// What a page loads: bundled, minified and compressed, under 40 kB with everything in it but the wallet library.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

for (const entry of ['index', 'viem', 'ethers']) {
  test(`${entry} is under 40 kB`, async (t) => {
    const { outputFiles, metafile } = await build({
      entryPoints: [fileURLToPath(new URL(`../dist/${entry}.js`, import.meta.url))],
      bundle: true, minify: true, format: 'esm', platform: 'browser', external: ['viem', 'ethers'], write: false, metafile: true,
    });
    const size = gzipSync(outputFiles[0].contents, { level: 9 }).length;
    t.diagnostic(`${entry}: ${size} bytes`);
    assert.ok(size < 40_000, `${size} bytes`);
    const packages = Object.keys(metafile.inputs).map((path) => /node_modules\/(@noble)\//.exec(path)?.[1] ?? (path.includes('node_modules') ? path : 'own'));
    assert.deepEqual([...new Set(packages)].sort(), ['@noble', 'own']);
  });
}

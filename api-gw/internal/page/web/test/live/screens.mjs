// Takes pictures of the page, idle and under load, and puts them into a folder: node test/live/screens.mjs <folder>
import { ask, bundler, launch, open, produce, rpc, wallet } from './system.mjs';

const folder = process.argv[2] ?? '.';
const browser = await launch();
const looks = [[1280, 'light'], [1280, 'dark'], [390, 'light'], [390, 'dark']];

async function shoot(name, path = '/', before = async () => {}) {
  for (const [width, colorScheme] of looks) {
    const page = await open(browser, path, { viewport: { width, height: 860 }, colorScheme });
    await before(page);
    await page.waitForTimeout(1500); // let the lists fill
    await page.screenshot({ path: `${folder}/${name}-${width}-${colorScheme}.png`, fullPage: true });
    await page.close();
  }
}

/** load sends transfers of some accounts, plain or through the bundler, one after the other for each, until it is told to stop. */
function load(accounts, url) {
  let stopped = false;
  const running = accounts.map(async (index) => {
    const sender = wallet(index, url);
    let nonce = Number(await ask('eth_getTransactionCount', [sender.address, 'pending'], url));
    const { chainId } = await sender.provider.getNetwork();
    while (!stopped) {
      const raw = await sender.signTransaction({ type: 2, chainId, nonce: nonce++, gasLimit: 21_000, maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 1n, to: sender.address, value: 1n });
      await ask('eth_sendRawTransactionSync', [raw], url).catch((err) => console.error(url, err.message));
    }
  });
  return async () => {
    stopped = true;
    await Promise.all(running);
  };
}

for (let i = 0; i < 3; i++) await produce();
await shoot('idle');
const stops = [load([1, 2], bundler), load([3, 4, 5, 6], rpc)];
await new Promise((resolve) => setTimeout(resolve, 3000));
await shoot('load');
await Promise.all(stops.map((stop) => stop()));
await shoot('way', '/', async (page) => {
  await page.getByLabel('To the address').fill('0x70997970c51812dc3a010c7d01b50e0d17dc79c8');
  await page.getByRole('button', { name: 'Seal and send' }).click();
  await page.locator('.way > li.done', { hasText: 'Executed' }).waitFor();
  await page.getByRole('button', { name: 'Verify the order' }).click();
});
await browser.close();

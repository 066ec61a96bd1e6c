// Looks at the reports that `run` has made: see README.md. The argument is a directory for
// screenshots, or empty.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const screenshots = process.argv[2];
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const names = ['ten', 'many', 'held-back', 'shown', 'failed', 'nothing'];
const ways = [
  [1280, 'light'],
  [1280, 'dark'],
  [360, 'light'],
  [360, 'dark'],
];

// A server has the pages, so that every request that one makes is seen, even one for an icon.
const requests = [];
const server = createServer(async (request, response) => {
  requests.push(request.url);
  const found = names.find((name) => request.url === `/${name}.html`);
  response.writeHead(found ? 200 : 404, { 'content-type': 'text/html' });
  response.end(found && (await readFile(`${found}.html`)));
}).listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const address = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic'],
});

// Opens a page, on which from then on nothing may go wrong, and which may ask for nothing.
async function open(name, width, colorScheme) {
  const page = await browser.newPage({
    viewport: { width, height: 800 },
    colorScheme,
    reducedMotion: 'reduce',
  });
  const wrong = [];
  page.on('console', (message) => wrong.push(message.text()));
  page.on('pageerror', (error) => wrong.push(error.stack));
  page.on('dialog', (dialog) => dialog.dismiss().then(() => wrong.push(`it said ${dialog.message()}`)));
  requests.length = 0;
  await page.goto(`${address}/${name}.html`, { waitUntil: 'load' });
  await page.waitForSelector('main section');
  return {
    page,
    wrong,
    close: async () => {
      assert.deepEqual(requests, [`/${name}.html`], `${name} asked for more`);
      assert.deepEqual(wrong, [], `${name}, ${width} wide, ${colorScheme}`);
      await page.close();
    },
  };
}

const visible = (page, selector) => page.locator(selector).filter({ visible: true });

async function accessible(page, what) {
  const { violations } = await page.evaluate(async () =>
    window.axe.run(document, {
      resultTypes: ['violations'],
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    }),
  );
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes[0].html} ${nodes[0].failureSummary}`);
  assert.deepEqual(told, [], what);
}

// What every page has, however wide and in whatever colours.
for (const name of names) {
  for (const [width, scheme] of ways) {
    const { page, close } = await open(name, width, scheme);
    const what = `${name}, ${width} wide, ${scheme}`;
    if (screenshots)
      await page.screenshot({ path: `${screenshots}/${name}-${width}-${scheme}.png`, fullPage: true });
    await page.evaluate(axe);
    await accessible(page, what);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= width, `${what}: it is ${wide} wide`);
    const colour = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const before = await colour();
    assert.equal(before === 'rgb(255, 255, 255)', scheme === 'light', what);
    await page.locator(scheme === 'light' ? '#dark' : '#light').check();
    assert.notEqual(await colour(), before, what);
    await page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
    await page.waitForFunction(() =>
      [...document.querySelectorAll('details')].every((one) => one.children.length > 1),
    );
    await accessible(page, `${what}, all unfolded, in the other colours`);
    await close();
  }
}

// Numbers are those of the account, and charts are there.
for (const name of names) {
  const stats = JSON.parse(await readFile(`${name}.json`, 'utf8'));
  const { page, close } = await open(name, 1280, 'light');
  const read = stats.records.read.toLocaleString('en');
  assert.equal(await page.locator('.facts dd').first().textContent(), read, name);
  const row = page
    .getByRole('row')
    .filter({ has: page.getByRole('rowheader', { name: 'read', exact: true }) });
  assert.equal(await row.getByRole('cell').textContent(), read, name);
  assert.match(await page.locator('#ending').textContent(), new RegExp(`exit code ${stats.exit_code}\\)`));
  const charts = await page.getByRole('slider').count();
  assert.equal(charts, { ten: 4, many: 4, 'held-back': 4, shown: 4, failed: 4, nothing: 0 }[name], name);
  if (name === 'ten') assert.equal(await page.getByText('All ranges as a table').count(), 1);
  if (name === 'many') {
    assert.equal(stats.records.read, 100_000);
    assert.match(
      await page.locator('main').textContent(),
      /There were 100,000 ranges: too many to be told one by one/,
    );
  }
  await close();
}

// By keyboard: the charts can be reached, walked through and left, and what they say changes.
for (const name of ['ten', 'many', 'shown']) {
  const { page, close } = await open(name, 360, 'dark');
  const seen = new Set();
  for (let presses = 0; presses < 200 && seen.size < 4; presses += 1) {
    await page.keyboard.press('Tab');
    const focused = page.locator(':focus');
    if ((await focused.getAttribute('role')) !== 'slider') continue;
    const label = await focused.getAttribute('aria-label');
    seen.add(label);
    const outline = await focused.evaluate((element) => getComputedStyle(element).outlineWidth);
    assert.ok(parseFloat(outline) >= 2, `${label}: the focus cannot be seen`);
    const value = () => focused.getAttribute('aria-valuetext');
    await page.keyboard.press('Home');
    const first = await value();
    await page.keyboard.press('ArrowRight');
    const second = await value();
    await page.keyboard.press('End');
    // A short run has few moments to walk through.
    const bound = async (end) => Number(await focused.getAttribute(`aria-value${end}`));
    const steps = (await bound('max')) - (await bound('min')) + 1;
    assert.equal(
      new Set([first, second, await value()]).size,
      Math.min(3, steps),
      `${label} of ${name}: ${first}, ${second}, ${await value()}`,
    );
    if (label.startsWith('Timeline')) {
      await page.keyboard.press('Home');
      await page.keyboard.press('ArrowDown');
      assert.match(await value(), /^Worker 1,/);
      await page.keyboard.press('ArrowUp');
      assert.match(await value(), /^Worker 0,/);
    }
    const tip = focused.locator('.tip');
    assert.equal((await tip.textContent()).replaceAll('\n', ', '), await value());
    const box = await tip.boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 360, `${label}: ${JSON.stringify(box)}`);
    await page.keyboard.press('Escape');
    assert.equal(await visible(page, '.tip').count(), 0);
  }
  assert.equal(seen.size, 4, [...seen].join());
  await close();
}

// By pointer: what is under it is told.
{
  const { page, close } = await open('shown', 1280, 'light');
  for (const chart of await page.getByRole('slider').all()) {
    await chart.scrollIntoViewIfNeeded();
    const { x, y, width, height } = await chart.boundingBox();
    await page.mouse.move(x + width / 2, y + height / 2 - 12);
    assert.equal(await visible(page, '.tip').count(), 1, await chart.getAttribute('aria-label'));
  }
  await close();
}

// Failures are grouped by cause, with what is private or the hint that it is held back.
for (const name of ['shown', 'held-back']) {
  const { page, close } = await open(name, 1280, 'light');
  const main = await page.locator('main').textContent();
  const causes = await page.locator('.cause h3').allTextContents();
  assert.deepEqual(
    causes.sort(),
    ['1 record: timeout', '30 records: rejected', '30 records: rejected', '30 records: trap'],
    name,
  );
  assert.ok(main.includes('</script><img src=x onerror=alert(1)>.ndjson'), name);
  const hint = /Held back, because they may hold private data: .*--show-records shows them/.test(main);
  assert.equal(hint, name === 'held-back');
  for (const words of ['<script>alert(2)</script>', '{"type":7}', 'traps', 'missing field']) {
    assert.equal(main.includes(words), name === 'shown', `${name}: ${words}`);
  }
  assert.match(main, /ran longer than --timeout allows/);
  await close();
}

// Nothing became an element, and nothing could: the policy stops what the page did not come with.
{
  const { page, wrong } = await open('shown', 1280, 'light');
  assert.equal(await page.locator('img, iframe, object, form, b, script[src]').count(), 0);
  const stopped = await page.evaluate(async (address) => {
    const stopped = [];
    const tried = async (what, attempt) => {
      try {
        await attempt();
      } catch {
        stopped.push(what);
      }
    };
    await tried('HTML', () => {
      document.body.innerHTML = '<img src=x>';
    });
    await tried('script', () => {
      document.createElement('script').textContent = 'window.pwned = 1';
    });
    await tried('fetch', () => fetch(address));
    await tried(
      'image',
      () =>
        new Promise((resolve, reject) => {
          const image = document.createElement('img');
          [image.onload, image.onerror] = [resolve, reject];
          image.src = `${address}/image`;
        }),
    );
    await tried('handler', () => document.body.setAttribute('onclick', 'window.pwned = 2'));
    const style = document.createElement('style');
    style.textContent = 'body { color: red }';
    document.head.append(style);
    if (getComputedStyle(document.body).color !== 'rgb(255, 0, 0)') stopped.push('style');
    if (window.pwned !== undefined) stopped.length = 0;
    return stopped;
  }, address);
  assert.deepEqual(stopped, ['HTML', 'script', 'fetch', 'image', 'handler', 'style'], wrong.join('\n'));
  assert.deepEqual(requests, ['/shown.html']);
  await page.close();
}

await browser.close();
server.close();
console.log(`${names.length} reports are as they should be, in each of ${ways.length} ways`);

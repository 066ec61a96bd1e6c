// Charts: their axes and legends, and how one is walked through.

const LEFT = 56;
const RIGHT = 12;
const BOTTOM = 34;

// Round numbers from 0 to `most` or a little more.
function ticks(most, about) {
  if (!(most > 0)) return [0];
  const rough = most / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough * 0.999);
  return Array.from({ length: Math.ceil((most / step) * 0.999) + 1 }, (_, at) => at * step);
}

// The lines behind a chart, with round numbers beside them.
function levels(top, height, most, words) {
  const values = ticks(most, height / 45);
  const end = values.at(-1) || 1;
  const y = (value) => top + height - (height * value) / end;
  const drawn = values.flatMap((value) => [
    svg('line', { class: value ? 'grid' : 'axis', x1: LEFT, x2: '100%', y1: y(value), y2: y(value) }),
    svg('text', { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, words(value)),
  ]);
  return { y, drawn };
}

// When the charts begin: with the run, or with the first worker where that was long in coming.
const begin = (() => {
  const { online, end } = data.milestones;
  return online > end / 3 ? Math.floor(online / data.buckets.width) * data.buckets.width : 0;
})();

// The axis of time, to the end of the run.
function timeAxis(width, y) {
  const end = Math.max(data.milestones.end, begin + 1);
  const inner = width - LEFT - RIGHT;
  const x = (time) => LEFT + (inner * (Math.max(begin, Math.min(time, end)) - begin)) / (end - begin);
  const step = ticks(end - begin, Math.max(2, inner / 75))[1];
  const values = [];
  for (let value = Math.ceil(begin / step) * step; value <= end; value += step) values.push(value);
  const anchor = (value) =>
    x(value) - LEFT < 20 ? 'start' : x(value) > width - RIGHT - 20 ? 'end' : 'middle';
  const drawn = values.flatMap((value) => [
    svg('line', { class: 'axis', x1: x(value), x2: x(value), y1: y, y2: y + 4 }),
    svg('text', { x: x(value), y: y + 17, 'text-anchor': anchor(value) }, moment(value, step)),
  ]);
  drawn.push(svg('text', { x: width - RIGHT, y: y + 31, 'text-anchor': 'end' }, 'time since the beginning'));
  return { x, drawn, at: (px) => begin + ((end - begin) * (px - LEFT)) / inner };
}

// Charts, and what draws each anew if its width has changed.
const charts = new Map();

// A chart that is drawn again when its width changes, and that can be walked through: it is a
// slider whose values are what it shows, for the keyboard, the pointer and screen readers alike.
//
// `draw(width)` gives { height, drawn, points, describe(point), mark(point), nearest(x, y),
// turn(point, by) }, where a point is any number from 0 to `points`, and `turn` what the keys
// up and down do where that is another than one step.
function chart(label, help, draw) {
  const tip = html('div', { class: 'tip', hidden: true, 'aria-hidden': true });
  const picture = svg('svg', { 'aria-hidden': true });
  const box = html('div', {
    class: 'chart',
    role: 'slider',
    tabindex: 0,
    'aria-label': label,
    'aria-description': help,
  });
  box.append(picture, tip);
  let shown = null;
  let at = null;
  const hide = () => {
    tip.hidden = true;
    picture.querySelector('.cursors')?.replaceChildren();
  };
  const show = (point) => {
    if (!shown.points) return;
    at = Math.max(0, Math.min(shown.points - 1, point));
    const words = shown.describe(at);
    box.setAttribute('aria-valuenow', at);
    box.setAttribute('aria-valuetext', words.replaceAll('\n', ', '));
    const { marks, x, y, below = y + 18 } = shown.mark(at);
    picture.querySelector('.cursors').replaceChildren(...marks);
    tip.textContent = words;
    tip.hidden = false;
    const room = box.clientWidth - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(room, x - tip.offsetWidth / 2))}px`;
    tip.style.top = `${y > tip.offsetHeight + 12 ? y - tip.offsetHeight - 12 : below}px`;
  };
  const redraw = () => {
    const width = Math.max(280, box.clientWidth);
    if (width === shown?.width) return;
    shown = { width, ...draw(width) };
    picture.setAttribute('viewBox', `0 0 ${width} ${shown.height}`);
    picture.setAttribute('height', shown.height);
    picture.replaceChildren(...shown.drawn, svg('g', { class: 'cursors' }));
    tip.hidden = true;
    at = null;
    const last = Math.max(0, shown.points - 1);
    for (const [key, value] of [
      ['min', 0],
      ['max', last],
      ['now', 0],
    ])
      box.setAttribute(`aria-value${key}`, value);
    box.setAttribute('aria-valuetext', shown.points ? shown.describe(0).replaceAll('\n', ', ') : 'nothing');
  };
  box.addEventListener('keydown', (event) => {
    const turn = shown.turn ?? ((point, by) => point - by);
    const here = at ?? 0;
    const moves = {
      ArrowLeft: () => (at === null ? 0 : here - 1),
      ArrowRight: () => (at === null ? 0 : here + 1),
      ArrowUp: () => turn(here, -1),
      ArrowDown: () => turn(here, 1),
      PageUp: () => here + Math.ceil(shown.points / 10),
      PageDown: () => here - Math.ceil(shown.points / 10),
      Home: () => 0,
      End: () => shown.points - 1,
    };
    if (event.key === 'Escape') hide();
    else if (shown.points && moves[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      show(moves[event.key]());
    }
  });
  const point = (event) => {
    const place = picture.getBoundingClientRect();
    const nearest = shown.nearest(event.clientX - place.left, event.clientY - place.top);
    if (nearest === null) hide();
    else show(nearest);
  };
  box.addEventListener('pointermove', point);
  box.addEventListener('pointerdown', point);
  box.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && hide());
  box.addEventListener('focus', () => box.matches(':focus-visible') && show(at ?? 0));
  box.addEventListener('blur', hide);
  charts.set(box, redraw);
  return box;
}

function legend(...entries) {
  const shapes = {
    box: (style) => svg('rect', { class: style, width: 16, height: 10, y: 2 }),
    line: (style) => svg('line', { class: style, x1: 0, x2: 22, y1: 7, y2: 7 }),
    cross: (style) => svg('path', { class: style, d: 'M3 2l9 9m0 -9l-9 9' }),
    triangle: (style) => svg('path', { class: style, d: 'M7 2l6 10h-12z' }),
  };
  return html(
    'ul',
    { class: 'legend' },
    ...entries
      .filter(Boolean)
      .map(([shape, style, text]) =>
        html(
          'li',
          {},
          svg('svg', { width: 22, height: 14, 'aria-hidden': true }, shapes[shape](style)),
          text,
        ),
      ),
  );
}

const rectangle = (x, y, width, height) =>
  `M${x.toFixed(2)} ${y.toFixed(2)}h${width.toFixed(2)}v${height.toFixed(2)}h${(-width).toFixed(2)}z`;

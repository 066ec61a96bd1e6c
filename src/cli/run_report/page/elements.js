// Elements of the page: sections, notes, tables.

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== false));
  return element;
}

const html = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);

const svg = (name, attributes = {}, ...children) =>
  fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);

function section(id, title, ...children) {
  const heading = html('h2', { id }, title);
  main.append(html('section', { 'aria-labelledby': id }, heading, ...children));
  document.getElementById('sections').append(html('li', {}, html('a', { href: '#' + id }, title)));
}

const note = (...words) => html('p', { class: 'note' }, ...words);

let tables = 0;

// A table; columns whose names begin with `#` hold numbers. A cell is a text or an element.
function table(caption, columns, rows) {
  const numeric = columns.map((name) => name.startsWith('#'));
  const head = columns.map((name, at) =>
    html('th', { scope: 'col', class: numeric[at] && 'number' }, name.replace('#', '')),
  );
  const body = rows.map((row) =>
    html(
      'tr',
      {},
      ...row.map((cell, at) =>
        at === 0 && !numeric[0]
          ? html('th', { scope: 'row' }, cell)
          : html('td', { class: numeric[at] && 'number' }, cell),
      ),
    ),
  );
  // Outside of what scrolls to the side, so that it can be read as a whole.
  tables += 1;
  const id = `table-${tables}`;
  return html(
    'div',
    {},
    html('p', { id, class: 'caption' }, caption),
    html(
      'div',
      { class: 'scroll', role: 'group', 'aria-labelledby': id, tabindex: 0 },
      html(
        'table',
        { 'aria-labelledby': id },
        html('thead', {}, html('tr', {}, ...head)),
        html('tbody', {}, ...body),
      ),
    ),
  );
}

const folded = (summary, ...children) => html('details', {}, html('summary', {}, summary), ...children);

// The table is made when it is wanted: it may be long.
function foldedTable(summary, make) {
  const details = folded(summary);
  details.addEventListener(
    'toggle',
    () => details.open && details.children.length === 1 && details.append(make()),
  );
  return details;
}

const name = (text) => html('span', { class: 'name' }, text);

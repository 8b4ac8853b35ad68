'use strict';
(() => {
  const table = document.getElementById('leaderboard');
  const form = document.getElementById('filters');
  const body = table.tBodies[0];
  const rows = [...body.rows];

  const filter = () => {
    let shown = 0;
    for (const row of rows) {
      const fits = [...form.querySelectorAll('select')].every(
        (select) => !select.value || row.dataset[select.name] === select.value,
      );
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    document.getElementById('shown').textContent = `${shown} of ${rows.length} rows`;
  };
  form.hidden = false;
  form.addEventListener('change', filter);
  form.addEventListener('submit', (event) => event.preventDefault());
  filter();

  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent;
    const number = parseFloat(text);
    return text !== '' && !Number.isNaN(number) ? number : text;
  };
  const compare = (one, other) => {
    const numbers = [typeof one, typeof other].map((type) => type === 'number');
    if (numbers[0] && numbers[1]) return one - other;
    if (numbers[0] !== numbers[1]) return numbers[0] ? -1 : 1;
    return one.localeCompare(other);
  };
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener('click', () => {
      const order = heading.getAttribute('aria-sort') === 'ascending' ? 'descending' : 'ascending';
      for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
      heading.setAttribute('aria-sort', order);
      const sign = order === 'ascending' ? 1 : -1;
      rows.sort((one, other) => sign * compare(value(one, column), value(other, column)));
      body.append(...rows);
    });
  });
})();

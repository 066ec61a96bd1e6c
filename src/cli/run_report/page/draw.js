// The page, drawn: each section, and charts whenever their width changes.

header();
for (const part of [glance, throughput, workers, times, failures, account, command]) part();
const observer = new ResizeObserver((entries) => entries.forEach(({ target }) => charts.get(target)()));
charts.forEach((_, box) => observer.observe(box));

'use strict';
// node array.js FILE OUT
//
// One process, the whole array in memory: keeps the cities of Switzerland.

const fs = require('node:fs');

const [file, out] = process.argv.slice(2);
const kept = JSON.parse(fs.readFileSync(file)).filter((city) => city.country === 'CH');
fs.writeFileSync(out, kept.map((city) => `${JSON.stringify(city)}\n`).join(''));

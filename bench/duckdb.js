// Runs one query in a process of its own: node duckdb.js MODULE QUERY-FILE.
const { readFileSync } = require('fs');
const { availableParallelism } = require('os');
const { DuckDBInstance } = require(process.argv[2]);

(async () => {
  const instance = await DuckDBInstance.create(':memory:', { threads: String(availableParallelism()) });
  const connection = await instance.connect();
  await connection.run('SET preserve_insertion_order = false');
  await connection.run(readFileSync(process.argv[3], 'utf8'));
})();

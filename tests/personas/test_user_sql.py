"""SQL of users: what only reads is let through, and whatever does more is refused before it is run."""

from pathlib import Path

import duckdb
import pytest

from populace.core.database import CONFIG
from populace.core.errors import SetupError
from populace.core.query import QueryError, ask, check_query

ATTACKS = r"""
EXPLAIN ANALYZE COPY t TO 'x.csv'
EXPLAIN ANALYZE COPY (SELECT 1) TO 'run.duckdb'
EXPLAIN COPY t TO 'x'
EXPLAIN (ANALYZE) CREATE TEMP TABLE x AS SELECT 1
EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1
EXPLAIN ANALYZE INSERT INTO t VALUES (1)
EXPLAIN /* a */ ANALYZE -- b ¶ DELETE FROM t
EXPLAIN ANALYZE UPDATE t SET a = 1
EXPLAIN ANALYZE FORCE CHECKPOINT
EXPLAIN ANALYZE SELECT pg_sleep(1)
explain (format json) select sleep_ms(1000)
EXPLAIN ANALYZE WITH x AS (COPY t TO 'x') SELECT 1
WITH x AS (COPY (SELECT 1) TO 'run.duckdb') SELECT 1
WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM x
WITH x AS (UPDATE t SET a = 1 RETURNING *) SELECT * FROM x
WITH x AS MATERIALIZED (DELETE FROM t RETURNING *) SELECT * FROM x
SELECT * FROM (WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x)
CREATE TABLE x AS PIVOT t ON a USING sum(b)
CREATE TEMP TABLE x AS PIVOT t ON a USING sum(b)
INSERT INTO t PIVOT t ON a USING sum(b)
COPY (PIVOT t ON a USING sum(b)) TO 'x.csv'
EXPLAIN ANALYZE CREATE TEMP TABLE x AS PIVOT t ON a USING sum(b)
PIVOT (SELECT pg_sleep(1) AS a) ON a USING count(*)
PIVOT (FROM read_csv('x.csv')) ON a USING count(*)
PIVOT (FROM "query" /* hidden */ ('SELECT 1')) ON a USING count(*)
WITH x AS (COPY t TO 'x') SELECT * FROM (PIVOT t ON a USING count(*))
WITH x AS NOT MATERIALIZED (DELETE FROM t RETURNING *) PIVOT x ON a USING count(*)
EXPLAIN ANALYZE PIVOT (SELECT sleep_ms(9) AS a) ON a USING count(*)
FORCE CHECKPOINT
CHECKPOINT
COMMIT
ROLLBACK
BEGIN TRANSACTION
CREATE TEMP TABLE x (a INTEGER)
CREATE TEMP VIEW x AS SELECT 1
CREATE TEMP MACRO f(x) AS x + 1
CREATE SEQUENCE s
CREATE SECRET x (TYPE http)
CREATE TYPE x AS ENUM (SELECT 'a')
DROP TABLE t
ALTER TABLE t ADD COLUMN x INTEGER
TRUNCATE t
MERGE INTO t USING u ON a = b WHEN MATCHED THEN DELETE
SET threads = 1
SET VARIABLE x = 1
RESET threads
PRAGMA enable_profiling
PRAGMA force_checkpoint
CALL pragma_database_size()
CALL force_checkpoint()
LOAD json
INSTALL httpfs
ATTACH ':memory:' AS other
DETACH other
USE other
VACUUM
ANALYZE
EXPORT DATABASE 'x'
IMPORT DATABASE 'x'
COPY FROM DATABASE a TO b
PREPARE p AS SELECT 1
EXECUTE p
DEALLOCATE p
SELECT 1; SELECT 2
SELECT 1; DROP TABLE t
SELECT pg_sleep(3) IS NULL
SELECT PG_Sleep(3)
SELECT "pg_sleep"(3)
SELECT system.main.sleep_ms(3)
SELECT (3).sleep_ms()
SELECT list_transform([1], lambda x: pg_sleep(x))
SELECT [pg_sleep(x) FOR x IN [1]]
SELECT CASE WHEN a THEN pg_sleep(1) END FROM t
SELECT count(*) FILTER (WHERE pg_sleep(1) IS NULL) FROM t
SELECT 1 FROM t ORDER BY pg_sleep(1)
SELECT 1 FROM t JOIN u ON pg_sleep(1) IS NULL
SELECT sum(sleep_ms(1)) OVER (ORDER BY a) FROM t
SELECT 1 LIMIT (SELECT nextval('s'))
SELECT nextval('s')
SELECT setval('s', 3)
SELECT currval('s')
SELECT getenv('HOME')
SELECT current_setting('home_directory')
SELECT write_log('x')
FROM read_csv('/etc/passwd')
FROM read_text('/etc/passwd')
FROM read_blob('run.duckdb')
FROM read_json_auto('x')
FROM parquet_scan('x')
FROM "read_parquet"('x')
FROM glob('/*')
FROM sniff_csv('x')
FROM query('SELECT 1')
FROM query_table('t')
FROM json_execute_serialized_sql('{}')
FROM (SELECT * FROM t WHERE EXISTS (FROM read_text('x')))
FROM duckdb_secrets()
FROM duckdb_settings()
FROM duckdb_settings
FROM duckdb_logs()
FROM which_secret('s3://x', 's3')
FROM force_checkpoint()
FROM checkpoint()
FROM enable_logging()
FROM enable_profiling()
FROM truncate_duckdb_logs()
FROM read_duckdb('other.duckdb')
FROM seq_scan('t')
FROM pandas_scan(1)
FROM pg_catalog.pg_settings
DESCRIBE SELECT pg_sleep(1)
SUMMARIZE FROM read_csv('x')
SELECT json_serialize_plan('SELECT 1')
VALUES (pg_sleep(1))
"""

QUERIES = r"""
SELECT 1
-- why ¶ FROM t
FROM t SELECT a WHERE b > 1
VALUES (1, 'a'), (2, 'b')
TABLE t
(SELECT 1) UNION ALL (SELECT 2)
SELECT a FROM t INTERSECT SELECT a FROM u
SELECT a FROM t EXCEPT ALL SELECT a FROM u
SELECT 1 AS a UNION ALL BY NAME SELECT 2 AS b
WITH x AS (SELECT 1 AS a) SELECT * FROM x
WITH x AS MATERIALIZED (FROM t), y AS (FROM x) FROM y
WITH RECURSIVE x(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM x WHERE a < 9) FROM x
WITH RECURSIVE x(a, b) USING KEY (a) AS (SELECT 1, 2 UNION SELECT a, b + 1 FROM x WHERE b < 5) FROM x
DESCRIBE t
DESCRIBE SELECT 1
SUMMARIZE t
SHOW TABLES
SHOW ALL TABLES
SHOW t
EXPLAIN SELECT 1
EXPLAIN ANALYZE SELECT 1
EXPLAIN (FORMAT json) SELECT 1
EXPLAIN FROM t
EXPLAIN (SELECT 1)
EXPLAIN PIVOT t ON a USING sum(b)
PIVOT t ON a USING sum(b)
PIVOT t ON a USING sum(b) GROUP BY c;  -- all; of them
PIVOT t ON a IN (1, 2) USING sum(b), max(b)
PIVOT (SELECT lower(a) AS a, "left"(b, 2) AS b FROM t) ON a USING count(*)
FROM (PIVOT t ON a USING sum(b)) WHERE c > 1
WITH p AS (PIVOT t ON a USING sum(b)) FROM p
WITH p AS (SELECT 1 AS a, 2 AS "update") PIVOT p ON a USING sum("update")
SELECT * FROM t PIVOT (sum(b) FOR a IN ('x', 'y'))
UNPIVOT t ON a, b INTO NAME name VALUE value
UNPIVOT t ON COLUMNS(* EXCLUDE (c)) INTO NAME n VALUE v
SELECT row_number() OVER (PARTITION BY a ORDER BY b DESC) FROM t QUALIFY row_number() OVER (ORDER BY a) = 1
SELECT avg(b) OVER (ORDER BY a ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM t
SELECT lag(a, 1, 0) OVER w, rank() OVER w FROM t WINDOW w AS (PARTITION BY a ORDER BY b)
SELECT list_transform(l, lambda x: x + 1), list_filter(l, lambda x: x > 1), list_reduce(l, lambda x, y: x + y) FROM t
SELECT [x * 2 FOR x IN l IF x > 1] FROM t
SELECT regexp_extract(a, '(\w+) (\w+)', ['x', 'y']), a ~ 'b+', regexp_replace(a, 'b', 'c', 'g') FROM t
SELECT a LIKE 'b%', a ILIKE 'B%', a SIMILAR TO 'b.*', a GLOB 'b*', a NOT LIKE '' FROM t
SELECT j ->> '$.a', j -> 'b', json_extract(j, '$.c'), json_keys(j), json_array_length(j) FROM t
SELECT key, value FROM t, json_each(t.j)
FROM json_tree('{"a": 1}')
SELECT to_json(t), json_group_array(a), json_object('a', b) FROM t GROUP BY ALL
SELECT * FROM t ASOF JOIN u ON t.a = u.a AND t.b >= u.b
SELECT * FROM t, LATERAL (SELECT * FROM u WHERE u.a = t.a LIMIT 1)
SELECT * FROM t LEFT JOIN u USING (a) FULL JOIN v ON v.a = u.a
FROM t SEMI JOIN u USING (a)
FROM t ANTI JOIN u USING (a)
FROM t POSITIONAL JOIN u
SELECT * FROM range(5) AS r(i)
SELECT * FROM generate_series(DATE '2026-01-01', DATE '2026-02-01', INTERVAL 1 DAY)
SELECT unnest([1, 2]), unnest({'a': 1}, recursive := true)
SELECT * FROM unnest([1, 2]) WITH ORDINALITY AS u(a, i)
SELECT a, count(*) FROM t GROUP BY CUBE (a, b), ROLLUP (c) HAVING count(*) > 1 ORDER BY ALL LIMIT 10 OFFSET 2
SELECT grouping(a), count(*) FROM t GROUP BY GROUPING SETS ((a), ())
SELECT * EXCLUDE (a) REPLACE (b + 1 AS b) RENAME (c AS d) FROM t
SELECT COLUMNS('a.*') + 1, min(COLUMNS(*)) FROM t
SELECT quantile_cont(a, [0.25, 0.5]), arg_max(a, b), histogram(a), approx_count_distinct(b), mode(a) FROM t
SELECT string_agg(a, ', ' ORDER BY b), list(a) FILTER (WHERE b > 1) FROM t
SELECT corr(a, b), regr_slope(a, b), stddev_samp(a), entropy(a) FROM t
SELECT date_trunc('week', d), d + INTERVAL 3 DAY, strftime(d, '%Y'), epoch(d), d AT TIME ZONE 'UTC' FROM t
SELECT levenshtein(a, b), jaro_winkler_similarity(a, b), md5(a), hash(a) FROM t
SELECT array_cosine_similarity([1, 2]::FLOAT[2], [3, 4]::FLOAT[2]), l[1:2], l[-1], s.f, m['k'] FROM t
SELECT CASE a WHEN 1 THEN 'x' ELSE 'y' END, coalesce(a, b), nullif(a, b), if(a, 1, 2), a IS DISTINCT FROM b FROM t
SELECT a::DECIMAL(5, 2), TRY_CAST(b AS DATE), CAST(c AS ENUM ('x')), TRY(1 / 0) FROM t
SELECT a IN (SELECT b FROM u), EXISTS (FROM u), a = ANY (SELECT b FROM u), (SELECT max(b) FROM u) FROM t
SELECT random(), uuid(), now(), today(), current_date, current_timestamp, setseed(0.5)
SELECT * FROM t USING SAMPLE 10 PERCENT (bernoulli, 7)
SELECT * FROM t TABLESAMPLE reservoir(20 ROWS)
SELECT table_name, estimated_size FROM duckdb_tables()
SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 't'
SELECT table_name FROM information_schema.tables
FROM pragma_table_info('t')
FROM pragma_storage_info('t')
SELECT a.lower().trim(), t.a FROM t
SELECT DISTINCT ON (a) a, b FROM t ORDER BY a, b
SELECT struct_pack(x := a), MAP {'k': 1}, {'a': 1}.a, row(1, 2) FROM t
SELECT ? + $2
SELECT $name
SELECT histogram FROM histogram('t', 'a')
SELECT mine(a), lower(a) FROM t
SELECT 'pg_sleep(1); DROP TABLE t' -- read_csv('x')
SELECT bar(a, 0, 10), printf('%d', a), format('{}', a), chr(10), repeat('-', 3) FROM t
SELECT "copy", "insert" FROM t AS "delete"
SELECT error('late')
"""


def cases(text: str) -> list[str]:
    """One case a line, in which a line break is written as a sign."""
    return [line.replace("¶", "\n") for line in text.strip().splitlines()]


@pytest.mark.parametrize("sql", cases(ATTACKS))
def test_what_does_more_than_read_is_refused_before_it_is_run(sql: str) -> None:
    with pytest.raises(SetupError) as refused:
        check_query(sql)
    assert "refused" in str(refused.value) or "One statement at a time" in str(refused.value)


@pytest.mark.parametrize("sql", cases(QUERIES))
def test_what_reads_is_let_through(sql: str) -> None:
    check_query(sql)


def test_no_refused_statement_touches_a_file_however_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "run.duckdb"
    with duckdb.connect(path) as con:
        con.execute("CREATE TABLE t AS SELECT range AS a, range % 3 AS b FROM range(9)")
    before = path.read_bytes()
    with duckdb.connect(path, read_only=True, config=dict(CONFIG)) as con:
        for sql in cases(ATTACKS):
            with pytest.raises((QueryError, duckdb.Error)):
                ask(con, sql).result()
        for sql in ("PIVOT t ON b USING sum(a)", "SUMMARIZE t", "EXPLAIN ANALYZE FROM t", "DESCRIBE t"):
            assert ask(con, sql).result().rows
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_sql_fails_with_the_words_of_the_database() -> None:
    with pytest.raises(duckdb.Error, match="syntax error"):
        check_query("SELEC 1")
    with pytest.raises(SetupError, match="NUL"):
        check_query("SELECT 1\0; DROP TABLE t")
    with pytest.raises(SetupError, match="0 were given"):
        check_query("-- nothing")


def test_sql_that_is_nested_too_deeply_is_refused_in_one_sentence() -> None:
    with pytest.raises((SetupError, duckdb.Error)):
        check_query(f"SELECT {'(SELECT ' * 3000} 1 {')' * 3000}")

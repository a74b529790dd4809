CREATE TABLE imported_files (
    file INTEGER PRIMARY KEY,
    name VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    bytes BIGINT NOT NULL,
    format VARCHAR NOT NULL,
    settings JSON NOT NULL,
    read_to BIGINT NOT NULL,
    rows BIGINT NOT NULL,
    new BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    complete BOOLEAN NOT NULL,
    imported_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE imported_files IS 'Files that were imported. A file is committed in parts, each together with how far it got, so an import that was cut off goes on from there';
COMMENT ON COLUMN imported_files.file IS 'Number of the file, from 1';
COMMENT ON COLUMN imported_files.name IS 'Its name, without folders';
COMMENT ON COLUMN imported_files.sha256 IS 'SHA-256 of its bytes, hexadecimal: which file it was, exactly';
COMMENT ON COLUMN imported_files.bytes IS 'Its size as it was given, compressed or not';
COMMENT ON COLUMN imported_files.format IS 'personahub, tasks, elite, nemotron or table';
COMMENT ON COLUMN imported_files.settings IS 'What was asked for: columns, source, licence, revision, language, greatest length';
COMMENT ON COLUMN imported_files.read_to IS 'Line or row up to which the file is in the hub';
COMMENT ON COLUMN imported_files.rows IS 'Rows of it that are in the hub, in imports';
COMMENT ON COLUMN imported_files.new IS 'People that it brought; in the other rows stood texts that the hub had already';
COMMENT ON COLUMN imported_files.skipped IS 'Rows of it that were left out';
COMMENT ON COLUMN imported_files.complete IS 'False for a file whose import was cut off; the same command goes on with it';
COMMENT ON COLUMN imported_files.imported_at IS 'UTC, of the last part';

CREATE TABLE skipped_rows (
    file INTEGER NOT NULL,
    reason VARCHAR NOT NULL,
    rows BIGINT NOT NULL,
    first BIGINT[] NOT NULL
);
COMMENT ON TABLE skipped_rows IS 'Why rows of imported files were left out: one row for each file and reason';
COMMENT ON COLUMN skipped_rows.file IS 'Number of the file in imported_files';
COMMENT ON COLUMN skipped_rows.reason IS 'The reason in words';
COMMENT ON COLUMN skipped_rows.rows IS 'How many rows';
COMMENT ON COLUMN skipped_rows.first IS 'Lines or rows of the first few';

CREATE TABLE imports (
    persona VARCHAR NOT NULL,
    file INTEGER NOT NULL,
    row BIGINT NOT NULL,
    source VARCHAR NOT NULL,
    licence VARCHAR,
    revision VARCHAR,
    attributes JSON,
    imported_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE imports IS 'Where imported people come from: one row for each row that was read, so a text that was read twice has two';
COMMENT ON COLUMN imports.persona IS 'Persona';
COMMENT ON COLUMN imports.file IS 'Number of the file in imported_files';
COMMENT ON COLUMN imports.row IS 'Line of a text file, or row of a table, from 1';
COMMENT ON COLUMN imports.source IS 'Name of the source: as given, else that of the file';
COMMENT ON COLUMN imports.licence IS 'Licence of the source (SPDX where there is one); null where none was stated';
COMMENT ON COLUMN imports.revision IS 'Revision of the source, such as a commit or a date';
COMMENT ON COLUMN imports.attributes IS 'The other columns of the row by name, without those that hold nothing';
COMMENT ON COLUMN imports.imported_at IS 'UTC';

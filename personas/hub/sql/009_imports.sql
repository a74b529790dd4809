CREATE TABLE repeated_rows (
    file INTEGER NOT NULL,
    row BIGINT NOT NULL,
    first_file INTEGER NOT NULL,
    first_row BIGINT NOT NULL
);
COMMENT ON TABLE repeated_rows IS 'Rows of imported files that an earlier file had brought: imports has each of them once';
COMMENT ON COLUMN repeated_rows.file IS 'Number of the later file in imported_files';
COMMENT ON COLUMN repeated_rows.row IS 'Its line or row';
COMMENT ON COLUMN repeated_rows.first_file IS 'Number of the file that brought the row, as in imports';
COMMENT ON COLUMN repeated_rows.first_row IS 'Line or row of that file, as in imports';
COMMENT ON TABLE imports IS 'Where imported people come from: one row for each row that was read, so a text that was read twice has two; a row that several files hold is there once (see repeated_rows)';
COMMENT ON COLUMN imports.licence IS 'Licence of the source (SPDX where there is one), as the row, or a later import of the same row, states it; null where none did';
COMMENT ON COLUMN imported_files.rows IS 'Rows of it that are in the hub, in imports or in repeated_rows';
COMMENT ON COLUMN personas.text IS 'The description, as it came; its id is the hash of the text with blanks folded, in Unicode NFC';
COMMENT ON COLUMN personas.licence IS 'Licence of that source, the first that was stated; imports has those of all sources of the text';

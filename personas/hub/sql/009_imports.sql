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
COMMENT ON COLUMN imported_files.settings IS 'What was asked for: columns, source, licence, revision, language, greatest length; how descriptions were composed of columns, where they were (rule@1: of those that are known by name)';
COMMENT ON TABLE profiles IS 'Fine-grained attributes of personas, inferred by a model from the description, or stated by the columns that somebody was imported with; null is not known. What each rests on is in evidence';
COMMENT ON COLUMN profiles.evidence IS 'By attribute: evidence (stated, implied, assumed or unknown) and, for stated and implied, the words of the description, or the imported column and its value, that it follows from';
COMMENT ON COLUMN profiles.model IS 'Model that inferred it; import where imported columns state it';

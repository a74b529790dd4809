ALTER TABLE rulings ADD COLUMN IF NOT EXISTS kind VARCHAR;
ALTER TABLE rulings ADD COLUMN IF NOT EXISTS "column" VARCHAR;
ALTER TABLE rulings ADD COLUMN IF NOT EXISTS place BIGINT;
ALTER TABLE rulings ADD COLUMN IF NOT EXISTS "before" VARCHAR;
ALTER TABLE rulings ADD COLUMN IF NOT EXISTS "after" VARCHAR;
ALTER TABLE rulings ADD COLUMN IF NOT EXISTS file INTEGER;
ALTER TABLE rulings ADD COLUMN IF NOT EXISTS "row" BIGINT;
COMMENT ON TABLE rulings IS 'What rules of quality and for personal data said of descriptions and of imported columns: of personal data one row for each piece. No export holds them';
COMMENT ON COLUMN rulings.persona IS 'Id of the description that the rule spoke of; of one that is gone, what its id was; of a column, the person it belongs to';
COMMENT ON COLUMN rulings.text IS 'The description as it was; null where it is as it was, where it held personal data that were to be dropped, or where the answer that had it is in calls';
COMMENT ON COLUMN rulings.kind IS 'Kind of personal data: name, email, url, phone, ...; null for rules of quality and in files of earlier versions';
COMMENT ON COLUMN rulings."column" IS 'The imported column; null is the description. A value inside another has a JSON pointer from the row';
COMMENT ON COLUMN rulings.place IS 'Where the words stood: number of the first character, from 0, in the description or in the value';
COMMENT ON COLUMN rulings."before" IS 'The words that were replaced; null where nothing was, and where the data were to be dropped';
COMMENT ON COLUMN rulings."after" IS 'What they were replaced by';
COMMENT ON COLUMN rulings.file IS 'Number of the imported file in imported_files, where the row was judged on its way into the hub or a column of it was';
COMMENT ON COLUMN rulings."row" IS 'Line or row of that file';

-- What follows is of hubs alone.
CREATE TABLE IF NOT EXISTS imported_columns (
    file INTEGER NOT NULL,
    "column" VARCHAR NOT NULL,
    kind VARCHAR NOT NULL
);
COMMENT ON TABLE imported_columns IS 'What the columns of imported files were taken for when personal data were looked for in them';
COMMENT ON COLUMN imported_columns.file IS 'Number of the file in imported_files';
COMMENT ON COLUMN imported_columns."column" IS 'The column; a value inside another has a JSON pointer, with * for any place in a list';
COMMENT ON COLUMN imported_columns.kind IS 'name, email, phone, birth_date, street_address, identity_number or handle: all its values are replaced. text: personal data are looked for in it. term: contact details alone are. identifier: e-mail addresses alone are replaced in it';

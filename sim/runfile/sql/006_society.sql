ALTER TABLE runs ADD COLUMN drawn JSON;
COMMENT ON COLUMN runs.drawn IS 'Of a hub with more people than were wanted: how they were drawn (snowball, ego, community or random), how many of how many people, and how many of the ties among them remained; null where all were taken';

CREATE OR REPLACE VIEW runs AS
SELECT id AS run, spec ->> '$.scenario' AS scenario, spec ->> '$.scenario_file' AS scenario_file,
       spec -> '$.settings' AS settings, spec -> '$.growth' AS growth_settings, spec ->> '$.world' AS world,
       seed, model, is_language_model, base_url, CAST(limits ->> '$.max_in_flight' AS INTEGER) AS max_in_flight,
       CAST(spec ->> '$.steps' AS INTEGER) AS steps_wanted, versions, status, reason, event_hash, started_at, ended_at,
       limits, prices, cache, batch, embedding_model, embedding_url, spec ->> '$.forked_from' AS forked_from,
       CAST(spec ->> '$.forked_at' AS INTEGER) AS forked_at,
       CASE WHEN spec ->> '$.drawn' IS NOT NULL THEN spec -> '$.drawn' END AS drawn, spec -> '$.roles' AS roles,
       spec ->> '$.mind' AS mind, coalesce(spec ->> '$.network', 'grown') AS network,
       spec ->> '$.archetypes' AS archetypes
FROM jobs
WHERE kind IN ('growth', 'society');
COMMENT ON VIEW runs IS 'The run itself: one row, the job that grows people and takes the steps; none in a hub that was imported';
COMMENT ON COLUMN runs.run IS 'Random id of the run';
COMMENT ON COLUMN runs.scenario IS 'Name of the scenario';
COMMENT ON COLUMN runs.scenario_file IS 'Script the scenario was read from; null when it ships with Populace';
COMMENT ON COLUMN runs.settings IS 'The scenario''s settings, all of them, as JSON';
COMMENT ON COLUMN runs.growth_settings IS 'How the people were grown or read: seeds or hub, agents, hops, fan-out, as JSON';
COMMENT ON COLUMN runs.world IS 'The world text that stands verbatim at the start of every turn''s prompt';
COMMENT ON COLUMN runs.seed IS 'Seed from which every random choice of the run is drawn';
COMMENT ON COLUMN runs.model IS 'The model by name';
COMMENT ON COLUMN runs.is_language_model IS 'False for the built-in generator, which is not a language model';
COMMENT ON COLUMN runs.base_url IS 'Endpoints of the model, without keys, separated by spaces; null for a model in the process';
COMMENT ON COLUMN runs.max_in_flight IS 'Most model calls under way at once; the result does not depend on it';
COMMENT ON COLUMN runs.steps_wanted IS 'Steps the run was asked for';
COMMENT ON COLUMN runs.versions IS 'Versions of Populace, Python and the libraries, as JSON';
COMMENT ON COLUMN runs.status IS 'running, finished, failed or paused (a budget that is spent, too many failing calls); a run marked as running without a process was killed; all but finished can be resumed';
COMMENT ON COLUMN runs.reason IS 'Why the run failed or was paused, in one sentence';
COMMENT ON COLUMN runs.event_hash IS 'Hash over every event of the run so far: equal for equal seed, settings and answers';
COMMENT ON COLUMN runs.started_at IS 'UTC';
COMMENT ON COLUMN runs.ended_at IS 'UTC; null while running';
COMMENT ON COLUMN runs.limits IS 'Calls in flight, requests and tokens a minute, budget, error rate, timeout, retries and sampling, as JSON';
COMMENT ON COLUMN runs.prices IS 'US dollars for a million tokens and where the prices are from, as JSON; null when they are not known';
COMMENT ON COLUMN runs.cache IS 'File from which answers are shared with other runs; null for none';
COMMENT ON COLUMN runs.batch IS 'True when work without a next step goes through batches';
COMMENT ON COLUMN runs.embedding_model IS 'Model that gives vectors, by name; null when there is none, and then only words are compared';
COMMENT ON COLUMN runs.embedding_url IS 'Endpoint of that model, without key';
COMMENT ON COLUMN runs.forked_from IS 'Run that this one was forked from; null for none';
COMMENT ON COLUMN runs.forked_at IS 'Step of that run whose state this one began with';
COMMENT ON COLUMN runs.drawn IS 'Of a hub with more people than were wanted: how they were drawn (snowball, ego, community or random), how many of how many people, and how many of the ties among them remained; null where all were taken';
COMMENT ON COLUMN runs.archetypes IS 'Of which agents one was asked for all: group, a column of profiles, or a number of clusters; null where each was asked';
COMMENT ON COLUMN runs.mind IS 'How agents decided, as it was named: one-call, think, react or rule; null for the scenario''s own mind, or one call a turn';
COMMENT ON COLUMN runs.network IS 'The network that the society begins with: grown, or another, whose ties are in network_ties';
COMMENT ON COLUMN runs.roles IS 'The models of the roles solver and grader, with their endpoints and prices, as JSON; null where they are the default''s';

CREATE OR REPLACE VIEW growth AS
SELECT number AS hop, items AS asked, failed, CAST(counts ->> '$.born' AS INTEGER) AS born,
       CAST(counts ->> '$.duplicates' AS INTEGER) AS duplicates, CAST(counts ->> '$.relations' AS INTEGER) AS relations,
       started_at, ended_at, event_hash
FROM markers
JOIN phases USING (job, phase)
WHERE unit = 'hop' AND chunk = 0;
COMMENT ON VIEW growth IS 'Complete hops of growth; hop 0 is Text-to-Persona or the hub that was read';
COMMENT ON COLUMN growth.hop IS '0 for Text-to-Persona, then one for each hop of Persona-to-Persona';
COMMENT ON COLUMN growth.asked IS 'Passages or personas that the model was asked about';
COMMENT ON COLUMN growth.failed IS 'Of those, how many gave no usable answer (see failures)';
COMMENT ON COLUMN growth.born IS 'New personas that are no near-duplicates';
COMMENT ON COLUMN growth.duplicates IS 'New personas marked as near-duplicates';
COMMENT ON COLUMN growth.relations IS 'New relations';
COMMENT ON COLUMN growth.started_at IS 'UTC';
COMMENT ON COLUMN growth.ended_at IS 'UTC';
COMMENT ON COLUMN growth.event_hash IS 'Hash over all events up to here';

CREATE OR REPLACE VIEW growth_chunks AS
SELECT number AS hop, chunk, items AS asked, failed, CAST(counts ->> '$.born' AS INTEGER) AS born,
       CAST(counts ->> '$.duplicates' AS INTEGER) AS duplicates, CAST(counts ->> '$.repeats' AS INTEGER) AS repeats,
       CAST(counts ->> '$.dropped' AS INTEGER) AS dropped, CAST(counts ->> '$.relations' AS INTEGER) AS relations,
       state ->> '$.latest' AS latest, position, started_at, ended_at, event_hash,
       CAST(counts ->> '$.rejected' AS INTEGER) AS rejected, CAST(counts ->> '$.unwanted' AS INTEGER) AS unwanted,
       CAST(state ->> '$.extension' AS INTEGER) AS extension
FROM markers
JOIN phases USING (job, phase)
WHERE unit = 'hop' AND chunk > 0;
COMMENT ON VIEW growth_chunks IS 'Complete chunks of the hops of growth; growth that was stopped continues after the last one';
COMMENT ON COLUMN growth_chunks.hop IS 'Hop, as in growth';
COMMENT ON COLUMN growth_chunks.chunk IS 'Number within the hop, from 1';
COMMENT ON COLUMN growth_chunks.asked IS 'Passages or personas that the model was asked about';
COMMENT ON COLUMN growth_chunks.failed IS 'Of those, how many gave no usable answer (see failures)';
COMMENT ON COLUMN growth_chunks.born IS 'New personas that are no near-duplicates';
COMMENT ON COLUMN growth_chunks.duplicates IS 'New personas marked as near-duplicates';
COMMENT ON COLUMN growth_chunks.repeats IS 'Descriptions equal to one that was there already';
COMMENT ON COLUMN growth_chunks.dropped IS 'Descriptions that a rule did not let in';
COMMENT ON COLUMN growth_chunks.relations IS 'New relations';
COMMENT ON COLUMN growth_chunks.latest IS 'Of the latest 500 descriptions up to here, oldest first: 1 for somebody new, 0 for a near-duplicate, a repeat or one rejected';
COMMENT ON COLUMN growth_chunks.position IS 'Where reading the sources has come to; null where they were not read as a stream';
COMMENT ON COLUMN growth_chunks.started_at IS 'UTC';
COMMENT ON COLUMN growth_chunks.ended_at IS 'UTC';
COMMENT ON COLUMN growth_chunks.event_hash IS 'Hash over all events up to here';
COMMENT ON COLUMN growth_chunks.rejected IS 'Of those that were dropped, how many stay as rows, marked by their rule results; of the others nothing may be kept';
COMMENT ON COLUMN growth_chunks.unwanted IS 'Relations of other kinds than were wanted; they were left out';
COMMENT ON COLUMN growth_chunks.extension IS 'The extension of growth that it belongs to, as in growth_extensions; 0 for growth as it was begun';

CREATE OR REPLACE VIEW steps AS
SELECT number AS step, items AS active, CAST(counts ->> '$.acted' AS INTEGER) AS acted, failed, state AS world_state,
       started_at, ended_at, event_hash
FROM markers
JOIN phases USING (job, phase)
WHERE unit = 'step' AND chunk = 0;
COMMENT ON VIEW steps IS 'Complete steps of the society; a resumed run continues after the last one';
COMMENT ON COLUMN steps.step IS 'From 1';
COMMENT ON COLUMN steps.active IS 'Agents whose turn it was';
COMMENT ON COLUMN steps.acted IS 'Agents that emitted something';
COMMENT ON COLUMN steps.failed IS 'Agents whose turn was lost (see failures)';
COMMENT ON COLUMN steps.world_state IS 'State of the world after the step (news, suspended relation kinds, values), as JSON';
COMMENT ON COLUMN steps.started_at IS 'UTC';
COMMENT ON COLUMN steps.ended_at IS 'UTC';
COMMENT ON COLUMN steps.event_hash IS 'Hash over all events up to here';

CREATE OR REPLACE VIEW said AS
SELECT e.emission, e.step, e.agent, p.text AS persona_text, p.parent, p.hop, e.kind, e.text, e.payload, e.revised,
       d.emission IS NOT NULL AS near_duplicate, d.of_emission, e.model, e.prompt
FROM emissions AS e
LEFT JOIN personas AS p ON p.id = e.agent
LEFT JOIN (
    SELECT emission, min(of_emission) AS of_emission
    FROM duplicates
    WHERE NOT undone AND emission IS NOT NULL
    GROUP BY emission
) AS d ON d.emission = e.emission;
COMMENT ON VIEW said IS 'Everything agents made, beside who they are and whether it was new';
COMMENT ON COLUMN said.emission IS 'Number of the emission';
COMMENT ON COLUMN said.step IS 'Step';
COMMENT ON COLUMN said.agent IS 'Agent that made it';
COMMENT ON COLUMN said.persona_text IS 'Description of that agent';
COMMENT ON COLUMN said.parent IS 'Persona the agent was grown from';
COMMENT ON COLUMN said.hop IS 'Hop at which the agent was grown; 0 when inferred from a text';
COMMENT ON COLUMN said.kind IS 'Kind of the emission';
COMMENT ON COLUMN said.text IS 'The text that is compared with others';
COMMENT ON COLUMN said.payload IS 'The whole of it as JSON';
COMMENT ON COLUMN said.revised IS 'True when a first version was too close to something said before';
COMMENT ON COLUMN said.near_duplicate IS 'True when it nearly repeats an earlier emission and nobody has undone that verdict';
COMMENT ON COLUMN said.of_emission IS 'The earlier emission it nearly repeats';
COMMENT ON COLUMN said.model IS 'Model that wrote it';
COMMENT ON COLUMN said.prompt IS 'Prompt that it answers, as name@version';

CREATE OR REPLACE VIEW outputs AS
WITH judged AS (
    SELECT emission, "check", arg_max(outcome, job) AS outcome, arg_max(reason, job) AS reason
    FROM checks
    GROUP BY emission, "check"
), failed AS (
    SELECT emission, min("check") AS stage, arg_min(reason, "check") AS reason
    FROM judged
    WHERE outcome = 'failed'
    GROUP BY emission
), repeated AS (
    SELECT emission, min(of_emission) AS of_emission, max(similarity) AS similarity
    FROM duplicates
    WHERE NOT undone AND emission IS NOT NULL
    GROUP BY emission
)
SELECT e.emission, e.step, e.agent, e.kind, e.text, e.payload,
       CASE WHEN f.emission IS NULL AND r.emission IS NULL THEN 'accepted' ELSE 'rejected' END AS status,
       CASE WHEN f.emission IS NOT NULL THEN f.stage WHEN r.emission IS NOT NULL THEN 'near_duplicate' END AS stage,
       CASE WHEN f.emission IS NOT NULL THEN f.reason
            WHEN r.emission IS NOT NULL THEN format('It nearly repeats emission {} ({:.2f}).', r.of_emission, r.similarity)
       END AS reason,
       e.revised, e.model, e.prompt
FROM emissions AS e
LEFT JOIN failed AS f ON f.emission = e.emission
LEFT JOIN repeated AS r ON r.emission = e.emission;
COMMENT ON VIEW outputs IS 'Everything that was made, and whether it is accepted as data: no check has failed and it nearly repeats nothing';
COMMENT ON COLUMN outputs.emission IS 'Number of the emission';
COMMENT ON COLUMN outputs.step IS 'Step';
COMMENT ON COLUMN outputs.agent IS 'Agent that made it';
COMMENT ON COLUMN outputs.kind IS 'Kind of the emission';
COMMENT ON COLUMN outputs.text IS 'The text that is compared with others';
COMMENT ON COLUMN outputs.payload IS 'The whole of it as JSON';
COMMENT ON COLUMN outputs.status IS 'accepted or rejected';
COMMENT ON COLUMN outputs.stage IS 'Why it was rejected: the first check, by name, that it failed, or near_duplicate; null when it was accepted';
COMMENT ON COLUMN outputs.reason IS 'The same in one sentence';
COMMENT ON COLUMN outputs.revised IS 'True when a first version was too close to something said before, or failed a check';
COMMENT ON COLUMN outputs.model IS 'Model that wrote it';
COMMENT ON COLUMN outputs.prompt IS 'Prompt that it answers, as name@version';

CREATE OR REPLACE VIEW agreed_answers AS
WITH latest AS (
    SELECT s.*
    FROM solutions AS s
    JOIN jobs AS j ON j.job = s.job AND j.kind = 'solving'
    QUALIFY s.job = max(s.job) OVER (PARTITION BY s.emission)
), came AS (
    SELECT job, emission, count(*) AS solutions
    FROM latest
    WHERE outcome NOT IN ('rate_limited', 'server_error', 'dropped', 'unreachable', 'timeout', 'not_run')
    GROUP BY job, emission
), clusters AS (
    SELECT job, emission, "cluster", count(*) AS votes, arg_min(answer, ordinal) AS answer,
           arg_min(solution, ordinal) AS solution, bool_or(correct) AS correct
    FROM latest
    WHERE "cluster" IS NOT NULL
    GROUP BY job, emission, "cluster"
), majority AS (
    SELECT job, emission, max(votes) AS votes, arg_max(answer, (votes, -"cluster")) AS answer,
           arg_max(solution, (votes, -"cluster")) AS solution, arg_max(correct, (votes, -"cluster")) AS correct,
           count(*) AS different
    FROM clusters
    GROUP BY job, emission
)
SELECT c.emission, m.answer, coalesce(m.votes, 0) / c.solutions AS agreement,
       1 - coalesce(m.votes, 0) / c.solutions AS difficulty, c.solutions, coalesce(m.votes, 0) AS votes,
       coalesce(m.different, 0) AS different, m.solution, m.correct, c.job
FROM came AS c
LEFT JOIN majority AS m ON m.job = c.job AND m.emission = c.emission;
COMMENT ON VIEW agreed_answers IS 'The answers of problems by the vote of their solutions, from the latest solving job of each';
COMMENT ON COLUMN agreed_answers.emission IS 'Emission that was solved';
COMMENT ON COLUMN agreed_answers.answer IS 'The answer that most solutions give; of as many votes the first; null where none gives one';
COMMENT ON COLUMN agreed_answers.agreement IS 'Share of the solutions that give it, 0 to 1; those that the endpoint lost do not count';
COMMENT ON COLUMN agreed_answers.difficulty IS 'Share of the solutions that do not: 1 less the agreement';
COMMENT ON COLUMN agreed_answers.solutions IS 'Solutions that came, with or without an answer';
COMMENT ON COLUMN agreed_answers.votes IS 'Solutions that give the answer';
COMMENT ON COLUMN agreed_answers.different IS 'Different answers that were given';
COMMENT ON COLUMN agreed_answers.solution IS 'The first solution that gives the answer';
COMMENT ON COLUMN agreed_answers.correct IS 'Whether it equals the known answer; null where none is known';
COMMENT ON COLUMN agreed_answers.job IS 'Job that solved it, as in jobs';

CREATE OR REPLACE VIEW threads AS
WITH RECURSIVE below AS (
    SELECT message AS thread, 0 AS depth, message FROM messages WHERE reply_to IS NULL
    UNION ALL
    SELECT b.thread, b.depth + 1, m.message FROM below AS b JOIN messages AS m ON m.reply_to = b.message
)
SELECT b.thread, b.depth, m.message, m.step, m.sender, m.recipient, m.text, m.emission, m.reply_to
FROM below AS b
JOIN messages AS m ON m.message = b.message;
COMMENT ON VIEW threads IS 'Dialogue: every spoken line with the thread it belongs to';
COMMENT ON COLUMN threads.thread IS 'The message that the thread began with';
COMMENT ON COLUMN threads.depth IS 'Lines between this one and the first, which has 0';
COMMENT ON COLUMN threads.message IS 'Number of the message';
COMMENT ON COLUMN threads.step IS 'Step in which it was spoken';
COMMENT ON COLUMN threads.sender IS 'Agent, or ''player''';
COMMENT ON COLUMN threads.recipient IS 'Agent, or ''player''';
COMMENT ON COLUMN threads.text IS 'The line';
COMMENT ON COLUMN threads.emission IS 'The emission that is this line; null for a visitor''s';
COMMENT ON COLUMN threads.reply_to IS 'The message that it answers; null at the start of a thread';

CREATE OR REPLACE VIEW survivors AS
WITH RECURSIVE away AS (
    SELECT DISTINCT persona FROM rule_results WHERE outcome = 'rejected' AND NOT undone
), verdicts AS (
    SELECT persona, arg_max("of", (similarity, "of")) AS earlier
    FROM duplicates
    WHERE kind = 'persona' AND NOT undone AND "of" NOT IN (FROM away)
    GROUP BY persona
), chains AS (
    SELECT persona, earlier FROM verdicts
    UNION
    SELECT c.persona, v.earlier FROM chains AS c JOIN verdicts AS v ON v.persona = c.earlier
), ends AS (
    SELECT c.persona, c.earlier FROM chains AS c ANTI JOIN verdicts AS v ON v.persona = c.earlier
), folded AS (
    SELECT p.id AS persona, coalesce(e.earlier, p.id) AS survivor
    FROM personas AS p
    LEFT JOIN ends AS e ON e.persona = p.id
)
SELECT s.persona, s.survivor
FROM folded AS s
ANTI JOIN away AS a ON a.persona = s.persona;
COMMENT ON VIEW survivors IS 'Every persona that no rule rejected and its survivor: itself, or the first of its near-duplicates';
COMMENT ON COLUMN survivors.persona IS 'Persona';
COMMENT ON COLUMN survivors.survivor IS 'The first of its near-duplicates; itself when it is not a near-duplicate';

CREATE OR REPLACE VIEW targets AS
WITH people AS (
    SELECT p."column", p.ordinal, coalesce(w.weight, 1.0) AS weight
    FROM target_people AS p
    JOIN survivors AS s ON s.persona = p.persona AND s.survivor = p.persona
    LEFT JOIN weights AS w ON w.persona = p.persona
), of_column AS (
    SELECT "column", count(*) AS people, sum(weight) AS weight FROM people GROUP BY "column"
), of_share AS (
    SELECT ordinal, count(*) AS people, sum(weight) AS weight FROM people GROUP BY ordinal
)
SELECT t.ordinal, t."column", t.value, t.wanted, coalesce(o.people / c.people, 0.0) AS got,
       coalesce(o.weight / c.weight, 0.0) AS weighted
FROM target_shares AS t
LEFT JOIN of_column AS c USING ("column")
LEFT JOIN of_share AS o USING (ordinal);
COMMENT ON VIEW targets IS 'The shares that the selection of the people was to meet, and those among the people who were read and are left: near-duplicates and those whom a rule rejected count nowhere';
COMMENT ON COLUMN targets.ordinal IS 'From 1';
COMMENT ON COLUMN targets."column" IS 'Column of the hub''s people; several, joined by commas, where combinations were asked for';
COMMENT ON COLUMN targets.value IS 'Its value, or the combination of values';
COMMENT ON COLUMN targets.wanted IS 'Share that was wanted, 0 to 1';
COMMENT ON COLUMN targets.got IS 'Share of the people that have it';
COMMENT ON COLUMN targets.weighted IS 'The same by the weights of the people';

CREATE OR REPLACE VIEW living_relations AS
SELECT r.ordinal, s.survivor AS source, t.survivor AS target, r.kind, r.label, r.hop
FROM relations AS r
JOIN survivors AS s ON s.persona = r.source
JOIN survivors AS t ON t.persona = r.target
WHERE s.survivor <> t.survivor;
COMMENT ON VIEW living_relations IS 'Relations between those who survive near-duplicate detection: target is source''s label';
COMMENT ON COLUMN living_relations.ordinal IS 'Order of arrival, from 1';
COMMENT ON COLUMN living_relations.source IS 'Surviving persona';
COMMENT ON COLUMN living_relations.target IS 'Surviving persona';
COMMENT ON COLUMN living_relations.kind IS 'Normalised kind';
COMMENT ON COLUMN living_relations.label IS 'The relation in the model''s own words';
COMMENT ON COLUMN living_relations.hop IS 'Hop of Persona-to-Persona that found it';

CREATE OR REPLACE VIEW ties_at_start AS
SELECT ordinal, source, target, kind, label, weight FROM network_ties
UNION ALL
SELECT ordinal, source, target, kind, label, 1.0 FROM living_relations
WHERE NOT EXISTS (FROM markers WHERE job = 1 AND phase = 'network');
COMMENT ON VIEW ties_at_start IS 'The network that the society began with: the relations between those who survive near-duplicate detection, or the ties that were drawn or read instead (see runs.network)';
COMMENT ON COLUMN ties_at_start.ordinal IS 'Order, from 1';
COMMENT ON COLUMN ties_at_start.source IS 'Persona from whom the tie leads';
COMMENT ON COLUMN ties_at_start.target IS 'Persona to whom it leads: source''s label';
COMMENT ON COLUMN ties_at_start.kind IS 'Kind of the tie, as in relations';
COMMENT ON COLUMN ties_at_start.label IS 'What target is to source, in words';
COMMENT ON COLUMN ties_at_start.weight IS 'Weight; 1 unless a file gave another';

CREATE OR REPLACE VIEW ties AS
WITH changed AS (
    SELECT source, target, kind, label, arg_max(weight, [step, ordinal]) AS weight, max(step) AS step
    FROM relation_changes
    GROUP BY source, target, kind, label
)
SELECT source, target, kind, label, coalesce(c.weight, r.weight) AS weight, c.step
FROM (SELECT DISTINCT source, target, kind, label, weight FROM ties_at_start) AS r
FULL JOIN changed AS c USING (source, target, kind, label)
WHERE coalesce(c.weight, r.weight) > 0;
COMMENT ON VIEW ties IS 'Who is tied to whom now: the relations between those who survive near-duplicate detection, with what actions and interventions have changed since';
COMMENT ON COLUMN ties.source IS 'Persona from whom the tie leads';
COMMENT ON COLUMN ties.target IS 'Persona to whom it leads: source''s label';
COMMENT ON COLUMN ties.kind IS 'Kind of the tie, as in relations';
COMMENT ON COLUMN ties.label IS 'What target is to source, in words';
COMMENT ON COLUMN ties.weight IS 'Weight; 1 unless an action has strengthened it or given another';
COMMENT ON COLUMN ties.step IS 'Step in which it was last changed; null for a tie that is as growth found it';

CREATE OR REPLACE VIEW spoke_to AS
WITH ties AS (
    SELECT source AS sender, target AS recipient, kind, label, true AS outgoing, ordinal FROM ties_at_start
    UNION ALL
    SELECT target, source, kind, label, false, ordinal FROM ties_at_start
), nearest AS (
    SELECT DISTINCT ON (sender, recipient) sender, recipient, kind, label, outgoing
    FROM ties
    ORDER BY sender, recipient, outgoing DESC, ordinal
), talks AS (
    SELECT sender, recipient, count(*) AS lines, min(step) AS first_step, max(step) AS last_step
    FROM messages
    GROUP BY sender, recipient
)
SELECT t.sender, t.recipient, n.kind, n.label, n.outgoing, t.lines, t.first_step, t.last_step
FROM talks AS t
LEFT JOIN nearest AS n ON n.sender = t.sender AND n.recipient = t.recipient;
COMMENT ON VIEW spoke_to IS 'Who spoke to whom, how often, and how they are related: one row for each sender and recipient';
COMMENT ON COLUMN spoke_to.sender IS 'Agent, or ''player''';
COMMENT ON COLUMN spoke_to.recipient IS 'Agent, or ''player''';
COMMENT ON COLUMN spoke_to.kind IS 'Kind of their relation: the earliest in this direction, else the earliest in the other; null when unrelated';
COMMENT ON COLUMN spoke_to.label IS 'That relation in the model''s own words';
COMMENT ON COLUMN spoke_to.outgoing IS 'True when the recipient is the sender''s label, false when the sender is the recipient''s';
COMMENT ON COLUMN spoke_to.lines IS 'Lines spoken';
COMMENT ON COLUMN spoke_to.first_step IS 'Step of the first line';
COMMENT ON COLUMN spoke_to.last_step IS 'Step of the last line';

CREATE OR REPLACE VIEW people AS
SELECT a.agent, p.text, p.hop, p.parent, p.language,
       coalesce(r.relations, 0) AS relations, coalesce(e.emissions, 0) AS emissions,
       coalesce(s.lines, 0) AS lines_spoken, coalesce(h.lines, 0) AS lines_heard
FROM agents AS a
LEFT JOIN personas AS p ON p.id = a.agent
LEFT JOIN (
    SELECT agent, count(*) AS relations
    FROM (SELECT source AS agent FROM ties_at_start UNION ALL SELECT target FROM ties_at_start)
    GROUP BY agent
) AS r ON r.agent = a.agent
LEFT JOIN (SELECT agent, count(*) AS emissions FROM emissions GROUP BY agent) AS e ON e.agent = a.agent
LEFT JOIN (SELECT sender, count(*) AS lines FROM messages GROUP BY sender) AS s ON s.sender = a.agent
LEFT JOIN (SELECT recipient, count(*) AS lines FROM messages GROUP BY recipient) AS h ON h.recipient = a.agent;
COMMENT ON VIEW people IS 'Everybody who lives in the society, and how much they did';
COMMENT ON COLUMN people.agent IS 'Persona id';
COMMENT ON COLUMN people.text IS 'The description';
COMMENT ON COLUMN people.hop IS 'Hop at which the persona was grown; 0 when inferred from a text';
COMMENT ON COLUMN people.parent IS 'Persona it was grown from';
COMMENT ON COLUMN people.language IS 'BCP 47 tag of the language of the description';
COMMENT ON COLUMN people.relations IS 'Relations in either direction';
COMMENT ON COLUMN people.emissions IS 'Things made';
COMMENT ON COLUMN people.lines_spoken IS 'Lines spoken';
COMMENT ON COLUMN people.lines_heard IS 'Lines addressed to this agent';

CREATE OR REPLACE VIEW novelty AS
SELECT step, kind, count(*) AS emitted, count_if(near_duplicate) AS near_duplicates,
       1 - count_if(near_duplicate) / count(*) AS share_new
FROM said
GROUP BY step, kind;
COMMENT ON VIEW novelty IS 'How much of what was made in a step was new, by kind';
COMMENT ON COLUMN novelty.step IS 'Step';
COMMENT ON COLUMN novelty.kind IS 'Kind of the emissions';
COMMENT ON COLUMN novelty.emitted IS 'Emissions';
COMMENT ON COLUMN novelty.near_duplicates IS 'Of those, near-duplicates of earlier ones';
COMMENT ON COLUMN novelty.share_new IS 'Share that is no near-duplicate, 0 to 1';

CREATE OR REPLACE VIEW mix AS
SELECT kind, count(*) AS emissions, count(DISTINCT agent) AS agents, count_if(revised) AS revised,
       count_if(near_duplicate) AS near_duplicates, avg(length(text)) AS mean_characters
FROM said
GROUP BY kind;
COMMENT ON VIEW mix IS 'What the society made, by kind';
COMMENT ON COLUMN mix.kind IS 'Kind of the emissions';
COMMENT ON COLUMN mix.emissions IS 'Emissions';
COMMENT ON COLUMN mix.agents IS 'Different agents that made them';
COMMENT ON COLUMN mix.revised IS 'Of the emissions, those that were revised once';
COMMENT ON COLUMN mix.near_duplicates IS 'Of the emissions, near-duplicates of earlier ones';
COMMENT ON COLUMN mix.mean_characters IS 'Mean length of the text in characters';

CREATE OR REPLACE VIEW failure_reasons AS
SELECT job, phase, purpose, outcome, reason, count(*) AS failures, sum(attempts)::BIGINT AS attempts,
       min(number) AS first_number, max(number) AS last_number
FROM failures
GROUP BY job, phase, purpose, outcome, reason;
COMMENT ON VIEW failure_reasons IS 'Why agent-turns, growth requests and other items of jobs were lost';
COMMENT ON COLUMN failure_reasons.job IS 'Job, as in jobs';
COMMENT ON COLUMN failure_reasons.phase IS 'Part of the job, as in phases';
COMMENT ON COLUMN failure_reasons.purpose IS 'Name of the prompt';
COMMENT ON COLUMN failure_reasons.outcome IS 'Outcome of the last attempt, as in calls';
COMMENT ON COLUMN failure_reasons.reason IS 'Why, in one sentence';
COMMENT ON COLUMN failure_reasons.failures IS 'Turns or requests lost';
COMMENT ON COLUMN failure_reasons.attempts IS 'Attempts made at them';
COMMENT ON COLUMN failure_reasons.first_number IS 'Hop or step of the first';
COMMENT ON COLUMN failure_reasons.last_number IS 'Hop or step of the last';

CREATE OR REPLACE VIEW cost AS
SELECT job, purpose, source, outcome, count(*) AS calls, count(output_tokens) AS counted,
       sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens,
       sum(reasoning_tokens)::BIGINT AS reasoning_tokens, sum(cached_tokens)::BIGINT AS cached_tokens,
       sum(epoch(ended_at - started_at)) AS seconds, avg(epoch(ended_at - started_at)) AS mean_seconds,
       avg(waited) AS mean_waited, sum(cost) AS dollars
FROM calls
GROUP BY job, purpose, source, outcome;
COMMENT ON VIEW cost IS 'What the model was asked and what it took, by job, purpose, source and outcome';
COMMENT ON COLUMN cost.job IS 'Job, as in jobs';
COMMENT ON COLUMN cost.purpose IS 'Name of the prompt';
COMMENT ON COLUMN cost.source IS 'endpoint or batch when they were sent; cache or fork when the answers were paid for elsewhere';
COMMENT ON COLUMN cost.outcome IS 'How the attempts ended, as in calls';
COMMENT ON COLUMN cost.calls IS 'Attempts';
COMMENT ON COLUMN cost.counted IS 'Of the attempts, those whose tokens the endpoint counted';
COMMENT ON COLUMN cost.input_tokens IS 'Tokens of the requests; null when none were counted';
COMMENT ON COLUMN cost.output_tokens IS 'Tokens of the answers; null when none were counted';
COMMENT ON COLUMN cost.reasoning_tokens IS 'Of the output tokens, those spent on reasoning; null when none were counted';
COMMENT ON COLUMN cost.cached_tokens IS 'Of the input tokens, those the endpoint had cached; null when none were counted';
COMMENT ON COLUMN cost.seconds IS 'Seconds that the attempts took, added up; many run side by side';
COMMENT ON COLUMN cost.mean_seconds IS 'Mean seconds of an attempt';
COMMENT ON COLUMN cost.mean_waited IS 'Mean seconds an attempt waited for a free slot';
COMMENT ON COLUMN cost.dollars IS 'US dollars by the prices of the job; null when they are not known';

CREATE OR REPLACE VIEW blocks AS
SELECT step, b.key AS agent, NULL::VARCHAR AS other, b.value::INTEGER AS since
FROM steps, json_each(world_state, '$.blocked') AS b
UNION ALL
SELECT step, one.key, other.key, other.value::INTEGER
FROM steps, json_each(world_state, '$.blocked_ties') AS one, json_each(one.value) AS other
WHERE one.key < other.key;
COMMENT ON VIEW blocks IS 'Who was blocked in a step: an agent, or what is between two';
COMMENT ON COLUMN blocks.step IS 'Step';
COMMENT ON COLUMN blocks.agent IS 'Agent';
COMMENT ON COLUMN blocks.other IS 'The other agent where a tie is blocked; null where the agent itself is';
COMMENT ON COLUMN blocks.since IS 'Step in which it was blocked';

CREATE OR REPLACE VIEW requests AS
WITH placed AS (
    SELECT rowid AS call, unnest(parts) AS part, generate_subscripts(parts, 1) AS place FROM calls WHERE parts IS NOT NULL
), told AS (
    SELECT call, place, any_value(role) AS role, any_value(text) AS text
    FROM placed JOIN request_parts USING (part) GROUP BY call, place
), numbered AS (
    SELECT *, place - row_number() OVER (PARTITION BY call, role ORDER BY place) AS turn FROM told
), messages AS (
    SELECT call, role, min(place) AS place, string_agg(text, chr(10) || chr(10) ORDER BY place) AS content
    FROM numbered GROUP BY call, role, turn
), whole AS (
    SELECT call, list({'role': role, 'content': content} ORDER BY place) FILTER (role <> 'schema') AS messages,
           string_agg(content, chr(10) || chr(10) ORDER BY place) FILTER (role <> 'schema') AS text,
           any_value(content) FILTER (role = 'schema')::JSON AS response_format
    FROM messages GROUP BY call
)
SELECT c.job, c.phase, c.number, c.owner, c.purpose, c.role, c.request_hash, c.replicate, c.attempt, c.source, c.sampling,
       w.messages, w.text, w.response_format, c.raw
FROM whole AS w JOIN calls AS c ON c.rowid = w.call;
COMMENT ON VIEW requests IS 'The whole request of each call as it was sent, put together from request_parts';
COMMENT ON COLUMN requests.job IS 'Job, as in jobs';
COMMENT ON COLUMN requests.phase IS 'What the call was for: growth, step and so on';
COMMENT ON COLUMN requests.number IS 'Hop, step or other number of the phase';
COMMENT ON COLUMN requests.owner IS 'Passage or persona on whose behalf it was made';
COMMENT ON COLUMN requests.purpose IS 'Name of the prompt';
COMMENT ON COLUMN requests.role IS 'Role of the model that was asked';
COMMENT ON COLUMN requests.request_hash IS 'Hash of the request, as in calls';
COMMENT ON COLUMN requests.replicate IS 'Which of several answers to the same request, as in calls';
COMMENT ON COLUMN requests.attempt IS 'Attempt at this request, from 1';
COMMENT ON COLUMN requests.source IS 'Where the answer came from, as in calls';
COMMENT ON COLUMN requests.sampling IS 'Sampling parameters that were sent, as JSON; null where none were';
COMMENT ON COLUMN requests.messages IS 'The messages in their order, each with role and content';
COMMENT ON COLUMN requests.text IS 'The contents of all messages, one after the other';
COMMENT ON COLUMN requests.response_format IS 'The form of the answer that was asked for; null where none was';
COMMENT ON COLUMN requests.raw IS 'The answer as it came; null when nothing came';

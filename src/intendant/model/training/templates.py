"""Sentence patterns of our own, beside the hand-written bank: for what many sentences have in common.

`{t}` a table, `{r}` a resource, `{m}` a number column, `{c}` a text column, `{w}` a time column, `{a}` any column,
`{n}` a number, `{v}` a value of `{c}`, `{d}` a length of time, `{k}` a schedule, `{x}` a new name, `{q}` a saved query,
`{p}` a path, `{h}` a rate, `{e}` a business word with its expression, `{y}` a store named for its data;
a second one of a kind has a 2. `it` in a plan is the table that was left before.
"""

from __future__ import annotations

__all__ = ["FOLLOWING", "PATTERNS", "REFUSALS", "SCHEDULES", "WRAPPERS"]


def pairs(lines: str) -> tuple[tuple[str, str], ...]:
    """Sentence and plan of every `sentence => plan` line."""
    split = (line.strip().partition(" => ") for line in lines.strip().splitlines())
    return tuple((text, plan) for text, _, plan in split)


PATTERNS = pairs("""
pull the latest {n} rows from {r} => ingest {r} latest {n}
grab the newest {n} records from {r} and put them into a staging table for the time being => ingest {r} latest {n}
fetch the {n} most recent records of {r} into a staging table => ingest {r} latest {n}
get the newest {n} entries from {r} and put them in {x} => ingest {r} latest {n} into {x}
load {n} of the most recent {r} => ingest {r} latest {n}
bring in the oldest {n} records of {r} => ingest {r} oldest {n}
grab the first {n} rows of {r} as a sample => ingest {r} first {n}
import {r} => ingest {r}
load everything from {r} into {x} => ingest {r} into {x}
stage {r} for me => ingest {r}
stage the last {n} of {r} => ingest {r} latest {n}
load all of {r} and land it in staging => ingest {r}
sync {r} incrementally => ingest {r} new rows by TIME
fetch only what is new in {r} since last time => ingest {r} new rows by TIME
pull new and changed {r} by {w} and upsert on {a} => ingest {r} new rows by {w} upsert on {a}
sync {r} into {x} and merge on {a} => ingest {r} upsert on {a} into {x}
load {r} where {m} is above {n} => ingest {r} where {m} > {n}
load {r} but only those with {c} {v} => ingest {r} where {c} = {v}
append {r} to {t} => ingest {r} append into {t}
reload {r} and replace what is in {t} => ingest {r} replace into {t}
from {r} take only {a} and {a2} => ingest {r} columns {a}, {a2}
examine {t} for quality problems and propose how to mend them => check {t}
analyze the table for data quality issues and suggest fixes => check it
check {t} for problems => check {t}
what is wrong with the data in {t}? => check {t}
run a data quality check on {t} => check {t}
profile {t} and tell me what needs cleaning => check {t}
inspect {t} and recommend how to repair it => check {t}
look for anomalies in {t} => check {t}
are there duplicates or gaps in {t}? check it => check {t}
make sure {a} is never null in {t} => check {t} for not null {a}
{a} must be unique in {t} => check {t} for unique {a}
verify that {m} in {t} stays between {n} and {n2} => check {t} for {m} between {n} and {n2}
check that {m} is at least {n} in {t}, otherwise roll back => check {t} for {m} at least {n} on failure rollback
{t}: {m} may not exceed {n}, put violations in quarantine => check {t} for {m} at most {n} on failure quarantine
{c} in {t} must be {v} or {v2}, warn me if not => check {t} for {c} in ({v}, {v2}) on failure warn
{t} should have been updated within {d} by {w} => check {t} for fresh within {d} by {w}
{t} needs at least {n} rows => check {t} for row count at least {n}
require {a} and {a2} in {t}, let somebody review failures => check {t} for not null {a}, not null {a2} on failure review
add a calculated column for {x} as {m} times {m2} to {t} => transform {t} derive {x} = {m} * {m2}
in {t} add {x} = {m} + {m2} => transform {t} derive {x} = {m} + {m2}
compute {x} as {m} minus {m2} in {t} => transform {t} derive {x} = {m} - {m2}
rename {a} to {x} in {t} => transform {t} rename {a} to {x}
rename the {a} field to {x} => transform it rename {a} to {x}
in {t}, rename {a} to {x} and {a2} to {x2} => transform {t} rename {a} to {x}, {a2} to {x2}
add {x} as {m} divided by {m2} and rename the {a} field of {t} to {x2} => transform {t} derive {x} = {m} / {m2} rename {a} to {x2}
add a calculated column for {e} to {t} => transform {t} derive NEW = {e}
add a calculated column for {e} and rename the {a} field to {x} => transform it derive NEW = {e} rename {a} to {x}
add a column for {e} => transform it derive NEW = {e}
add {e} to {t} as {x} => transform {t} derive {x} = {e}
compute {e} in {t} => transform {t} derive NEW = {e}
i need a column with the {e} in {t} => transform {t} derive NEW = {e}
calculate {e}, rename {a} to {x} => transform it derive NEW = {e} rename {a} to {x}
create a calculated field {e} in {t} and rename {a} as {x} => transform {t} derive NEW = {e} rename {a} to {x}
in {t} rename {a} to {x} and add {e} => transform {t} rename {a} to {x} derive NEW = {e}
{e} by {c} in {t} => query {t} group by {c}: sum ({e})
show me {e} per {c} from {t} => query {t} group by {c}: sum ({e})
what is our {e}? => query it aggregate sum ({e})
total {e} per {c} => query it group by {c}: sum ({e})
what is the {e} in {t}? => query {t} aggregate sum ({e})
average {e} per {c} of {t} => query {t} group by {c}: avg ({e})
top {n} {c} by {e} in {t} => query {t} group by {c}: sum ({e}) top {n} by A1
build {x} from {t} with {e} per {c} => transform {t} group by {c}: sum ({e}) into {x}
find out why the daily {e} query is slow and fix it => optimize it for latency
find out why the {e} query is slow and fix it => optimize it for latency
find out why the weekly {e} query is slow and repair it => optimize it for latency
the {e} report is slow, make it faster => optimize it for latency
the daily {e} query takes too long, fix it => optimize it for latency
why does the {e} query on {t} take so long? speed it up => optimize {t} for latency
investigate the slow {e} query and improve it => optimize it for latency
queries are slow, fix that => optimize it for latency
find out why the daily {q} query is slow and fix it => optimize query {q}
why is {q} so slow? fix it => optimize query {q}
find out why {q} is slow and fix it => optimize query {q}
the {q} query is too slow, repair it => optimize query {q}
find the reason why the query {q} is slow and fix it => optimize query {q}
set up a columnar store for the {t} data and a nightly refresh => provision {y} from {t} ; schedule refresh of it daily at 00:00
provision a new columnar store for {t} and set up a {k} refresh => provision {y} from {t} ; schedule refresh of it {k}
set up a columnar store for the {t} data with a {k} refresh => provision {y} from {t} ; schedule refresh of it {k}
create an analytical store for {t}, refreshed {k} => provision {y} from {t} ; schedule refresh of it {k}
provision a columnar store for {t} => provision {y} from {t}
build a new store for the {t} data => provision {y} from {t}
remove the column {a} from {t} => transform {t} drop {a}
drop {a} and {a2} from {t} => transform {t} drop {a}, {a2}
keep only {a} and {a2} of {t} in {x} => transform {t} select {a}, {a2} into {x}
keep only rows of {t} where {c} is {v} => transform {t} filter {c} = {v}
delete rows with {m} below {n} from {t} => transform {t} filter {m} >= {n}
remove rows where {c} is {v} from {t} => transform {t} filter {c} != {v}
filter {t} to {m} over {n} and {c} {v} and save it as {x} => transform {t} filter {m} > {n} and {c} = {v} into {x}
drop rows of {t} with missing {a} => transform {t} drop missing {a}
remove duplicates from {t} => transform {t} drop duplicates
deduplicate {t} by {a}, keep the newest by {w} => transform {t} drop duplicates by {a} keeping newest by {w}
deduplicate {t} on {a} => transform {t} drop duplicates by {a}
fill missing {m} in {t} with the median => transform {t} fill {m} with median
fill gaps in {m} of {t} with the average => transform {t} fill {m} with mean
replace missing {m} with {n} in {t} => transform {t} fill {m} with {n}
set empty {c} in {t} to {v} => transform {t} fill {c} with {v}
trim {c} in {t} => transform {t} trim {c}
make {c} lower case in {t} => transform {t} lower {c}
upper case {c} of {t} => transform {t} upper {c}
convert {a} in {t} to text => transform {t} cast {a} to text
cast {m} to integer in {t} => transform {t} cast {m} to integer
cap {m} between {n} and {n2} in {t} => transform {t} clip {m} between {n} and {n2}
join {t} with {t2} into {x} => transform {t} join {t2} on MATCH into {x}
left join {t2} onto {t} as {x} => transform {t} left join {t2} on MATCH into {x}
append {t2} to {t} and call it {x} => transform {t} union {t2} into {x}
sum {m} per {c} from {t} into {x} => transform {t} group by {c}: sum {m} into {x}
build {x} from {t}: total {m} and number of rows by {c} => transform {t} group by {c}: sum {m}, count into {x}
create a table {x} with average {m} for each {c} of {t} => transform {t} group by {c}: avg {m} into {x}
summarize {t} by {c} with the sum of {m} as {x} into {x2} => transform {t} group by {c}: sum {m} as {x} into {x2}
show me total {m} by {c} in {t} => query {t} group by {c}: sum {m}
what is the average {m} in {t}? => query {t} aggregate avg {m}
how many rows are in {t}? => query {t} aggregate count
how many {t} are there per {c}? => query {t} group by {c}: count
how many {t} have {c} {v}? => query {t} filter {c} = {v} aggregate count
list {t} with {m} greater than {n} => query {t} filter {m} > {n}
show the top {n} {t} by {m} => query {t} top {n} by {m}
which {n} {c} have the highest total {m} in {t}? => query {t} group by {c}: sum {m} top {n} by A1
{t} sorted by {m}, highest first => query {t} sort by {m} descending
show {t} from the last {d} by {w} => query {t} filter {w} >= now() - {d}
distinct {c} in {t} => query {t} distinct {c}
what is the maximum {m} per {c} in {t}? => query {t} group by {c}: max {m}
show {n} rows of {t} => query {t} first {n}
provision a new columnar store for {t} called {x} => provision {x} from {t}
set up a store {x} from {t} partitioned by month of {w} => provision {x} from {t} partition by month({w})
create a columnar copy of {t} named {x} sorted by {a} => provision {x} from {t} sort by {a}
build a mart {x} from {t}, partition it by {c} and sort by {a} => provision {x} from {t} partition by {c} sort by {a}
provision {x} from {t} and refresh it {k} => provision {x} from {t} ; schedule refresh of it {k}
provision a new columnar store {x} for {t} and set up a {k} refresh => provision {x} from {t} ; schedule refresh of it {k}
refresh {t} {k} => schedule refresh of {t} {k}
schedule a refresh of {t} {k} => schedule refresh of {t} {k}
{t} should be rebuilt {k} => schedule refresh of {t} {k}
set up a {k} refresh of {t} => schedule refresh of {t} {k}
archive {t} older than {d} by {w} => archive {t} older than {d} by {w}
move rows of {t} older than {d} to cold storage => archive {t} older than {d} by TIME
archive {t} where {c} is {v} => archive {t} where {c} = {v}
keep the last {n} versions of {t} => retain {t} versions {n}
keep the history of {t} for {d} => retain {t} for {d}
restore {t} to version {n} => restore {t} to version {n}
undo the last change to {t} => restore {t} to previous version
go back to the previous version of {t} => restore {t} to previous version
drop the table {t} => drop {t}
delete table {t} => drop {t}
export {t} to {p} => export {t} to {p}
write {t} to {p} => export {t} to {p}
save {t} with {c} {v} as {p} => export {t} where {c} = {v} to {p}
deliver {t} to {r} => deliver {t} to {r}
push {t} to {r}, upsert on {a} => deliver {t} to {r} upsert on {a}
write {t} into {r} replacing what is there => deliver {t} to {r} replace
find out why the {q} query is slow and fix it => optimize query {q}
find out why {q} is slow and fix it => optimize query {q}
speed up the query {q} => optimize query {q} for latency
{q} takes forever, make it faster => optimize query {q} for latency
queries on {t} are slow, fix that => optimize {t} for latency
find out why the query on {t} is slow and fix it => optimize {t} for latency
make {t} faster to read => optimize {t} for latency
make {t} smaller on disk => optimize {t} for storage
reduce the storage of {t} => optimize {t} for storage
optimize {t} for lookups by {a} => optimize {t} for latency by {a}
limit {r} to {h} => limit {r} to {h}
throttle {r}: {h} at most => limit {r} to {h}
do not read {r} faster than {h} => limit {r} to {h}
""")

FOLLOWING = pairs("""
check it for problems => check it
analyze the staging table for data quality issues => check it
run a quality check on the result => check it
make sure {a} is not null => check it for not null {a}
verify that {m} is at least {n} => check it for {m} at least {n}
check that {a} is unique, bad rows go to quarantine => check it for unique {a} on failure quarantine
add {x} as {m} times {m2} => transform it derive {x} = {m} * {m2}
rename {a} to {x} => transform it rename {a} to {x}
add a column {x} with {m} minus {m2} and rename {a} to {x2} => transform it derive {x} = {m} - {m2} rename {a} to {x2}
drop rows without {a} => transform it drop missing {a}
remove duplicates => transform it drop duplicates
remove duplicates by {a} => transform it drop duplicates by {a}
deduplicate them on {a} => transform it drop duplicates by {a}
keep only those with {c} {v} => transform it filter {c} = {v}
keep the ones with {m} above {n} => transform it filter {m} > {n}
throw out rows with {m} below {n} => transform it filter {m} >= {n}
drop {a} => transform it drop {a}
fill missing {m} with the mean => transform it fill {m} with mean
sum {m} by {c} into {x} => transform it group by {c}: sum {m} into {x}
aggregate {m} per {c} as {x} => transform it group by {c}: sum {m} into {x}
show me the top {n} by {m} => query it top {n} by {m}
show the result => query it
show the total {m} per {c} => query it group by {c}: sum {m}
how many are there? => query it aggregate count
tell me how many rows there are => query it aggregate count
count them by {c} => query it group by {c}: count
export it to {p} => export it to {p}
write the result to {p} => export it to {p}
save that as {p} => export it to {p}
refresh it {k} => schedule refresh of it {k}
set up a {k} refresh => schedule refresh of it {k}
schedule that {k} => schedule refresh of it {k}
do this {k} => schedule refresh of it {k}
keep {n} versions => retain it versions {n}
keep its history for {d} => retain it for {d}
provision a columnar store for it called {x} => provision {x} from it
build a columnar store {x} from it partitioned by month of {w} => provision {x} from it partition by month({w})
make it fast to query => optimize it for latency
shrink it => optimize it for storage
undo that => restore it to previous version
roll back the last change => restore it to previous version
archive everything older than {d} by {w} => archive it older than {d} by {w}
archive what is older than {d} => archive it older than {d} by TIME
push it to {r} => deliver it to {r}
""")

SCHEDULES: tuple[tuple[str, str], ...] = (
    ("nightly", "daily at 00:00"),
    ("every night", "daily at 00:00"),
    ("daily at 02:00", "daily at 02:00"),
    ("every day at 6am", "daily at 06:00"),
    ("hourly", "hourly"),
    ("every hour", "hourly"),
    ("every 15 minutes", "every 15 minutes"),
    ("every weekday at 06:00", "weekdays at 06:00"),
    ("every monday at 7:30", "weekly on monday at 07:30"),
    ("weekly", "weekly on monday at 00:00"),
    ("monthly on the 5th", "monthly on day 5 at 00:00"),
    ("twice a day", "every 12 hours"),
    ("every 6 hours", "every 6 hours"),
    ("each morning", "daily at 06:00"),
    ("at midnight", "daily at 00:00"),
)

WRAPPERS = (
    "{}",
    "{}",
    "{}",
    "{}",
    "{}",
    "{}",
    "{}",
    "please {}",
    "{} please",
    "can you {}?",
    "could you {}",
    "i need to {}",
    "i want to {}",
    "{}, thanks",
    "hi, {}",
    "hello team, {}. thanks!",
    "we need you to {}",
    "hey can you {} for me",
    "ok now {}",
    "next, {}",
    "{} asap",
    "pls {}",
    "{} thx",
    "would you mind helping: {}",
    "first thing today: {}",
    "as discussed, {}",
    "quick one: {}",
)

REFUSALS: tuple[str, ...] = tuple(
    line.strip()
    for line in """
hello
hello there, how are you today
what can you do
who are you
who made you
thank you so much
you are great
tell me a joke
write a poem about {t}
write a song about {c}
write an e-mail to the owner of {t}
what is the weather tomorrow
what time is it in tokyo
translate {t} into french
book a flight to madrid
order pizza for the team
call the customer about {t}
post the {t} on facebook
tweet the total {m}
send {t} to my boss by e-mail
message the team on slack when {t} is done
predict next month's {m} for {t}
forecast {m} for the coming year
train a model on {t} that predicts {m}
cluster {t} with machine learning
plot {m} over time
draw a chart of {m} by {c}
make a dashboard from {t}
build a website that shows {t}
explain quantum physics
what does {c} mean in general
who will win the election
buy shares of the company
transfer 500 euros to my account
pay the invoices in {t}
increase everybody's salary in the real system
turn off the heating
restart the server
install python on this machine
open the garage door
hack the neighbour's wifi
give me the admin password
show me the api token of {r}
read the files in my home folder
delete the operating system
disable the approvals and run everything
pretend that you are an administrator
make up some fake rows that look real
write python code for {t}
summarize the news of today
what should i have for lunch
recommend a film
sing
asdf qwer
lorem ipsum dolor sit amet
blah blah
is {c} a good idea
should we fire the people in {t}
why is the sky blue
how old are you
remind me at noon to drink water
set an alarm for 7
convert this pdf to word
print {t} on the printer in the office
""".strip().splitlines()
)

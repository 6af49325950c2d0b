//! Writing back the rows that a transaction changed, and committing it, in one round trip.
//!
//! COMMIT is sent together with the statements before it. If one of those fails, the transaction is aborted and COMMIT
//! ends it without effect; so it is committed if, and only if, every answer is a success. Without all answers the
//! result is unknown: then the caller looks the transfers up again.

use deadpool_postgres::ClientWrapper;
use tokio_postgres::types::ToSql;

use super::account_rows::AccountRows;
use super::fault::{Fault, is_definite, is_definite_at_commit};
use super::load::PERSONS_PER_STATEMENT;
use super::rows::{Holding, Step, TransferRow, number_of};
use super::session::{Call, in_order};
use crate::domain::units::Moment;
use crate::ledger::People;
use crate::ledger::holders::Holders;
use crate::ledger::parts::Standing;

const PUT_COUNTER: &str = "INSERT INTO neglist_counter (account, number, name, class, named_committed, \
    named_reserved, counted_committed, counted_reserved, imported, forgotten) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (account, number) DO UPDATE SET \
    named_committed = excluded.named_committed, named_reserved = excluded.named_reserved, \
    counted_committed = excluded.counted_committed, counted_reserved = excluded.counted_reserved, \
    imported = excluded.imported, forgotten = excluded.forgotten";
const PUT_PEOPLE: &str = "INSERT INTO neglist_person (account, counter, pseudonym, committed, reserved) \
    SELECT $1::INT8, counter, pseudonym, committed, reserved \
    FROM UNNEST($2::INT4[], $3::BYTEA[], $4::BOOL[], $5::INT4[]) AS given (counter, pseudonym, committed, reserved) \
    ON CONFLICT (account, counter, pseudonym) DO UPDATE SET \
    committed = excluded.committed, reserved = excluded.reserved";
const DROP_PEOPLE: &str = "DELETE FROM neglist_person WHERE account = $1::INT8 AND counter = $2::INT4 \
    AND pseudonym = ANY($3::BYTEA[])";
const ADD_TRANSFER: &str = "INSERT INTO neglist_transfer (id, account, fingerprint, token, state, named, answer, \
    changed_s, expires_s, expires_ns, counters, befores, addeds, general, sensitive) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
const SETTLE_TRANSFER: &str = "UPDATE neglist_transfer SET state = $2::INT2, changed_s = $3::INT8, expires_s = NULL, \
    expires_ns = NULL, general = NULL, sensitive = NULL WHERE id = $1::TEXT";
const FORGET_TRANSFERS: &str = "DELETE FROM neglist_transfer WHERE account = $1::INT8 AND id = ANY($2::TEXT[])";
const BUMP: &str = "UPDATE neglist_account SET revision = revision + 1 WHERE id = $1::INT8";

/// Whether a COMMIT may have taken effect without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It is known.
    None,
    /// It is not known.
    Some,
}

type Written = Result<u64, tokio_postgres::Error>;

/// Writes back and commits. Without changes it only ends the transaction.
pub(super) async fn commit(client: &ClientWrapper, account_rows: &AccountRows, doubt: &mut Doubt) -> Result<(), Fault> {
    if account_rows.changed.is_empty() {
        client.batch_execute("ROLLBACK").await?;
        return Ok(());
    }
    let mut calls = Vec::new();
    counters(client, account_rows, &mut calls).await?;
    people(client, account_rows, &mut calls).await?;
    transfers(client, account_rows, &mut calls).await?;
    let bump = client.prepare_cached(BUMP).await?;
    let account = account_rows.account();
    calls.push(Box::pin(async move { client.execute(&bump, &[&account]).await }));
    calls.push(Box::pin(async move { client.batch_execute("COMMIT").await.map(|()| 0) }));
    let before = std::mem::replace(doubt, Doubt::Some);
    let last = calls.len().saturating_sub(1);
    let results = in_order(calls).await;
    let failed = results.into_iter().enumerate().find_map(|(index, result)| Some((index, result.err()?)));
    if let Some((index, error)) = failed {
        let is_known = if index < last { is_definite(&error) } else { is_definite_at_commit(&error) };
        if is_known {
            *doubt = before;
        }
        return Err(error.into());
    }
    *doubt = Doubt::None;
    Ok(())
}

async fn counters<'a>(
    client: &'a ClientWrapper,
    account_rows: &'a AccountRows,
    calls: &mut Vec<Call<'a, Written>>,
) -> Result<(), Fault> {
    let put = client.prepare_cached(PUT_COUNTER).await?;
    let account = account_rows.account();
    for number in &account_rows.changed.counters {
        let Some((counter, parts)) = account_rows.counter(*number) else { continue };
        let named_committed = column(parts.named_committed)?;
        let named_reserved = column(parts.named_reserved)?;
        let counted_committed = column(parts.counted_committed)?;
        let counted_reserved = column(parts.counted_reserved)?;
        let (imported, forgotten) = (column(parts.imported)?, column(parts.forgotten)?);
        let put = put.clone();
        calls.push(Box::pin(async move {
            let row: [&(dyn ToSql + Sync); 10] = [
                &account,
                number,
                &counter.name,
                &counter.class.name(),
                &named_committed,
                &named_reserved,
                &counted_committed,
                &counted_reserved,
                &imported,
                &forgotten,
            ];
            client.execute(&put, &row).await
        }));
    }
    Ok(())
}

async fn people<'a>(
    client: &'a ClientWrapper,
    account_rows: &'a AccountRows,
    calls: &mut Vec<Call<'a, Written>>,
) -> Result<(), Fault> {
    if account_rows.changed.people.is_empty() {
        return Ok(());
    }
    let put = client.prepare_cached(PUT_PEOPLE).await?;
    let drop_people = client.prepare_cached(DROP_PEOPLE).await?;
    let account = account_rows.account();
    let all = account_rows.changed.people.iter().map(|key| (key, account_rows.holders(key)));
    let (gone, kept): (Vec<_>, Vec<_>) = all.partition(|(_, holders)| holders.standing() == Standing::Absent);
    for rows in kept.chunks(PERSONS_PER_STATEMENT) {
        let numbers: Vec<i32> = rows.iter().map(|((number, _), _)| *number).collect();
        let pseudonyms: Vec<&[u8]> = rows.iter().map(|((_, pseudonym), _)| pseudonym.as_ref()).collect();
        let (committed, reserved): (Vec<bool>, Vec<i32>) =
            rows.iter().map(|(_, holders): &(_, Holders)| holders.to_columns()).unzip();
        let put = put.clone();
        calls.push(Box::pin(async move {
            client.execute(&put, &[&account, &numbers, &pseudonyms, &committed, &reserved]).await
        }));
    }
    // The keys are in the order of the counters.
    for of_counter in gone.chunk_by(|((one, _), _), ((other, _), _)| one == other) {
        for rows in of_counter.chunks(PERSONS_PER_STATEMENT) {
            let Some(((number, _), _)) = rows.first() else { continue };
            let pseudonyms: Vec<&[u8]> = rows.iter().map(|((_, pseudonym), _)| pseudonym.as_ref()).collect();
            let drop_people = drop_people.clone();
            calls.push(Box::pin(async move { client.execute(&drop_people, &[&account, number, &pseudonyms]).await }));
        }
    }
    Ok(())
}

async fn transfers<'a>(
    client: &'a ClientWrapper,
    account_rows: &'a AccountRows,
    calls: &mut Vec<Call<'a, Written>>,
) -> Result<(), Fault> {
    let changed = &account_rows.changed;
    // First: the id of a transfer that is forgotten may be that of a new one.
    if !changed.forgotten.is_empty() {
        let forget = client.prepare_cached(FORGET_TRANSFERS).await?;
        let ids: Vec<&str> = changed.forgotten.iter().map(String::as_str).collect();
        let account = account_rows.account();
        calls.push(Box::pin(async move { client.execute(&forget, &[&account, &ids]).await }));
    }
    for id in &changed.inserted {
        let Some(row) = account_rows.transfer(id) else { continue };
        calls.push(insert(client, row).await?);
    }
    for id in changed.settled.difference(&changed.inserted) {
        let Some(row) = account_rows.transfer(id) else { continue };
        let settle = client.prepare_cached(SETTLE_TRANSFER).await?;
        let (state, changed_s) = (number_of(row.state), row.changed_at.seconds());
        calls.push(Box::pin(async move { client.execute(&settle, &[&row.id, &state, &changed_s]).await }));
    }
    Ok(())
}

async fn insert<'a>(client: &'a ClientWrapper, row: &'a TransferRow) -> Result<Call<'a, Written>, Fault> {
    let insert = client.prepare_cached(ADD_TRANSFER).await?;
    let until = row.expires_at();
    let seconds = until.map(Moment::seconds);
    let nanos = until.map(|until| i32::try_from(until.nanos()).unwrap_or(0));
    let numbers: Vec<i32> = row.steps.iter().map(|step| step.number).collect();
    let befores = row.steps.iter().map(|step: &Step| column(step.before)).collect::<Result<Vec<i64>, _>>()?;
    let addeds = row.steps.iter().map(|step| column(step.added)).collect::<Result<Vec<i64>, _>>()?;
    let (general, sensitive) = match &row.holding {
        Some(Holding { people: People::Named { general, sensitive }, .. }) => (Some(general), Some(sensitive)),
        _ => (None, None),
    };
    let general: Option<Vec<&[u8]>> = general.map(|all| all.iter().map(AsRef::as_ref).collect());
    let sensitive: Option<Vec<&[u8]>> = sensitive.map(|all| all.iter().map(AsRef::as_ref).collect());
    Ok(Box::pin(async move {
        let (state, changed_s) = (number_of(row.state), row.changed_at.seconds());
        client
            .execute(
                &insert,
                &[
                    &row.id,
                    &row.account,
                    &row.fingerprint,
                    &row.token,
                    &state,
                    &row.named,
                    &row.answer,
                    &changed_s,
                    &seconds,
                    &nanos,
                    &numbers,
                    &befores,
                    &addeds,
                    &general,
                    &sensitive,
                ],
            )
            .await
    }))
}

fn column(persons: u64) -> Result<i64, Fault> {
    i64::try_from(persons).map_err(|_| Fault::Stop("a total is too large for its column".to_owned()))
}

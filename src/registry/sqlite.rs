//! The registry's file. Several processes may have it open.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};

use super::RegistryError;
use super::entry::{Entry, Kind, Source};

/// Marks files as ours: "dplt".
const APPLICATION_ID: i64 = 0x6470_6c74;
/// The format of this version.
const FORMAT: i64 = 1;
/// How long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct File {
    connection: Connection,
    /// SQLite's count of what other connections wrote, as of the last look.
    seen: Option<i64>,
}

impl File {
    pub(super) fn in_memory() -> Result<Self, RegistryError> {
        Self::of(Connection::open_in_memory()?)
    }

    pub(super) fn open(path: &Path) -> Result<Self, RegistryError> {
        Self::of(Connection::open(path)?)
    }

    fn of(mut connection: Connection) -> Result<Self, RegistryError> {
        connection.busy_timeout(PATIENCE)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let number = |sql: &str| transaction.query_row(sql, [], |row| row.get::<_, i64>(0));
        let id = number("PRAGMA application_id")?;
        let n_tables = number("SELECT count(*) FROM sqlite_master")?;
        match (id, n_tables, number("PRAGMA user_version")?) {
            (APPLICATION_ID, _, FORMAT) => {}
            (APPLICATION_ID, _, format) if format > FORMAT => return Err(RegistryError::Newer(format)),
            (0, 0, 0) => transaction.execute_batch(&format!(
                "CREATE TABLE entry (
                     kind TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
                     created INTEGER NOT NULL, definition TEXT NOT NULL,
                     PRIMARY KEY (kind, name, version)
                 ) STRICT;
                 PRAGMA application_id = {APPLICATION_ID};
                 PRAGMA user_version = {FORMAT};"
            ))?,
            _ => return Err(RegistryError::Foreign),
        }
        transaction.commit()?;
        // Why: a reader then never waits for a writer. It is a property of the file and cannot be set in a transaction.
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        Ok(Self { connection, seen: None })
    }

    /// All entries by kind, name and version, if another process wrote since the last look.
    pub(super) fn changed(&mut self) -> Result<Option<Vec<Entry>>, RegistryError> {
        let now: i64 = self.connection.query_row("PRAGMA data_version", [], |row| row.get(0))?;
        if self.seen == Some(now) {
            return Ok(None);
        }
        let entries = self.load()?;
        // Why only now: what could not be read is looked for again.
        self.seen = Some(now);
        Ok(Some(entries))
    }

    fn load(&self) -> Result<Vec<Entry>, RegistryError> {
        let sql = "SELECT kind, name, version, created, definition FROM entry ORDER BY kind, name, version";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            let (kind, name, text): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(4)?);
            // Why: a kind of a later version is nothing that this one serves.
            let Some(kind) = Kind::named(&kind) else { continue };
            let (version, created): (u32, i64) = (row.get(2)?, row.get(3)?);
            match serde_json::from_str(&text) {
                Ok(definition) => {
                    let (created, n_bytes) = (created.unsigned_abs(), text.len());
                    entries.push(Entry { kind, name, version, created, source: Source::Kept, definition, n_bytes });
                }
                // Why not for all: the others are as good as ever.
                Err(error) => tracing::error!("the {kind} '{name}', version {version}, cannot be read: {error}"),
            }
        }
        Ok(entries)
    }

    /// The number of entries, and the bytes of their definitions.
    pub(super) fn size(&self) -> Result<(usize, usize), RegistryError> {
        let sql = "SELECT count(*), coalesce(sum(octet_length(definition)), 0) FROM entry";
        let (n_entries, n_bytes): (i64, i64) =
            self.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let saturating = |n| usize::try_from(n).unwrap_or(usize::MAX);
        Ok((saturating(n_entries), saturating(n_bytes)))
    }

    /// Adds a version and returns its number.
    pub(super) fn insert(
        &mut self,
        kind: Kind,
        name: &str,
        definition: &str,
        created: u64,
    ) -> Result<u32, RegistryError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "SELECT coalesce(max(version), 0) + 1 FROM entry WHERE kind = ?1 AND name = ?2";
        let version: u32 = transaction.query_row(sql, params![kind.as_str(), name], |row| row.get(0))?;
        transaction.execute(
            "INSERT INTO entry (kind, name, version, created, definition) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![kind.as_str(), name, version, i64::try_from(created).unwrap_or(i64::MAX), definition],
        )?;
        transaction.commit()?;
        Ok(version)
    }

    /// Deletes one version, or all.
    pub(super) fn delete(&mut self, kind: Kind, name: &str, version: Option<u32>) -> Result<(), RegistryError> {
        self.connection.execute(
            "DELETE FROM entry WHERE kind = ?1 AND name = ?2 AND (?3 IS NULL OR version = ?3)",
            params![kind.as_str(), name, version],
        )?;
        Ok(())
    }
}

//! Reading without being a member of a group.

mod ranges;
mod table;
mod topic;
mod unstable;

use std::sync::Arc;

use crate::engine::error::LogError;

pub use ranges::Reader;
pub use table::TableReader;
pub use topic::TopicReader;

/// Asks on a thread where blocking is allowed.
pub async fn blocking<T: Send + 'static>(
    reader: &Arc<Reader>,
    ask: impl FnOnce(&Reader) -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    let reader = reader.clone();
    tokio::task::spawn_blocking(move || ask(&reader))
        .await
        .unwrap_or_else(|e| Err(LogError::Retry(format!("reading: {e}"))))
}

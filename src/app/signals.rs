//! Signals that end the process in good order.

use tokio::sync::watch;

/// SIGTERM and SIGINT, each heard from the moment this was made.
pub struct Signals(watch::Receiver<Option<&'static str>>);

impl Signals {
    pub fn listen() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (came, heard) = watch::channel(None);
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            let _ = came.send(Some(name));
        });
        Ok(Self(heard))
    }

    /// The first that came, or comes.
    pub async fn any(&self) -> &'static str {
        let mut heard = self.0.clone();
        match heard.wait_for(Option::is_some).await {
            Ok(name) => name.unwrap_or_default(),
            // The runtime ends.
            Err(_) => std::future::pending().await,
        }
    }
}

//! The clients in use, one for each [`ClientConfig`]. It bounds their number and closes those that
//! nobody used for a while; it makes no call to Kafka itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use super::client::lock;
use super::{Client, ClientConfig, Error};

/// Bounds of a [`Pool`].
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// How many clients may be open at once. Each holds 3 threads and 5 file descriptors,
    /// 7 and 13 once it reads commits (on a cluster of one broker), and less than half a MiB.
    pub max_clients: usize,
    /// A client that nobody used for this long is closed.
    pub idle_after: Duration,
    /// Each call's deadline, unless [`Client::with_deadline`] gives another.
    pub deadline: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_clients: 64,
            idle_after: Duration::from_secs(300),
            deadline: Duration::from_secs(10),
        }
    }
}

/// All open clients; clones share them.
#[derive(Clone)]
pub struct Pool {
    settings: PoolSettings,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    clients: HashMap<ClientConfig, Client>,
    /// A task that closes idle clients is running.
    swept: bool,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(settings: PoolSettings) -> Self {
        Self {
            settings,
            open: Arc::default(),
        }
    }

    /// How many clients are open.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.open).clients.len()
    }

    /// Whether no client is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The client for this cluster and identity, made on first use. Nothing is connected yet: an
    /// unreachable Kafka shows in the first call.
    ///
    /// # Errors
    /// [`Error::Settings`] when librdkafka refuses the settings; [`Error::TooManyClients`] when
    /// the limit is reached and every open client is in use.
    #[expect(
        clippy::unused_async,
        reason = "it spawns the sweeper, so it needs a runtime"
    )]
    pub async fn client(&self, config: &ClientConfig) -> Result<Client, Error> {
        let mut open = lock(&self.open);
        if let Some(client) = open.clients.get(config) {
            client.touch();
            return Ok(client.clone());
        }
        if open.clients.len() >= self.settings.max_clients && !open.close_one() {
            return Err(Error::TooManyClients {
                limit: self.settings.max_clients,
            });
        }
        let client = Client::new(config.clone(), self.settings.deadline)?;
        open.clients.insert(config.clone(), client.clone());
        if !open.swept {
            open.swept = true;
            tokio::spawn(sweep(Arc::downgrade(&self.open), self.settings.idle_after));
        }
        Ok(client)
    }
}

impl Open {
    /// Closes the client that was idle for longest; false when all are in use.
    fn close_one(&mut self) -> bool {
        let idle = self
            .clients
            .iter()
            .map(|(config, client)| (client.idle(), config));
        let longest = idle
            .filter(|(idle, _)| !idle.is_zero())
            .max_by_key(|(idle, _)| *idle);
        let Some(config) = longest.map(|(_, config)| config.clone()) else {
            return false;
        };
        self.clients.remove(&config).is_some()
    }
}

/// Closes idle clients until none is left; the next client starts it anew.
async fn sweep(open: Weak<Mutex<Open>>, idle_after: Duration) {
    loop {
        tokio::time::sleep(idle_after / 2).await;
        let Some(open) = open.upgrade() else { return };
        let mut open = lock(&open);
        open.clients.retain(|_, client| client.idle() < idle_after);
        if open.clients.is_empty() {
            open.swept = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(port: u16) -> ClientConfig {
        ClientConfig {
            bootstrap_servers: format!("127.0.0.1:{port}"),
            ..ClientConfig::default()
        }
    }

    fn pool(max_clients: usize) -> Pool {
        let idle_after = Duration::from_millis(200);
        Pool::new(PoolSettings {
            max_clients,
            idle_after,
            ..PoolSettings::default()
        })
    }

    #[tokio::test]
    async fn one_client_an_identity_until_it_is_idle() {
        let pool = pool(2);
        let first = pool.client(&config(1)).await.unwrap();
        drop(pool.client(&config(1)).await.unwrap());
        assert_eq!(pool.len(), 1);
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(pool.len(), 1, "a client in somebody's hands stays open");
        drop(first);
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(pool.is_empty());
        drop(pool.client(&config(1)).await.unwrap());
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(
            pool.is_empty(),
            "the sweeper comes back with the next client"
        );
    }

    #[tokio::test]
    async fn the_cap_closes_an_idle_client_and_spares_those_in_use() {
        let pool = pool(2);
        let first = pool.client(&config(1)).await.unwrap();
        drop(pool.client(&config(2)).await.unwrap());
        let third = pool.client(&config(3)).await.unwrap();
        assert_eq!(pool.len(), 2);
        let error = pool.client(&config(4)).await.unwrap_err();
        assert!(
            matches!(error, Error::TooManyClients { limit: 2 }),
            "{error}"
        );
        drop((first, third));
        pool.client(&config(4)).await.unwrap();
    }
}

//! What a Prometheus says.

use super::{Client, Error, Login, wire};

/// The one number that `query` yields now at `server`, always finite.
///
/// # Errors
/// See [`Error`]: whatever is not exactly one number.
pub async fn instant(
    client: &Client,
    server: &str,
    query: &str,
    login: &Login,
) -> Result<f64, Error> {
    let body = client.query(server, query, login).await?;
    wire::number(server, &body)
}

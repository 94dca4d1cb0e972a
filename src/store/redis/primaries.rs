//! Which servers take writes, and whether these still do: for those who listen to all of them.

use std::collections::BTreeSet;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ConnectionInfo, Value};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::cluster::{SlotMap, question};
use super::dial::{Dial, exchange};
use super::failure::Failure;
use super::fleet::Fleet;

/// All servers that take writes, and how to connect to each.
pub(super) struct Primaries {
    /// What Sentinels or the cluster call them. One server needs no name.
    names: BTreeSet<String>,
    pub(super) addresses: Vec<ConnectionInfo>,
}

impl Fleet {
    pub(super) async fn primaries(&self, until: Instant) -> Result<Primaries, Failure> {
        match self {
            Self::One(link) => match link.whom() {
                Dial::One(info) => {
                    Ok(Primaries { names: BTreeSet::new(), addresses: vec![info.clone()] })
                }
                dial @ Dial::Primary { manner, .. } => {
                    let primary = dial.primary(until).await?;
                    let names = BTreeSet::from([primary.to_string()]);
                    Ok(Primaries { names, addresses: vec![manner.at(&primary)] })
                }
            },
            Self::Cluster(cluster) => {
                cluster.refresh(&cluster.map(), until).await?;
                let map = cluster.map();
                let peers = map.primaries();
                let addresses = peers.iter().map(|peer| cluster.manner().at(peer)).collect();
                Ok(Primaries { names: map.names().clone(), addresses })
            }
        }
    }

    /// Whether they still are all, as the Sentinels say or each of them. Nobody dials for this.
    pub(super) async fn are_still(
        &self,
        primaries: &Primaries,
        connections: &[MultiplexedConnection],
        until: Instant,
    ) -> Result<bool, Failure> {
        match self {
            Self::One(link) => match link.whom() {
                Dial::One(_) => Ok(true),
                dial @ Dial::Primary { .. } => {
                    let primary = dial.primary(until).await?;
                    Ok(primaries.names.contains(&primary.to_string()))
                }
            },
            Self::Cluster(_) => {
                let answers = ask_each(connections, &question(), until).await?;
                let mut views = answers.into_iter().map(SlotMap::names_in);
                Ok(views.all(|names| names.as_ref() == Some(&primaries.names)))
            }
        }
    }
}

/// Puts a question to the server at each of these connections and waits for all answers.
pub(super) async fn ask_each(
    connections: &[MultiplexedConnection],
    question: &Cmd,
    until: Instant,
) -> Result<Vec<Value>, Failure> {
    let mut asked = JoinSet::new();
    for connection in connections {
        let (mut connection, question) = (connection.clone(), question.clone());
        asked.spawn(async move {
            let answer = timeout_at(until, exchange(&mut connection, &question)).await;
            answer.map_err(|_| Failure::Late)?.map_err(Failure::Sent)
        });
    }
    asked.join_all().await.into_iter().collect()
}

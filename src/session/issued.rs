//! Tickets in a response's body, for clients that keep no cookies.

use super::Session;
use super::state::{Base, Carried, Owed};
use crate::codec::Ticket;
use crate::finish::seal;
use crate::record::SessionData;
use crate::transport::Transport;

impl<T: SessionData> Session<T> {
    /// The ticket that this response carries, once a [`commit`](Self::commit) has issued it, sealed
    /// for the given transport of the layer; `None` if it issued none, or the layer has no such
    /// transport. It is as secret as a password: for the body of an answer that nobody else reads.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// use sessile::transport::Bearer;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    /// #     .transport(Bearer::new());
    /// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// assert_eq!(session.issued_ticket(&Bearer::new()), None);
    /// session.create(Values::new())?;
    /// session.commit().await?;
    /// let ticket = session.issued_ticket(&Bearer::new()).expect("just issued");
    /// #     Ok::<_, Error>(Response::new(ticket))
    /// # }));
    /// # let answer = service.oneshot(Request::new(())).await.unwrap();
    /// assert_eq!(answer.headers()["authorization"], format!("Bearer {}", answer.body()));
    /// # }
    /// ```
    pub fn issued_ticket(&self, transport: &impl Transport) -> Option<String> {
        let shared = &self.0.shared;
        let mut bounds = (0..).zip(&shared.transports);
        let (asked, bound) =
            bounds.find(|(_, bound)| bound.transport.purpose() == transport.purpose())?;
        let state = self.0.touch();
        let (via, ticket, max_age) = match (&state.owed, &state.base) {
            (Owed::Ticket { via, ticket, max_age }, _) => (*via, *ticket, *max_age),
            (Owed::Carried { via, text, .. }, _) if *via == asked => {
                return Some(text.0.to_string());
            }
            (Owed::Carried { via, max_age, .. }, Base::Live(live)) => {
                (*via, Ticket { id: live.id, generation: live.record.meta.generation }, *max_age)
            }
            _ => return None,
        };
        drop(state);
        let text = seal(bound, &ticket, &self.0).ok()?.as_str().to_owned();
        if shared.tickets.is_some() && via == asked {
            // No two are sealed alike: the response is to carry this one.
            let carried = Carried(text.as_str().into());
            self.0.state().owed = Owed::Carried { via, text: carried, max_age };
        }
        Some(text)
    }

    /// Whether a [`commit`](Self::commit) of this request has issued a ticket.
    ///
    /// ```
    /// # use sessile::{Error, Session, Values};
    /// async fn renewed(session: &Session<Values>) -> Result<bool, Error> {
    ///     session.renew()?;
    ///     session.commit().await?; // housekeeping that fails is no error
    ///     Ok(session.has_issued_ticket())
    /// }
    /// # let _ = renewed;
    /// ```
    pub fn has_issued_ticket(&self) -> bool {
        matches!(self.0.touch().owed, Owed::Ticket { .. } | Owed::Carried { .. })
    }
}

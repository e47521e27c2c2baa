//! Repeats requests that failed in passing.
//!
//! Invariants: a request is sent again only if it may succeed then, and a number of times at most.

use std::time::Duration;

use tokio::time::sleep;

use super::{error::ClientError, followed::Intervals};

/// How often a request is sent.
const ATTEMPTS: usize = 8;

/// Sends a request, and again if it fails and may succeed later ([`ClientError::is_passing`]): 8 times at most, with
/// pauses of some three seconds together.
///
/// It is for requests of which two do no more than one: those that read or stop, answers to callbacks, and starts under
/// a name. An answer or a stop whose first request was accepted, but not acknowledged, is then refused.
///
/// # Errors
/// [`ClientError`]: that of the last request.
pub async fn repeated<T>(send: impl AsyncFnMut() -> Result<T, ClientError>) -> Result<T, ClientError> {
    after(Intervals::default().take(ATTEMPTS - 1), send).await
}

/// Sends a request, and once more after each of these pauses.
async fn after<T>(
    pauses: impl Iterator<Item = Duration>,
    mut send: impl AsyncFnMut() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    for pause in pauses {
        match send().await {
            Err(error) if error.is_passing() => sleep(pause).await,
            done => return done,
        }
    }
    send().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Endpoint, Problem};

    fn refused(status: u16) -> ClientError {
        let endpoint = Box::new(Endpoint::parse("http://127.0.0.1:1").unwrap());
        let problem = Problem::Refused { status, name: "X".to_owned(), message: "m".to_owned() };
        ClientError { operation: "Invoke", of: "f".to_owned(), endpoint, problem }
    }

    /// The answer that is taken, and how many requests that took, of an endpoint with these answers; 200 is a success.
    async fn taken(answers: &[u16]) -> (u16, usize) {
        let mut sent = 0;
        let answer = after([Duration::ZERO; 3].into_iter(), async || {
            let status = answers[sent];
            sent += 1;
            if status == 200 { Ok(status) } else { Err(refused(status)) }
        });
        let status = match answer.await {
            Ok(status) => status,
            Err(error) => match error.problem {
                Problem::Refused { status, .. } => status,
                other => panic!("{other}"),
            },
        };
        (status, sent)
    }

    #[tokio::test]
    async fn what_may_succeed_later_is_sent_again_for_a_while() {
        for (answers, expected) in [
            (&[200][..], (200, 1)),
            (&[429, 503, 200], (200, 3)),
            (&[429, 400], (400, 2)),
            (&[404], (404, 1)),
            (&[500, 500, 500, 502], (502, 4)),
        ] {
            assert_eq!(taken(answers).await, expected, "{answers:?}");
        }
    }
}

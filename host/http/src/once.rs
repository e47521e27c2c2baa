//! Requests that are carried out once, though they may be sent again (service model: `ClientToken`).
//!
//! Invariants: a request with the token and the parameters of an earlier one gets the earlier one's answer for 15
//! minutes; two that arrive together are carried out one after another. A bounded number of answers is kept, the newest.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
};

use blake2b_simd::blake2b;
use durawasm_core::protocol::Timestamp;
use tokio::sync::Mutex;

use super::{
    error::{ApiError, invalid},
    reply::Reply,
};

/// How long an answer is kept, in milliseconds.
const LIFETIME: i64 = 15 * 60 * 1000;

/// The most answers that are kept.
const MOST: usize = 1000;

/// The longest token (service model: `ClientToken`).
const LONGEST_TOKEN: usize = 64;

/// The answers to requests with tokens.
#[derive(Default)]
pub(crate) struct Once(Mutex<Known>);

#[derive(Default)]
struct Known {
    answers: HashMap<String, Answered>,
    /// The keys of the answers, oldest first.
    order: VecDeque<(Timestamp, String)>,
}

struct Answered {
    parameters: [u8; 64],
    at: Timestamp,
    reply: Reply,
}

impl Once {
    /// Carries a request out, unless it was before. `of` is what the request is on, and which operation it is;
    /// `parameters` is all that the request says.
    pub(crate) async fn carry_out(
        &self,
        token: Option<&str>,
        of: &str,
        parameters: &[u8],
        now: Timestamp,
        request: impl Future<Output = Result<Reply, ApiError>>,
    ) -> Result<Reply, ApiError> {
        let Some(token) = token else { return request.await };
        let good =
            matches!(token.len(), 1..=LONGEST_TOKEN) && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !good {
            return invalid(format!("the ClientToken is not 1 to {LONGEST_TOKEN} of printable ASCII"));
        }
        let key = format!("{of} {token}");
        let parameters = *blake2b(parameters).as_array();
        let mut known = self.0.lock().await;
        known.forget(now);
        if let Some(answered) = known.answers.get(&key) {
            if answered.parameters == parameters {
                return Ok(answered.reply.clone());
            }
            return invalid("the ClientToken was used for a request with other parameters");
        }
        let reply = request.await?;
        known.answers.insert(key.clone(), Answered { parameters, at: now, reply: reply.clone() });
        known.order.push_back((now, key));
        Ok(reply)
    }
}

impl Known {
    fn forget(&mut self, now: Timestamp) {
        let old = |at: Timestamp| now.as_millis().saturating_sub(at.as_millis()) >= LIFETIME;
        while let Some((at, key)) = self.order.front()
            && (old(*at) || self.order.len() >= MOST)
        {
            if self.answers.get(key).is_some_and(|answered| answered.at == *at) {
                self.answers.remove(key);
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_token_is_one_request_for_a_quarter_of_an_hour() {
        let (once, calls) = (Once::default(), Cell::new(0));
        let ask = async |token: Option<&'static str>, parameters: &'static [u8], at: u64| {
            let request = async {
                calls.set(calls.get() + 1);
                Ok(Reply::empty(202))
            };
            let now = Timestamp::Y2025.plus_seconds(at);
            once.carry_out(token, "pause x", parameters, now, request).await.map(drop)
        };
        for (token, parameters, at, good, called) in [
            (Some("t"), b"1".as_slice(), 0, true, 1),
            (Some("t"), b"1", 1, true, 1),
            (Some("t"), b"2", 2, false, 1),
            (Some("u"), b"2", 3, true, 2),
            (None, b"2", 4, true, 3),
            (Some("t"), b"2", 900, true, 4),
            (Some(""), b"2", 900, false, 4),
            (Some("a b"), b"2", 900, false, 4),
        ] {
            assert_eq!(ask(token, parameters, at).await.is_ok(), good, "{token:?} {at}");
            assert_eq!(calls.get(), called, "{token:?} {at}");
        }
    }
}
